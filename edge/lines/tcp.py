"""A Modbus TCP line: one connection, the MBAP header, transaction ids that tell late answers.

An asyncio.Protocol rather than streams: a gateway may have fifty of these, and a transaction costs less.
"""

import asyncio
import struct
import time

from edge.lines.line import LineError, Outcome, Request, WireCost
from edge.lines.machine import READ_FUNCTIONS
from edge.telling import Told

_MBAP = struct.Struct(">HHHB")
_PREFIX_BYTES = 6
"""Of the header, what its length does not count."""
PDU_BYTES_MAX = 253
RECONNECT_INTERVAL_S = 1.0
SILENT_TRANSACTIONS_MAX = 5
"""After so many without a byte from the peer the connection is made anew."""

COST = WireCost(1e-6, 2e-3)
"""Bytes are nearly free, a transaction costs a round trip."""

_Answer = tuple[int, bytes] | LineError
"""Unit id and PDU, or why there is none."""


class _Connection(asyncio.Protocol):
    """Takes frames apart and hands the awaited one over; ``usable`` until it is lost or out of step."""

    def __init__(self) -> None:
        self.usable = True
        self.silent = 0  # transactions since the peer last said anything
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._awaited: tuple[int, asyncio.Future[_Answer]] | None = None

    @property
    def inside_frame(self) -> bool:
        """Say whether a frame has begun and not ended."""
        return bool(self._buffer)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_connection makes
        self._transport = transport

    def ask(self, transaction: int, frame: bytes) -> "asyncio.Future[_Answer]":
        """Send a frame; the future gets its answer."""
        assert self._transport is not None  # noqa: S101 - made before anybody asks
        future: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._awaited = (transaction, future)
        self._transport.write(frame)
        return future

    def give_up(self) -> None:
        """Nobody waits for the answer any more."""
        self._awaited = None

    def close(self) -> None:
        """Leave the peer."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()  # what was not sent is not to be sent late

    def data_received(self, data: bytes) -> None:
        self.silent = 0
        self._buffer += data
        while len(self._buffer) >= _MBAP.size:
            transaction, protocol, length, unit_id = _MBAP.unpack_from(self._buffer)
            if protocol != 0 or not 2 <= length <= PDU_BYTES_MAX + 1:
                return self._out_of_step()
            if len(self._buffer) < _PREFIX_BYTES + length:
                return None
            pdu = bytes(self._buffer[_MBAP.size : _PREFIX_BYTES + length])
            del self._buffer[: _PREFIX_BYTES + length]
            if pdu[0] in READ_FUNCTIONS and pdu[1:2] != bytes([length - 3 & 0xFF]):
                return self._out_of_step()  # header and answer disagree about the length
            if self._awaited and transaction == self._awaited[0]:
                self._resolve((unit_id, pdu))  # any other answers a request that was given up
        return None

    def eof_received(self) -> bool:
        self.usable = False
        self._resolve(LineError.UNAVAILABLE)
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.usable = False
        self._resolve(LineError.UNAVAILABLE)

    def _out_of_step(self) -> None:
        self.close()
        self._resolve(LineError.GARBLED)

    def _resolve(self, answer: _Answer) -> None:
        if self._awaited and not self._awaited[1].done():
            self._awaited[1].set_result(answer)
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
    ) -> None:
        """Remember where to connect; a new attempt waits that long from the last."""
        self.name = name
        self._reconnect_interval_s = reconnect_interval_s
        self._host, self._port, self._connect_timeout_s = host, port, connect_timeout_s
        self._connection: _Connection | None = None
        self._retry_at = 0.0
        self._transaction = 0
        self._told = Told(f"line {name}")
        self._lock = asyncio.Lock()
        self._closed = False

    async def transact(self, request: Request) -> Outcome:
        """See Line.transact."""
        async with self._lock:
            try:
                connection = await self._connected()
            except OSError as error:  # TimeoutError is one, too
                self._told.failed(f"{self._host}:{self._port}: {str(error) or 'no answer'}")
                connection = None
            if connection is None:
                return _failed(LineError.UNAVAILABLE)
            return await self._exchange(connection, request)

    async def close(self) -> None:
        """See Line.close."""
        async with self._lock:
            self._closed = True
            self._let_go()

    async def _exchange(self, connection: _Connection, request: Request) -> Outcome:
        self._transaction = (self._transaction + 1) & 0xFFFF
        header = _MBAP.pack(self._transaction, 0, len(request.pdu) + 1, request.unit_id)
        sent_ns = time.monotonic_ns()
        connection.silent += 1
        future = connection.ask(self._transaction, header + request.pdu)
        expiry = asyncio.get_running_loop().call_later(request.timeout_s, _expire, future)
        try:
            answer = await future
        finally:
            expiry.cancel()
            connection.give_up()
        if isinstance(answer, LineError):
            if answer is LineError.UNAVAILABLE:
                self._told.failed(f"{self._host}:{self._port}: the connection was closed")
            if answer is not LineError.TIMEOUT or connection.silent >= SILENT_TRANSACTIONS_MAX:
                self._let_go()  # after much silence: the peer may have forgotten it, and nothing says so
            return _failed(answer)
        unit_id, pdu = answer
        return Outcome(*_judged(pdu, unit_id, request), time.monotonic_ns(), sent_ns)

    async def _connected(self) -> _Connection | None:
        if self._closed:
            return None
        if self._connection is not None and (self._connection.inside_frame or not self._connection.usable):
            self._let_go()  # the last transaction ended in mid-frame, or the peer has closed it meanwhile
        if self._connection is None and time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + self._reconnect_interval_s
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(self._connect_timeout_s):
                _, self._connection = await loop.create_connection(_Connection, self._host, self._port)
            self._told.works()
        return self._connection

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def cost(self) -> WireCost:
        """See Line.cost."""
        return COST


def _expire(future: "asyncio.Future[_Answer]") -> None:
    if not future.done():
        future.set_result(LineError.TIMEOUT)


def _failed(error: LineError) -> Outcome:
    return Outcome(None, error, time.monotonic_ns())


def _judged(pdu: bytes, unit_id: int, request: Request) -> tuple[bytes | None, LineError | None]:
    if unit_id != request.unit_id:
        return None, LineError.WRONG_UNIT
    if pdu[0] == request.pdu[0] | 0x80 and len(pdu) == 2:
        return pdu, None
    if pdu[0] != request.pdu[0]:
        return None, LineError.WRONG_FUNCTION
    if len(pdu) != request.answer_bytes:
        return None, LineError.WRONG_LENGTH
    return pdu, None
