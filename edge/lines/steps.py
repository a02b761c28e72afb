"""What a line machine and its runner say to each other."""

from dataclasses import dataclass

from edge.lines.line import Outcome, Request


@dataclass(frozen=True, slots=True)
class Begin:
    """Event: a request is to be made."""

    request: Request


@dataclass(frozen=True, slots=True)
class Wrote:
    """Event: the bytes were handed to the wire; ``drained`` if they have left it, too."""

    drained: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """Event: the wait is over; these bytes have come meanwhile, perhaps none.

    ``waited`` unless all that was wanted had come by ``from_ns`` already.
    """

    data: bytes
    waited: bool = True


@dataclass(frozen=True, slots=True)
class Pause:
    """Action: sleep until the time, then report whatever has come (Received)."""

    until_ns: int


@dataclass(frozen=True, slots=True)
class Write:
    """Action: send the bytes (Wrote)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ReadUntil:
    """Action: read until ``count`` bytes have come or the time is reached (Received)."""

    count: int
    until_ns: int
    from_ns: int = 0
    """Before this they are not expected: a runner may sleep, for each byte that it hears costs a wake-up."""


@dataclass(frozen=True, slots=True)
class Done:
    """Action: the transaction is over."""

    outcome: Outcome


Event = Begin | Wrote | Received
Action = Pause | Write | ReadUntil | Done
