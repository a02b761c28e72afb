"""Windows in step with the wall clock: the figure of each quarter of an hour and the like."""

import math

from edge.clock import Moment
from edge.rules import local_time
from edge.rules.window import ExactSum, Statistic


class FixedWindow:
    """The figure of the last window that is over; windows begin with the local day.

    A value belongs to the window in which it was measured. A good value covers the time since the good value
    before it, where that is no more than ``stale_s``; a window counts when good values cover
    ``coverage_percent`` of it. Until the next window is over, its figure stands; where that one does not
    count, or the time is not known, there is nothing to decide on.
    """

    def __init__(
        self,
        span_s: float,
        stale_s: float,
        statistic: Statistic,
        *,
        coverage_percent: float,
        utc_offset_min: int,
    ) -> None:
        """``span_s`` divides the day."""
        self._span_ms = round(span_s * 1000)
        self._stale_s, self._statistic = stale_s, statistic
        self._covered_s_min = span_s * coverage_percent / 100
        self._offset_min = utc_offset_min
        self._index: int | None = None
        self._era = -1
        self._last_s = -math.inf  # of the newest good value, in whatever window
        self.newest_s = -math.inf
        """When the last window that counts was over; minus infinity before the first."""
        self.due_s = math.inf
        """When the window under way is over."""
        self._result: float | None = None
        self._least, self._greatest = math.inf, -math.inf
        self._begin(0.0)

    @property
    def index(self) -> int | None:
        """The number of the window under way since 1970 by local time; None while time is not known."""
        return self._index

    def take(self, value: float, now: Moment) -> float | None:
        """Take a good value that was measured at that moment; return what may be decided on now."""
        self.roll(now)
        if self._index is None:
            return None
        at_s = now.s
        self._cover(at_s)
        self._last_s = at_s
        self._count += 1
        self._sum.add(value)
        self._least, self._greatest = min(self._least, value), max(self._greatest, value)
        return self._result

    def value_at(self, now: Moment) -> float | None:
        """Return the figure of the last window that is over, or None where there is nothing to decide on."""
        self.roll(now)
        return self._result

    def roll(self, now: Moment) -> bool:
        """Go on to the window of this moment; return whether one that counts is over by it."""
        at_ms = local_time.local_ms(now, self._offset_min)
        index = None if at_ms is None else at_ms // self._span_ms
        if at_ms is None or index is None:
            if self._index is not None:
                self._index, self._result = None, None
            return False
        inside_ms = at_ms % self._span_ms
        if index == self._index and now.era == self._era:
            if now.s >= self.due_s:
                self.due_s = local_time.due_s(now, self._span_ms - inside_ms)
            return False
        self.due_s = local_time.due_s(now, self._span_ms - inside_ms)
        counts = False
        begins_s = now.s - inside_ms / 1000
        if self._index is not None:
            follows = now.era == self._era and index == self._index + 1
            self._result = self._figure(begins_s) if follows else None
            if counts := self._result is not None:
                self.newest_s = begins_s
        self._index, self._era = index, now.era
        self._begin(begins_s)
        return counts

    def _begin(self, begins_s: float) -> None:
        self._begins_s = begins_s
        self._covered_s = 0.0
        self._count = 0
        self._sum = ExactSum()
        self._least, self._greatest = math.inf, -math.inf

    def _cover(self, upto_s: float) -> None:
        """Count the time since the good value before, as far as it lies in this window."""
        if upto_s - self._last_s <= self._stale_s:
            self._covered_s += upto_s - max(self._last_s, self._begins_s)

    def _figure(self, ended_s: float) -> float | None:
        if ended_s > self._last_s:
            self._cover(ended_s)
        if not self._count or self._covered_s < self._covered_s_min:
            return None
        if self._statistic == "mean":
            return self._sum.mean(self._count)
        return self._least if self._statistic == "min" else self._greatest
