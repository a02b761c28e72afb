"""What has come since a request was sent, and what of it is the answer. Pure.

Echo: an adapter that hears itself hands every request back. Sound answers show whether this one does. A
write's answer equals its echo, so the first copy on an echoing line counts for nothing, and on a line that
has answered no read yet a single copy is no answer (``only_echo``).
"""

from dataclasses import dataclass

from edge.lines.framing import Frame, Framing, echoes_another, is_request, key
from edge.lines.line import LineError, Request
from edge.lines.timing import Timing


@dataclass(slots=True)
class Seen:
    """What a line has shown besides answers, counted since it was opened first."""

    echo: bool | None = None
    """Whether the adapter hands our own requests back; None as long as nobody knows."""
    stray_bytes: int = 0
    """Bytes that came when nobody was asked."""
    stray_frames: int = 0
    """Sound frames among them: late or repeated answers, or another master's."""
    foreign_requests: int = 0
    """Requests that were not ours: there is another master on this line."""
    stale_frames: int = 0
    """Answers that came sooner than the wire can have brought them."""


class Listening:
    """The bytes of one transaction, and what they teach about the line."""

    def __init__(self, framing: Framing, timing: Timing, seen: Seen) -> None:
        """``seen`` is the line's own record, and is kept up to date."""
        self._framing, self._timing, self._seen = framing, timing, seen
        self._own = b""
        self._written_ns = 0
        self._buffer = b""
        self._echoed = False
        self.before = self.after = b""
        """What came before and after the answer, echoes aside."""
        self.copied = False
        """Whether our request came back unexpectedly: it may be another master that asks the very same."""

    def begin(self, own: bytes, written_ns: int) -> None:
        """A request is about to be written: its frame, and the earliest moment it can have begun."""
        self._own, self._written_ns, self._buffer, self._echoed = own, written_ns, b"", False
        self.copied = False

    @property
    def size(self) -> int:
        """How many bytes have come and may still matter."""
        return len(self._buffer)

    @property
    def received(self) -> bytes:
        """What has come and may still matter."""
        return self._buffer

    @property
    def echo_bytes(self) -> int:
        """How many bytes of echo are still to come."""
        return len(self._own) if self._seen.echo and not self._echoed else 0

    def take(self, data: bytes, request: Request, now_ns: int) -> bytes | LineError | None:
        """Return the answer among what has come, what makes it doubtful, or None if there is none yet."""
        if self._seen.echo is False and not self._buffer:
            pdu = self._framing.whole(data, request)
            if pdu is not None and self._is_sound(Frame(0, len(data), request.unit_id, pdu), request, now_ns):
                self.before = self.after = b""
                return pdu
        self._buffer += data
        return self._found(request, now_ns)

    def _found(self, request: Request, now_ns: int) -> bytes | LineError | None:
        """Look for the answer among everything that has come."""
        buffer = self._buffer
        if self._seen.echo and not self._echoed and self._own in buffer:
            self._echoed = True
            buffer = self._buffer = buffer.replace(self._own, b"", 1)
        found = [
            frame
            for frame in self._framing.answers(buffer, request)
            if not echoes_another(frame.pdu, request)
        ]
        if not found:
            return None
        if self._timing.paced and self._is_stale(found[0], now_ns):
            self._forget(found[0])
            return self._found(request, now_ns)
        echo_at = buffer.find(self._own)
        if self._seen.echo is None:  # the first copy of the request is no answer
            found = [frame for frame in found if frame.start != echo_at]
        if not found:
            return None
        answer = found[0]
        if any(other.pdu != answer.pdu for other in found[1:]):
            return LineError.TWO_ANSWERS
        if answer.start and self._follows_another_masters(buffer[: answer.start], request):
            return LineError.OTHER_MASTER
        if 0 <= echo_at < answer.start:
            self._seen.echo = self.copied = True
        elif answer.start == 0 != echo_at and not self._echoed:
            self._seen.echo = False
        self.before, self.after = buffer[: answer.start], buffer[answer.end :]
        return answer.pdu

    def missing(self, request: Request) -> int:
        """Return how many more bytes could complete the earliest possible answer; 0 if none has begun."""
        rest = self._buffer
        if self._seen.echo is None and self._own in rest:
            rest = rest[rest.find(self._own) + len(self._own) :]
        elif self._seen.echo and not self._echoed and self._own.startswith(rest):
            return 0
        return self._framing.missing(rest, request) if rest else 0

    def diagnosed(self, request: Request) -> LineError:
        """Name what came instead of an answer."""
        buffer = self._buffer
        if self._seen.echo is not True and self._own in buffer:
            if any(self._framing.answers(self._own, request)):
                return LineError.ECHO
            self._seen.echo = True
            buffer = buffer.replace(self._own, b"", 1)
        if not buffer:
            return LineError.TIMEOUT
        frame = next(iter(self._framing.frames(buffer)), None)
        if frame is None:
            return LineError.GARBLED
        if frame.unit_id != request.unit_id:
            return LineError.WRONG_UNIT
        if frame.pdu[0] & 0x7F != request.pdu[0]:
            return LineError.WRONG_FUNCTION
        return LineError.WRONG_ECHO if echoes_another(frame.pdu, request) else LineError.WRONG_LENGTH

    def _is_sound(self, frame: Frame, request: Request, now_ns: int) -> bool:
        return not echoes_another(frame.pdu, request) and not (
            self._timing.paced and self._is_stale(frame, now_ns)
        )

    def _is_stale(self, frame: Frame, now_ns: int) -> bool:
        """Say whether the wire cannot have brought it since the request; clocks may differ by a tenth."""
        characters = (frame.end - frame.start) * 9 // 10 - 1
        return now_ns < self._written_ns + (len(self._own) + characters) * self._timing.character_ns

    def _forget(self, stale: Frame) -> None:
        """Drop a frame that is no answer; a copy of the request that comes so soon is its echo."""
        if self._buffer[stale.start : stale.end] == self._own:
            self._seen.echo = self._echoed = True
        else:
            self._seen.stale_frames += 1
        self._buffer = self._buffer[: stale.start] + self._buffer[stale.end :]

    def _follows_another_masters(self, before: bytes, request: Request) -> bool:
        """Say whether a request that was not ours, and that this would answer as well, came before it."""
        asked = (frame for frame in self._framing.frames(before) if is_request(frame.pdu))
        return any(
            (frame.unit_id, frame.pdu[0]) == key(request) and frame.pdu != request.pdu for frame in asked
        )
