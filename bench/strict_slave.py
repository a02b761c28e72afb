"""A strict slave for `bench.line`: forty units on one wire, in a process that only watches the clock.

It spins, so that its own lateness does not count as the master's. Every gap before a request is measured; a
request that comes after less than 3.5 characters of silence (1.75 ms above 19200 baud) is a violation and,
being strict, it does not hear it. Answers begin ``--turnaround-ms`` after the request's last bit.

On a pty this process is the wire too: a request takes its characters' time from when it was seen, and the
answer's bytes leave one character time apart. With ``--port`` the wire keeps its own time: a request is over
with its last byte, and an answer is handed over whole. Bytes that an adapter hands on late look like a longer
silence than there was: on a port, "no violation" is no stronger than the adapter's latency.

A line ``dead 5 11 12`` on standard input says which units are silent from now on; it is told with the
monotonic time when it came into force. The process ends with its standard input.
"""

import argparse
import json
import os
import select
import signal
import struct
import sys
import time
import tty
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import serial

from edge.lines.crc import crc16, framed

REGISTERS = 10
UNITS = range(1, 41)
REQUEST_BYTES = 8
LIFE_MAX_S = 3600
LOG_ANSWERS_MAX = 200_000
PARTS_GAP_MAX_NS = 50_000_000
"""So long an adapter may keep the rest of a request back; within a frame nothing is judged."""
ORDERS_INTERVAL_NS = 1_000_000
"""How often standard input is looked at, while the wire is silent."""


@dataclass
class Seen:
    """What the slave has seen of its master; times are monotonic nanoseconds."""

    requests: int = 0
    answered: int = 0
    silence_violations: int = 0
    silences_unsure: int = 0
    """Long enough as seen, but perhaps not, had this process not been kept from looking."""
    malformed: int = 0
    unanswered: int = 0
    """Requests to dead units."""
    shortest_gap_ns: int = 2**62
    answers_late_ns: int = 0
    """How much later than they should the last bytes of answers went out, in all."""
    answers: list[tuple[int, int]] = field(default_factory=list)
    """Unit and end of each answer, the first ``LOG_ANSWERS_MAX`` of them."""


class Answer(NamedTuple):
    """A frame, and when its first bit is to leave."""

    unit_id: int
    frame: bytes
    from_ns: int


@dataclass(frozen=True)
class Pace:
    """The wire in nanoseconds; ``self_paced`` wires (real ones) deliver each byte at its own time."""

    character_ns: int
    silence_ns: int
    turnaround_ns: int
    self_paced: bool = False

    @classmethod
    def of(cls, baud: int, bits: int, turnaround_ns: int, *, self_paced: bool = False) -> "Pace":
        """Return the pace of a wire with so many bits a character."""
        character_ns = bits * 1_000_000_000 // baud
        silence_ns = 1_750_000 if baud > 19200 else character_ns * 7 // 2
        return cls(character_ns, silence_ns, turnaround_ns, self_paced)


class StrictSlave:
    """Judges what it hears; knows no clock and no port."""

    def __init__(self, pace: Pace, *, strict: bool = True) -> None:
        """A slave that is not strict counts violations, and answers all the same."""
        self.seen = Seen()
        self.dead: frozenset[int] = frozenset()
        self._pace, self._strict = pace, strict
        self._busy_until_ns = 0
        self._request = b""
        self._heard = False
        self._part_ns = 0

    def take(self, part: bytes, looked_ns: int, now_ns: int) -> Answer | None:
        """Take bytes found now, and not yet at ``looked_ns``; return the answer that is to be given."""
        pace = self._pace
        if self._request and now_ns - self._part_ns > PARTS_GAP_MAX_NS:
            self.seen.malformed += 1  # the rest of it never came
            self._request = b""
        if not self._request:
            # A real wire has taken the bytes' time already, on a pty it begins now.
            before_ns = len(part) * pace.character_ns if pace.self_paced else 0
            self._measure(looked_ns - before_ns, now_ns - before_ns)
        self._part_ns = now_ns
        self._request += part
        after_ns = 0 if pace.self_paced else len(self._request) * pace.character_ns
        self._busy_until_ns = max(self._busy_until_ns, now_ns + after_ns)
        if len(self._request) < REQUEST_BYTES:
            return None
        request, self._request = self._request, b""
        return self._answer(request) if self._heard else None

    def answered(self, answer: Answer, end_ns: int) -> None:
        """The answer's last bit left at ``end_ns``."""
        due_ns = answer.from_ns + len(answer.frame) * self._pace.character_ns
        self.seen.answers_late_ns += end_ns - due_ns
        self.seen.answered += 1
        if len(self.seen.answers) < LOG_ANSWERS_MAX:
            self.seen.answers.append((answer.unit_id, end_ns))
        self._busy_until_ns = end_ns

    def _measure(self, earliest_ns: int, latest_ns: int) -> None:
        gap_ns = latest_ns - self._busy_until_ns
        self.seen.requests += 1
        self.seen.shortest_gap_ns = min(self.seen.shortest_gap_ns, gap_ns)
        heard = gap_ns >= self._pace.silence_ns
        self.seen.silence_violations += not heard
        self.seen.silences_unsure += heard and earliest_ns - self._busy_until_ns < self._pace.silence_ns
        self._heard = heard or not self._strict

    def _answer(self, request: bytes) -> Answer | None:
        unit_id, function, address, count = struct.unpack(">BBHH", request[:6])
        sound = len(request) == REQUEST_BYTES and crc16(request) == 0
        if not sound or function != 3 or count > REGISTERS or unit_id not in UNITS:
            self.seen.malformed += 1
            return None
        if unit_id in self.dead:
            self.seen.unanswered += 1
            return None
        registers = struct.pack(f">{count}H", *(unit_id * 256 + address + index for index in range(count)))
        frame = framed(unit_id, bytes([function, 2 * count]) + registers)
        return Answer(unit_id, frame, self._busy_until_ns + self._pace.turnaround_ns)


