"""The speed section of `bench.line`: utilisation, overhead, silence and CPU, beside pymodbus."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from statistics import median
from typing import Any

from pymodbus.client import AsyncModbusSerialClient

from bench.slave_process import REQUEST_BYTES, Wire, slave
from bench.strict_slave import REGISTERS, Seen
from bench.telling import Figures, progress
from edge.drivers import modbus_pdu
from edge.lines.line import Outcome, Request
from edge.lines.serial_port import SerialLine

BAUDS = (9600, 19200, 115200)
UNITS = 10
WARM_UP = 6 * UNITS
"""Transactions before anything is measured, of both masters: a line learns how long its devices take."""
TIMEOUT_S = 0.5


@dataclass(frozen=True)
class Worked:
    """What a master counted: wrong answers, times, and the shortest silence it believes it kept."""

    wrong: int
    elapsed_s: float
    cpu_s: float
    shortest_gap_ns: int = 2**62


Master = Callable[[Wire, str, int, int], Coroutine[Any, Any, Worked]]


@dataclass(frozen=True)
class Run:
    """What one master did at one speed."""

    transactions: int
    worked: Worked
    seen: Seen

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds a transaction."""
        return self.worked.elapsed_s / self.transactions * 1000

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds a transaction, of the master's process."""
        return self.worked.cpu_s / self.transactions * 1000


@dataclass(frozen=True)
class Row:
    """Medians of a master's runs at one speed."""

    utilisation: float
    over_ms: float
    cpu_ms: float


def registers(unit_id: int) -> list[int]:
    """Return what a unit of the slave holds."""
    return [unit_id * 256 + register for register in range(REGISTERS)]


async def gengfu(wire: Wire, port: str, baud: int, count: int) -> Worked:
    """Our line, one transaction after the other."""
    timing = wire.timing(baud)
    line = SerialLine("bench", wire.settings(port, baud), timing)
    pdu, answer_bytes = modbus_pdu.read_request("holding_register", 0, REGISTERS)
    requests = [Request(unit_id, pdu, answer_bytes, TIMEOUT_S) for unit_id in range(1, UNITS + 1)]
    expected = [tuple(registers(request.unit_id)) for request in requests]
    for index in range(WARM_UP):
        last = await line.transact(requests[index % UNITS])
    wrong, shortest_ns = 0, 2**62
    cpu_s, began_s = time.process_time(), time.perf_counter()
    for index in range(count):
        request = requests[index % UNITS]
        outcome = await line.transact(request)
        wrong += not _right(outcome, expected[index % UNITS])
        began_ns = outcome.sent_ns - REQUEST_BYTES * timing.character_ns
        shortest_ns = min(shortest_ns, began_ns - last.done_ns)
        last = outcome
    elapsed_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    await line.close()
    return Worked(wrong, elapsed_s, cpu_s, shortest_ns)


def _right(outcome: Outcome, expected: tuple[int, ...]) -> bool:
    if outcome.pdu is None:
        return False
    return modbus_pdu.read_answer("holding_register", REGISTERS, outcome.pdu) == expected


async def pymodbus(wire: Wire, port: str, baud: int, count: int) -> Worked:
    """The same through pymodbus's asyncio client."""
    client = AsyncModbusSerialClient(
        port, baudrate=baud, parity=wire.parity, stopbits=wire.stop_bits, timeout=TIMEOUT_S, retries=0
    )
    await client.connect()
    for index in range(WARM_UP):
        with contextlib.suppress(Exception):
            await client.read_holding_registers(0, count=REGISTERS, device_id=index % UNITS + 1)
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
    return Worked(wrong, elapsed_s, cpu_s)


def run(master: Master, wire: Wire, baud: int, seconds: float, *options: str) -> Run:
    """Let a master work for about so many seconds of wire time."""
    count = max(UNITS, int(seconds / wire.ideal_s(baud)))
    with slave(wire, baud, *options) as target:
        worked = asyncio.run(master(wire, target.port, baud, count))
    return Run(count, worked, target.seen)


def told(wire: Wire, baud: int, name: str, runs: list[Run]) -> Row:
    """Print a master's row and return it."""
    ideal_ms = wire.ideal_s(baud) * 1000
    row = Row(
        median(ideal_ms / each.elapsed_ms for each in runs),
        median(each.elapsed_ms - ideal_ms for each in runs),
        median(each.cpu_ms for each in runs),
    )
    done = sum(each.transactions for each in runs)
    wrong = sum(each.worked.wrong for each in runs)
    violations = sum(each.seen.silence_violations for each in runs)
    unsure = sum(each.seen.silences_unsure for each in runs)
    figures = f"{done:>6} {row.utilisation:>12.4f} {row.over_ms:>8.3f} {row.cpu_ms:>7.3f}"
    print(f"{baud:>7} {name:<9} {figures} {violations:>11} {unsure:>6} {wrong:>6}", flush=True)
    return row


def measured(wire: Wire, seconds: float, rounds: int) -> Figures:
    """Measure both masters at every speed; print the table, return its figures."""
    figures: Figures = {}
    rows: dict[str, list[Row]] = {"gengfu": [], "pymodbus": []}
    every: list[Run] = []
    shares: dict[str, list[float]] = {"slave": [], "master": []}
    print("   baud master      done  utilisation  over ms  CPU ms  violations unsure  wrong")
    for baud in BAUDS:
        ours, theirs = [], []
        progress(f"speed: {baud} baud, two masters, {rounds} rounds of {seconds:g} s")
        for _ in range(rounds):
            ours.append(run(gengfu, wire, baud, seconds))
            theirs.append(run(pymodbus, wire, baud, seconds, "--lenient"))
        rows["gengfu"].append(told(wire, baud, "gengfu", ours))
        rows["pymodbus"].append(told(wire, baud, "pymodbus", theirs))
        figures[f"utilisation_{baud}"] = round(rows["gengfu"][-1].utilisation, 4)
        silence_ns = wire.silence_s(baud) * 1e9
        shares["slave"] += [each.seen.shortest_gap_ns / silence_ns for each in ours]
        shares["master"] += [each.worked.shortest_gap_ns / silence_ns for each in ours]
        every += ours
    least = {side: min(found) for side, found in shares.items()}
    sides = ", ".join(f"{side} {share:.4f}" for side, share in least.items())
    print(f"shortest silence over what is due: {sides}", flush=True)
    cpu_ms = {name: sum(row.cpu_ms for row in found) for name, found in rows.items()}
    return figures | {
        "overhead_ms_per_transaction": round(max(row.over_ms for row in rows["gengfu"]), 3),
        "silence_violations": sum(each.seen.silence_violations for each in every),
        "silences_unsure": sum(each.seen.silences_unsure for each in every),
        "malformed": sum(each.seen.malformed for each in every),
        "wrong": sum(each.worked.wrong for each in every),
        "shortest_silence_ratio": round(least["slave"], 4),
        "cpu_ratio_pymodbus": round(cpu_ms["gengfu"] / cpu_ms["pymodbus"], 3),
    }
