"""The campaign on virtual time: the pure line machine against a model of the wire."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from random import Random

from bench.faults.plan import FOREIGN_BIT_ADDRESS_MAX, NOTHING, TELLING, Bounds, Step, steps
from bench.faults.tally import Tally, Watch
from bench.faults.watchman import Watchman
from edge.drivers import modbus_pdu
from edge.lines.line import BROADCAST, LineError, Outcome, Request
from edge.lines.timing import Timing
from edge.lines.virtual import VirtualLine
from simulators.addressed import addressed_bus
from simulators.faults import MS, rtu_frame
from simulators.faulty_wire import FaultyWire, Foreign
from simulators.virtual_loop import run_virtually

BAUDS = (1200, 9600, 19200, 115200)
SESSION_TRANSACTIONS = 1_000
TIMEOUT_S, LATE_ANSWER_S = 0.1, 0.2
BOUNDS = Bounds(int(TIMEOUT_S * 1e9), int(LATE_ANSWER_S * 1e9), int(TIMEOUT_S * 1e9) - 5 * MS)


def campaign(
    seed: int, transactions: int, late_answer_s: float = LATE_ANSWER_S, broadcasts: float = 0
) -> Tally:
    """Run so many transactions; the line rests for ``late_answer_s``, the faults keep to 0.2 s.

    Before that part of them something is written to all units; the judged transactions are the others.
    """
    random, tally, watchman = Random(seed), Tally(), Watchman()
    plan = steps(random, BOUNDS)
    for begun in range(0, transactions, SESSION_TRANSACTIONS):
        part = islice(plan, min(SESSION_TRANSACTIONS, transactions - begun))
        run_virtually(_Session(random, tally, watchman, late_answer_s, broadcasts).play(part))
    tally.watched += Counter(samples=watchman.samples, bad=watchman.bad, alarms=watchman.alarms)
    return tally


class _Session:
    """A line, its wire, and what is known of its adapter."""

    def __init__(
        self, random: Random, tally: Tally, watchman: Watchman, late_answer_s: float, broadcasts: float
    ) -> None:
        """Choose a speed."""
        baud = random.choice(BAUDS)
        self._random, self._tally, self._broadcasts = random, tally, broadcasts
        self._watchman = watchman
        self._wire = FaultyWire(addressed_bus(1, 2), baud)
        self._wire.echo = random.random() < 0.5
        self._timing = Timing.of(baud, "N", 1, late_answer_s=late_answer_s)
        self._line = VirtualLine("bus", self._timing, self._wire)
        self._learnt = False  # whether a read has shown what the adapter does

    async def play(self, part: Iterator[Step]) -> None:
        """Do the steps."""
        for index, drawn in enumerate(part):
            step = drawn.alone() if drawn.copied and not self._learnt else drawn
            if self._random.random() < 0.1:
                await asyncio.sleep(self._random.random() * 0.03)
            if self._broadcasts and self._random.random() < self._broadcasts:
                await self._to_all(step)
            await self._step(step, index)

    async def _to_all(self, step: Step) -> None:
        """Write what could be confused with the step; often another master asks alike in the turnaround."""
        value, other = self._random.randrange(65_536), self._random.randrange(FOREIGN_BIT_ADDRESS_MAX)
        if self._random.random() < 0.5 and other != step.address:
            asked, _ = modbus_pdu.read_request(step.table, other, step.count)
            frame, timing = rtu_frame(step.unit_id, asked), self._timing
            last_ns = timing.broadcast_turnaround_ns - len(frame) * timing.character_ns
            self._wire.prepare(NOTHING, Foreign(self._random.randrange(MS, last_ns), frame))
        pdu, answer_bytes = modbus_pdu.write_request("holding_register", step.address, [value])
        outcome = await self._line.transact(Request(BROADCAST, pdu, answer_bytes, TIMEOUT_S))
        assert outcome.pdu == b"" or outcome.error is LineError.NOISE, outcome

    async def _step(self, step: Step, index: int) -> None:
        wire = self._wire
        watch = Watch(wire, _now_ns())
        if step.event == "echo":
            wire.echo = not wire.echo
            self._learnt = False
        wire.prepare(step.fault, step.foreign)
        if step.before:
            wire.ask(_now_ns() + MS, step.before)
            await asyncio.sleep(step.head_start_ns / 1e9)
        outcome = await self._transact(step)
        self._watchman.heard(step, outcome, _now_ns())
        kind = watch.kind(step, learnt=self._learnt)
        verdict = watch.verdict(step, outcome.pdu, outcome.error or "")
        self._learnt |= verdict == "right" and not step.values and kind in TELLING
        self._learnt &= not step.copied
        self._tally.add(kind, verdict, f"#{index} {step} echo={wire.echo} {outcome}")

    async def _transact(self, step: Step) -> Outcome:
        request = step.request(TIMEOUT_S)
        if step.event != "unplug":
            return await self._line.transact(request)
        task = asyncio.create_task(self._line.transact(request))
        done, _ = await asyncio.wait([task], timeout=step.at * TIMEOUT_S)
        outcome = task.result() if done else Outcome(None, LineError.UNAVAILABLE, _now_ns())
        task.cancel()
        await asyncio.wait([task])
        self._learnt = False
        self._line.reopened(self._timing)
        return outcome


def _now_ns() -> int:
    return round(asyncio.get_running_loop().time() * 1e9)
