"""How close to the wire's limit a serial line is driven: ``python -m bench.line``.

Ten units of ten registers each behind a paced, strict slave (bench/strict_slave.py). Utilisation is what the
wire allows for a transaction over what it took: request, the slave's turnaround, answer, 3.5 characters of
silence (1.75 ms above 19200 baud), characters of ten bits; the median of several rounds. CPU is that of this
process, beside pymodbus's asyncio client in the same run on a slave that forgives its missing silence.
"""

import argparse
import asyncio
import json
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

from pymodbus.client import AsyncModbusSerialClient

from edge.drivers import modbus_pdu
from edge.lines.line import Request
from edge.lines.serial_port import SerialLine, SerialSettings
from edge.lines.timing import Timing

BAUDS = (9600, 19200, 115200)
TURNAROUND_MS = 5.0
REGISTERS = 10
UNITS = 10
REQUEST_BYTES = 8
ANSWER_BYTES = 5 + 2 * REGISTERS


@dataclass(frozen=True)
class Run:
    """What one master did at one speed."""

    transactions: int
    wrong: int
    elapsed_s: float
    cpu_s: float
    seen: dict[str, Any]

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds a transaction, of the master's process."""
        return self.cpu_s / self.transactions * 1000


def ideal_s(baud: int) -> float:
    """Return the shortest time that the wire allows for a transaction."""
    character_s = 10 / baud
    silence_s = 0.00175 if baud > 19200 else 3.5 * character_s
    turnaround_s = max(TURNAROUND_MS / 1000, silence_s)
    return (REQUEST_BYTES + ANSWER_BYTES) * character_s + turnaround_s + silence_s


class Slave:
    """A running strict slave; ``seen`` is filled when it has ended."""

    def __init__(self, process: "subprocess.Popen[str]", port: str) -> None:
        """Keep both."""
        self.port = port
        self.seen: dict[str, Any] = {}
        self._process = process

    def end(self) -> None:
        """End it and read what it saw."""
        self._process.terminate()
        told, _ = self._process.communicate(timeout=10)
        self.seen = json.loads(told.splitlines()[-1])


@contextmanager
def slave(baud: int, *options: str) -> Iterator[Slave]:
    """Run a slave in a process of its own."""
    command = [sys.executable, "-m", "bench.strict_slave", "--baud", str(baud), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        running = Slave(process, json.loads(process.stdout.readline())["port"])
        try:
            yield running
        finally:
            running.end()


async def _ours(port: str, baud: int, count: int) -> tuple[int, float, float]:
    line = SerialLine("bench", SerialSettings(port, baud), Timing.of(baud, "N", 1))
    pdu, answer_bytes = modbus_pdu.read_request("holding_register", 0, REGISTERS)
    requests = [Request(unit_id, pdu, answer_bytes, 0.5) for unit_id in range(1, UNITS + 1)]
    await line.transact(requests[0])  # the first waits for a silence and opens the port
    wrong = 0
    cpu_s, began_s = time.process_time(), time.perf_counter()
    for index in range(count):
        request = requests[index % UNITS]
        outcome = await line.transact(request)
        good = outcome.pdu is not None and modbus_pdu.read_answer(
            "holding_register", REGISTERS, outcome.pdu
        ) == [request.unit_id * 256 + register for register in range(REGISTERS)]
        wrong += not good
    elapsed_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    await line.close()
    return wrong, elapsed_s, cpu_s


async def _pymodbus(port: str, baud: int, count: int) -> tuple[int, float, float]:
    client = AsyncModbusSerialClient(port, baudrate=baud, timeout=0.5, retries=0)
    await client.connect()
    wrong = 0
    cpu_s, began_s = time.process_time(), time.perf_counter()
    for index in range(count):
        try:
            answer = await client.read_holding_registers(0, count=REGISTERS, device_id=index % UNITS + 1)
            wrong += answer.isError()
        except Exception:  # whatever it is, it is no value
            wrong += 1
    elapsed_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    client.close()
    return wrong, elapsed_s, cpu_s


def run(master: Any, baud: int, seconds: float, *options: str) -> Run:
    """Let a master work for about so many seconds of wire time."""
    count = max(UNITS, int(seconds / ideal_s(baud)))
    with slave(baud, *options) as target:
        wrong, elapsed_s, cpu_s = asyncio.run(master(target.port, baud, count))
    return Run(count, wrong, elapsed_s, cpu_s, target.seen)


def told(baud: int, name: str, runs: list[Run]) -> tuple[float, float, float]:
    """Print a master's row; return the medians of utilisation, ms over the ideal, CPU ms."""
    utilisation = median(ideal_s(baud) * each.transactions / each.elapsed_s for each in runs)
    over_ms = median((each.elapsed_s / each.transactions - ideal_s(baud)) * 1000 for each in runs)
    cpu_ms = median(each.cpu_ms for each in runs)
    done = sum(each.transactions for each in runs)
    violations = sum(each.seen["silence_violations"] for each in runs)
    wrong = sum(each.wrong for each in runs)
    row = f"{baud:>7} {name:<9} {done:>6} {utilisation:>12.4f} {over_ms:>8.3f} {cpu_ms:>7.3f}"
    print(f"{row} {violations:>11} {wrong:>6}")
    return utilisation, over_ms, cpu_ms


def main() -> None:
    """Measure, print a table, end with one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4, help="Wire time a round and speed.")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    figures: dict[str, float] = {"silence_violations": 0, "wrong": 0}
    over, ours_cpu, theirs_cpu = 0.0, 0.0, 0.0
    print("   baud master      done  utilisation  over ms  CPU ms  violations  wrong")
    for baud in BAUDS:
        ours, theirs = [], []
        for _ in range(given.rounds):
            ours.append(run(_ours, baud, given.seconds))
            theirs.append(run(_pymodbus, baud, given.seconds, "--lenient"))
        utilisation, over_ms, cpu_ms = told(baud, "gengfu", ours)
        _, _, pymodbus_ms = told(baud, "pymodbus", theirs)
        figures[f"utilisation_{baud}"] = round(utilisation, 4)
        figures["silence_violations"] += sum(each.seen["silence_violations"] for each in ours)
        figures["wrong"] += sum(each.wrong for each in ours)
        over = max(over, over_ms)
        ours_cpu += cpu_ms
        theirs_cpu += pymodbus_ms
    figures["overhead_ms_per_transaction"] = round(over, 3)
    figures["cpu_ratio_pymodbus"] = round(ours_cpu / theirs_cpu, 3)
    conditions = {
        "wire": "pty",
        "python": platform.python_version(),
        "turnaround_ms": TURNAROUND_MS,
        "seconds": given.seconds,
        "rounds": given.rounds,
    }
    print(json.dumps({"name": "line", "figures": figures, "conditions": conditions}))


if __name__ == "__main__":
    main()
