"""An alarm as the rooms of the centre hand it to each other, and what follows it promises."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from contract.events import Priority
from contract.samples import ClockState, Value


@dataclass(frozen=True, slots=True)
class Alarm:
    """One occurrence: it became active once, and returns to normal at most once. Times are UTC ms.

    ``raised_ms`` is by the gateway's clock (of what ``clock`` says), ``received_ms`` by the centre's.
    An alarm of the centre's own rules has no ``device`` and ``point`` where it is the gateway's as a whole.
    ``cleared_value`` is what its end was told with.
    """

    gateway: str
    id: str
    rule: str
    device: str
    point: str
    condition: str
    problem: str
    priority: Priority
    message: str
    part: str
    value: Value
    limit: float | None
    clock: ClockState
    raised_ms: int
    received_ms: int
    backfill: bool = False
    planned: bool = False
    cleared_ms: int | None = None
    cleared_value: Value = None

    @property
    def source(self) -> tuple[str, str, str, str, str]:
        """Return what it is an occurrence of: gateway, rule, device, point, condition."""
        return self.gateway, self.rule, self.device, self.point, self.condition


class Follower(Protocol):
    """Something that decides on alarms, in the transaction that brings them.

    It hears of each occurrence once, in order, and of its end after its beginning. Of what was backfilled
    it hears at the end of the backfill, and only what is still active then: the rest is history.
    """

    def follow(self, connection: Connection, alarms: Sequence[Alarm]) -> None:
        """Hear what happened, in order: where ``cleared_ms`` is told an alarm is over, else it became active.

        All of it is in the table of alarms already, and followers before have heard all of it.
        """