class Process:
    """The slave at its port and its standard input."""

    def __init__(self, descriptor: int, pace: Pace, *, strict: bool) -> None:
        """The descriptor does not block."""
        self.slave = StrictSlave(pace, strict=strict)
        self._descriptor, self._pace = descriptor, pace
        self._orders = b""

    def serve(self) -> None:
        """Serve until standard input or the port ends."""
        looked_ns = ordered_ns = time.monotonic_ns()
        while True:
            try:
                part = os.read(self._descriptor, 256)
            except BlockingIOError:
                part = b""
            except OSError:
                return
            if not part:  # a port with VMIN 0 says it so
                looked_ns = time.monotonic_ns()
                if looked_ns - ordered_ns > ORDERS_INTERVAL_NS:
                    if not self._obey():
                        return
                    ordered_ns = looked_ns
                continue
            answer = self.slave.take(part, looked_ns, time.monotonic_ns())
            if answer:
                self.slave.answered(answer, self._send(answer))

    def _send(self, answer: Answer) -> int:
        """Send to the clock; return when the last bit left, as early as it can have been."""
        if self._pace.self_paced:
            now_ns = _spun_until(answer.from_ns)
            os.write(self._descriptor, answer.frame)
            return now_ns + len(answer.frame) * self._pace.character_ns
        due_ns = now_ns = answer.from_ns
        for byte in answer.frame:
            due_ns += self._pace.character_ns
            now_ns = _spun_until(due_ns)
            os.write(self._descriptor, bytes([byte]))
        return now_ns

    def _obey(self) -> bool:
        """Do what standard input says; say whether it is still open."""
        if not select.select([0], [], [], 0)[0]:
            return True
        if not (part := os.read(0, 4096)):
            return False
        *lines, self._orders = (self._orders + part).split(b"\n")
        for line in lines:
            word, *units = line.split()
            if word != b"dead":
                sys.exit(f"{line!r} is no order; write: dead UNIT ...")
            self.slave.dead = frozenset(map(int, units))
            print(json.dumps({"at_ns": time.monotonic_ns(), "dead": sorted(self.slave.dead)}), flush=True)
        return True


def _spun_until(until_ns: int) -> int:
    while (now_ns := time.monotonic_ns()) < until_ns:
        pass
    return now_ns


def main() -> None:
    """Open a pty (or a given port), tell its name, serve, and tell at the end what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--baud", type=int, required=True)
    parser.add_argument("--parity", choices=("N", "E", "O"), default="N")
    parser.add_argument("--stop-bits", type=int, choices=(1, 2), default=1)
    parser.add_argument("--turnaround-ms", type=float, default=5)
    parser.add_argument("--lenient", action="store_true")
    parser.add_argument("--port", help="A serial port crossed with the master's; without it, a pty.")
    given = parser.parse_args()
    signal.alarm(LIFE_MAX_S)
    port = None
    if given.port:
        port = serial.Serial(
            given.port, given.baud, parity=given.parity, stopbits=given.stop_bits, timeout=0, exclusive=True
        )
        descriptor, name = port.fileno(), given.port
    else:
        descriptor, other = os.openpty()
        tty.setraw(other)
        name = os.ttyname(other)
    os.set_blocking(descriptor, False)
    bits = 9 + given.stop_bits + (given.parity != "N")
    pace = Pace.of(given.baud, bits, int(given.turnaround_ms * 1e6), self_paced=port is not None)
    process = Process(descriptor, pace, strict=not given.lenient)

    def end(*_: object) -> None:
        print(json.dumps(asdict(process.slave.seen)), flush=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    print(json.dumps({"port": name}), flush=True)
    process.serve()
    end()


if __name__ == "__main__":
    main()
