"""The strict slave as the benchmarks run it: on a pty, or on the second of two crossed serial ports."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from bench.strict_slave import REGISTERS, Seen
from edge.lines.port import SerialSettings
from edge.lines.timing import Timing

TURNAROUND_MS = 5.0
REQUEST_BYTES = 8
ANSWER_BYTES = 5 + 2 * REGISTERS
END_TIMEOUT_S = 30


@dataclass(frozen=True)
class Wire:
    """What lies between master and slave: a pty, or two ports; bits of a character are real ones there."""

    port: str | None = None
    slave_port: str | None = None
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1

    @property
    def kind(self) -> str:
        """As the conditions say it."""
        return "hardware" if self.port else "pty"

    @property
    def bits(self) -> int:
        """Bits a character."""
        return 9 + self.stop_bits + (self.parity != "N")

    def settings(self, port: str, baud: int) -> SerialSettings:
        """Return how the master opens its end."""
        return SerialSettings(port, baud, self.parity, self.stop_bits)

    def timing(self, baud: int) -> Timing:
        """Return what the master knows of the speed."""
        return Timing.of(baud, self.parity, self.stop_bits)

    def silence_s(self, baud: int) -> float:
        """Return the silence before each request."""
        return 0.00175 if baud > 19200 else 3.5 * self.bits / baud

    def ideal_s(self, baud: int) -> float:
        """Return the shortest time that the wire allows for a transaction."""
        silence_s = self.silence_s(baud)
        turnaround_s = max(TURNAROUND_MS / 1000, silence_s)
        return (REQUEST_BYTES + ANSWER_BYTES) * self.bits / baud + turnaround_s + silence_s


class Slave:
    """A running strict slave; ``seen`` is filled when it has ended."""

    def __init__(self, process: "subprocess.Popen[str]", port: str) -> None:
        """``port`` is the master's end."""
        self.port = port
        self.seen = Seen()
        self._process = process

    async def let_be_dead(self, units: Iterable[int]) -> float:
        """Let these units be silent, and all others answer; return since when, monotonic seconds."""
        return await asyncio.to_thread(self._order, " ".join(["dead", *map(str, sorted(units))]))

    def end(self) -> None:
        """End it and read what it saw."""
        self._process.terminate()
        told, _ = self._process.communicate(timeout=END_TIMEOUT_S)
        self.seen = Seen(**json.loads(told.splitlines()[-1]))

    def _order(self, line: str) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return float(json.loads(self._process.stdout.readline())["at_ns"]) / 1e9


@contextmanager
def slave(wire: Wire, baud: int, *options: str) -> Iterator[Slave]:
    """Run a slave in a process of its own."""
    command = [sys.executable, "-m", "bench.strict_slave", "--baud", str(baud)]
    command += ["--turnaround-ms", str(TURNAROUND_MS), *options]
    if wire.slave_port:
        command += ["--port", wire.slave_port, "--parity", wire.parity, "--stop-bits", str(wire.stop_bits)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        if not first:
            raise SystemExit("the slave could not start; what it said stands above")
        running = Slave(process, wire.port or json.loads(first)["port"])
        try:
            yield running
        finally:
            running.end()
