"""One round of requests to a device, and in it the search for what a refusal means. Pure.

In the cycle of the refusal the block is taken apart (between its holes, then in halves, never within a
value) until the parts show which it is, so that the sound points are read at once. A lesson needs a
refusal, then a good answer of the device, then the same refusal again: a device that refuses everything for
a while (it starts, it is busy) teaches nothing.
"""

from collections.abc import Callable, Generator, Sequence
from itertools import pairwise

from msgspec.structs import replace

from edge.clock import Moment
from edge.drivers.learnt_plan import LearntPlan, Lesson, block_of
from edge.drivers.lessons import LESSONS_MAX, Span
from edge.drivers.modbus_plan import Block
from edge.lines.line import LineError

REFUSALS = ("illegal_data_address", "illegal_data_value")
TRIES_PER_CYCLE_MAX = 64
"""Requests in a cycle beyond the plan's own."""
PIECES_MAX = 32
"""A block with more pieces between its holes is halved first."""
_SILENCE = frozenset(LineError)

Asking = Generator[Block, str, None]
"""Yields what to ask next, is sent the error's name, or "" for a good answer."""


class Cycle:
    """One round of requests: ask ``block``, tell ``take``; it is over when ``block`` is None."""

    __slots__ = (
        "_before",
        "_beyond",
        "_blocks",
        "_errors",
        "_good",
        "_good_before",
        "_now",
        "_plan",
        "_refused",
        "_silent",
        "_taken",
        "_tries",
        "block",
        "told",
    )

    def __init__(self, plan: LearntPlan, now: Callable[[], Moment]) -> None:
        """Begin with the plan's first block; ``now`` is asked only where there is something to learn."""
        self._before = plan.learnt
        if plan.learnt.since_ms:
            plan.forget_old(now())
        self._plan, self._now, self._blocks = plan, now, plan.blocks
        self._errors: dict[Block, str] = {}
        self._good: list[Block] = []
        self._good_before: dict[Block, int] = {}
        self._silent = False
        self._tries = 0
        self.told: list[str] = []
        """What was learnt, in words."""
        self._refused: list[Block] = []
        self._taken = 0  # blocks of the plan that were asked
        self._beyond: Asking | None = None
        self.block: Block | None = self._blocks[0] if self._blocks else None

    def take(self, error: str, answer_s: float | None = None) -> None:
        """Take what came of ``block``: "" or the error's name, and how long the answer took."""
        if self.block is None:
            raise RuntimeError("a cycle that is over was told of an answer")
        if not error and answer_s is not None:
            self._plan.answered(self.block, answer_s)
        if self._beyond is None:
            self._take_planned(self.block, error)
            return
        try:
            self.block = self._beyond.send(error)
        except StopIteration:
            self.block = None

    def _take_planned(self, block: Block, error: str) -> None:
        """Go on in the plan; after its last block look into what was refused or absent, if anything was."""
        self._note(block, error)
        if error in REFUSALS:
            self._refused.append(block)
        self._taken += 1
        if self._taken < len(self._blocks):
            self.block = self._blocks[self._taken]
        elif self._refused or self._plan.learnt.absent:
            self._beyond = self._asked_beyond()
            self.block = next(self._beyond, None)
        else:
            self.block = None

    @property
    def changed(self) -> bool:
        """Whether there is something new to keep."""
        return self._plan.learnt is not self._before

    def errors(self) -> dict[Block, str]:
        """Return what failed, the absent included; what a cycle cut short did not ask is ``stopped``."""
        if len(self._good) == len(self._blocks) and not (self._errors or self._plan.learnt.absent):
            return {}
        asked = {*self._errors, *self._good}
        stopped = {block: "stopped" for block in self._blocks if block not in asked}
        return self._errors | self._plan.absent_errors | stopped

    def _asked_beyond(self) -> Asking:
        self._tries = TRIES_PER_CYCLE_MAX
        now = self._now()
        if self._refused and not self._silent and self._plan.may_explore(now):
            before = self._plan.learnt
            for block in self._refused:
                yield from self._explore(self._plan.inside(block))
            self._plan.explored(now, in_vain=self._plan.learnt is before)
        if self._good and (span := self._plan.absent_due(now)):
            yield from self._retry(span)

    def _ask(self, block: Block) -> Generator[Block, str, str]:
        self._tries -= 1
        error = yield block
        self._note(block, error)
        return error

    def _note(self, block: Block, error: str) -> None:
        if not error:
            self._good.append(block)
        else:
            self._errors[block] = error
            self._good_before[block] = len(self._good)
            self._silent |= error in _SILENCE

    def _explore(self, group: Sequence[Span]) -> Asking:
        """Take a refused group apart until its parts show why."""
        blocks = self._plan.blocks_of(group)
        if blocks != [block_of(group)] or blocks[0] not in self._errors:  # what was learnt explains it
            yield from self._all_good([self._plan.inside(block) for block in blocks])
            return
        parts, lesson, words = self._parts(group)
        if (yield from self._all_good(parts)) and not self._spent:
            yield from self._confirm(block_of(group), lesson, words)

    def _all_good(self, parts: Sequence[Sequence[Span]]) -> Generator[Block, str, bool]:
        """Ask for parts, explore those that are refused; say whether none was."""
        answers = []
        for part in parts:
            if self._spent:
                return False
            answers.append((yield from self._ask(block_of(part))))
        for part, answer in zip(parts, answers, strict=True):
            if answer in REFUSALS:
                yield from self._explore(part)
        return not any(answers)

    @property
    def _spent(self) -> bool:
        """Whether looking further would cost too much, or the device has fallen silent."""
        return self._silent or self._tries <= 0

    def _confirm(self, block: Block, lesson: Lesson, words: str) -> Asking:
        """Take the lesson if the device answers something well and refuses the block again after that."""
        if len(self._good) == self._good_before[block]:
            witness = min(self._good, key=lambda good: good.count, default=None)
            if witness is None or (yield from self._ask(witness)):
                return
        if (yield from self._ask(block)) in REFUSALS and self._plan.learnt.count < LESSONS_MAX:
            self._plan.learn(lesson, self._now())
            self.told.append(words)

    def _retry(self, span: Span) -> Asking:
        if not (yield from self._ask(block_of([span]))):
            self._plan.found(span)
            self.told.append(f"{_named(span)} is there after all")

    def _parts(self, group: Sequence[Span]) -> tuple[list[Sequence[Span]], Lesson, str]:
        """Return the parts to try, and what it teaches, and in words, if all of them are answered well."""
        block = block_of(group)
        if len(group) == 1:
            [span], error = group, self._errors[block]
            words = f"{_named(span)} is not there ({error}); asked for rarely"
            parts: list[Sequence[Span]] = [[shorter] for shorter in self._plan.within(span)]
            return parts, lambda learnt: replace(learnt, absent={**learnt.absent, span: error}), words
        starts = [index for index, (a, b) in enumerate(pairwise(group), 1) if b[1] > a[2] + 1]
        if len(starts) >= PIECES_MAX:
            starts = [starts[len(starts) // 2]]
        if starts:
            holes = {(block.table, group[start - 1][2] + 1, group[start][1] - 1) for start in starts}
            words = f"not read over any more: {', '.join(map(_named, sorted(holes)))}"
            return _cut(group, starts), lambda learnt: replace(learnt, holes=learnt.holes | holes), words
        halves = _cut(group, [len(group) // 2])
        if not any(good.table == block.table and good.count >= block.count for good in self._good):
            count_max = max(block_of(half).count for half in halves)
            limits = {block.table: count_max}
            words = f"takes fewer in a request than documented; asked for {count_max} at most: {block.table}"
            return (
                halves,
                lambda learnt: replace(learnt, counts_max={**learnt.counts_max, **limits}),
                words,
            )
        second = halves[1][0]
        words = f"not read together with what is before it: {_named(second)}"
        return halves, lambda learnt: replace(learnt, apart=learnt.apart | {second}), words


def _cut(group: Sequence[Span], starts: Sequence[int]) -> list[Sequence[Span]]:
    """Return the pieces that begin at the first span and at each of ``starts``."""
    return [group[start:end] for start, end in pairwise([0, *starts, len(group)])]


def _named(span: Span) -> str:
    table, first, last = span
    return f"{table} 0x{first:04X}" + (f" to 0x{last:04X}" if last > first else "")
