"""A read plan that learns what its device refuses. Pure: says what to ask, takes what came of it.

A device may refuse (ILLEGAL DATA ADDRESS or VALUE) a block although its points are documented: it has a
hole that must not be read over, two areas that are never read together, a smaller limit than its document
says, or a point is not there. In the cycle of the refusal the block is taken apart (between its holes, then
in halves, never within a value) until the parts show which it is, so that the sound points are read at
once.

A lesson needs a refusal, then a good answer of the device, then the same refusal again: a device that
refuses everything for a while (it starts, it is busy) teaches nothing. Lessons are forgotten after
``LESSON_DAYS_MAX``; an absent point is asked for alone, soon at first, in the end every ``ABSENT_RETRY_S``.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from itertools import pairwise

from msgspec.structs import replace

from device_profiles.codec import addresses
from device_profiles.schema import BIT_TABLES, ModbusLimits, Point
from edge.clock import Moment
from edge.drivers.lessons import LESSONS_MAX, Learnt, Span
from edge.drivers.modbus_plan import TURNAROUND_S, Block, blocks_of, outermost, read_plan, spans_of
from edge.lines.line import LineError, WireCost

REFUSALS = ("illegal_data_address", "illegal_data_value")
LESSON_DAYS_MAX = 30
ABSENT_RETRY_MIN_S = 60.0
"""The first time after the lesson; doubled each time up to ``ABSENT_RETRY_S``."""
ABSENT_RETRY_S = 3600.0
TRIES_PER_CYCLE_MAX = 64
"""Requests in a cycle beyond the plan's own."""
PIECES_MAX = 32
"""A block with more pieces between its holes is halved first."""
EXPLORE_AGAIN_S = 10.0
"""After a cycle that taught nothing; doubled each time, up to ``ABSENT_RETRY_S``."""
TURNAROUNDS_KEPT = 32
ANSWER_CHARACTERS = 5
"""An answer's frame without its data."""
_DAY_MS = 86_400_000

Asking = Generator[Block, str, None]
"""Yields what to ask next, is sent the error's name, or "" for a good answer."""
Lesson = Callable[[Learnt], Learnt]


