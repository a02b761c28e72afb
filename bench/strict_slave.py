"""A strict slave for `bench.line`: ten units on a paced wire, in a process that only watches the clock.

It spins, so that its own lateness does not count as the master's. Every gap before a request is measured; a
request that comes after less than 3.5 characters of silence (1.75 ms above 19200 baud) is a violation and,
being strict, it does not hear it. Answers begin ``--turnaround-ms`` after the request's last bit and their
bytes arrive one character time apart.
"""

import argparse
import json
import os
import signal
import struct
import termios
import time
import tty
from dataclasses import asdict, dataclass

from edge.lines.crc import crc16, framed

REGISTERS = 10
UNITS = range(1, 11)
REQUEST_BYTES = 8
LIFE_MAX_S = 600
GAP_TOLERANCE_NS = 1_000


@dataclass
class Seen:
    """What the slave has seen of its master."""

    requests: int = 0
    answered: int = 0
    silence_violations: int = 0
    malformed: int = 0
    shortest_gap_ns: int = 2**62
    answers_late_ns: int = 0
    """How much later than they should the last bytes of answers went out, in all."""


class StrictSlave:
    """Reads requests from a descriptor and answers them to the clock."""

    def __init__(
        self, descriptor: int, baud: int, turnaround_ns: int, *, strict: bool, dead: set[int]
    ) -> None:
        """8N1: a character is ten bits."""
        self.seen = Seen()
        self._descriptor, self._turnaround_ns, self._strict, self._dead = (
            descriptor,
            turnaround_ns,
            strict,
            dead,
        )
        self._character_ns = 10 * 1_000_000_000 // baud
        self._silence_ns = 1_750_000 if baud > 19200 else self._character_ns * 7 // 2
        self._busy_until_ns = 0

    def serve(self) -> None:
        """Serve until the process is told to end."""
        request = b""
        while True:
            try:
                part = os.read(self._descriptor, 256)
            except BlockingIOError:
                continue
            except OSError:
                return  # nobody has the other end open any more
            now_ns = time.monotonic_ns()
            if not request:
                self._measure(now_ns)
            request += part
            if len(request) >= REQUEST_BYTES:
                self._busy_until_ns = max(self._busy_until_ns, now_ns + len(request) * self._character_ns)
                if self._heard:
                    self._answer(request)
                request = b""

    def _measure(self, now_ns: int) -> None:
        gap_ns = now_ns - self._busy_until_ns
        self.seen.requests += 1
        self.seen.shortest_gap_ns = min(self.seen.shortest_gap_ns, gap_ns)
        self._heard = gap_ns >= self._silence_ns - GAP_TOLERANCE_NS
        self.seen.silence_violations += not self._heard
        self._heard |= not self._strict

    def _answer(self, request: bytes) -> None:
        unit_id, function, address, count = struct.unpack(">BBHH", request[:6])
        if len(request) != REQUEST_BYTES or crc16(request) or function != 3 or count != REGISTERS:
            self.seen.malformed += 1
            return
        if unit_id not in UNITS or unit_id in self._dead:
            return
        registers = struct.pack(f">{count}H", *(unit_id * 256 + address + index for index in range(count)))
        answer = framed(unit_id, bytes([function, 2 * count]) + registers)
        due_ns = self._busy_until_ns + self._turnaround_ns
        for byte in answer:
            due_ns += self._character_ns
            while time.monotonic_ns() < due_ns:
                pass
            os.write(self._descriptor, bytes([byte]))
        self.seen.answers_late_ns += time.monotonic_ns() - due_ns
        self._busy_until_ns = due_ns
        self.seen.answered += 1


def main() -> None:
    """Open a pty (or a given port), tell its name, serve, and tell on SIGTERM what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--baud", type=int, required=True)
    parser.add_argument("--turnaround-ms", type=float, default=5)
    parser.add_argument("--lenient", action="store_true")
    parser.add_argument("--dead", type=int, nargs="*", default=[])
    parser.add_argument("--port", help="A serial port crossed with the master's; without it, a pty.")
    given = parser.parse_args()
    signal.alarm(LIFE_MAX_S)
    if given.port:
        import serial  # noqa: PLC0415 - only here

        descriptor, name = serial.Serial(given.port, given.baud, timeout=0).fileno(), given.port
    else:
        descriptor, other = os.openpty()
        tty.setraw(other)
        attributes = termios.tcgetattr(other)
        termios.tcsetattr(other, termios.TCSANOW, attributes)
        name = os.ttyname(other)
    os.set_blocking(descriptor, False)
    slave = StrictSlave(
        descriptor,
        given.baud,
        int(given.turnaround_ms * 1e6),
        strict=not given.lenient,
        dead=set(given.dead),
    )

    def end(*_: object) -> None:
        print(json.dumps(asdict(slave.seen)), flush=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    print(json.dumps({"port": name}), flush=True)
    slave.serve()
    end()


if __name__ == "__main__":
    main()
