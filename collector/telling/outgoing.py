"""A message on its way out, and what a channel says of it."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a channel is to send. ``id`` is the same whenever the same message is sent again."""

    id: str
    address: str
    subject: str
    body: str
    link: str = ""
    incident_id: str = ""
    highest: bool = False

    @property
    def short(self) -> str:
        """Return subject and link, for what has little room."""
        return f"{self.subject} {self.link}".strip()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The service took it."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """It did not arrive, or nobody knows; ``lasting``: nor will it when it is sent again as it is."""

    reason: str
    lasting: bool = False


Answer = Accepted | Refused


class Channel(Protocol):
    """One way of reaching people."""

    name: str

    async def send(self, outgoing: Outgoing) -> Answer:
        """Send it once, in limited time; every failure is an answer. No secret is in a reason."""
