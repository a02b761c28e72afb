"""What may befall one answer on a serial line; a FaultyWire plays it. Pure. Times are nanoseconds."""

from collections.abc import Iterable
from dataclasses import dataclass

from pymodbus.framer.rtu import FramerRTU

from simulators.modbus import DECODER

MS = 1_000_000
_RTU = FramerRTU(DECODER)


def rtu_frame(unit_id: int, pdu: bytes) -> bytes:
    """Return the frame around a PDU."""
    return bytes(_RTU.encode(pdu, unit_id, 0))


def is_sound(frame: bytes) -> bool:
    """Say whether the checksum of a frame is right."""
    return len(frame) > 3 and FramerRTU.check_CRC(frame[:-2], int.from_bytes(frame[-2:], "big"))


@dataclass(frozen=True)
class Answer:
    """An answer as the device gives it: its bytes, when the first begins, the request's end; all ns."""

    frame: bytes
    start_ns: int
    asked_ns: int
    character_ns: int

    @property
    def end_ns(self) -> int:
        """Return when it is over, unharmed."""
        return self.start_ns + len(self.frame) * self.character_ns


Burst = tuple[int, bytes]
"""When the first character begins, and the characters."""


class Fault:
    """What happens to one answer; this one: nothing.

    A fault that has a ``tail`` puts something behind the answer before the line was silent.
    """

    tail = False

    def bursts(self, answer: Answer) -> Iterable[Burst]:
        """Return what is on the wire instead of the answer."""
        return [(answer.start_ns, answer.frame)]

    def frames(self, answer: Answer) -> Iterable[bytes]:
        """Return the frames in it that somebody meant so; a harmed one is none, whatever its checksum."""
        return [answer.frame]


@dataclass(frozen=True)
class Silent(Fault):
    """The answer never comes."""

    def bursts(self, answer: Answer) -> Iterable[Burst]:  # noqa: ARG002
        """Return nothing."""
        return []

    def frames(self, answer: Answer) -> Iterable[bytes]:  # noqa: ARG002
        """Return nothing."""
        return []


@dataclass(frozen=True)
class Garbage(Fault):
    """Characters directly before and after the answer."""

    before: bytes = b""
    after: bytes = b""

    @property
    def tail(self) -> bool:  # type: ignore[override]
        """Whether anything follows."""
        return bool(self.after)

    def bursts(self, answer: Answer) -> Iterable[Burst]:
        """Return one burst; what does not fit in before the answer delays it."""
        start_ns = max(answer.asked_ns, answer.start_ns - len(self.before) * answer.character_ns)
        return [(start_ns, self.before + answer.frame + self.after)]


@dataclass(frozen=True)
class Merged(Garbage):
    """Whole frames run together with the answer; both must be answers to something else than was asked.

    With ``double`` there follows one of the answer's very form, with other values.
    """

    double: bool = False

    @property
    def tail(self) -> bool:  # type: ignore[override]
        """Whether anything follows."""
        return bool(self.after) or self.double

    def bursts(self, answer: Answer) -> Iterable[Burst]:
        """Return one burst."""
        after = self.after + (twisted(answer.frame) if self.double else b"")
        return Garbage(self.before, after).bursts(answer)

    def frames(self, answer: Answer) -> Iterable[bytes]:
        """Return all of them."""
        return [answer.frame, self.before, self.after, twisted(answer.frame)]


def twisted(frame: bytes) -> bytes:
    """Return an answer of the same form with other values, and a right checksum."""
    body = frame[1:-2]
    kept = 1 if body[0] & 0x80 else 2
    return rtu_frame(frame[0], body[:kept] + bytes(byte ^ 0x5A for byte in body[kept:]))


class _Harm(Fault):
    """The answer comes harmed, in one burst."""

    def harmed(self, frame: bytes) -> bytes:
        """Return what is left of it."""
        raise NotImplementedError

    def bursts(self, answer: Answer) -> Iterable[Burst]:
        """Return the harmed answer."""
        return [(answer.start_ns, self.harmed(answer.frame))]

    def frames(self, answer: Answer) -> Iterable[bytes]:
        """Return nothing, unless the harm left the frame as it was."""
        return [answer.frame] if self.harmed(answer.frame) == answer.frame else []


