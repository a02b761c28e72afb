"""RTU frames: unit, PDU, CRC; nothing marks where they begin or end (Modbus over serial line 1.02, 2.5.1)."""

from collections.abc import Iterator

from edge.lines.crc import crc16, framed
from edge.lines.framing import MULTIPLE_WRITES, READ_FUNCTIONS, SINGLE_WRITES, Frame
from edge.lines.lengths import TELLING_FUNCTIONS, answer_size
from edge.lines.line import Request

EXCEPTION_FRAME_BYTES = 5
UNIT_ID_MAX = 247
STARTS_MAX = 64
"""Frames of others are looked for from so many places: noise is not worth more."""


class Rtu:
    """See Framing."""

    head_bytes = 2
    exception_bytes = EXCEPTION_FRAME_BYTES

    def framed(self, unit_id: int, pdu: bytes) -> bytes:
        """See Framing."""
        return framed(unit_id, pdu)

    def answer_bytes(self, request: Request) -> int:
        """See Framing."""
        return request.answer_bytes + 3

    def whole(self, buffer: bytes, request: Request) -> bytes | None:
        """See Framing."""
        function = request.pdu[0]
        if (
            len(buffer) == request.answer_bytes + 3
            and buffer[0] == request.unit_id
            and buffer[1] == function
            and (function not in READ_FUNCTIONS or buffer[2] == request.answer_bytes - 2)
            and function not in TELLING_FUNCTIONS
            and crc16(buffer) == 0
        ):
            return buffer[1:-2]
        return None

    def answers(self, buffer: bytes, request: Request) -> Iterator[Frame]:
        """See Framing."""
        for start, size in _candidates(buffer, request):
            frame = buffer[start : start + size]
            if len(frame) == size and crc16(frame) == 0:
                yield Frame(start, start + size, frame[0], frame[1:-2])

    def missing(self, buffer: bytes, request: Request) -> int:
        """See Framing."""
        ends = [start + size - len(buffer) for start, size in _candidates(buffer, request)]
        return min((end for end in ends if end > 0), default=EXCEPTION_FRAME_BYTES)

    def frames(self, buffer: bytes) -> Iterator[Frame]:
        """See Framing; only frames whose function tells their length are known."""
        start = 0
        while start < min(len(buffer) - EXCEPTION_FRAME_BYTES + 1, STARTS_MAX):
            for size in _sizes(buffer[start : start + 7]):
                frame = buffer[start : start + size]
                if len(frame) == size and crc16(frame) == 0:
                    yield Frame(start, start + size, frame[0], frame[1:-2])
                    start += size
                    break
            else:
                start += 1


def _candidates(buffer: bytes, request: Request) -> Iterator[tuple[int, int]]:
    """Yield where an answer may begin in what has come, and how long its frame would be."""
    unit_id, function = request.unit_id, request.pdu[0]
    exception = bytes([unit_id, function | 0x80])
    answer = bytes([unit_id, function])
    if function in READ_FUNCTIONS:
        answer += bytes([request.answer_bytes - 2 & 0xFF])
    start = buffer.find(unit_id)
    while start >= 0:
        head = buffer[start : start + 3]
        if exception.startswith(head[:2]):
            yield start, EXCEPTION_FRAME_BYTES
        if answer.startswith(head[: len(answer)]):
            yield start, _size(buffer[start + 1 :], request) + 3
        start = buffer.find(unit_id, start + 1)


def _size(pdu: bytes, request: Request) -> int:
    """Return how long the answer's PDU is that begins so; a byte more than there is while nobody knows."""
    if request.pdu[0] not in TELLING_FUNCTIONS:
        return request.answer_bytes
    size = answer_size(request.pdu, request.answer_bytes, pdu[: request.answer_bytes])
    return len(pdu) + 1 if size is None else min(size, request.answer_bytes)


def _sizes(head: bytes) -> Iterator[int]:
    """Yield how long a frame that begins so may be, as a request and as an answer."""
    unit_id, function = head[0], head[1]
    if unit_id > UNIT_ID_MAX:
        return
    if function & 0x80:
        yield EXCEPTION_FRAME_BYTES
    elif function in READ_FUNCTIONS:
        yield 8
        yield 5 + head[2]
    elif function in SINGLE_WRITES or function in MULTIPLE_WRITES:
        yield 8
        if function in MULTIPLE_WRITES and len(head) > 6:
            yield 9 + head[6]
