"""A wire that harms answers on demand, hands requests back and has a second master: a model of time."""

import heapq
from collections import deque
from dataclasses import dataclass
from typing import Literal

from simulators.bus import Bus, Mode
from simulators.faults import Answer, Burst, Fault, is_sound
from simulators.wire import SILENCE_TOLERANCE_NS, SimulatedWire, characters_ns, silence_ns

SPANS_KEPT = 32
FRAMES_KEPT = 64


@dataclass(frozen=True)
class Foreign:
    """Another master's request while an answer to ours is awaited, ``gap_ns`` after ours.

    Ours is answered in its time (``first``), after theirs, or never: the device went over to theirs.
    """

    gap_ns: int
    frame: bytes
    ours: Literal["first", "after", "never"] = "first"


class FaultyWire:
    """A SimulatedWire whose next answer suffers ``fault``; it is reset after that, as ``foreign`` is.

    A request during which anything else is on the line is heard by nobody, and what overlaps it is lost,
    with the answer to it. While ``echo`` is set, the adapter hands every request back as it is sent.
    With ``at_once`` an answer that has a tail, and what another master says, arrives in one piece.
    """

    def __init__(self, bus: Bus, baud: int, mode: Mode = "rtu", *, at_once: bool = False) -> None:
        """Connect a bus."""
        self.fault = Fault()
        self.foreign: Foreign | None = None
        self.echo = False
        self.silence_violations = 0
        self.collisions = 0
        self.overlaps = 0
        """Frames of devices and other masters that fell on one another."""
        self.foreign_until_ns = 0
        """When the last exchange of another master is over."""
        self.crc_collisions = 0
        """Harmed answers whose checksum was right by chance."""
        self.said = b""
        """What the device itself answered to the last request; empty if none heard it."""
        self.struck = False
        """Whether the last request's fault found an answer."""
        self.meant: deque[bytes] = deque(maxlen=FRAMES_KEPT)
        """The last frames that somebody sent and nothing harmed."""
        self._bus = bus
        self._mode = mode
        self._at_once = at_once
        self._inner = SimulatedWire(bus, baud, mode=mode)
        self._character_ns = characters_ns(1, baud, "N", 1)
        self._silence_ns = silence_ns(baud, "N", 1)
        self._under_way: list[tuple[int, int, int, int]] = []  # arrival, serial number, burst, byte
        self._bursts = self._bytes = 0
        self._follows: dict[int, int] = {}  # the answer's burst, and the request's
        self._spans: deque[tuple[int, int]] = deque(maxlen=SPANS_KEPT)
        self._arrived_ns = -self._silence_ns

    def prepare(self, fault: Fault, foreign: Foreign | None = None) -> None:
        """Say what befalls the next request, and forget what came of the last."""
        self.fault, self.foreign = fault, foreign
        self.said, self.struck = b"", False

    def send(self, data: bytes, now_ns: int) -> int:
        """See edge.lines.virtual.Wire."""
        fault, self.fault = self.fault, Fault()
        foreign, self.foreign = self.foreign, None
        self.said, self.struck = b"", False
        end_ns = now_ns + len(data) * self._character_ns
        self.silence_violations += now_ns - self._arrived_ns < self._silence_ns - SILENCE_TOLERANCE_NS
        if self._collides(end_ns):
            return end_ns
        if self.echo:
            self.meant.append(data)
            self._put(now_ns, data)
        self._occupy((now_ns, data))
        self._inner.send(data, now_ns)
        theirs_ns = end_ns
        if foreign and foreign.ours != "first":
            theirs_ns = self.ask(end_ns + foreign.gap_ns, foreign.frame)
        if (first_ns := self._inner.next_arrival_ns()) is not None:
            self.said = self._inner.receive(2**62)
            start_ns = first_ns - self._character_ns + theirs_ns - end_ns
            if not (foreign and foreign.ours == "never"):
                self._answer(Answer(self.said, start_ns, end_ns, self._character_ns), fault)
        if foreign and foreign.ours == "first":
            self.ask(end_ns + foreign.gap_ns, foreign.frame)
        return end_ns

    def ask(self, start_ns: int, frame: bytes) -> int:
        """Let another master ask; return when its exchange is over. Nobody hears what falls on a frame."""
        end_ns = start_ns + len(frame) * self._character_ns
        heard = self.inject(start_ns, frame)
        asked = self._bursts
        exchange = self._bus.exchange(frame, end_ns, self._mode) if heard else None
        if exchange is not None and exchange.pdu:
            answer = exchange.frame(self._mode)
            self.inject(end_ns + exchange.turnaround_ns, answer)
            self._follows[self._bursts] = asked
            end_ns += exchange.turnaround_ns + len(answer) * self._character_ns
        self.foreign_until_ns = max(self.foreign_until_ns, end_ns)
        return end_ns

    def inject(self, start_ns: int, data: bytes) -> bool:
        """Let somebody else send; say whether the line was free."""
        self.meant.append(data)
        free = self._occupy((start_ns, data))
        self._put(start_ns, data, at_once=self._at_once)
        return free

    def receive(self, now_ns: int) -> bytes:
        """See edge.lines.virtual.Wire."""
        data = bytearray()
        while self._under_way and self._under_way[0][0] <= now_ns:
            self._arrived_ns, _, _, byte = heapq.heappop(self._under_way)
            data.append(byte)
        return bytes(data)

    def next_arrival_ns(self) -> int | None:
        """See edge.lines.virtual.Wire."""
        return self._under_way[0][0] if self._under_way else None

    def hush(self) -> None:
        """Drop what is still to come."""
        self._under_way.clear()
        self._follows.clear()
        self._spans.clear()

    def _answer(self, answer: Answer, fault: Fault) -> None:
        bursts, frames = list(fault.bursts(answer)), list(fault.frames(answer))
        self.struck = True
        self.meant.extend(frames)
        self.crc_collisions += not frames and any(is_sound(data) for _, data in bursts)
        if self._at_once and fault.tail:
            bursts = [(bursts[0][0], b"".join(data for _, data in bursts))]
        for burst in bursts:
            self._occupy(burst)
            self._put(*burst, at_once=self._at_once and fault.tail)

    def _collides(self, end_ns: int) -> bool:
        """Drop what is on the line while we send, and what it would have led to."""
        lost = {entry[2] for entry in self._under_way if entry[0] - self._character_ns < end_ns}
        if not lost:
            return False
        self.collisions += 1
        self._under_way = [
            entry
            for entry in self._under_way
            if entry[0] - self._character_ns >= end_ns and self._follows.get(entry[2]) not in lost
        ]
        heapq.heapify(self._under_way)
        return True

    def _occupy(self, burst: Burst) -> bool:
        start_ns, end_ns = burst[0], burst[0] + len(burst[1]) * self._character_ns
        free = not any(start_ns < end and begin < end_ns for begin, end in self._spans)
        self.overlaps += not free
        self._spans.append((start_ns, end_ns))
        return free

    def _put(self, start_ns: int, data: bytes, *, at_once: bool = False) -> None:
        self._bursts += 1
        for index, byte in enumerate(data, start=1):
            count = len(data) if at_once else index
            self._bytes += 1
            arrival_ns = start_ns + count * self._character_ns
            heapq.heappush(self._under_way, (arrival_ns, self._bytes, self._bursts, byte))
