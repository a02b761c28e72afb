"""A read plan that learns what its device refuses. Pure: says what to ask, takes what came of it.

A device may refuse (ILLEGAL DATA ADDRESS or VALUE) a block although its points are documented: it has a
hole that must not be read over, two areas that are never read together, a smaller limit than its document
says, or a point is not there. Which it is, ``read_cycle.py`` finds out.

Lessons are forgotten after ``LESSON_DAYS_MAX``; an absent point is asked for alone, soon at first, in the
end every ``ABSENT_RETRY_S``.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from device_profiles.codec import addresses
from device_profiles.schema import BIT_TABLES, ModbusLimits, Point, Table
from edge.clock import Moment
from edge.drivers.lessons import LESSONS_MAX, Learnt, Span
from edge.drivers.modbus_plan import TURNAROUND_S, Block, blocks_of, outermost, read_plan, spans_of
from edge.lines.line import WireCost

LESSON_DAYS_MAX = 30
ABSENT_RETRY_MIN_S = 60.0
"""The first time after the lesson; doubled each time up to ``ABSENT_RETRY_S``."""
ABSENT_RETRY_S = 3600.0
EXPLORE_AGAIN_S = 10.0
"""After a cycle that taught nothing; doubled each time, up to ``ABSENT_RETRY_S``."""
TURNAROUNDS_KEPT = 32
ANSWER_CHARACTERS = 5
"""An answer's frame without its data."""
_DAY_MS = 86_400_000

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

    def forget_old(self, now: Moment) -> None:
        """Forget what was learnt too long ago: the device may have been mended or exchanged."""
        if (
            self.learnt.since_ms
            and self.learnt.count
            and now.wall_ms - self.learnt.since_ms > LESSON_DAYS_MAX * _DAY_MS
        ):
            self._now_known(Learnt(self._digest))

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
        return {block_of([span]): error for span, error in self.learnt.absent.items()}

    @property
    def absent_points(self) -> list[str]:
        """Names of the points that cannot be read, because they or their decimals or unit are not there."""
        if not self.learnt.absent:
            return []
        cells = {(span[0], address) for span in self.learnt.absent for address in range(span[1], span[2] + 1)}
        return [
            point.name
            for point in self.points
            if any((point.table, address) in cells for address in addresses(point))
        ]

    def _plan(self) -> None:
        self.blocks = self.blocks_of(self._spans)

    def blocks_of(self, spans: Iterable[Span]) -> list[Block]:
        """Return how some spans are read, by what is known now."""
        return blocks_of(spans, self._limits, self._cost, turnaround_s=self._turnaround_s, learnt=self.learnt)

    def _now_known(self, learnt: Learnt) -> None:
        self.learnt = learnt
        self._plan()

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
        return outermost(self._covered(block.table, block.address, block.address + block.count - 1))

    def within(self, span: Span) -> list[Span]:
        """Return the spans that a longer one contains: shorter values at the same addresses."""
        return outermost([shorter for shorter in self._covered(*span) if shorter != span])

    def _covered(self, table: Table, first: int, last: int) -> list[Span]:
        wanted = [span for span in self._spans if span not in self.learnt.absent]
        return [span for span in wanted if span[0] == table and first <= span[1] <= span[2] <= last]


def block_of(group: Sequence[Span]) -> Block:
    """Return the request that reads a group of one table's spans."""
    table, first, _ = group[0]
    return Block(table, first, group[-1][2] - first + 1)
