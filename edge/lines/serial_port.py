"""The line machine on a real serial port: one thread owns the port, asyncio calls from above."""

import asyncio
import ctypes
import logging
import queue
import termios
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from edge.lines.framing import Framing
from edge.lines.handover import Handover
from edge.lines.line import LineError, Outcome, Request, WireCost
from edge.lines.listening import Seen
from edge.lines.machine import LineMachine
from edge.lines.port import Port, SerialSettings, sleep_until
from edge.lines.ports import LATENCY_MS, is_pty, latency_timer, lowered_latency_ms
from edge.lines.steps import Begin, Done, Event
from edge.lines.timing import Timing
from edge.telling import Told

_log = logging.getLogger(__name__)

QUEUED_REQUESTS_MAX = 64
REOPEN_INTERVAL_S = 1.0
PR_SET_TIMERSLACK = 29
TIMER_SLACK_NS = 1_000
"""How much later than asked a sleep may end; the kernel's default of 50,000 is much of a silence."""


Lent = TypeVar("Lent")
_Job = tuple[Request | Callable[[Port], object], "asyncio.Future[Any]"]


class SerialLine:
    """A Line over pyserial, for one event loop. Its thread opens the port, and again after it was lost."""

    def __init__(
        self, name: str, settings: SerialSettings, timing: Timing, framing: Framing | None = None
    ) -> None:
        """Start the owner thread; opening the port is its first act. RTU unless told."""
        self.name = name
        self._settings = settings
        self._timing = timing
        self._machine = LineMachine(timing, framing)
        self._told_seen = (False, False)
        self._port: Port | None = None
        self._told = Told(f"line {name}")
        self._retry_at = 0.0
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._own, name=f"line-{name}", daemon=True)
        self._handover: Handover[Any] | None = None
        self._closed = False
        self._thread.start()

    async def transact(self, request: Request) -> Outcome:
        """See Line.transact; beyond 64 waiting requests the answer is line_unavailable."""
        if self._closed or self._jobs.qsize() >= QUEUED_REQUESTS_MAX:
            return Outcome(None, LineError.UNAVAILABLE, time.monotonic_ns())
        outcome: Outcome = await self._given(request)
        return outcome

    async def lend(self, use: Callable[[Port], Lent]) -> Lent:
        """Let somebody use the port in its thread, between transactions; return what ``use`` does.

        It has the format of the settings again after that. OSError where the port is not there. Everybody
        else waits meanwhile: so it is for short slices only.
        """
        if self._closed or self._jobs.qsize() >= QUEUED_REQUESTS_MAX:
            raise OSError(f"line {self.name} is closed, or too many wait for it")
        result = await self._given(use)
        if isinstance(result, Outcome):
            raise OSError(f"the port of line {self.name} is not there")
        lent: Lent = result
        return lent

    @property
    def port_name(self) -> str:
        """The port's name in the settings."""
        return self._settings.port

    async def _given(self, job: Request | Callable[[Port], object]) -> Any:
        if self._handover is None:
            self._handover = Handover(asyncio.get_running_loop())
        future: asyncio.Future[Any] = self._handover.loop.create_future()
        self._jobs.put((job, future))
        return await future

    async def close(self) -> None:
        """See Line.close."""
        self._closed = True
        await asyncio.to_thread(self._end)
        if self._handover is not None:
            self._handover.close()

    def _end(self) -> None:
        self._jobs.put(None)  # if the queue is full, its first is being told that the line is gone
        self._thread.join()

    def _own(self) -> None:
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0)  # of this thread alone
        while (job := self._jobs.get()) is not None:
            request, future = job
            if future.cancelled():
                continue  # nobody waits any more, and a write done late is worse than none
            result: object
            try:
                result = self._transact(request) if isinstance(request, Request) else self._lent(request)
                if self.seen.echo or self.seen.foreign_requests:
                    self._tell_once()
            except (OSError, termios.error) as error:  # pyserial's errors are OSErrors, those of termios not
                self._told.failed(str(error))
                self._let_go()
                result = Outcome(None, LineError.UNAVAILABLE, time.monotonic_ns())
            except Exception as error:  # a mistake of ours belongs to the caller; the thread must live on
                self._let_go()
                result = error
            if self._handover is not None:
                self._handover.give(future, result)
            # Nothing can be sent before the silence is over: the next job comes meanwhile, and wakes nobody.
            sleep_until(self._machine.silent_from_ns)
        self._let_go()

    def _transact(self, request: Request) -> Outcome:
        port = None if self._closed else self._opened()
        if port is None:
            return Outcome(None, LineError.UNAVAILABLE, time.monotonic_ns())
        event: Event = Begin(request, port.came())
        while True:
            action = self._machine.step(event, time.monotonic_ns())
            if isinstance(action, Done):
                return action.outcome
            event = port.perform(action)

    def _lent(self, use: Callable[[Port], object]) -> object:
        port = None if self._closed else self._opened()
        if port is None:
            return Outcome(None, LineError.UNAVAILABLE, time.monotonic_ns())
        try:
            return use(port)
        finally:
            port.reformat(self._settings.format)
            port.drop()
            self._machine.used_by_another()

    @property
    def seen(self) -> Seen:
        """What the line has shown besides answers."""
        return self._machine.seen

    def _tell_once(self) -> None:
        """Log what a technician should know of the line, when it is seen first."""
        seen = self._machine.seen
        echo, foreign = self._told_seen
        if seen.echo and not echo:
            _log.info("line %s: the adapter hands our own requests back; they are passed over", self.name)
        if seen.foreign_requests and not foreign:
            _log.warning(
                "line %s: another master asks on this bus; there must be only one: answers may be mixed up",
                self.name,
            )
        self._told_seen = (echo or bool(seen.echo), foreign or bool(seen.foreign_requests))

    def _opened(self) -> "Port | None":
        if self._port is None and time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + REOPEN_INTERVAL_S
            self._port = Port(self._settings)
            self._machine.reopened(replace(self._timing, paced=not is_pty(self._settings.port)))
            self._told.works()
            self._heed_latency()
        return self._port

    def _heed_latency(self) -> None:
        latency_ms = lowered_latency_ms(self._settings.port)
        if latency_ms is not None and latency_ms > LATENCY_MS:
            timer = latency_timer(self._settings.port)
            _log.warning(
                "line %s: its USB adapter keeps bytes back for %d ms; write 1 to %s (a udev rule can)",
                self.name,
                latency_ms,
                timer,
            )

    def _let_go(self) -> None:
        if self._port is not None:
            self._port.close()
        self._port = None

    @property
    def cost(self) -> WireCost:
        """See Line.cost."""
        return self._timing.cost
