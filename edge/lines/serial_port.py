"""The line machine on a real serial port: one thread owns the port, asyncio calls from above."""

import asyncio
import contextlib
import os
import queue
import select
import termios
import threading
import time
from dataclasses import dataclass
from typing import Literal

import serial

from edge.lines.line import LineError, Outcome, Request
from edge.lines.machine import (
    Action,
    Begin,
    Done,
    Event,
    LineMachine,
    Pause,
    ReadUntil,
    Received,
    Timing,
    Write,
    Wrote,
)

QUEUED_REQUESTS_MAX = 64
REOPEN_INTERVAL_S = 1.0
WRITE_TIMEOUT_S = 1.0
"""A port that takes no bytes for so long is gone."""


@dataclass(frozen=True)
class SerialSettings:
    """How to open the port."""

    port: str
    baud: int
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1


_Job = tuple[Request, "asyncio.Future[Outcome]", asyncio.AbstractEventLoop]


class SerialLine:
    """A Line over pyserial. The port is opened by its thread, and again after it was lost."""

    def __init__(self, name: str, settings: SerialSettings, timing: Timing) -> None:
        """Start the owner thread; opening the port is its first act."""
        self.name = name
        self._settings = settings
        self._timing = timing
        self._machine = LineMachine(timing)
        self._port: serial.Serial | None = None
        self._retry_at = 0.0
        self._jobs: queue.Queue[_Job | None] = queue.Queue(QUEUED_REQUESTS_MAX)
        self._thread = threading.Thread(target=self._own, name=f"line-{name}", daemon=True)
        self._closed = False
        self._thread.start()

    async def transact(self, request: Request) -> Outcome:
        """See Line.transact; beyond 64 waiting requests the answer is line_unavailable."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        if self._closed:
            return Outcome(None, LineError.UNAVAILABLE, time.monotonic_ns())
        try:
            self._jobs.put_nowait((request, future, loop))
        except queue.Full:
            return Outcome(None, LineError.UNAVAILABLE, time.monotonic_ns())
        return await future

    async def close(self) -> None:
        """See Line.close."""
        self._closed = True
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._jobs.put(None)  # if the queue is full, its first is being told that the line is gone
        self._thread.join()

    def _own(self) -> None:
        while (job := self._jobs.get()) is not None:
            request, future, loop = job
            if future.cancelled():
                continue  # nobody waits any more, and a write done late is worse than none
            result: Outcome | Exception
            try:
                result = self._transact(request)
            except (OSError, termios.error):  # pyserial's own errors are OSErrors, those of termios are not
                self._let_go()
                result = Outcome(None, LineError.UNAVAILABLE, time.monotonic_ns())
            except Exception as error:  # a mistake of ours belongs to the caller; the thread must live on
                self._let_go()
                result = error
            with contextlib.suppress(RuntimeError):  # the caller's loop has ended
                loop.call_soon_threadsafe(_resolve, future, result)
        self._let_go()

    def _transact(self, request: Request) -> Outcome:
        port = None if self._closed else self._opened()
        if port is None:
            return Outcome(None, LineError.UNAVAILABLE, time.monotonic_ns())
        event: Event = Begin(request)
        while True:
            action = self._machine.step(event, time.monotonic_ns())
            if isinstance(action, Done):
                return action.outcome
            event = _perform(port, action)

    def _opened(self) -> serial.Serial | None:
        if self._port is None and time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + REOPEN_INTERVAL_S
            self._machine = LineMachine(self._timing)
            self._port = serial.Serial(
                self._settings.port,
                self._settings.baud,
                parity=self._settings.parity,
                stopbits=self._settings.stop_bits,
                timeout=0,
                write_timeout=WRITE_TIMEOUT_S,
                exclusive=True,
            )
        return self._port

    def _let_go(self) -> None:
        if self._port is not None:
            with contextlib.suppress(OSError):  # pulled out: there is nothing left to close
                self._port.close()
        self._port = None


def _perform(port: serial.Serial, action: Action) -> Event:
    descriptor = port.fileno()
    match action:
        case Pause(until_ns):
            while (rest_ns := until_ns - time.monotonic_ns()) > 0:
                time.sleep(rest_ns / 1e9)
            return Received(_available(descriptor))
        case Write(data):
            port.write(data)
            return Wrote()
        case ReadUntil(count, until_ns):
            data = b""
            while len(data) < count and (rest_ns := until_ns - time.monotonic_ns()) > 0:
                if select.select([descriptor], [], [], rest_ns / 1e9)[0]:
                    data += _read(descriptor)
            return Received(data)
        case Done():
            raise RuntimeError("a finished transaction has nothing to perform")


def _available(descriptor: int) -> bytes:
    return _read(descriptor) if select.select([descriptor], [], [], 0)[0] else b""


def _read(descriptor: int) -> bytes:
    data = os.read(descriptor, 4096)
    if not data:
        raise OSError("the serial port is gone")  # readable and empty: hang-up
    return data


def _resolve(future: "asyncio.Future[Outcome]", result: Outcome | Exception) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
