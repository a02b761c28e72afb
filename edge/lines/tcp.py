"""A Modbus TCP line: one connection, the MBAP header, transaction ids that tell late answers.

An asyncio.Protocol rather than streams: a gateway may have fifty of these, and a transaction costs less.
For the same reason all connections share a timer.
"""

import asyncio
import math
import struct
import time
from typing import cast

from edge.lines.connecting import RECONNECT_INTERVAL_S, Endpoint
from edge.lines.framing import READ_FUNCTIONS, is_broadcast
from edge.lines.lengths import fits
from edge.lines.line import LineError, Outcome, Request, WireCost
from edge.lines.timing import BROADCAST_TURNAROUND_S
from edge.waiting import timers

_MBAP = struct.Struct(">HHHB")
_PREFIX_BYTES = 6
"""Of the header, what its length does not count."""
PDU_BYTES_MAX = 253
SILENT_TRANSACTIONS_MAX = 5
"""After so many without a byte from the peer the connection is made anew."""

COST = WireCost(1e-6, 2e-3)
"""Bytes are nearly free, a transaction costs a round trip."""

_RECEIVED = memoryview(bytearray(4096))
"""Where the event loop puts what it receives; one for all connections, so that it stays in the cache."""

_Answer = tuple[int, bytes] | LineError
"""Unit id and PDU, or why there is none."""


class _Connection(asyncio.BufferedProtocol):
    """Takes frames apart and hands the awaited one over; ``usable`` until it is lost or out of step."""

    def __init__(self) -> None:
        self.silent = 0  # transactions since the peer last said anything
        self._open = True
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._timers = timers()
        self._loop = self._timers.loop
        self._transaction = 0
        self._awaited: asyncio.Future[_Answer] | None = None
        self.due_s = math.inf

    @property
    def usable(self) -> bool:
        """Say whether it is open, and not in the middle of a frame."""
        return self._open and not self._buffer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass

    def ask(self, request: Request, limit_s: float) -> "asyncio.Future[_Answer]":
        """Send a request; the future gets its answer, or LineError.TIMEOUT after the limit."""
        assert self._transport is not None  # noqa: S101 - made before anybody asks
        self.silent += 1
        self._transaction = (self._transaction + 1) & 0xFFFF
        self._awaited = future = self._loop.create_future()
        self.due_s = self._loop.time() + limit_s
        self._timers.add(self)
        header = _MBAP.pack(self._transaction, 0, len(request.pdu) + 1, request.unit_id)
        self._transport.write(header + request.pdu)
        return future

    def give_up(self) -> None:
        """Nobody waits for the answer any more."""
        self._awaited = None
        self._timers.remove(self)

    def over(self) -> None:
        """The time limit of the request under way is over."""
        self._resolve(LineError.TIMEOUT)

    def close(self) -> None:
        """Leave the peer."""
        self._open = False
        if self._transport is not None:
            self._transport.abort()  # what was not sent is not to be sent late

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return _RECEIVED  # taken out of it before anybody else's bytes come

    def buffer_updated(self, nbytes: int) -> None:
        self.silent = 0
        buffer = self._buffer + bytes(_RECEIVED[:nbytes])
        while len(buffer) >= _MBAP.size:
            transaction, protocol, length, unit_id = _MBAP.unpack_from(buffer)
            if protocol != 0 or not 2 <= length <= PDU_BYTES_MAX + 1:
                return self._out_of_step()
            end = _PREFIX_BYTES + length
            if len(buffer) < end:
                break
            pdu, buffer = buffer[_MBAP.size : end], buffer[end:]
            if pdu[0] in READ_FUNCTIONS and (len(pdu) < 2 or pdu[1] != length - 3):
                return self._out_of_step()  # header and answer disagree about the length
            if transaction == self._transaction:
                self._resolve((unit_id, pdu))  # any other answers a request that was given up
        self._buffer = buffer
        return None

    def eof_received(self) -> bool:
        self._open = False
        self._resolve(LineError.UNAVAILABLE)
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._open = False
        self._resolve(LineError.UNAVAILABLE)

    def _out_of_step(self) -> None:
        self.close()
        self._resolve(LineError.GARBLED)

    def _resolve(self, answer: _Answer) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(answer)
        self._awaited = None


