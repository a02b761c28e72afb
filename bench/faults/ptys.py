"""The campaign on real ptys: a serial line, ours or pymodbus's, against the same faults on the same model.

A machine that is busy delays answers. A transaction is ``stalled``, and neither healthy nor harmless, if the
port dropped what it could not give out in time, if it heard the request more than 10 ms after it was sent, or
if it gave out the last byte less than 10 ms before the timeout. Values are judged in all of them.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import NamedTuple

from bench.faults.plan import HARMLESS, TELLING, Bounds, Step, steps
from bench.faults.tally import HEALTHY, LEARNING, Tally, Watch
from edge.lines.port import SerialSettings
from edge.lines.serial_port import SerialLine
from edge.lines.timing import Timing
from simulators.addressed import addressed_bus
from simulators.faults import MS
from simulators.faulty_pty import FaultyPty
from simulators.faulty_wire import FaultyWire

BAUD = 115_200
TURNAROUND_MS = 3
TIMEOUT_S, LATE_ANSWER_S = 0.04, 0.1
MARGIN_NS = 40 * MS
"""So much earlier than the bound the latest answer begins: it may be heard late, and given out late."""
NEAR_NS = 10 * MS
HEARD_WITHIN_S = 2.0
ATTEMPTS_MAX = 100
ATTEMPT_INTERVAL_S = 0.05
BOUNDS = Bounds(
    int(TIMEOUT_S * 1e9), int(LATE_ANSWER_S * 1e9) - MARGIN_NS, int(TIMEOUT_S * 1e9) // 2, unplug_share=0.2
)


class Answer(NamedTuple):
    """What a master made of a step: a PDU or an error, and when the request was out (0: never)."""

    pdu: bytes | None
    error: str
    sent_ns: int


Ask = Callable[[Step], Awaitable[Answer]]


def campaign(seed: int, transactions: int, late_answer_s: float = LATE_ANSWER_S) -> Tally:
    """Run so many transactions over our own serial line."""

    async def main(session: "Session", part: Iterator[Step]) -> None:
        timing = Timing.of(BAUD, "N", 1, late_answer_s=late_answer_s)
        line = SerialLine("bus", SerialSettings(str(session.port.path), BAUD), timing)

        async def ask(step: Step) -> Answer:
            outcome = await line.transact(step.request(TIMEOUT_S))
            return Answer(outcome.pdu, outcome.error or "", outcome.sent_ns)

        try:
            await session.play(part, ask)
        finally:
            await line.close()

    return on_a_pty(seed, transactions, main)


def on_a_pty(
    seed: int,
    transactions: int,
    main: Callable[["Session", Iterator[Step]], Awaitable[None]],
    *,
    ours: bool = True,
) -> Tally:
    """Run a master against the seed's plan; its tally."""
    random = Random(seed)
    wire = FaultyWire(addressed_bus(1, 2, turnaround_ms=TURNAROUND_MS), BAUD, at_once=True)
    part = islice(steps(random, BOUNDS), transactions)

    async def run(session: Session) -> None:
        await main(session, part)

    with tempfile.TemporaryDirectory() as folder, FaultyPty(wire, Path(folder) / "bus", BAUD) as port:
        session = Session(wire, port, ours=ours)
        asyncio.run(run(session))
    return session.tally


class Session:
    """One master, its port, and what is known of its adapter."""

    def __init__(self, wire: FaultyWire, port: FaultyPty, *, ours: bool) -> None:
        """Begin with an adapter that does not echo."""
        self.wire, self.port = wire, port
        self.tally = Tally()
        self._ours = ours
        self._learnt = False

    async def play(self, part: Iterator[Step], ask: Ask) -> None:
        """Do the steps.

        Bytes on a pty take no time, so only a read shows our line whether the adapter echoes: one is made
        before anything else whenever that may have changed.
        """
        for index, drawn in enumerate(part):
            step = drawn.alone() if drawn.copied and not self._learnt else drawn
            if step.event == "echo":
                self.wire.echo = not self.wire.echo
                self._learnt = False
            if self._ours and not self._learnt:
                await self._learn(ask)
            await self._step(step, ask, index)

    async def _learn(self, ask: Ask) -> None:
        for _ in range(ATTEMPTS_MAX):
            await self._step(Step(1, "holding_register", 7, 2, kind=LEARNING), ask, -1)
            if self._learnt:
                return
            await asyncio.sleep(ATTEMPT_INTERVAL_S)

    async def _step(self, step: Step, ask: Ask, index: int) -> None:
        wire, port = self.wire, self.port
        with port.lock:
            watch = Watch(wire, time.monotonic_ns())
            stalls, heard, plugged = port.stalls, port.heard, port.plugged
            wire.prepare(step.fault, step.foreign)
            if step.before:
                wire.ask(time.monotonic_ns() + MS, step.before)
            port.unplug_when_heard = step.event == "unplug" and step.at < 0.8
        if step.before:
            port.wake()
            await asyncio.sleep(step.head_start_ns / 1e9)
        if step.event == "unplug" and not port.unplug_when_heard:
            port.unplug()
        answer = await ask(step)
        stalled = await self._heard_late(answer, heard, plugged)
        with port.lock:
            stalled |= port.stalls > stalls
            kind = watch.kind(step, learnt=self._learnt)
            verdict = watch.verdict(step, answer.pdu, answer.error, checks_writes=self._ours)
        if stalled and verdict != "wrong" and kind in (*HEALTHY, *HARMLESS, LEARNING):
            kind = "stalled"
        if step.event == "unplug" or step.copied or stalled or kind == "collided":
            self._learnt = False  # an echo may have been lost
        elif verdict == "right" and not step.values and kind in (*TELLING, LEARNING):
            self._learnt = True
        self.tally.add(kind, verdict, f"#{index} {step} echo={wire.echo} {answer}")

    async def _heard_late(self, answer: Answer, heard: int, plugged: int) -> bool:
        """Say whether the machine was too busy; what would come later than the bound is dropped."""
        port = self.port
        if answer.pdu is not None or not answer.sent_ns:
            return False
        give_up_s = time.monotonic() + HEARD_WITHIN_S
        while port.heard == heard and port.plugged == plugged and time.monotonic() < give_up_s:
            await asyncio.sleep(0.001)
        with port.lock:
            if port.heard == heard:
                return True
            if port.heard_ns - answer.sent_ns > NEAR_NS:
                self.wire.hush()
                return True
            return port.given_ns > answer.sent_ns + BOUNDS.timeout_ns - NEAR_NS