class LearntPlan:
    """The blocks of one device, by what it takes; ``learnt`` is what to keep across restarts."""

    def __init__(
        self, points: Iterable[Point], limits: ModbusLimits, cost: WireCost, learnt: Learnt, digest: str = ""
    ) -> None:
        """Plan by the lessons, unless they were learnt of something else than ``digest`` names."""
        self.points = list(points)
        self._spans = spans_of(self.points)
        self._limits, self._cost, self._digest = limits, cost, digest
        self._turnaround_s = TURNAROUND_S
        self._turnarounds_s: deque[float] = deque(maxlen=TURNAROUNDS_KEPT)
        self._retries: dict[Span, tuple[float, float]] = {}  # when, and how long to wait after that
        self._explore_from_s, self._explore_wait_s = 0.0, EXPLORE_AGAIN_S
        self.learnt = learnt
        self.blocks: Sequence[Block] = []
        self.remember(learnt)

    def remember(self, learnt: Learnt) -> None:
        """Take up what a former run learnt; nothing of it where it was of other points or another unit."""
        self.learnt = learnt if learnt.digest == self._digest else Learnt(self._digest)
        self._plan()
        if not self.blocks:  # every point absent: no such thing can be learnt
            self.learnt = Learnt(self._digest)
            self._plan()

    def cycle(self, now: Moment) -> "Cycle":
        """Begin a round through all blocks."""
        before = self.learnt
        if self.learnt.count and now.wall_ms - self.learnt.since_ms > LESSON_DAYS_MAX * _DAY_MS:
            self._now_known(Learnt(self._digest))
        return Cycle(self, now, before)

    def answered(self, block: Block, answer_s: float) -> None:
        """Note how long a good answer took, its wire time included; the plan follows the device's pace."""
        data = (block.count + 7) // 8 if block.table in BIT_TABLES else 2 * block.count
        self._turnarounds_s.append(answer_s - (ANSWER_CHARACTERS + data) * self._cost.character_s)
        if len(self._turnarounds_s) < TURNAROUNDS_KEPT:
            return
        usual_s = max(0.001, sorted(self._turnarounds_s)[TURNAROUNDS_KEPT // 2])
        self._turnarounds_s.clear()
        if not self._turnaround_s / 2 <= usual_s <= self._turnaround_s * 2:
            self._turnaround_s = usual_s
            self._plan()

    def blocks_for(self, points: Iterable[Point]) -> list[Block]:
        """Return how some points are read at once; absent ones too, for somebody wants to know."""
        asked = replace(self.learnt, absent={})
        return read_plan(points, self._limits, self._cost, turnaround_s=self._turnaround_s, learnt=asked)

    @property
    def absent_errors(self) -> dict[Block, str]:
        """What is not there, with the exception's name."""
        return {_block([span]): error for span, error in self.learnt.absent.items()}

    @property
    def absent_points(self) -> list[str]:
        """Names of the points that cannot be read, because they or their decimals or unit are not there."""
        cells = {(span[0], address) for span in self.learnt.absent for address in range(span[1], span[2] + 1)}
        return [
            point.name
            for point in self.points
            if any((point.table, address) in cells for address in addresses(point))
        ]

    def _plan(self) -> None:
        self.blocks = self._blocks(self._spans)

    def _blocks(self, spans: Iterable[Span]) -> list[Block]:
        return blocks_of(spans, self._limits, self._cost, turnaround_s=self._turnaround_s, learnt=self.learnt)

    def _now_known(self, learnt: Learnt) -> None:
        self.learnt = learnt
        self._plan()

    # What follows is for Cycle.

    def may_explore(self, now: Moment) -> bool:
        """Say whether refusals are looked into in this cycle."""
        return now.s >= self._explore_from_s and self.learnt.count < LESSONS_MAX

    def explored(self, now: Moment, *, in_vain: bool) -> None:
        """Refusals were looked into; in vain ever more rarely."""
        self._explore_from_s = now.s + self._explore_wait_s if in_vain else now.s
        self._explore_wait_s = min(2 * self._explore_wait_s, ABSENT_RETRY_S) if in_vain else EXPLORE_AGAIN_S

    def learn(self, lesson: Lesson, now: Moment) -> None:
        """Take a lesson; the plan avoids it from now on."""
        known = set(self.learnt.absent)
        since_ms = self.learnt.since_ms if self.learnt.count else now.wall_ms
        self._now_known(replace(lesson(self.learnt), digest=self._digest, since_ms=since_ms))
        for span in set(self.learnt.absent) - known:
            self._retries[span] = now.s + ABSENT_RETRY_MIN_S, ABSENT_RETRY_MIN_S

    def found(self, span: Span) -> None:
        """An absent span was answered well: it is read with the others again."""
        rest = {other: error for other, error in self.learnt.absent.items() if other != span}
        self._now_known(replace(self.learnt, absent=rest))

    def absent_due(self, now: Moment) -> Span | None:
        """Return an absent span that is to be asked for now, if any, and set when the next time is."""
        for span in self.learnt.absent:
            at_s, wait_s = self._retries.setdefault(span, (now.s + ABSENT_RETRY_S, ABSENT_RETRY_S))
            if now.s >= at_s:
                wait_s = min(2 * wait_s, ABSENT_RETRY_S)
                self._retries[span] = now.s + wait_s, wait_s
                return span
        return None

    def inside(self, block: Block) -> list[Span]:
        """Return the spans that a block of the plan reads."""
        end = block.address + block.count - 1
        wanted = [span for span in self._spans if span not in self.learnt.absent]
        return outermost(
            [span for span in wanted if span[0] == block.table and block.address <= span[1] <= span[2] <= end]
        )


class Cycle:
    """One round of requests: ask ``block``, tell ``take``; it is over when ``block`` is None."""

    def __init__(self, plan: LearntPlan, now: Moment, before: Learnt) -> None:
        """Begin with the plan's first block; ``before`` is what was kept last."""
        self._plan, self._now, self._blocks = plan, now, plan.blocks
        self._errors: dict[Block, str] = {}
        self._good: list[Block] = []
        self._good_before: dict[Block, int] = {}
        self._silent = False
        self._tries = 0
        self._before = before
        self.told: list[str] = []
        """What was learnt, in words."""
        self._course = self._asked()
        self.block: Block | None = next(self._course, None)

    def take(self, error: str, answer_s: float | None = None) -> None:
        """Take what came of ``block``: "" or the error's name, and how long the answer took."""
        if self.block is None:
            raise RuntimeError("a cycle that is over was told of an answer")
        if not error and answer_s is not None:
            self._plan.answered(self.block, answer_s)
        try:
            self.block = self._course.send(error)
        except StopIteration:
            self.block = None

    @property
    def changed(self) -> bool:
        """Whether there is something new to keep."""
        return self._plan.learnt is not self._before

    def errors(self) -> dict[Block, str]:
        """Return what failed, the absent included; blocks that a cycle cut short did not ask are ``stopped``."""
        asked = {*self._errors, *self._good}
        stopped = {block: "stopped" for block in self._blocks if block not in asked}
        return self._errors | self._plan.absent_errors | stopped

    def _asked(self) -> Asking:
        answers = {}
        for block in self._blocks:
            answers[block] = yield from self._ask(block)
        refused = [block for block, answer in answers.items() if answer in REFUSALS]
        self._tries = TRIES_PER_CYCLE_MAX
        if refused and not self._silent and self._plan.may_explore(self._now):
            before = self._plan.learnt
            for block in refused:
                yield from self._explore(self._plan.inside(block))
            self._plan.explored(self._now, in_vain=self._plan.learnt is before)
        if self._good and (span := self._plan.absent_due(self._now)):
            yield from self._retry(span)

    def _ask(self, block: Block) -> Generator[Block, str, str]:
        self._tries -= 1
        error = yield block
        if not error:
            self._good.append(block)
        else:
            self._errors[block] = error
            self._good_before[block] = len(self._good)
            self._silent |= error in set(LineError)
        return error

    def _explore(self, group: Sequence[Span]) -> Asking:
        """Take a refused group apart until its parts show why."""
        parts, lesson, words = self._parts(group)
        answers = []
        for part in parts:
            if self._spent:
                return
            answers.append((yield from self._ask(_block(part))))
        for part, answer in zip(parts, answers, strict=True):
            if answer in REFUSALS:
                yield from self._explore(part)
        if not any(answers) and not self._spent:
            yield from self._confirm(_block(group), lesson, words)

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
            self._plan.learn(lesson, self._now)
            self.told.append(words)

    def _retry(self, span: Span) -> Asking:
        if not (yield from self._ask(_block([span]))):
            self._plan.found(span)
            self.told.append(f"{_named(span)} is there after all")

    def _parts(self, group: Sequence[Span]) -> tuple[list[Sequence[Span]], Lesson, str]:
        """Return the parts to try, and what it teaches, and in words, if all of them are answered well."""
        block = _block(group)
        if len(group) == 1:
            [span], error = group, self._errors[block]
            words = f"{_named(span)} is not there ({error}); asked for rarely"
            return [], lambda learnt: replace(learnt, absent={**learnt.absent, span: error}), words
        starts = [index for index, (a, b) in enumerate(pairwise(group), 1) if b[1] > a[2] + 1]
        if len(starts) >= PIECES_MAX:
            starts = [starts[len(starts) // 2]]
        if starts:
            holes = {(block.table, group[start - 1][2] + 1, group[start][1] - 1) for start in starts}
            words = f"not read over any more: {', '.join(map(_named, sorted(holes)))}"
            return _cut(group, starts), lambda learnt: replace(learnt, holes=learnt.holes | holes), words
        halves = _cut(group, [len(group) // 2])
        if not any(good.table == block.table and good.count >= block.count for good in self._good):
            count_max = max(_block(half).count for half in halves)
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


def _block(group: Sequence[Span]) -> Block:
    table, first, _ = group[0]
    return Block(table, first, group[-1][2] - first + 1)


def _named(span: Span) -> str:
    table, first, last = span
    return f"{table} 0x{first:04X}" + (f" to 0x{last:04X}" if last > first else "")