class TcpLine:
    """A Line over TCP. It connects when first used, and again after the connection was lost."""

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        connect_timeout_s: float = 3.0,
        *,
        reconnect_interval_s: float = RECONNECT_INTERVAL_S,
        broadcast_turnaround_s: float = BROADCAST_TURNAROUND_S,
    ) -> None:
        """Remember where to connect; a new attempt waits that long from the last."""
        self.name = name
        self._endpoint = Endpoint(
            name,
            (host, port),
            _Connection,
            connect_timeout_s=connect_timeout_s,
            reconnect_interval_s=reconnect_interval_s,
        )
        self._broadcast_turnaround_s = broadcast_turnaround_s
        self._lock = asyncio.Lock()
        self._closed = False

    async def transact(self, request: Request) -> Outcome:
        """See Line.transact."""
        broadcast = is_broadcast(request)
        await self._lock.acquire()
        try:
            connection = self._endpoint.current
            if connection is None or not connection.usable:
                connection = None if self._closed else await self._endpoint.connected()
            if connection is None:
                return _failed(LineError.UNAVAILABLE)
            if request.pause_s:
                await asyncio.sleep(request.pause_s)  # for a serial device behind the endpoint
            sent_ns = time.monotonic_ns()
            limit_s = self._broadcast_turnaround_s if broadcast else request.timeout_s
            try:
                answer = await connection.ask(request, limit_s)
            finally:
                connection.give_up()
            if broadcast and (answer is LineError.TIMEOUT or not isinstance(answer, LineError)):
                return await self._taken(connection, sent_ns)
            return self._outcome(connection, request, answer, sent_ns)
        finally:
            self._lock.release()

    async def close(self) -> None:
        """See Line.close."""
        async with self._lock:
            self._closed = True
            self._endpoint.let_go()

    async def _taken(self, connection: _Connection, sent_ns: int) -> Outcome:
        """Give the units behind the endpoint their time to take a broadcast, whether or not it answers."""
        rest_s = self._broadcast_turnaround_s - (time.monotonic_ns() - sent_ns) / 1e9
        await asyncio.sleep(max(0.0, rest_s))
        connection.silent = 0  # that nobody answered says nothing of the peer
        return Outcome(b"", None, time.monotonic_ns(), sent_ns)

    def _outcome(self, connection: _Connection, request: Request, answer: _Answer, sent_ns: int) -> Outcome:
        if isinstance(answer, LineError):
            if answer is LineError.UNAVAILABLE:
                self._endpoint.failed("the connection was closed")
            if answer is not LineError.TIMEOUT or connection.silent >= SILENT_TRANSACTIONS_MAX:
                self._endpoint.let_go()  # after much silence the peer may have forgotten it; nothing says so
            return _failed(answer)
        error = _fault(answer, request)
        return Outcome(None if error else answer[1], error, time.monotonic_ns(), sent_ns)

    @property
    def cost(self) -> WireCost:
        """See Line.cost."""
        return COST


def _failed(error: LineError) -> Outcome:
    return Outcome(None, error, time.monotonic_ns())


def _fault(answer: tuple[int, bytes], request: Request) -> LineError | None:
    """Return what is wrong with an answer; an exception is a sound one."""
    unit_id, pdu = answer
    if unit_id != request.unit_id:
        return LineError.WRONG_UNIT
    if pdu[0] == request.pdu[0]:
        return None if fits(request.pdu, request.answer_bytes, pdu) else LineError.WRONG_LENGTH
    return None if pdu[0] == request.pdu[0] | 0x80 and len(pdu) == 2 else LineError.WRONG_FUNCTION
