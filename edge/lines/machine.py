"""The pure heart of a Modbus RTU line: silence, framing, time limits, resynchronisation.

``LineMachine.step(event, now_ns)`` says what to do next; a runner does it and comes back with the event.
The machine owns no clock, no port and no thread, so real and virtual time run the very same code.

Silence: 3.5 characters between frames, 1.75 ms above 19200 baud (Modbus over serial line 1.02, 2.5.1.1).

Time: a request that nobody answers costs its timeout and the time of five characters. Once bytes have come,
they get the time of a whole answer and the slack beyond the timeout, and not more, however long they go on.

Late answers: RTU frames carry no number, so an answer that comes after its request was given up would pass
for the answer to the next request of the same unit and function. After a failure no such request is sent for
``late_answer_ns``, whatever else is asked meanwhile. An answer that begins later than that, or is repeated by
the line after more than the silence less a character, cannot be told from the right one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from edge.lines.crc import crc16, framed
from edge.lines.line import LineError, Outcome, Request

EXCEPTION_FRAME_BYTES = 5
"""The shortest frame there is."""
HEAD_BYTES = 2
READ_FUNCTIONS = range(1, 5)
"""Their answers tell how many bytes of data follow."""
READ_BYTES_MAX = 1024
"""So much noise is taken while one answer is awaited."""
SILENCE_ABOVE_19200_NS = 1_750_000


@dataclass(frozen=True, slots=True)
class Timing:
    """What the wire's speed means in nanoseconds."""

    character_ns: int
    silence_ns: int
    turnaround_ns: int
    """Extra rest before each request, beyond the silence, for slow transceivers."""
    late_answer_ns: int
    """How late after its timeout an answer may still begin; nothing confusable is sent meanwhile."""
    settle_limit_ns: int
    """Longest wait for the line to fall silent."""
    slack_ns: int
    """How much later than the wire says bytes may reach us: scheduler, USB adapter."""

    @classmethod
    def of(
        cls,
        baud: int,
        parity: Literal["N", "E", "O"],
        stop_bits: int,
        *,
        turnaround_s: float = 0,
        late_answer_s: float = 0.2,
        settle_limit_s: float = 0.5,
        slack_s: float = 0.03,
    ) -> "Timing":
        """Return the timing of a serial line; a character is 1 start, 8 data, parity and stop bits."""
        bits = 9 + stop_bits + (parity != "N")
        character_ns = bits * 1_000_000_000 // baud
        return cls(
            character_ns,
            SILENCE_ABOVE_19200_NS if baud > 19200 else character_ns * 7 // 2,
            int(turnaround_s * 1e9),
            int(late_answer_s * 1e9),
            int(settle_limit_s * 1e9),
            int(slack_s * 1e9),
        )


@dataclass(frozen=True, slots=True)
class Begin:
    """Event: a request is to be made."""

    request: Request


@dataclass(frozen=True, slots=True)
class Wrote:
    """Event: the bytes were handed to the wire."""


@dataclass(frozen=True, slots=True)
class Received:
    """Event: the wait is over; these bytes have come meanwhile, perhaps none."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Action: sleep until the time, then report whatever has come (Received)."""

    until_ns: int