@dataclass(frozen=True)
class Flipped(_Harm):
    """Some bits are flipped; the CRC finds all up to three."""

    bits: frozenset[int]

    def harmed(self, frame: bytes) -> bytes:
        """Return the frame with these bits flipped, counted round and round."""
        harmed = bytearray(frame)
        for bit in {bit % (8 * len(frame)) for bit in self.bits}:
            harmed[bit // 8] ^= 1 << bit % 8
        return bytes(harmed)


@dataclass(frozen=True)
class Blurred(_Harm):
    """A burst of noise falls on the answer: ``noise`` is added bit by bit from some character on."""

    at: int
    noise: bytes

    def harmed(self, frame: bytes) -> bytes:
        """Return the frame with the noise on it."""
        start = self.at % len(frame)
        part = bytes(a ^ b for a, b in zip(frame[start:], self.noise, strict=False))
        return frame[:start] + part + frame[start + len(part) :]


@dataclass(frozen=True)
class Cut(_Harm):
    """Some characters at the end (or at the beginning) are lost."""

    lost: int
    at_start: bool = False

    def harmed(self, frame: bytes) -> bytes:
        """Return the rest, which may be nothing."""
        return frame[self.lost :] if self.at_start else frame[: -self.lost]


@dataclass(frozen=True)
class Twice(Fault):
    """The answer is repeated, before the line was silent: two characters later at most."""

    gap_characters: int
    tail = True

    def bursts(self, answer: Answer) -> Iterable[Burst]:
        """Return both."""
        second_ns = answer.end_ns + self.gap_characters * answer.character_ns
        return [(answer.start_ns, answer.frame), (second_ns, answer.frame)]


@dataclass(frozen=True)
class Late(Fault):
    """The device takes its time, from the end of the request."""

    late_ns: int

    def bursts(self, answer: Answer) -> Iterable[Burst]:
        """Return the answer, later."""
        return [(answer.asked_ns + self.late_ns, answer.frame)]


@dataclass(frozen=True)
class Instead(Fault):
    """A frame with a right checksum comes in place of the answer: of another unit, function or length."""

    unit_id: int | None = None
    function: int | None = None
    added: int = 0
    """How many data bytes more (or less) it has, its own byte count being right."""
    exception: int = 0
    """The device refuses, with this code."""

    def bursts(self, answer: Answer) -> Iterable[Burst]:
        """Return the other frame."""
        return [(answer.start_ns, self.other(answer.frame))]

    def frames(self, answer: Answer) -> Iterable[bytes]:
        """Return the other frame."""
        return [self.other(answer.frame)]

    def other(self, frame: bytes) -> bytes:
        """Return what comes instead of a frame."""
        unit_id = frame[0] if self.unit_id is None else self.unit_id
        function, data = frame[1] if self.function is None else self.function, frame[2:-2]
        if self.exception:
            function, data = function & 0x7F | 0x80, bytes([self.exception])
        elif self.added and frame[1] <= 4:
            data = (data + bytes(max(0, self.added)))[: max(1, len(data) + self.added)]
            data = bytes([len(data) - 1]) + data[1:]
        elif self.added:  # an answer to a write: another count, or value
            data = data[:-1] + bytes([data[-1] + self.added & 0xFF])
        return rtu_frame(unit_id, bytes([function]) + data)


@dataclass(frozen=True)
class Stray(Fault):
    """Some time after the answer a frame comes that nobody asked for: the same shape, other values."""

    gap_ns: int

    def bursts(self, answer: Answer) -> Iterable[Burst]:
        """Return the answer and the stray frame."""
        return [(answer.start_ns, answer.frame), (answer.end_ns + self.gap_ns, twisted(answer.frame))]

    def frames(self, answer: Answer) -> Iterable[bytes]:
        """Return both."""
        return [answer.frame, twisted(answer.frame)]


@dataclass(frozen=True)
class Overlapped(Fault):
    """Another device of the same address answers at once, with other values: where both drive, 0 wins."""

    late_characters: int = 0

    def bursts(self, answer: Answer) -> Iterable[Burst]:
        """Return what is left of both."""
        other = bytes([0xFF]) * self.late_characters + twisted(answer.frame)
        ours = answer.frame.ljust(len(other), b"\xff")
        return [(answer.start_ns, bytes(a & b for a, b in zip(ours, other, strict=True)))]

    def frames(self, answer: Answer) -> Iterable[bytes]:  # noqa: ARG002
        """Return nothing: both are harmed."""
        return []
