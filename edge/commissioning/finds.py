"""What a sweep asks, what comes of it, and whom it finds: data."""

from enum import Enum
from typing import Literal, NamedTuple

import msgspec

from edge.drivers.probing import Kind, ProbeProtocol
from edge.lines.formats import Format, Parity


class Effort(Enum):
    """Where to stop: expected devices per second that are still worth it."""

    QUICK = 0.01
    USUAL = 0.0008
    THOROUGH = 0.0


class Ask(NamedTuple):
    """One question: send ``data`` in this format, and wait so long for the first byte of an answer."""

    protocol: ProbeProtocol
    format: Format
    kind: Kind
    unit_id: int
    patience_s: float
    data: bytes
    again: bool = False
    """Whether it is asked again because of what came."""


class Heard(NamedTuple):
    """What came. ``first_s``: from the request's last byte to the answer's first; None: nothing came."""

    data: bytes
    first_s: float | None


class FoundDevice(msgspec.Struct, frozen=True):
    """Somebody who answers."""

    unit_id: int
    transmission_mode: str
    baud: int
    parity: Parity
    stop_bits: Literal[1, 2]
    data_bits: Literal[7, 8]
    answered: Literal["value", "refusal"]
    asked: str
    """What it answered to."""
    answer_s: float
    found_s: float
    """How long the scan had taken by then."""

    @property
    def format(self) -> Format:
        """How it is to be spoken to."""
        return Format(self.baud, self.parity, self.stop_bits, self.data_bits)


class Unclear(msgspec.Struct, frozen=True):
    """Bytes that are no frame, again and again: two devices of one address, or one in another format."""

    unit_id: int
    format: str
    bytes_heard: int
