"""The plainest line: one request, then bytes until the answer has the length that it tells of itself.

It shows that ``answer_size`` is enough to read answers of unknown length from a wire, byte by byte.
"""

import os
import select
import socket
import time

from edge.lines.crc import crc16, framed
from edge.lines.lengths import answer_size
from edge.lines.line import LineError, Outcome, Request

HEADER_BYTES = 7
SILENCE_S = 0.005


class PlainLine:
    """RTU over a port's path, or Modbus TCP to a port of 127.0.0.1; for a test, never resynchronised."""

    def __init__(self, kind: str, port: str) -> None:
        """Open the port."""
        self.name = kind
        self._rtu = kind == "rtu"
        self._socket: socket.socket | None = None
        if self._rtu:
            self._descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY)
        else:
            self._socket = socket.create_connection(("127.0.0.1", int(port)))
            self._descriptor = self._socket.fileno()

    async def transact(self, request: Request) -> Outcome:
        """See Line."""
        deadline = time.monotonic() + request.timeout_s
        pdu = self._rtu_answer(request, deadline) if self._rtu else self._tcp_answer(request, deadline)
        return Outcome(pdu, None if pdu else LineError.TIMEOUT, time.monotonic_ns())

    async def close(self) -> None:
        """See Line."""
        if self._socket:
            self._socket.close()
        else:
            os.close(self._descriptor)

    def _rtu_answer(self, request: Request, deadline: float) -> bytes | None:
        time.sleep(SILENCE_S)  # between frames, as the wire wants it
        os.write(self._descriptor, framed(request.unit_id, request.pdu))
        came = b""
        while (size := answer_size(request.pdu, request.answer_bytes, came[1:])) is None or len(
            came
        ) < size + 3:
            byte = self._byte(deadline)
            if not byte:
                return None
            came += byte
        assert crc16(came) == 0
        return came[1:-2]

    def _tcp_answer(self, request: Request, deadline: float) -> bytes | None:
        length = len(request.pdu) + 1
        os.write(self._descriptor, bytes([0, 1, 0, 0, 0, length, request.unit_id]) + request.pdu)
        head = self._bytes(HEADER_BYTES, deadline)
        pdu = self._bytes(int.from_bytes(head[4:6]) - 1, deadline) if head else b""
        assert not pdu or answer_size(request.pdu, request.answer_bytes, pdu) == len(pdu)
        return pdu or None

    def _bytes(self, count: int, deadline: float) -> bytes:
        came = b""
        while len(came) < count and (byte := self._byte(deadline)):
            came += byte
        return came if len(came) == count else b""

    def _byte(self, deadline: float) -> bytes:
        readable, _, _ = select.select([self._descriptor], [], [], max(0.0, deadline - time.monotonic()))
        return os.read(self._descriptor, 1) if readable else b""
