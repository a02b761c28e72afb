"""What a connector to a city platform is: it sends messages, may be asked about them, may tell of cases."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message of a case: ``n`` counts from 1 within it, ``payload`` is ``collector.cases.outgoing``'s."""

    case_id: str
    n: int
    kind: str
    payload: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a platform can: it decides what becomes of a message that it may have taken.

    ``has_key``: it recognises a message that it has had before by its key.
    ``can_look_up``: it says whether it has the case of a message.
    ``has_callbacks``: it tells by itself how cases go on. ``can_poll``: it tells when it is asked.
    """

    has_key: bool = False
    can_look_up: bool = False
    has_callbacks: bool = False
    can_poll: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """What a platform tells of a case: which one by our key or number or by its own, and its stage there.

    ``event_id`` is the same whenever the same is told; ``code`` is the platform's word for ``stage``. Times
    are UTC ms.
    """

    event_id: str
    code: str
    stage: str
    case: str = ""
    number: str = ""
    at_ms: int | None = None
    department: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """The platform has the message; ``number`` is what it calls the case, if it said so."""

    number: str = ""
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nothing was taken, for certain: no connection, or the platform says so. It may be sent again.

    ``after`` is a Retry-After as it was sent.
    """

    reason: str
    after: str = ""


@dataclass(frozen=True, slots=True)
class Perhaps:
    """It may have been taken: no answer, or none that says so."""

    reason: str
    after: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The platform does not take it, and would not if it were sent again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Untold:
    """Messages of this kind are not told to this platform."""


Answered = Taken | NotSent | Perhaps | Refused | Untold


@dataclass(frozen=True, slots=True)
class Found:
    """The platform has it under this number."""

    number: str
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class NotThere:
    """The platform does not have it."""


@dataclass(frozen=True, slots=True)
class CannotSay:
    """No answer to the question, or none that can be understood."""

    reason: str
    after: str = ""


LookedUp = Found | NotThere | CannotSay


@dataclass(frozen=True, slots=True)
class Statuses:
    """A page of what happened since the cursor; ``problems`` are those that cannot be understood."""

    items: tuple[Status, ...]
    cursor: str
    problems: tuple[str, ...] = ()
    more: bool = False


class Connector(Protocol):
    """A way to one city platform. What it raises is our mistake: whatever a platform does is an answer."""

    @property
    def capabilities(self) -> Capabilities:
        """What the platform can."""

    async def send(self, message: Outgoing, key: str) -> Answered:
        """Send a message once; ``key`` is the same whenever this message is sent."""

    async def look_up(self, message: Outgoing, key: str) -> LookedUp:
        """Ask whether the platform has it."""

    async def statuses(self, cursor: str) -> Statuses | CannotSay:
        """Ask how cases went on since ``cursor``; empty: from the beginning."""

    async def close(self) -> None:
        """Let go of connections."""
