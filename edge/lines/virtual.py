"""The line machine on a virtual wire: no thread, no port, and the clock of the running loop."""

import asyncio
from typing import Protocol

from edge.lines.framing import Framing
from edge.lines.line import LineError, Outcome, Request, WireCost
from edge.lines.listening import Seen
from edge.lines.machine import LineMachine
from edge.lines.steps import Action, Begin, Done, Event, Pause, ReadUntil, Write, Wrote
from edge.lines.steps import Received as ReceivedEvent
from edge.lines.timing import Timing


class Wire(Protocol):
    """A model of a serial wire, with whatever hangs on it. Times are nanoseconds of the loop's clock."""

    def send(self, data: bytes, now_ns: int) -> int:
        """Put bytes on the wire; return when the last one has left."""

    def receive(self, now_ns: int) -> bytes:
        """Return the bytes that have arrived by now, each once."""

    def next_arrival_ns(self) -> int | None:
        """Return when the next byte arrives, or None if nothing is under way."""


class VirtualLine:
    """A Line whose wire is a model; sleeps on the loop, so a virtual loop makes it fast."""

    def __init__(self, name: str, timing: Timing, wire: Wire, framing: Framing | None = None) -> None:
        """Drive a fresh machine over ``wire``; RTU unless told."""
        self.name = name
        self._timing = timing
        self._machine = LineMachine(timing, framing)
        self._wire = wire
        self._lock = asyncio.Lock()
        self._closed = False

    @property
    def seen(self) -> Seen:
        """What the line has shown besides answers."""
        return self._machine.seen

    def reopened(self, timing: Timing) -> None:
        """Play a port that was unplugged and is there again, between transactions."""
        self._machine.reopened(timing)

    async def transact(self, request: Request) -> Outcome:
        """See Line.transact."""
        async with self._lock:
            if self._closed:
                return Outcome(None, LineError.UNAVAILABLE, _now_ns())
            event: Event = Begin(request)
            while True:
                action = self._machine.step(event, _now_ns())
                if isinstance(action, Done):
                    return action.outcome
                event = await self._perform(action)

    async def close(self) -> None:
        """See Line.close."""
        async with self._lock:
            self._closed = True

    async def _perform(self, action: Action) -> Event:
        match action:
            case Pause(until_ns):
                await _sleep_until(until_ns)
                return ReceivedEvent(self._wire.receive(_now_ns()))
            case Write(data):
                self._wire.send(data, _now_ns())
                return Wrote()
            case ReadUntil(count, until_ns, from_ns):
                await _sleep_until(from_ns)
                return ReceivedEvent(await self._read(count, until_ns))
            case Done():
                raise RuntimeError("a finished transaction has nothing to perform")

    async def _read(self, count: int, until_ns: int) -> bytes:
        data = self._wire.receive(_now_ns())
        while len(data) < count and _now_ns() < until_ns:
            arrival = self._wire.next_arrival_ns()
            await _sleep_until(until_ns if arrival is None else min(arrival, until_ns))
            data += self._wire.receive(_now_ns())
        return data

    @property
    def cost(self) -> WireCost:
        """See Line.cost."""
        return self._timing.cost


def _now_ns() -> int:
    return round(asyncio.get_running_loop().time() * 1e9)


async def _sleep_until(until_ns: int) -> None:
    if (rest_ns := until_ns - _now_ns()) > 0:
        # A loop's clock is a float: a microsecond more keeps rounding from waking us too early.
        await asyncio.sleep(rest_ns / 1e9 + 1e-6)
