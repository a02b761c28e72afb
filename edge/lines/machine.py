"""The pure heart of a serial Modbus line: silence, framing, time limits, resynchronisation.

``LineMachine.step(event, now_ns)`` says what to do next; a runner does it and comes back with the event.
The machine owns no clock, no port and no thread, so real and virtual time run the very same code.

Silence: 3.5 characters between frames, 1.75 ms above 19200 baud (Modbus over serial line 1.02, 2.5.1.1).

Time: a request that nobody answers costs its timeout and the time of the shortest frame. Once bytes have
come, they get the time of a whole answer and the slack beyond the timeout, and not more, however long they
go on.

Late answers: serial frames carry no number, so an answer that comes after its request was given up would pass
for the answer to the next request of the same unit and function. After a failure no such request is sent for
``late_answer_ns``, or until that answer has come, whatever else is asked meanwhile; where that is long, it is
refused at once (``held_back``) and the line is free for others. An answer that begins later than that, or is
repeated by the line after more than the silence less a character, cannot be told from the right one; but one
that is whole before the wire could have brought it is stale, and two that differ are none.

Broadcasts: what is written to unit 0 is answered by nobody. It is done, and the next request may go, after
the turnaround delay in which the units take it (Modbus over serial line 1.02, 2.4.1); what comes meanwhile is
an echo, or comes unasked.

Another master: frames that come while nobody was asked are counted; a request among them holds back what
could be confused with its answer, as does one that comes while another unit is awaited, and an answer that
follows on such a request is not taken.
"""

from edge.lines.framing import Frame, Framing, is_broadcast, is_request, key, may_be_answer
from edge.lines.line import LineError, Outcome, Request
from edge.lines.listening import Listening, Seen
from edge.lines.pace import Pace
from edge.lines.rtu import Rtu
from edge.lines.steps import Action, Begin, Done, Event, Pause, ReadUntil, Received, Write, Wrote
from edge.lines.timing import Timing

READ_BYTES_MAX = 1024
"""So much noise is taken while one answer is awaited."""
STRAY_BYTES_KEPT_MAX = 512
LATE_ANSWERS_MAX = 64
"""So many are remembered before those are forgotten that cannot come any more."""
HELD_BACK_MAX_NS = 500_000_000
"""The line waits so long for late answers; a request that would have to wait longer is refused instead."""
SOUND_REQUESTS_MAX = 4096


