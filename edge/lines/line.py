"""What every line offers, whatever carries its bytes."""

from enum import StrEnum
from typing import Literal, NamedTuple, Protocol

import msgspec

Direction = Literal["auto", "kernel", "rts", "rts_inverted"]
"""Who turns an RS-485 transceiver round: its adapter, the port's driver, or we by the RTS line."""


BROADCAST = 0
"""The unit id of a write that all units of a line take and none answers."""


class LineError(StrEnum):
    """Why a transaction brought no answer; the name goes into the sample."""

    TIMEOUT = "timeout"
    GARBLED = "garbled"  # bytes came, but no frame with a right checksum
    WRONG_UNIT = "wrong_unit"
    WRONG_FUNCTION = "wrong_function"
    WRONG_LENGTH = "wrong_length"
    WRONG_ECHO = "wrong_echo"  # a write's answer that repeats another write than ours
    TWO_ANSWERS = "two_answers"  # that differ: one of them answers something else
    OTHER_MASTER = "other_master"  # somebody else asked the same unit: the answer may be theirs
    ECHO = "only_echo"  # our own write came back, and nothing shows that the device heard it
    HELD_BACK = "held_back"  # a late answer to an earlier request may still come; nothing was sent
    NOISE = "noise"  # the line never fell silent, so nothing could be sent
    UNAVAILABLE = "line_unavailable"  # the port or the connection is gone


class Request(msgspec.Struct, frozen=True, gc=False):
    """One Modbus request: a PDU for a unit, and how long its normal answer's PDU is, in bytes.

    ``pause_s`` is a rest before it beyond the line's own, ``late_answer_s`` how long after its timeout an
    answer may still begin (None: as the line says); both are for devices that need them.

    To unit 0 only writes go: they reach every unit of the line, and nobody answers.
    """

    unit_id: int
    pdu: bytes
    answer_bytes: int
    timeout_s: float
    pause_s: float = 0.0
    late_answer_s: float | None = None


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The answer's PDU (an exception PDU too), or the error; times are the line's monotonic clock.

    ``sent_ns`` is when the request's last byte left, 0 if it did not. Of a broadcast the PDU is empty, and it
    is done when the units have had their time to take it.
    """

    pdu: bytes | None
    error: LineError | None
    done_ns: int
    sent_ns: int = 0


class WireCost(NamedTuple):
    """What reading costs on a line: a character's time, and what a request takes beside its characters.

    That is silences or a round trip, without the device's own time; both are seconds.
    """

    character_s: float
    request_s: float


class Line(Protocol):
    """One serial bus or TCP endpoint; transactions are done one after the other, in order of calling."""

    @property
    def name(self) -> str:
        """Name from the settings."""

    async def transact(self, request: Request) -> Outcome:
        """Send a request and return its outcome; never raises for what a device or the wire does.

        ValueError where a read is to be broadcast.
        """

    async def close(self) -> None:
        """Finish the transaction under way, then let go of the port; later calls are unavailable."""

    @property
    def cost(self) -> WireCost:
        """What reading costs here; read plans weigh requests against holes by it."""
