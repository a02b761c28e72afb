"""What lamps ask the rim to do, and what they tell whoever keeps evidence. Pure data."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from edge.clock import Moment
from edge.commands import Order
from edge.rules.effects import Emit
from lighting.commands import Command


@dataclass(frozen=True, slots=True)
class Send:
    """Give this order, which is for all these lamps, to the line; tell ``Lamps.sent`` what comes of it."""

    line: str
    order: Order
    lamps: tuple[str, ...]
    level: int


LampEffect = Emit | Send


class Happened(StrEnum):
    """What happened to a lamp."""

    COMMANDED = "commanded"  # it is under another command now
    WAITS = "waits"  # nothing can be sent: unpowered, or held by hand at the cabinet
    SENT = "sent"
    PROVED = "proved"  # it reads back as commanded
    FAILED = "failed"  # it does not, after all retries
    MEASURED = "measured"
    RAISED = "raised"  # one of its failures is an alarm now; ``told`` is the class


class LampEvent(NamedTuple):
    """Of one lamp: under which command it was, and what it showed. ``level`` is None where it is unknown."""

    lamp: str
    what: Happened
    now: Moment
    command: Command | None
    level: float | None = None
    """What it gives, as read back: per cent."""
    power_w: float | None = None
    energy_wh: float | None = None
    """Its own counter."""
    burns: bool | None = None
    """Whether it is lit; None where nobody can tell."""
    powered: bool = True
    attempt: int = 0
    """Of SENT: 1 is the first, more are retries."""
    told: str = ""
