"""The line machine on a real serial port: one thread owns the port, asyncio calls from above."""

import asyncio
import contextlib
import ctypes
import fcntl
import logging
import os
import queue
import select
import sys
import termios
import threading
import time
from dataclasses import dataclass, replace
from typing import Literal

import serial

from edge.lines.direction import Rts, use_kernel
from edge.lines.framing import Framing
from edge.lines.handover import Handover
from edge.lines.line import Direction, LineError, Outcome, Request, WireCost
from edge.lines.listening import Seen
from edge.lines.machine import LineMachine
from edge.lines.ports import LATENCY_MS, is_pty, latency_timer, lowered_latency_ms
from edge.lines.steps import Begin, Done, Event, Pause, ReadUntil, Received, Write, Wrote
from edge.lines.timing import Timing
from edge.telling import Told

_log = logging.getLogger(__name__)

QUEUED_REQUESTS_MAX = 64
REOPEN_INTERVAL_S = 1.0
WRITE_TIMEOUT_S = 1.0
"""A port that takes no bytes for so long is gone."""
READ_BYTES_AT_ONCE = 4096
PR_SET_TIMERSLACK = 29
TIMER_SLACK_NS = 1_000
"""How much later than asked a sleep may end; the kernel's default of 50,000 is much of a silence."""


@dataclass(frozen=True)
class SerialSettings:
    """How to open the port."""

    port: str
    baud: int
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    data_bits: Literal[7, 8] = 8
    direction: Direction = "auto"


_Job = tuple[Request, "asyncio.Future[Outcome]"]


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
        self._port: _Port | None = None
        self._told = Told(f"line {name}")
        self._retry_at = 0.0
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._own, name=f"line-{name}", daemon=True)
        self._handover: Handover[Outcome] | None = None
        self._closed = False
        self._thread.start()

    async def transact(self, request: Request) -> Outcome:
        """See Line.transact; beyond 64 waiting requests the answer is line_unavailable."""
        if self._closed or self._jobs.qsize() >= QUEUED_REQUESTS_MAX:
            return Outcome(None, LineError.UNAVAILABLE, time.monotonic_ns())
        if self._handover is None:
            self._handover = Handover(asyncio.get_running_loop())
        future: asyncio.Future[Outcome] = self._handover.loop.create_future()
        self._jobs.put((request, future))
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
            result: Outcome | Exception
            try:
                result = self._transact(request)
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
            _sleep_until(self._machine.silent_from_ns)
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

    def _opened(self) -> "_Port | None":
        if self._port is None and time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + REOPEN_INTERVAL_S
            self._port = _Port(self._settings, self._timing.character_ns)
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


class _Port:
    """An open port: sleeps to the clock while the wire brings bytes, and is not woken by each of them."""

    def __init__(self, settings: SerialSettings, character_ns: int) -> None:
        self._serial = serial.Serial(
            settings.port,
            settings.baud,
            bytesize=settings.data_bits,
            parity=settings.parity,
            stopbits=settings.stop_bits,
            timeout=0,
            write_timeout=WRITE_TIMEOUT_S,
            exclusive=True,
        )
        self._descriptor: int = self._serial.fileno()
        attributes = termios.tcgetattr(self._descriptor)
        attributes[6][termios.VMIN] = 1  # with 0 an empty read would look like a hang-up
        termios.tcsetattr(self._descriptor, termios.TCSANOW, attributes)
        self._character_ns = character_ns
        self._rts: Rts | None = None
        if settings.direction == "kernel":
            use_kernel(self._serial)
        elif settings.direction != "auto":
            inverted = settings.direction == "rts_inverted"
            self._rts = Rts(self._serial, self._descriptor, inverted=inverted)
        self._count = bytearray(4)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)

    def perform(self, action: Pause | Write | ReadUntil) -> Event:
        match action:
            case Pause(until_ns):
                _sleep_until(until_ns)
                return Received(self.came())
            case Write(data):
                return self._write(data)
            case ReadUntil(count, until_ns, from_ns):
                # Even inside one poll the kernel wakes this thread for every byte: sleeping saves that.
                data = self._read() if _sleep_until(from_ns) else self.came()
                waited = len(data) < count
                while len(data) < count and (rest_ns := until_ns - time.monotonic_ns()) > 0:
                    if not self._poll.poll(rest_ns / 1e6):
                        break
                    missing = count - len(data) - self._has_come()
                    if missing > 0:
                        wire_ns = missing * self._character_ns
                        _sleep_until(min(until_ns, time.monotonic_ns() + wire_ns))
                    data += self._read()
                return Received(data, waited)

    def came(self) -> bytes:
        """Return what has come."""
        return self._read() if self._has_come() else b""

    def _write(self, data: bytes) -> Wrote:
        if self._rts:
            self._rts.talk()
        began_ns = time.monotonic_ns()
        written = os.write(self._descriptor, data)
        if written < len(data):
            self._serial.write(data[written:])  # waits for room, with its timeout
        if self._rts:
            self._rts.listen(began_ns + len(data) * self._character_ns)
        return Wrote(drained=self._rts is not None)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # pulled out: there is nothing left to close
            self._serial.close()

    def _has_come(self) -> int:
        """Return how many bytes are there to read: asking costs a tenth of a read in vain."""
        fcntl.ioctl(self._descriptor, termios.FIONREAD, self._count)
        return int.from_bytes(self._count, sys.byteorder)

    def _read(self) -> bytes:
        try:
            data = os.read(self._descriptor, READ_BYTES_AT_ONCE)
        except BlockingIOError:
            return b""
        if not data:
            raise OSError("the serial port is gone")  # readable and empty: hang-up
        return data


def _sleep_until(until_ns: int) -> bool:
    """Sleep to the clock; say whether there was time to."""
    slept = False
    while (rest_ns := until_ns - time.monotonic_ns()) > 0:
        time.sleep(rest_ns / 1e9)
        slept = True
    return slept