class LineMachine:
    """One serial line's state, from transaction to transaction."""

    def __init__(self, timing: Timing, framing: Framing | None = None) -> None:
        """Assume nothing about the line: the first request waits for a silence too. RTU unless told."""
        self._timing = timing
        self._framing = framing or Rtu()
        self._quiet_from_ns: int | None = None  # since when nothing was on the line
        self._late_until_ns: dict[tuple[int, int], int] = {}  # by unit and function
        self._sound: dict[tuple[int, bytes], Pace] = {}  # requests whose last answer was the hoped-for one
        self._pace: Pace | None = None  # of the request under way
        self._request: Request | None = None
        self._broadcast = False  # whether nobody answers it
        self._rest_until_ns = 0  # when the units have taken the last broadcast
        self._sending = False
        self._give_up_ns = 0
        self._own_ns = 0  # how long the request takes on the wire
        self._sent_ns = 0
        self._deadline_ns = 0
        self._begun_by_ns = 0  # an answer that begins after this is late
        self._limit_ns = 0  # the deadline is never moved beyond
        self._stray = bytearray()
        self.seen = Seen()
        self._listening = Listening(self._framing, timing, self.seen)

    @property
    def silent_from_ns(self) -> int:
        """When the silence before the next request is over, as far as is known now; 0 before the first."""
        return 0 if self._quiet_from_ns is None else self._quiet_from_ns + self._timing.silence_ns

    def reopened(self, timing: Timing) -> None:
        """Forget what belongs to the adapter: another may be there now. Late answers may still come."""
        self._timing = timing
        self.seen.echo = None
        self._listening = Listening(self._framing, timing, self.seen)
        self._sound.clear()

    def used_by_another(self) -> None:
        """Somebody else has used the port between transactions: nobody knows since when it is silent."""
        self._quiet_from_ns = None

    def step(self, event: Event, now_ns: int) -> Action:
        """Take what happened, return what to do. After Done the next event is a Begin."""
        match event:
            case Begin(request, came):
                return self._begin(request, came, now_ns)
            case Wrote(drained):
                return self._listen(now_ns if drained else now_ns + self._own_ns)
            case Received(data) if self._sending:
                return self._settle(data, now_ns)
            case Received(data) if self._broadcast:
                return self._taken(data, now_ns)
            case Received(data, waited):
                return self._take(data, now_ns, waited=waited)

    def _begin(self, request: Request, came: bytes | None, now_ns: int) -> Action:
        broadcast = is_broadcast(request)
        if self._request is not None and not self._sending:
            self._give_up(self._request, now_ns)  # by its caller, half way
        self._request, self._broadcast = request, broadcast
        self._sending = True
        self._sent_ns = 0
        self._give_up_ns = now_ns + self._timing.settle_limit_ns
        if came:
            self._keep_stray(came)
        if came or self._quiet_from_ns is None:
            self._quiet_from_ns = now_ns
        send_ns = self._quiet_from_ns + self._timing.silence_ns + self._timing.turnaround_ns
        send_ns = max(send_ns + int(request.pause_s * 1e9), self._rest_until_ns)
        if came is not None and send_ns <= now_ns:
            return self._settle(b"", now_ns)
        return Pause(max(send_ns, now_ns))

    def _settle(self, data: bytes, now_ns: int) -> Action:
        """The pause before sending is over: send, unless something was on the line meanwhile."""
        request = self._expected()
        if data:
            self._keep_stray(data)
            self._quiet_from_ns = now_ns
            if now_ns >= self._give_up_ns:
                self._stray.clear()
                return self._done(None, LineError.NOISE, now_ns)
            return Pause(now_ns + self._timing.silence_ns)
        if self._stray:
            self._heed_strays(now_ns)
        # A late answer that would pass for this one's comes and goes first.
        if (until_ns := self._late_until_ns.get(key(request), 0)) > now_ns:
            if until_ns - now_ns > HELD_BACK_MAX_NS:
                return self._done(None, LineError.HELD_BACK, now_ns)
            self._give_up_ns = max(self._give_up_ns, until_ns + self._timing.settle_limit_ns)
            return Pause(until_ns)
        self._sending = False
        own = self._framing.framed(request.unit_id, request.pdu)
        self._listening.begin(own, now_ns)
        self._own_ns = len(own) * self._timing.character_ns
        return Write(own)

    def _keep_stray(self, data: bytes) -> None:
        self.seen.stray_bytes += len(data)
        self._stray += data[: STRAY_BYTES_KEPT_MAX - len(self._stray)]

    def _heed_strays(self, now_ns: int) -> None:
        """Count the frames that came unasked: late answers, or another master's."""
        for frame in self._framing.frames(bytes(self._stray)):
            self.seen.stray_frames += 1
            if is_request(frame.pdu):
                self._heed_foreign(frame, now_ns)
            elif not self.seen.foreign_requests:  # else it may be the answer to the other master
                self._late_until_ns.pop((frame.unit_id, frame.pdu[0] & 0x7F), None)
        self._stray.clear()

    def _heed_foreign(self, frame: Frame, now_ns: int) -> None:
        """The answer to another master's request is awaited as late."""
        of = frame.unit_id, frame.pdu[0]
        until_ns = self._late_until_ns.get(of, 0)
        if frame.unit_id and not (until_ns > now_ns and may_be_answer(frame.pdu)):
            self.seen.foreign_requests += 1
            self._await_late(*of, max(until_ns, now_ns + self._timing.late_answer_ns), now_ns)

    def _heed_meanwhile(self, data: bytes, request: Request, now_ns: int) -> None:
        """Look for another master's requests in what came while ours was under way."""
        if len(data) > self._framing.exception_bytes:
            for frame in self._framing.frames(data):
                if is_request(frame.pdu) and (frame.unit_id, frame.pdu) != (request.unit_id, request.pdu):
                    self._heed_foreign(frame, now_ns)

    def _listen(self, sent_ns: int) -> Action:
        request, timing = self._expected(), self._timing
        self._sent_ns = self._quiet_from_ns = sent_ns
        if self._broadcast:
            self._rest_until_ns = sent_ns + timing.broadcast_turnaround_ns
            return Pause(self._rest_until_ns)
        timeout_ns = sent_ns + int(request.timeout_s * 1e9)
        self._begun_by_ns = self._deadline_ns = (
            timeout_ns + self._framing.exception_bytes * timing.character_ns
        )
        self._limit_ns = timeout_ns + self._answer_ns(request)
        # What answered well the last time is awaited whole; else its head tells an answer from an exception.
        pace = self._pace = self._sound.get((request.unit_id, request.pdu))
        if pace is None:
            return ReadUntil(self._framing.head_bytes + self._listening.echo_bytes, self._deadline_ns)
        count = self._framing.answer_bytes(request) + self._listening.echo_bytes
        return ReadUntil(count, self._deadline_ns, min(sent_ns + pace.look_ns, self._deadline_ns))

    def _taken(self, data: bytes, now_ns: int) -> Action:
        """The units have had their time to take a broadcast; some boards answer it all the same."""
        request = self._expected()
        own = self._framing.framed(request.unit_id, request.pdu)
        if data:
            self._quiet_from_ns = now_ns
            data = data.replace(own, b"", 1)
        self.seen.stray_bytes += len(data)
        for frame in self._framing.frames(data):
            self.seen.stray_frames += 1
            if is_request(frame.pdu) and frame.pdu != request.pdu:
                self._heed_foreign(frame, now_ns)
        return self._done(b"", None, now_ns)

    def _take(self, data: bytes, now_ns: int, *, waited: bool) -> Action:
        request = self._expected()
        if data:
            self._quiet_from_ns = now_ns
            answer = self._listening.take(data, request, now_ns)
            if isinstance(answer, bytes):
                return self._answered(request, answer, now_ns, waited=waited)
            if answer is not None:
                return self._failed(answer, now_ns)
            # The rest of a frame that has begun gets the time that the wire needs for it.
            self._deadline_ns = max(self._deadline_ns, min(now_ns + self._answer_ns(request), self._limit_ns))
        if now_ns >= self._deadline_ns or self._listening.size > READ_BYTES_MAX:
            return self._failed(self._listening.diagnosed(request), now_ns)
        missing = self._listening.missing(request)
        if not missing:
            return ReadUntil(self._framing.head_bytes, self._deadline_ns)
        # A frame that has begun comes without a rest; when its time is over, it may be something else.
        from_ns = now_ns + missing * self._timing.character_ns if data else now_ns
        until_ns = min(self._deadline_ns, from_ns + self._timing.slack_ns)
        return ReadUntil(missing, until_ns, min(from_ns, until_ns))

    def _answered(self, request: Request, pdu: bytes, now_ns: int, *, waited: bool) -> Action:
        if len(pdu) != request.answer_bytes:  # an exception, or shorter than it may be
            self._sound.pop((request.unit_id, request.pdu), None)
        else:
            pace = self._pace or self._new_pace(request)
            pace.took(now_ns - self._sent_ns, waited=waited)
        if self._listening.before:
            self._heed_meanwhile(self._listening.before, request, now_ns)
        if self._listening.after:
            self._stray += self._listening.after[:STRAY_BYTES_KEPT_MAX]
        if self._listening.copied:
            self._await_late(*key(request), now_ns + self._late_ns(request), now_ns)
        return self._done(pdu, None, now_ns)

    def _new_pace(self, request: Request) -> Pace:
        if len(self._sound) >= SOUND_REQUESTS_MAX:
            self._sound.clear()
        character_ns = self._timing.character_ns
        pace = Pace(self._framing.answer_bytes(request) * character_ns, character_ns)
        self._sound[request.unit_id, request.pdu] = pace
        return pace

    def _failed(self, error: LineError, now_ns: int) -> Action:
        request = self._expected()
        self._sound.pop((request.unit_id, request.pdu), None)
        self._give_up(request, now_ns)
        return self._done(None, error, now_ns)

    def _give_up(self, request: Request, now_ns: int) -> None:
        self._expect_late(request, now_ns)
        self._heed_meanwhile(self._listening.received, request, now_ns)

    def _expect_late(self, request: Request, now_ns: int) -> None:
        until_ns = max(now_ns, self._begun_by_ns) + self._late_ns(request)
        self._await_late(*key(request), until_ns, now_ns)

    def _late_ns(self, request: Request) -> int:
        given_s = request.late_answer_s
        return self._timing.late_answer_ns if given_s is None else int(given_s * 1e9)

    def _await_late(self, unit_id: int, function: int, until_ns: int, now_ns: int) -> None:
        if len(self._late_until_ns) >= LATE_ANSWERS_MAX:
            self._late_until_ns = {each: end for each, end in self._late_until_ns.items() if end > now_ns}
        self._late_until_ns[unit_id, function] = until_ns

    def _answer_ns(self, request: Request) -> int:
        return self._framing.answer_bytes(request) * self._timing.character_ns + self._timing.slack_ns

    def _done(self, pdu: bytes | None, error: LineError | None, now_ns: int) -> Done:
        self._request = None
        return Done(Outcome(pdu, error, now_ns, self._sent_ns))

    def _expected(self) -> Request:
        if self._request is None:
            raise RuntimeError("the line machine was stepped outside a transaction")
        return self._request
