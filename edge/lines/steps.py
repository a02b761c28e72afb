"""What a line machine and its runner say to each other."""

import msgspec

from edge.lines.line import Outcome, Request


class Begin(msgspec.Struct, frozen=True, gc=False):
    """Event: a request is to be made.

    A runner that has waited for the line's silence says what came meanwhile, most often nothing; None: it has
    not looked.
    """

    request: Request
    came: bytes | None = None


class Wrote(msgspec.Struct, frozen=True, gc=False):
    """Event: the bytes were handed to the wire; ``drained`` if they have left it, too."""

    drained: bool = False


class Received(msgspec.Struct, frozen=True, gc=False):
    """Event: the wait is over; these bytes have come meanwhile, perhaps none.

    ``waited`` unless all that was wanted had come by ``from_ns`` already.
    """

    data: bytes
    waited: bool = True


class Pause(msgspec.Struct, frozen=True, gc=False):
    """Action: sleep until the time, then report whatever has come (Received)."""

    until_ns: int


class Write(msgspec.Struct, frozen=True, gc=False):
    """Action: send the bytes (Wrote)."""

    data: bytes


class ReadUntil(msgspec.Struct, frozen=True, gc=False):
    """Action: read until ``count`` bytes have come or the time is reached (Received)."""

    count: int
    until_ns: int
    from_ns: int = 0
    """Before this they are not expected: a runner may sleep, for each byte that it hears costs a wake-up."""


class Done(msgspec.Struct, frozen=True, gc=False):
    """Action: the transaction is over."""

    outcome: Outcome


Event = Begin | Wrote | Received
Action = Pause | Write | ReadUntil | Done
