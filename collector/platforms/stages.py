"""How what a platform says becomes a step of a case: the seam between platforms and the life of a case."""

from typing import Protocol

from sqlalchemy import Connection

from collector.cases.life import Stage
from collector.people.roles import Actor

ORDER = tuple(str(stage) for stage in Stage if stage is not Stage.VOIDED)
"""The seven stages; a case that was voided has left them."""


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
        """The case goes to ``stage``, the next or an earlier one; StageError where it may not."""
