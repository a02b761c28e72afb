"""How long an answer is, told from its first bytes (Modbus application protocol 1.1b3, section 6). Pure.

Most answers have a length that their request announces. Of two it is in the answer alone: report server id
(17) has a byte count, read device identification (43/14) a row of objects, each with a length of its own.
"""

EXCEPTION_BYTES = 2
_BYTE_COUNTED = frozenset({1, 2, 3, 4, 17, 23})
_FIXED = {5: 5, 6: 5, 15: 5, 16: 5, 22: 7}
_DEVICE_IDENTIFICATION = bytes([43, 14])
TELLING_FUNCTIONS = frozenset({17, 43})
"""Only their answers tell how long they are; ``answer_bytes`` of a request is then the most they may be."""
_OBJECTS_FROM = 7
"""Function, interface type, read code, conformity, more follows, next object, number of objects."""


def answer_size(request_pdu: bytes, answer_bytes: int, head: bytes) -> int | None:
    """Return the length in bytes of the answer's PDU that begins with ``head``; None: show more of it.

    ``request_pdu`` is what was asked and ``answer_bytes`` the length, or the greatest length, that its answer
    may have; ``head`` begins with the function code. What is said is what the answer says of itself: a size
    other than the announced one, or beyond the greatest, belongs to no sound answer, and is for the caller to
    judge. Where the function is not the one that was asked for, the size is ``answer_bytes``.
    """
    if not head or not request_pdu:
        return None
    if head[0] & 0x80:
        return EXCEPTION_BYTES
    if head[0] != request_pdu[0]:
        return answer_bytes
    if head[0] in _BYTE_COUNTED:
        return None if len(head) < 2 else 2 + head[1]
    if request_pdu[:2] == _DEVICE_IDENTIFICATION:
        return _identification_size(answer_bytes, head)
    return _FIXED.get(head[0], answer_bytes)  # diagnostics (8) are as long as their request


def fits(request_pdu: bytes, answer_bytes: int, pdu: bytes) -> bool:
    """Say whether a whole PDU of the asked function is as long as its answer has to be."""
    if request_pdu[0] not in TELLING_FUNCTIONS:
        return len(pdu) == answer_bytes
    return answer_size(request_pdu, answer_bytes, pdu) == len(pdu) <= answer_bytes


def _identification_size(answer_bytes: int, head: bytes) -> int | None:
    """Walk over the objects: an id, a length, and so many bytes."""
    if len(head) >= 2 and head[:2] != _DEVICE_IDENTIFICATION:
        return answer_bytes
    if len(head) < _OBJECTS_FROM:
        return None
    size = _OBJECTS_FROM
    for _ in range(head[_OBJECTS_FROM - 1]):
        if size > answer_bytes:
            return size  # nothing that follows makes it shorter
        if len(head) < size + 2:
            return None
        size += 2 + head[size + 1]
    return size
