"""How a unit on a line is doing: learnt timeout, dead or alive, when to ask again. Pure; per (line, unit).

A unit is dead after a timeout and ``DEAD_AFTER_FAILURES`` failed cycles. From its first failure on, what is
spent on it comes out of a share of the line's time, so that the silent never cost the others more than that.
"""

from collections import deque
from dataclasses import dataclass, field

DEAD_AFTER_FAILURES = 3
BACK_OFF_MAX_S = 8.0
ANSWERS_KEPT = 32
ANSWERS_LEARNT_FROM = 5
LEARNT_FACTOR = 3.0
LEARNT_MARGIN_S = 0.05
"""A learnt timeout is three times the slowest recent answer and this much more."""

DOUBTFUL_SHARE = 0.1
"""At most this part of a line's time goes to units that did not answer the last time."""
DOUBTFUL_BURST_S = 1.0
ROUNDING_S = 1e-6
"""So that waiting for the allowance ends although times are floats."""


@dataclass(slots=True)
class Unit:
    """One unit's record; times are monotonic seconds, durations seconds."""

    timeout_s: float
    """As the settings say; the learnt one is never longer."""
    answers_s: deque[float] = field(default_factory=lambda: deque(maxlen=ANSWERS_KEPT))
    failures: int = 0
    timed_out: bool = False
    hurried: bool = False
    """Whether its second chance must be as short as the others, because a long one would harm them."""
    slowest_s: float = 0.0
    """The slowest of ``answers_s``."""

    @property
    def dead(self) -> bool:
        """Say whether it is asked with one cheap probe at growing intervals only."""
        return self.timed_out and self.failures >= DEAD_AFTER_FAILURES

    @property
    def doubtful(self) -> bool:
        """Say whether its last cycle failed."""
        return self.failures > 0

    def learnt_timeout_s(self) -> float:
        """Return how long to wait for it: as learnt, or as the settings say for its second chance."""
        if len(self.answers_s) < ANSWERS_LEARNT_FROM or (self.failures == 1 and not self.hurried):
            return self.timeout_s
        return min(self.timeout_s, LEARNT_FACTOR * self.slowest_s + LEARNT_MARGIN_S)

    def answered(self, answer_s: float) -> None:
        """It answered, so long after the request had left."""
        forgotten_s = self.answers_s[0] if len(self.answers_s) == ANSWERS_KEPT else 0.0
        self.answers_s.append(answer_s)
        if answer_s >= self.slowest_s:
            self.slowest_s = answer_s
        elif forgotten_s >= self.slowest_s:
            self.slowest_s = max(self.answers_s)
        self.failures = 0
        self.timed_out = self.hurried = False

    def failed(self, *, timed_out: bool) -> None:
        """A cycle brought nothing."""
        self.failures += 1
        self.timed_out |= timed_out

    def wait_s(self, interval_s: float) -> float:
        """Return how long until it is asked again: its interval, or ever more while it is dead."""
        if not self.dead:
            return interval_s
        doublings = min(self.failures - DEAD_AFTER_FAILURES + 1, 16)
        return max(interval_s, min(interval_s * 2.0**doublings, BACK_OFF_MAX_S))


class Allowance:
    """The line time that doubtful units may use: a share of what passes, saved up to a small burst."""

    def __init__(self, now_s: float) -> None:
        """Begin with a full burst."""
        self._saved_s, self._at_s = DOUBTFUL_BURST_S, now_s

    def covers(self, cost_s: float, now_s: float) -> bool:
        """Say whether so much line time may be spent now; a cost beyond the burst may, once that is full."""
        self._save(now_s)
        return self._saved_s >= min(cost_s, DOUBTFUL_BURST_S) - ROUNDING_S

    def spend(self, cost_s: float, now_s: float) -> None:
        """Take what was really spent; debt has an end, so that many failures at once are soon forgiven."""
        self._save(now_s)
        self._saved_s = max(-DOUBTFUL_BURST_S, self._saved_s - cost_s)

    def wait_s(self, cost_s: float, now_s: float) -> float:
        """Return how long until it covers the cost."""
        self._save(now_s)
        return max(ROUNDING_S, min(cost_s, DOUBTFUL_BURST_S) - self._saved_s) / DOUBTFUL_SHARE

    def _save(self, now_s: float) -> None:
        grown_s = self._saved_s + max(0.0, now_s - self._at_s) * DOUBTFUL_SHARE
        self._saved_s, self._at_s = min(DOUBTFUL_BURST_S, grown_s), now_s
