"""How what a platform says becomes a step of a case: the seam between platforms and the life of a case."""

from typing import Protocol

from sqlalchemy import Connection, select

from collector.cases.desk import CaseDesk
from collector.cases.life import PLATFORM, Stage, Step
from collector.cases.words import CaseError
from collector.tables import cases

ORDER = tuple(str(stage) for stage in Stage if stage is not Stage.VOIDED)
"""The seven stages; a case that was voided has left them."""
FORWARD = {
    Stage.DISPATCHED: Step.DISPATCH,
    Stage.IN_HAND: Step.TAKE_IN_HAND,
    Stage.REPORTED: Step.REPORT,
    Stage.VERIFIED: Step.VERIFY,
    Stage.EVALUATED: Step.EVALUATE,
}
"""The step into a stage from the one before it."""


class StageError(Exception):
    """The life of a case does not allow this step; the text says why."""


class Stages(Protocol):
    """What platforms do to cases, in the caller's transaction."""

    def file(self, connection: Connection, case_id: str, number: str, at_ms: int) -> None:
        """The platform has the case under this number, which may be empty."""

    def step(
        self, connection: Connection, case_id: str, stage: str, platform: str, at_ms: int, *,
        note: str = "", department: str = "",
    ) -> None:  # fmt: skip
        """The case goes to ``stage``, the next or an earlier one; StageError where it may not."""


class DeskStages:
    """Takes them as steps at the desk of cases, where the platform is a party."""

    def __init__(self, desk: CaseDesk) -> None:
        """``desk`` knows the life of cases."""
        self._desk = desk

    def file(self, connection: Connection, case_id: str, number: str, at_ms: int) -> None:
        """See Stages."""
        self._desk.accepted(connection, case_id, number, at_ms)

    def step(
        self, connection: Connection, case_id: str, stage: str, platform: str, at_ms: int, *,
        note: str = "", department: str = "",
    ) -> None:  # fmt: skip
        """See Stages."""
        case = connection.execute(select(cases).where(cases.c.id == case_id)).one()
        here, there = Stage(case.stage), Stage(stage)
        if here is there:
            return  # its class dispatches by itself, and did just now
        step = FORWARD.get(there)
        if here is Stage.REPORTED and there in (Stage.DISPATCHED, Stage.IN_HAND):
            step = Step.RETURN_FOR_REWORK
        elif here is Stage.IN_HAND and there is Stage.DISPATCHED:
            step = Step.REDISPATCH
        if step is None:
            raise StageError(f"a case that is {here} cannot be {there} again")
        said = (note or f"told by {platform}")[:500]
        whose = department or case.dispatched_to or case.maintainer or case.in_charge or platform
        try:
            self._desk.step(
                connection, case_id, step, PLATFORM, at_ms, note=said, reason=said, department=whose[:200]
            )
        except CaseError as error:
            raise StageError(str(error)) from error
        if step is Step.RETURN_FOR_REWORK and there is Stage.IN_HAND:
            self.step(connection, case_id, stage, platform, at_ms, note=note, department=department)
