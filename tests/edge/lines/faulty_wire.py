"""A wire that harms answers on demand, by a model of time; it belongs to the tests of the line machine."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from edge.lines.crc import framed
from simulators.bus import Bus, Mode
from simulators.wire import SILENCE_TOLERANCE_NS, SimulatedWire, characters_ns, silence_ns

MS = 1_000_000


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
    """What happens to one answer; this one: nothing."""

    def bursts(self, answer: Answer) -> Iterable[Burst]:
        """Return what is on the wire instead of the answer."""
        return [(answer.start_ns, answer.frame)]


@dataclass(frozen=True)
class Silent(Fault):
    """The answer never comes."""

    def bursts(self, answer: Answer) -> Iterable[Burst]:
        """Return nothing."""
        return []


@dataclass(frozen=True)
class Garbage(Fault):
    """Characters directly before and after the answer."""

    before: bytes = b""
    after: bytes = b""

    def bursts(self, answer: Answer) -> Iterable[Burst]:
        """Return one burst; what does not fit in before the answer delays it."""
        start_ns = max(answer.asked_ns, answer.start_ns - len(self.before) * answer.character_ns)
        return [(start_ns, self.before + answer.frame + self.after)]


@dataclass(frozen=True)
class Flipped(Fault):
    """Up to three bits are flipped: the CRC finds all of those."""

    bits: frozenset[int]

    def bursts(self, answer: Answer) -> Iterable[Burst]:
        """Return the harmed answer."""
        frame = bytearray(answer.frame)
        for bit in {bit % (8 * len(frame)) for bit in self.bits}:
            frame[bit // 8] ^= 1 << bit % 8
        return [(answer.start_ns, bytes(frame))]


@dataclass(frozen=True)
class Cut(Fault):
    """Some characters at the end (or at the beginning) are lost."""

    lost: int
    at_start: bool = False

    def bursts(self, answer: Answer) -> Iterable[Burst]:
        """Return the rest, which may be nothing."""
        frame = answer.frame[self.lost :] if self.at_start else answer.frame[: -self.lost]
        return [(answer.start_ns, frame)]


@dataclass(frozen=True)
class Twice(Fault):
    """The answer is repeated, before the line was silent: two characters later at most."""

    gap_characters: int

    def bursts(self, answer: Answer) -> Iterable[Burst]:
        """Return both."""
        second_ns = answer.end_ns + self.gap_characters * answer.character_ns
        return [(answer.start_ns, answer.frame), (second_ns, answer.frame)]


@dataclass(frozen=True)
class Late(Fault):
    """The device takes its time."""

    late_ns: int

    def bursts(self, answer: Answer) -> Iterable[Burst]:
        """Return the answer, later."""
        return [(answer.asked_ns + self.late_ns, answer.frame)]


@dataclass(frozen=True)
class OtherUnit(Fault):
    """Another unit's address stands in the answer, with a right CRC."""

    unit_id: int

    def bursts(self, answer: Answer) -> Iterable[Burst]:
        """Return the answer under the other address."""
        return [(answer.start_ns, framed(self.unit_id, answer.frame[1:-2]))]


@dataclass(frozen=True)
class Stray(Fault):
    """Some time after the answer a frame comes that nobody asked for: the same shape, other values."""

    gap_ns: int

    def bursts(self, answer: Answer) -> Iterable[Burst]:
        """Return the answer and the stray frame."""
        body = answer.frame[1:-2]
        other = body[:2] + bytes(byte ^ 0x5A for byte in body[2:])
        return [
            (answer.start_ns, answer.frame),
            (answer.end_ns + self.gap_ns, framed(answer.frame[0], other)),
        ]


class FaultyWire:
    """A SimulatedWire whose next answer suffers ``fault``; it is reset after that.

    A request during which anything else is on the line is heard by nobody, and what overlaps it is lost.
    While ``echo`` is set, the adapter hands every request back as it is sent.
    """

    def __init__(self, bus: Bus, baud: int, mode: Mode = "rtu") -> None:
        """Connect a bus."""
        self.fault = Fault()
        self.echo = False
        self.silence_violations = 0
        self.collisions = 0
        self.overlaps = 0
        """Answers that began while something else was still to come."""
        self._inner = SimulatedWire(bus, baud, mode=mode)
        self._character_ns = characters_ns(1, baud, "N", 1)
        self._silence_ns = silence_ns(baud, "N", 1)
        self._under_way: list[tuple[int, int, int]] = []
        self._bursts = 0
        self._arrived_ns = -self._silence_ns

    def send(self, data: bytes, now_ns: int) -> int:
        """See edge.lines.virtual.Wire."""
        fault, self.fault = self.fault, Fault()
        end_ns = now_ns + len(data) * self._character_ns
        self.silence_violations += now_ns - self._arrived_ns < self._silence_ns - SILENCE_TOLERANCE_NS
        lost = [entry for entry in self._under_way if entry[0] - self._character_ns < end_ns]
        if lost:
            self.collisions += 1
            self._under_way = sorted(set(self._under_way) - set(lost))
            return end_ns
        if self.echo:
            self._put(now_ns, data)
        self._inner.send(data, now_ns)
        if (first_ns := self._inner.next_arrival_ns()) is not None:
            frame = self._inner.receive(2**62)
            start_ns = first_ns - self._character_ns
            self.overlaps += any(entry[0] > start_ns for entry in self._under_way)
            for burst in fault.bursts(Answer(frame, start_ns, end_ns, self._character_ns)):
                self._put(*burst)
        return end_ns

    def inject(self, start_ns: int, data: bytes) -> None:
        """Let somebody else send."""
        self._put(start_ns, data)

    def receive(self, now_ns: int) -> bytes:
        """See edge.lines.virtual.Wire."""
        data = bytearray()
        while self._under_way and self._under_way[0][0] <= now_ns:
            self._arrived_ns, _, byte = heapq.heappop(self._under_way)
            data.append(byte)
        return bytes(data)

    def next_arrival_ns(self) -> int | None:
        """See edge.lines.virtual.Wire."""
        return self._under_way[0][0] if self._under_way else None

    def _put(self, start_ns: int, data: bytes) -> None:
        self._bursts += 1
        for index, byte in enumerate(data, start=1):
            heapq.heappush(self._under_way, (start_ns + index * self._character_ns, self._bursts, byte))