@dataclass(frozen=True, slots=True)
class Write:
    """Action: send the bytes (Wrote)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ReadUntil:
    """Action: read until ``count`` bytes have come or the time is reached (Received)."""

    count: int
    until_ns: int
    from_ns: int = 0
    """Before this the wire cannot have brought them."""


@dataclass(frozen=True, slots=True)
class Done:
    """Action: the transaction is over."""

    outcome: Outcome


Event = Begin | Wrote | Received
Action = Pause | Write | ReadUntil | Done


class LineMachine:
    """One RTU line's state, from transaction to transaction."""

    def __init__(self, timing: Timing) -> None:
        """Assume nothing about the line: the first request waits for a silence too."""
        self._timing = timing
        self._quiet_from_ns: int | None = None  # since when nothing was on the line
        self._late_until_ns: dict[tuple[int, int], int] = {}  # by unit and function
        self._request: Request | None = None
        self._sending = False
        self._give_up_ns = 0
        self._sent_ns = 0
        self._deadline_ns = 0
        self._limit_ns = 0  # the deadline is never moved beyond
        self._buffer = bytearray()
        self.stray_bytes = 0
        """Bytes that came when nobody was asked."""

    @property
    def silent_from_ns(self) -> int:
        """When the silence before the next request is over, as far as is known now; 0 before the first."""
        return 0 if self._quiet_from_ns is None else self._quiet_from_ns + self._timing.silence_ns

    def step(self, event: Event, now_ns: int) -> Action:
        """Take what happened, return what to do. After Done the next event is a Begin."""
        match event:
            case Begin(request):
                return self._begin(request, now_ns)
            case Wrote():
                return self._listen(now_ns)
            case Received(data) if self._sending:
                return self._settle(data, now_ns)
            case Received(data):
                return self._take(data, now_ns)

    def _begin(self, request: Request, now_ns: int) -> Action:
        if self._request is not None and not self._sending:
            self._expect_late(self._request, now_ns)  # given up by its caller, half way
        self._request = request
        self._sending = True
        self._sent_ns = 0
        self._buffer.clear()
        self._give_up_ns = now_ns + self._timing.settle_limit_ns
        if self._quiet_from_ns is None:
            self._quiet_from_ns = now_ns
        send_ns = self._quiet_from_ns + self._timing.silence_ns + self._timing.turnaround_ns
        send_ns += int(request.pause_s * 1e9)
        self._late_until_ns = {key: end for key, end in self._late_until_ns.items() if end > now_ns}
        if (until_ns := self._late_until_ns.get(_key(request))) is not None:
            # A late answer would pass for this one's: let it come and go first.
            send_ns = max(send_ns, until_ns)
            self._give_up_ns = max(self._give_up_ns, send_ns + self._timing.settle_limit_ns)
        return Pause(max(send_ns, now_ns))

    def _settle(self, data: bytes, now_ns: int) -> Action:
        """The pause before sending is over: send, unless something was on the line meanwhile."""
        if data:
            self.stray_bytes += len(data)
            self._quiet_from_ns = now_ns
            if now_ns >= self._give_up_ns:
                return self._done(None, LineError.NOISE, now_ns)
            return Pause(now_ns + self._timing.silence_ns)
        request = self._expected()
        self._sending = False
        return Write(framed(request.unit_id, request.pdu))

    def _listen(self, now_ns: int) -> Action:
        request = self._expected()
        sent_ns = now_ns + (len(request.pdu) + 3) * self._timing.character_ns
        self._sent_ns = self._quiet_from_ns = sent_ns
        timeout_ns = sent_ns + int(request.timeout_s * 1e9)
        self._deadline_ns = timeout_ns + EXCEPTION_FRAME_BYTES * self._timing.character_ns
        self._limit_ns = timeout_ns + self._answer_ns(request)
        return ReadUntil(HEAD_BYTES, self._deadline_ns)  # they tell an answer from an exception

    def _take(self, data: bytes, now_ns: int) -> Action:
        request = self._expected()
        if data:
            self._buffer += data
            self._quiet_from_ns = now_ns
            # The rest of a frame that has begun gets the time that the wire needs for it.
            self._deadline_ns = max(self._deadline_ns, min(now_ns + self._answer_ns(request), self._limit_ns))
        answer = _find(self._buffer, request)
        if answer is not None:
            return self._done(answer, None, now_ns)
        if now_ns >= self._deadline_ns or len(self._buffer) > READ_BYTES_MAX:
            return self._failed(now_ns)
        if not self._buffer:
            return ReadUntil(HEAD_BYTES, self._deadline_ns)
        # A frame that has begun comes without a rest; when its time is over, it may be something else.
        missing = _missing(self._buffer, request)
        from_ns = now_ns + missing * self._timing.character_ns if data else now_ns
        until_ns = min(self._deadline_ns, from_ns + self._timing.slack_ns)
        return ReadUntil(missing, until_ns, min(from_ns, until_ns))

    def _failed(self, now_ns: int) -> Action:
        request = self._expected()
        self._expect_late(request, now_ns)
        return self._done(None, _diagnosed(self._buffer, request), now_ns)

    def _expect_late(self, request: Request, now_ns: int) -> None:
        late_ns = self._timing.late_answer_ns
        if request.late_answer_s is not None:
            late_ns = int(request.late_answer_s * 1e9)
        self._late_until_ns[_key(request)] = max(now_ns, self._deadline_ns) + late_ns

    def _answer_ns(self, request: Request) -> int:
        return (request.answer_bytes + 3) * self._timing.character_ns + self._timing.slack_ns

    def _done(self, pdu: bytes | None, error: LineError | None, now_ns: int) -> Done:
        self._request = None
        return Done(Outcome(pdu, error, now_ns, self._sent_ns))

    def _expected(self) -> Request:
        if self._request is None:
            raise RuntimeError("the line machine was stepped outside a transaction")
        return self._request


def _key(request: Request) -> tuple[int, int]:
    return request.unit_id, request.pdu[0]


def _candidates(buffer: bytes | bytearray, request: Request) -> Iterator[tuple[int, int]]:
    """Yield where an answer may begin in what has come, and how long its frame would be."""
    unit_id, function = request.unit_id, request.pdu[0]
    exception = bytes([unit_id, function | 0x80])
    answer = bytes([unit_id, function])
    if function in READ_FUNCTIONS:
        answer += bytes([request.answer_bytes - 2 & 0xFF])
    start = buffer.find(unit_id)
    while start >= 0:
        head = bytes(buffer[start : start + 3])
        if exception.startswith(head[:2]):
            yield start, EXCEPTION_FRAME_BYTES
        if answer.startswith(head[: len(answer)]):
            yield start, request.answer_bytes + 3
        start = buffer.find(unit_id, start + 1)


def _find(buffer: bytes | bytearray, request: Request) -> bytes | None:
    """Return the PDU of the first sound frame that answers the request, wherever it begins."""
    for start, size in _candidates(buffer, request):
        frame = bytes(buffer[start : start + size])
        if len(frame) == size and crc16(frame) == 0:
            return frame[1:-2]
    return None


def _missing(buffer: bytes | bytearray, request: Request) -> int:
    """Return how many more bytes could complete the earliest possible frame; at least one."""
    ends = [start + size - len(buffer) for start, size in _candidates(buffer, request)]
    return min((end for end in ends if end > 0), default=EXCEPTION_FRAME_BYTES)


def _diagnosed(buffer: bytes | bytearray, request: Request) -> LineError:
    """Name what came instead of an answer."""
    if not buffer:
        return LineError.TIMEOUT
    if len(buffer) >= EXCEPTION_FRAME_BYTES - 1 and crc16(bytes(buffer)) == 0:
        if buffer[0] != request.unit_id:
            return LineError.WRONG_UNIT
        if buffer[1] & 0x7F != request.pdu[0]:
            return LineError.WRONG_FUNCTION
        return LineError.WRONG_LENGTH
    return LineError.GARBLED
