"""ASCII frames: a colon, unit, PDU and LRC in hexadecimal, CR LF (Modbus over serial line 1.02, 2.5.2).

The LRC has eight bits: of frames harmed beyond what parity finds, one in 256 passes. RTU's CRC has sixteen.
"""

from collections.abc import Iterator

from edge.lines.framing import READ_FUNCTIONS, Frame
from edge.lines.lengths import TELLING_FUNCTIONS, fits
from edge.lines.line import Request

FRAME_CHARACTERS_MAX = 513
_END = b"\r\n"
_WORTHLESS = b" \t\n\r\v\f"  # bytes.fromhex would pass over these


class Ascii:
    """See Framing."""

    head_bytes = 5
    exception_bytes = 11

    def framed(self, unit_id: int, pdu: bytes) -> bytes:
        """See Framing."""
        body = bytes([unit_id]) + pdu
        return b":" + (body + bytes([lrc(body)])).hex().upper().encode() + _END

    def answer_bytes(self, request: Request) -> int:
        """See Framing."""
        return 2 * request.answer_bytes + 7

    def whole(self, buffer: bytes, request: Request) -> bytes | None:  # noqa: ARG002
        """See Framing; lines in this mode are slow, and looking closer costs them little."""
        return None

    def answers(self, buffer: bytes, request: Request) -> Iterator[Frame]:
        """See Framing."""
        function = request.pdu[0]
        for frame in self.frames(buffer):
            pdu = frame.pdu
            if frame.unit_id != request.unit_id:
                continue
            exception = pdu[0] == function | 0x80 and len(pdu) == 2
            answer = pdu[0] == function and fits(request.pdu, request.answer_bytes, pdu)
            if answer and function in READ_FUNCTIONS:
                answer = pdu[1] == request.answer_bytes - 2 & 0xFF
            if exception or answer:
                yield frame

    def missing(self, buffer: bytes, request: Request) -> int:
        """See Framing."""
        start = buffer.rfind(b":")
        if start < 0 or _END in buffer[start:]:
            return self.head_bytes
        head, size = buffer[start : start + 5], self.answer_bytes(request)
        if len(head) < self.head_bytes:
            return self.head_bytes - len(head)
        exception = self.framed(request.unit_id, bytes([request.pdu[0] | 0x80, 0]))
        if head.upper() == exception[: len(head)]:
            size = self.exception_bytes
        elif request.pdu[0] in TELLING_FUNCTIONS:
            return 1  # its end tells how long it is
        return max(1, start + size - len(buffer))

    def frames(self, buffer: bytes) -> Iterator[Frame]:
        """See Framing; a colon always begins a frame anew."""
        end = 0
        while (end := buffer.find(_END, end)) >= 0:
            start = buffer.rfind(b":", 0, end)
            body = _decoded(buffer[start + 1 : end]) if start >= 0 else None
            if body is not None:
                yield Frame(start, end + len(_END), body[0], body[1:-1])
            end += len(_END)


def lrc(data: bytes) -> int:
    """Return the two's complement of the sum of the bytes."""
    return -sum(data) & 0xFF


def _decoded(characters: bytes) -> bytes | None:
    """Return unit, PDU and LRC of a sound frame's characters, or None."""
    if len(characters) > FRAME_CHARACTERS_MAX or any(byte in _WORTHLESS for byte in characters):
        return None
    try:
        body = bytes.fromhex(characters.decode("ascii"))
    except ValueError:
        return None
    return body if len(body) >= 3 and lrc(body) == 0 else None
