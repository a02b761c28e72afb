"""The desired documents of a running gateway: taken, kept, put in force at their time, answered for.

Whatever arrives is judged first; what is accepted is on disk before anything acts on it. Without network all
of this goes on with what the disk holds.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence

from contract.desired import DesiredKind, Outcome, Refusal
from contract.events import DesiredReport
from contract.limits import MESSAGE_BYTES_MAX
from edge.buffer.keeper import Keeper
from edge.clock import Clock
from edge.desired.answers import UNKNOWN_KIND, Answers
from edge.desired.held import Document, Held
from edge.desired.holdings import Holdings
from edge.desired.judging import Accepted, Again, Refused, Verifier, told
from edge.desired.shelf import Shelf
from edge.desired.trials import Trials
from edge.desired.trying import Trying
from edge.inbox import Arrived, Inbox
from edge.rules.effects import Ids
from edge.waiting import Wake

_log = logging.getLogger(__name__)

InForce = Callable[[DesiredKind, str | None], Sequence[str]]
"""Told the body that is in force from now on, None for none; returns why it cannot be, in sentences."""

TRIES_MAX = 3
"""A document that was begun so often and came to no end has ended the process each time: it gives way."""
TRIAL_LOOK_S = 1.0
"""So often it is looked at how a trial does."""
LOOK_S = 60.0
"""So often at least it is looked at what is due: the clock may have been set meanwhile."""
AT_ONCE_MAX = 50
"""So many messages are judged before it is looked again at what is due."""


class Documents:
    """One of each kind is in force at most. ``run`` works; ``offer`` takes what the link has received."""

    def __init__(
        self,
        shelf: Shelf,
        verifier: Verifier,
        keeper: Keeper,
        clock: Clock,
        ids: Ids,
        *,
        report_interval_s: float,
        report: Callable[[DesiredReport], None],
        on_in_force: InForce,
        trials: Mapping[DesiredKind, Trials] | None = None,
    ) -> None:
        """``report`` takes what the centre is to know; ``on_in_force`` executes all kinds but ``trials``."""
        self._verifier, self._keeper, self._clock = verifier, keeper, clock
        self._on_in_force = on_in_force
        self._inbox, self._wake = Inbox(), Wake()
        self._kept = kept = Holdings(shelf, keeper, clock)
        self._answers = answers = Answers(report_interval_s, clock, ids, report, kept.highest)
        self._trying = {
            kind: Trying(kind, each, kept, answers, keeper, clock) for kind, each in (trials or {}).items()
        }

    @property
    def in_force(self) -> dict[str, int]:
        """The sequence in force, by kind; for the hello."""
        return {str(kind): document.desired.sequence for kind, document in self._kept.executing.items()}

    def offer(self, kind: str, message: bytes, *, retained: bool) -> None:
        """Take a message of the link; what does not fit is counted."""
        if not message:
            return  # somebody removed what the broker retained
        known = kind if kind in list(DesiredKind) else UNKNOWN_KIND
        if len(message) > MESSAGE_BYTES_MAX:
            reason = f"it takes {len(message)} bytes, {MESSAGE_BYTES_MAX} at most"
            self._answers.count(known, Outcome.REFUSED, Refusal.TOO_LARGE, reason)
        elif not self._inbox.put(Arrived(known, message, retained)):
            reason = "more came at once than waits here"
            self._answers.count(known, Outcome.REFUSED, Refusal.OVERLOADED, reason)
        self._wake.set()

    def wake(self) -> None:
        """Time was set, or the like: look at once."""
        self._wake.set()

    async def run(self) -> None:
        """Put in force what the disk holds, then judge what comes, until cancelled."""
        while True:
            if self._clock.now().s >= self._kept.retry_s:
                await self._catch_up()
            for kind in DesiredKind:
                await self._turn(kind)
            for _ in range(AT_ONCE_MAX):
                if (arrived := self._inbox.take()) is None:
                    self._answers.tell()
                    await self._wake.wait(self._idle_s())
                    break
                await self._one(arrived)

    def tell_all(self) -> None:
        """Tell what is counted and not told yet; before the process ends."""
        self._answers.tell(everything=True)

    async def _catch_up(self) -> None:
        """Read what could not be read yet, write what could not be written."""
        self._kept.retry_s = math.inf
        for kind in sorted(self._kept.unread):
            if (found := await self._kept.read(kind)) is not None:
                self._recalled(kind, found.held, found.damaged)
        for kind in sorted(self._kept.owed):
            await self._kept.pay(kind)

    def _recalled(self, kind: DesiredKind, held: Held, damaged: list[str]) -> None:
        """Take up what the disk holds, and put in force what was."""
        if damaged:
            self._kept.owed.add(kind)
        names = (self._verifier.district, self._verifier.gateway)
        if any((each.desired.district, each.desired.gateway) != names for each in held.documents):
            damaged = [*damaged, f"what is stored of kind {kind} is another gateway's, and is not used"]
            held = Held()
            self._kept.owed.discard(kind)  # until it has one of its own, that stays: a name may be misspelt
        self._kept.of[kind] = held
        trying = self._trying.get(kind)
        damaged = [*trying.damaged, *damaged] if trying else damaged
        if damaged:
            self._answers.damaged(kind, held.highest, damaged)
        now_ms, current = self._clock.now().wall_ms, held.current
        if trying:  # it was decided before anything ran
            trying.recalled(held)
            return
        if current is None or current.is_over(now_ms) or (held.waiting and held.waiting.is_due(now_ms)):
            return
        if problems := self._executed(kind, current):
            self._kept.of[kind] = held.back()
            self._kept.owed.add(kind)
            self._former_again(kind)
            self._answers.outcome(kind, current, Outcome.ROLLED_BACK, told(problems))

    async def _one(self, arrived: Arrived) -> None:
        if arrived.name == UNKNOWN_KIND:
            reason = f"the topic's last level is none of {', '.join(DesiredKind)}"
            self._answers.count(UNKNOWN_KIND, Outcome.REFUSED, Refusal.WRONG_KIND, reason)
            return
        kind = DesiredKind(arrived.name)
        held, now = self._kept.of[kind], self._clock.now()
        verdict = await self._keeper.run(self._verifier.judge, arrived.message, kind, held.highest, now)
        match verdict:
            case Accepted(document):
                trying = self._trying.get(kind)
                if kind in self._kept.unread or not (trying and trying.set_aside(arrived, document)):
                    await self._accepted(kind, document)
            case Again(document) if held.highest and held.highest.outcome:
                # The broker repeats itself on each connection; its centre asks until it is told.
                if not arrived.retained and self._is_so(kind, document, held.highest.outcome):
                    reason = "it came again"
                    self._answers.count(
                        kind,
                        held.highest.outcome,
                        Refusal.REPLAYED,
                        reason,
                        digest=document.digest,
                        sequence=document.desired.sequence,
                    )
            case Refused(refusal, reason, digest, sequence):
                self._answers.count(kind, Outcome.REFUSED, refusal, reason, digest=digest, sequence=sequence)
        self._answers.tell()

    async def _accepted(self, kind: DesiredKind, document: Document) -> None:
        """Keep the document, then let it wait for its time, which may be now; a trial of another is over."""
        trying = self._trying.get(kind)
        tried = trying.tried if trying else None
        refused = "what was taken before is not known yet" if kind in self._kept.unread else ""
        try:
            if not refused:
                await self._kept.write(kind, self._kept.of[kind].taken(document))
        except OSError as error:
            self._kept.refused(error)
            refused = f"the disk refuses: {error.strerror or error}"
        if refused:
            self._answers.count(
                kind,
                Outcome.REFUSED,
                Refusal.STORAGE_UNAVAILABLE,
                refused,
                digest=document.digest,
                sequence=document.desired.sequence,
            )
            return
        if trying:
            trying.displaced(tried, document)
        if not document.is_due(self._clock.now().wall_ms):
            self._answers.outcome(kind, document, Outcome.STORED, "it waits for its time")
        await self._turn(kind)

    async def _turn(self, kind: DesiredKind) -> None:
        """Do what is due by now."""
        if trying := self._trying.get(kind):
            await trying.turn()
            if (later := trying.again()) is not None:
                self._inbox.put(later)  # where there is no room: its sender has no answer, and repeats it
            return
        held, now_ms = self._kept.of[kind], self._clock.now().wall_ms
        if held.waiting and held.waiting.is_over(now_ms):
            await self._kept.keep(kind, held.gone(Outcome.EXPIRED))
            reason = "its time was over before it could be in force"
            self._answers.outcome(kind, held.waiting, Outcome.REFUSED, reason, Refusal.EXPIRED)
        elif held.waiting and held.waiting.is_due(now_ms):
            await self._put_in_force(kind, held.waiting)
        held = self._kept.of[kind]
        if held.current and held.current.is_over(self._clock.now().wall_ms):
            await self._kept.keep(kind, held.over())
            self._executed(kind, None)
            self._answers.outcome(kind, held.current, Outcome.EXPIRED, "its time is over")

    async def _put_in_force(self, kind: DesiredKind, document: Document) -> None:
        """Swap; a document that cannot be executed, or ended the process too often, gives way again."""
        if self._kept.of[kind].tries >= TRIES_MAX:
            problems: Sequence[str] = [f"it was begun {TRIES_MAX} times, and the gateway ended each time"]
        else:
            await self._kept.keep(kind, self._kept.of[kind].begun())
            problems = self._executed(kind, document)
        if problems:
            await self._kept.keep(kind, self._kept.of[kind].gone(Outcome.ROLLED_BACK))
            self._former_again(kind)
            self._answers.outcome(kind, document, Outcome.ROLLED_BACK, told(problems))
        else:
            await self._kept.keep(kind, self._kept.of[kind].done())
            self._answers.outcome(kind, document, Outcome.IN_FORCE, "")

    def _is_so(self, kind: DesiredKind, document: Document, outcome: Outcome) -> bool:
        """Whether what the disk says became of a document is so: what is in force is executed."""
        executed = self._kept.executing.get(kind)
        return outcome is not Outcome.IN_FORCE or (
            executed is not None and executed.digest == document.digest
        )

    def _former_again(self, kind: DesiredKind) -> None:
        current = self._kept.of[kind].current
        if problems := self._executed(kind, current):
            _log.error("the former %s cannot be put in force again: %s", kind, told(problems))
            self._executed(kind, None)  # what is told to be in force is, or nothing is

    def _executed(self, kind: DesiredKind, document: Document | None) -> Sequence[str]:
        try:
            problems = list(self._on_in_force(kind, document.desired.body if document else None))
        except Exception as error:
            _log.exception("a %s cannot be put in force", kind)
            problems = [f"{type(error).__name__}: {error}"]
        if document is None:
            self._kept.executing.pop(kind, None)
        elif not problems:
            self._kept.executing[kind] = document
        return problems

    def _idle_s(self) -> float:
        now = self._clock.now()
        waits_s = [LOOK_S, self._answers.idle_s(now.s), self._kept.retry_s - now.s]
        for kind, held in self._kept.of.items():
            trying = self._trying.get(kind)
            least_s = TRIAL_LOOK_S if trying else 0.0
            waits_s += [TRIAL_LOOK_S] if trying and trying.tried else []
            waits_s += [max(least_s, (due_ms - now.wall_ms) / 1000) for due_ms in _due_ms(held)]
        return max(0.0, min(waits_s))


def _due_ms(held: Held) -> list[int]:
    """Return when something is due, in UTC milliseconds."""
    due = [held.waiting.desired.effective_ms] if held.waiting else []
    return due + [
        each.desired.expires_ms for each in (held.current, held.waiting) if each and each.desired.expires_ms
    ]
