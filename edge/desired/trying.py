"""Documents of a kind that is tried: what runs on trial is judged, whatever comes meanwhile.

A document waits for its time, is begun once it is due, and then on trial until it is proved or given up. The
trial's time is monotonic. Whatever comes meanwhile ends it where it is due now; what is for later is set
aside: its sender has no answer, and repeats it. So the disk never holds two that are unproved.
"""

import logging
import math
from typing import NamedTuple

from contract.desired import DesiredKind, Outcome
from edge.buffer.keeper import Keeper
from edge.clock import Clock
from edge.desired.answers import Answers
from edge.desired.held import Document, Held
from edge.desired.holdings import Holdings
from edge.desired.trials import Begin, Failed, Proved, Trials
from edge.inbox import Arrived

_log = logging.getLogger(__name__)


class _Later(NamedTuple):
    arrived: Arrived
    document: Document


class Trying:
    """Of one kind; ``trials`` tries."""

    def __init__(
        self,
        kind: DesiredKind,
        trials: Trials,
        holdings: Holdings,
        answers: Answers,
        keeper: Keeper,
        clock: Clock,
    ) -> None:
        """All are shared with the other kinds, but for ``trials``."""
        self._kind, self._trials, self._holdings, self._answers = kind, trials, holdings, answers
        self._keeper, self._clock = keeper, clock
        self._later: _Later | None = None

    @property
    def damaged(self) -> list[str]:
        """What was found damaged on disk before this process ran, in sentences."""
        return list(self._trials.damaged)

    @property
    def tried(self) -> Document | None:
        """What is begun, and neither proved nor given up."""
        held = self._holdings.of[self._kind]
        return self._trials.on_trial or (held.waiting if held.tries else None)

    def recalled(self, held: Held) -> None:
        """Take up what was decided before anything ran, beside what the disk holds."""
        kind, on_trial = self._kind, self._trials.on_trial
        if self._trials.executing is not None:
            self._holdings.executing[kind] = self._trials.executing
        known = held
        for document, outcome, _, lasts in self._trials.ended:
            known = known.without(document, outcome) if lasts else known.told(document, outcome)
        known = known.with_trial(on_trial) if on_trial is not None else known
        if known != held:
            self._holdings.of[kind] = known
            self._holdings.owed.add(kind)
        for document, outcome, reason, _ in self._trials.ended:
            self._answers.outcome(kind, document, outcome, reason)
        self._trials.found(known)

    async def turn(self) -> None:
        """Judge what runs, whatever waits and whatever the wall clock says; else begin what is due."""
        now, held = self._clock.now(), self._holdings.of[self._kind]
        if (on_trial := self._trials.on_trial) is not None:
            match self._trials.judged(now.s):
                case Proved() if self._kind not in self._holdings.unread:
                    await self._proved(on_trial)
                case Failed(reason):
                    await self._failed(on_trial, reason)
        elif held.waiting is not None and (held.tries or held.waiting.is_due(now.wall_ms)):
            match self._trials.standing(held.waiting, now.s):
                case Begin() if self._holdings.retry_s == math.inf:
                    await self._begin(held.waiting)
                case Proved():
                    await self._proved(held.waiting)
                case Failed(reason):
                    await self._failed(held.waiting, reason)

    def set_aside(self, arrived: Arrived, document: Document) -> bool:
        """Set aside what is for later than a trial that is under way; False for anything else."""
        if self.tried is None or self._is_due(document):
            return False
        sequence = document.desired.sequence
        if self._later is None or self._later.document.desired.sequence < sequence:
            _log.info("%s %d is for later, and waits until the trial is judged", self._kind, sequence)
            self._later = _Later(arrived, document)
        return True

    def again(self) -> Arrived | None:
        """Return what was set aside, once nothing is tried any more or its time has come; else None."""
        if (later := self._later) is None or (self.tried is not None and not self._is_due(later.document)):
            return None
        self._later = None
        return later.arrived

    def displaced(self, tried: Document | None, newer: Document) -> None:
        """A newer document has been taken: the trial of the one that was tried is over."""
        if self._later and self._later.document.desired.sequence < newer.desired.sequence:
            self._later = None
        if tried is not None:
            reason = f"{self._kind} {newer.desired.sequence} came before it was proved"
            self._answers.outcome(self._kind, tried, Outcome.ROLLED_BACK, reason)
            self._trials.failed(tried)

    def _is_due(self, document: Document) -> bool:
        return document.is_due(self._clock.now().wall_ms)

    async def _begin(self, document: Document) -> None:
        """Begin a trial; what is not on disk is not begun, and not counted."""
        try:
            await self._keeper.run(self._trials.prepare, document)
            await self._holdings.write(self._kind, self._holdings.of[self._kind].begun())
        except OSError as error:
            self._holdings.refused(error)
        else:
            self._trials.begin(document)

    async def _proved(self, document: Document) -> None:
        await self._holdings.keep(self._kind, self._holdings.of[self._kind].done())
        self._holdings.executing[self._kind] = document
        self._trials.proved(document)
        self._answers.outcome(self._kind, document, Outcome.IN_FORCE)

    async def _failed(self, document: Document, reason: str) -> None:
        if self._kind not in self._holdings.unread:
            await self._holdings.keep(self._kind, self._holdings.of[self._kind].gone(Outcome.ROLLED_BACK))
        self._answers.outcome(self._kind, document, Outcome.ROLLED_BACK, reason)
        is_kept = self._kind not in self._holdings.unread | self._holdings.owed
        self._trials.failed(document, "" if is_kept else reason)
