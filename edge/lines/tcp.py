"""A Modbus TCP line: one connection, the MBAP header, transaction ids that tell late answers."""

import asyncio
import struct
import time

from edge.lines.line import LineError, Outcome, Request
from edge.lines.machine import READ_FUNCTIONS
from edge.telling import Told

_MBAP = struct.Struct(">HHHB")
PDU_BYTES_MAX = 253
RECONNECT_INTERVAL_S = 1.0
SILENT_TRANSACTIONS_MAX = 5
"""After so many without a byte from the peer the connection is made anew."""


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
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._retry_at = 0.0
        self._transaction = 0
        self._told = Told(f"line {name}")
        self._inside_frame = False
        self._sent_ns = 0
        self._silent = 0  # transactions since the peer last said anything
        self._lock = asyncio.Lock()
        self._closed = False

    async def transact(self, request: Request) -> Outcome:
        """See Line.transact."""
        async with self._lock:
            try:
                streams = await self._connected()
                if streams is None:
                    return _failed(LineError.UNAVAILABLE)
                return await self._exchange(*streams, request)
            except (
                OSError,
                EOFError,
            ) as error:  # a connection that TCP itself gave up is one, too (ETIMEDOUT)
                reason = str(error) or type(error).__name__
                self._told.failed(f"{self._host}:{self._port}: {reason}")
                self._let_go()
                return _failed(LineError.UNAVAILABLE)

    async def close(self) -> None:
        """See Line.close."""
        async with self._lock:
            self._closed = True
            self._let_go()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request
    ) -> Outcome:
        self._transaction = (self._transaction + 1) & 0xFFFF
        header = _MBAP.pack(self._transaction, 0, len(request.pdu) + 1, request.unit_id)
        limit = asyncio.timeout(request.timeout_s)
        try:
            async with limit:
                writer.write(header + request.pdu)
                await writer.drain()
                self._sent_ns = time.monotonic_ns()
                return await self._answer(reader, request)
        except TimeoutError:
            if not limit.expired():
                raise
            self._silent += 1
            if self._silent >= SILENT_TRANSACTIONS_MAX:
                self._let_go()  # perhaps the peer has forgotten the connection, and nothing says so
            return _failed(LineError.TIMEOUT)

    async def _answer(self, reader: asyncio.StreamReader, request: Request) -> Outcome:
        while True:
            transaction, protocol, length, unit_id = _MBAP.unpack(await reader.readexactly(_MBAP.size))
            self._silent = 0
            if protocol != 0 or not 2 <= length <= PDU_BYTES_MAX + 1:
                self._let_go()
                return _failed(LineError.GARBLED)
            self._inside_frame = True
            pdu = await reader.readexactly(length - 1)
            self._inside_frame = False
            if pdu[0] in READ_FUNCTIONS and pdu[1:2] != bytes([length - 3 & 0xFF]):
                self._let_go()  # header and answer disagree about the length: out of step from here
                return _failed(LineError.GARBLED)
            if transaction != self._transaction:
                continue  # the answer to a request that was given up
            return Outcome(*_judged(pdu, unit_id, request), time.monotonic_ns(), self._sent_ns)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        if self._closed:
            return None
        if self._inside_frame or (self._streams and self._streams[0].at_eof()):
            self._let_go()  # out of step, as the last transaction ended in mid-frame; or closed by the peer
        if self._streams is None and time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + self._reconnect_interval_s
            async with asyncio.timeout(self._connect_timeout_s):
                self._streams = await asyncio.open_connection(self._host, self._port)
            self._told.works()
        return self._streams

    def _let_go(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
        self._inside_frame = False
        self._silent = 0


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
