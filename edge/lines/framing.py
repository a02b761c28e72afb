"""How a PDU travels on a line: the bytes around it, and how an answer is found among what has come."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from edge.lines.line import BROADCAST, Request

READ_FUNCTIONS = range(1, 5)
"""Their answers tell how many bytes of data follow."""
BIT_READS = (1, 2)
SINGLE_WRITES = (5, 6)
MULTIPLE_WRITES = (15, 16)
BROADCASTS = frozenset({*SINGLE_WRITES, *MULTIPLE_WRITES, 22})
"""Functions that may go to unit 0."""


class Frame(NamedTuple):
    """A sound frame: where it begins and ends in what has come, and what it holds."""

    start: int
    end: int
    unit_id: int
    pdu: bytes


class Framing(Protocol):
    """A serial transmission mode. All functions are pure and take any bytes."""

    @property
    def head_bytes(self) -> int:
        """So many bytes of a frame tell an answer from an exception."""

    @property
    def exception_bytes(self) -> int:
        """Length of an exception's frame, the shortest answer there is."""

    def framed(self, unit_id: int, pdu: bytes) -> bytes:
        """Return the frame around a PDU."""

    def answer_bytes(self, request: Request) -> int:
        """Return how long the frame of the hoped-for answer is, at most."""

    def whole(self, buffer: bytes, request: Request) -> bytes | None:
        """Return the PDU where all that has come is just the hoped-for answer; None: look closer."""

    def answers(self, buffer: bytes, request: Request) -> Iterable[Frame]:
        """Return the sound frames that have the unit, function and length of an answer, as they come."""

    def missing(self, buffer: bytes, request: Request) -> int:
        """Return how many more bytes could complete the earliest possible answer; at least one."""

    def frames(self, buffer: bytes) -> Iterable[Frame]:
        """Return the sound frames of any unit that do not overlap, as they come."""


def key(request: Request) -> tuple[int, int]:
    """Return what makes answers confusable: unit and function."""
    return request.unit_id, request.pdu[0]


def is_broadcast(request: Request) -> bool:
    """Say whether nobody is to answer; ValueError for anything but a write to unit 0."""
    if request.unit_id != BROADCAST:
        return False
    if request.pdu[0] not in BROADCASTS:
        raise ValueError(f"function {request.pdu[0]} cannot be broadcast: only writes can, nobody answers")
    return True


def is_request(pdu: bytes) -> bool:
    """Say whether a PDU is shaped as a request; those of single writes look like their answers."""
    function = pdu[0]
    if function in READ_FUNCTIONS or function in SINGLE_WRITES:
        return len(pdu) == 5
    return function in MULTIPLE_WRITES and len(pdu) > 5 and len(pdu) == 6 + pdu[5]


def may_be_answer(pdu: bytes) -> bool:
    """Say whether a PDU shaped as a request may be an answer too: of a single write, or of 17 to 24 bits."""
    return pdu[0] in SINGLE_WRITES or (pdu[0] in BIT_READS and pdu[1] == 3)


def echoes_another(pdu: bytes, request: Request) -> bool:
    """Say whether a PDU answers a write, but not this one: a write's answer repeats its first five bytes."""
    function = request.pdu[0]
    writes = function in SINGLE_WRITES or function in MULTIPLE_WRITES
    return writes and pdu[0] == function and pdu != request.pdu[:5]
