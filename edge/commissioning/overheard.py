"""What is heard on a line on which we are silent: who asks there, and who answers. Pure."""

import msgspec

from edge.drivers.probing import ProbeProtocol
from edge.lines.formats import Format


class Overheard(msgspec.Struct, frozen=True):
    """Bytes that came unasked. ``asked`` are units that another master asks, ``answering`` those that answer.

    ``format`` is the one in which most of it makes sense; "" where none does, or none was tried.
    """

    bytes_heard: int
    frames: int
    asked: list[int]
    answering: list[int]
    format: str
    breaks: int
    """Characters that are 0: a line at rest that looks like a break brings them."""


def overheard(protocol: ProbeProtocol, entry: Format | None, data: bytes) -> Overheard:
    """Say what the bytes are that came in this format (None: in whatever the port was set to)."""
    frames = protocol.taken_apart(b"", data)
    sound = frames.requests + frames.others
    return Overheard(
        len(data),
        len(sound),
        sorted({frame.unit_id for frame in frames.requests}),
        sorted({frame.unit_id for frame in frames.others}),
        str(entry) if entry is not None and sound else "",
        data.count(0),
    )
