"""A serial line behind a converter that passes bytes over TCP as they are: RTU or ASCII over TCP.

The very machine of a serial port runs here: no transaction number tells late answers in this mode either. The
silences are kept at the far side's speed, though the network blurs them; the slack is the network's.
"""

import asyncio
import time

from edge.lines.connecting import RECONNECT_INTERVAL_S, Endpoint
from edge.lines.framing import Framing
from edge.lines.line import LineError, Outcome, Request, WireCost
from edge.lines.listening import Seen
from edge.lines.machine import LineMachine
from edge.lines.steps import Begin, Done, Event, Pause, ReadUntil, Received, Write, Wrote
from edge.lines.timing import Timing

BUFFER_BYTES_MAX = 64 * 1024
"""A peer that sends more than this unasked is left."""


class _Pipe(asyncio.Protocol):
    """Keeps what has come, and wakes whoever waits for a number of bytes."""

    def __init__(self) -> None:
        self.usable = True
        self._data = b""
        self._wanted = 0
        self._enough: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_connection makes
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > BUFFER_BYTES_MAX:
            self.close()
        if len(self._data) >= self._wanted:
            self._wake()

    def eof_received(self) -> bool:
        self._lost()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._lost()

    def write(self, data: bytes) -> None:
        """Send bytes."""
        assert self._transport is not None  # noqa: S101 - made before anybody asks
        self._transport.write(data)

    async def read(self, count: int, until_ns: int) -> bytes:
        """Return what has come when it is so many bytes, the time is reached, or the peer is gone."""
        rest_s = (until_ns - time.monotonic_ns()) / 1e9
        if self.usable and len(self._data) < count and rest_s > 0:
            self._wanted, self._enough = count, asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(rest_s):
                    await self._enough
            except TimeoutError:
                pass
            finally:
                self._enough = None
        data, self._data = self._data, b""
        return data

    def close(self) -> None:
        """Leave the peer."""
        if self._transport is not None:
            self._transport.abort()  # what was not sent is not to be sent late
        self._lost()

    def _lost(self) -> None:
        self.usable = False
        self._wake()

    def _wake(self) -> None:
        if self._enough is not None and not self._enough.done():
            self._enough.set_result(None)


class StreamLine:
    """A Line over a transparent converter. It connects when first used, and again after a loss."""

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        timing: Timing,
        framing: Framing,
        connect_timeout_s: float = 3.0,
        *,
        reconnect_interval_s: float = RECONNECT_INTERVAL_S,
    ) -> None:
        """``timing`` is that of the serial side, not paced."""
        self.name = name
        self._timing = timing
        self._machine = LineMachine(timing, framing)
        self._endpoint = Endpoint(
            name,
            (host, port),
            _Pipe,
            connect_timeout_s=connect_timeout_s,
            reconnect_interval_s=reconnect_interval_s,
        )
        self._asked: _Pipe | None = None
        self._lock = asyncio.Lock()
        self._closed = False

    @property
    def seen(self) -> Seen:
        """What the line has shown besides answers."""
        return self._machine.seen

    async def transact(self, request: Request) -> Outcome:
        """See Line.transact."""
        async with self._lock:
            pipe = None if self._closed else await self._endpoint.connected()
            if pipe is None:
                return _unavailable()
            if pipe is not self._asked:
                self._asked = pipe
                self._machine.reopened(self._timing)
            return await self._exchange(pipe, request)

    async def close(self) -> None:
        """See Line.close."""
        async with self._lock:
            self._closed = True
            self._endpoint.let_go()

    async def _exchange(self, pipe: _Pipe, request: Request) -> Outcome:
        event: Event = Begin(request)
        while True:
            action = self._machine.step(event, time.monotonic_ns())
            match action:
                case Done(outcome):
                    return outcome
                case Pause(until_ns):
                    await asyncio.sleep(max(0.0, (until_ns - time.monotonic_ns()) / 1e9))
                    event = Received(await pipe.read(0, 0))
                case Write(data):
                    pipe.write(data)
                    event = Wrote()
                case ReadUntil(count, until_ns):
                    event = Received(await pipe.read(count, until_ns))
            if not pipe.usable and not (isinstance(event, Received) and event.data):
                self._endpoint.failed("the connection was closed")
                self._endpoint.let_go()
                return _unavailable()

    @property
    def cost(self) -> WireCost:
        """See Line.cost."""
        return self._timing.cost


def _unavailable() -> Outcome:
    return Outcome(None, LineError.UNAVAILABLE, time.monotonic_ns())
