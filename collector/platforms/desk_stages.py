"""What platforms say of cases becomes steps of their lives, taken at the desk of cases."""

from typing import Any

from sqlalchemy import Connection

from collector.cases.desk import CaseDesk, department_by_table
from collector.cases.life import Party, Stage, Step
from collector.cases.words import CaseError
from collector.people.roles import Actor
from collector.platforms.stages import StageError

TOLD = "told by the platform"
"""Said where a step needs words and the platform sent none."""
_AGAIN = {
    Stage.REPORTED: Step.RETURN_FOR_REWORK,
    Stage.DISPATCHED: Step.REDISPATCH,
    Stage.IN_HAND: Step.REDISPATCH,
}
_STEPS = {
    Stage.FILED: Step.FILE,
    Stage.DISPATCHED: Step.DISPATCH,
    Stage.IN_HAND: Step.TAKE_IN_HAND,
    Stage.REPORTED: Step.REPORT,
    Stage.VERIFIED: Step.VERIFY,
    Stage.EVALUATED: Step.EVALUATE,
    Stage.VOIDED: Step.VOID,
}


class DeskStages:
    """``Stages`` by the table of a case's life: what it does not allow is a StageError in its words."""

    def __init__(self, desk: CaseDesk) -> None:
        """``desk`` takes the steps."""
        self._desk = desk

    def file(self, connection: Connection, case_id: str, number: str, actor: Actor, at_ms: int) -> None:
        """See Stages. A number that is known stays."""
        known = self._desk.case(connection, case_id).platform_number
        self._desk.accepted(connection, case_id, "" if known else number, at_ms, actor)

    def step(
        self,
        connection: Connection,
        case_id: str,
        stage: str,
        actor: Actor,
        at_ms: int,
        *,
        note: str = "",
        department: str = "",
    ) -> None:
        """See Stages."""
        if stage not in _STEPS:
            raise StageError(f"no case is led to {stage}")
        told = {"note": note[:500] or TOLD, "reason": note[:500] or TOLD, "department": department[:200]}
        try:
            self._step(connection, case_id, Stage(stage), actor, at_ms, told)
        except CaseError as error:
            raise StageError(str(error)) from error

    def _step(
        self, connection: Connection, case_id: str, to: Stage, actor: Actor, at_ms: int, told: dict[str, Any]
    ) -> None:
        case = self._desk.case(connection, case_id)
        here = Stage(case.stage)
        if here is to and told["department"] in ("", case.dispatched_to):
            return  # its class dispatches by itself, and did just now
        if here is Stage.FILED and case.waits_for and to is Stage.DISPATCHED:
            wanted = told["department"] or department_by_table(connection, case)
            self._desk.dispatch_later(connection, case_id, wanted, actor, at_ms)
            return
        if here is Stage.FILED and to is Stage.IN_HAND:  # it was dispatched while inspectors were asked
            self._desk.overtake(connection, case_id, actor, at_ms)
            self._take(connection, case_id, Step.DISPATCH, actor, at_ms, told)
        elif here is Stage.REPORTED and to is Stage.IN_HAND:
            self._take(connection, case_id, Step.RETURN_FOR_REWORK, actor, at_ms, told)
        again = _AGAIN.get(here) if to is Stage.DISPATCHED else None
        self._take(connection, case_id, again or _STEPS[to], actor, at_ms, told)

    def _take(
        self, connection: Connection, case_id: str, step: Step, actor: Actor, at_ms: int, told: dict[str, Any]
    ) -> None:
        case = self._desk.case(connection, case_id)
        if step is Step.DISPATCH and not told["department"]:
            told = told | {
                "department": case.dispatched_to or department_by_table(connection, case) or actor.name
            }
        self._desk.step(connection, case_id, step, actor, at_ms, party=Party.PLATFORM, **told)
