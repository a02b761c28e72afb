"""Processes of `bench.gateway`: started, measured, ended; and what devices and centre have counted."""

import json
import socket
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.baselines.asked import HOST, REGISTERS
from contract import batches
from gengfu.demo.processes import Child


@dataclass(frozen=True)
class Books:
    """How many samples there were, what their values add up to, and how many had no value."""

    samples: int
    total: int
    bad: int = 0


@dataclass(frozen=True)
class Running:
    """A process, and what it told when it was ready."""

    child: Child
    told: dict[str, Any]

    @property
    def pid(self) -> int:
        """Its process id; the benchmark ends where it is gone."""
        if self.child.pid is None:
            sys.exit(self.child.fallen)
        return self.child.pid


@contextmanager
def child(name: str, folder: Path, *arguments: str) -> Iterator[Running]:
    """Run ``python -m`` with these arguments while the context is open; its log is in the folder."""
    process = Child(name, list(arguments), folder / f"{name}.log")
    try:
        yield Running(process, process.start())
    finally:
        process.end()


def end(running: Running) -> None:
    """Ask it to end and wait; the benchmark ends where that fails."""
    if running.child.end():
        sys.exit(f"{running.child.name} ended with an error")


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process with its threads, to the nanosecond (clock_getcpuclockid(3))."""
    return time.clock_gettime(~pid << 3 | 2)


def memory_kib(pid: int) -> tuple[int, int]:
    """Return what is resident now, and the most that ever was."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields["VmRSS"].split()[0]), int(fields["VmHWM"].split()[0])


def served(devices: Running) -> Books:
    """Ask the devices what they have served."""
    with socket.create_connection((HOST, devices.told["served"])) as connection:
        told = json.loads(connection.makefile().read())
    return Books(told["reads"] * REGISTERS, told["total"])


def journalled(folder: Path) -> Books:
    """Count what the journal of the centre in this folder holds."""
    count = total = bad = 0
    connection = sqlite3.connect(folder / "centre" / "collector.db")
    for (message,) in connection.execute("SELECT message FROM journal"):
        for sample in batches.decode(message).samples:
            count += 1
            total += sample.value if isinstance(sample.value, int) else 0
            bad += sample.value is None
    connection.close()
    return Books(count, total, bad)
