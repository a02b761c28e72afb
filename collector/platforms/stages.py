"""How what a platform says becomes a step of a case: the seam between platforms and the life of a case."""

from typing import Protocol

from sqlalchemy import Connection, select, update

from collector.cases.book import Stage
from collector.people.roles import Actor
from collector.tables import cases

ORDER = tuple(str(stage) for stage in Stage)
CLOSED_FROM = ORDER.index(Stage.VERIFIED)


class StageError(Exception):
    """The life of a case does not allow this step; the text says why."""


class Stages(Protocol):
    """What platforms do to cases, in the caller's transaction."""

    def file(self, connection: Connection, case_id: str, number: str, actor: Actor, at_ms: int) -> None:
        """The platform has the case under this number, which may be empty."""

    def step(
        self, connection: Connection, case_id: str, stage: str, actor: Actor, at_ms: int, *,
        note: str = "", department: str = "",
    ) -> None:  # fmt: skip
        """The case goes to ``stage``; StageError where it may not."""


class PlainStages:
    """Writes stages as they are told."""

    def file(self, connection: Connection, case_id: str, number: str, actor: Actor, at_ms: int) -> None:  # noqa: ARG002
        """See Stages."""
        if number:
            connection.execute(
                update(cases)
                .where(cases.c.id == case_id, cases.c.platform_number == "")
                .values(platform_number=number)
            )
        connection.execute(
            update(cases)
            .where(cases.c.id == case_id, cases.c.stage == Stage.COLLECTED)
            .values(stage=Stage.FILED.value, filed_ms=at_ms)
        )

    def step(
        self,
        connection: Connection,
        case_id: str,
        stage: str,
        actor: Actor,  # noqa: ARG002
        at_ms: int,  # noqa: ARG002
        *,
        note: str = "",  # noqa: ARG002
        department: str = "",  # noqa: ARG002
    ) -> None:
        """See Stages."""
        before = connection.scalar(select(cases.c.stage).where(cases.c.id == case_id))
        if ORDER.index(str(before)) >= CLOSED_FROM and ORDER.index(stage) < CLOSED_FROM:
            raise StageError("the case is closed")
        connection.execute(update(cases).where(cases.c.id == case_id).values(stage=stage))
