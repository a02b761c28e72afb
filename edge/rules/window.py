"""The value a rule looks at: the newest good one, or the mean, least or greatest of a moving window of them.

Every figure is kept up to date in amortised constant time. A mean is exact: the sum is held as an integer of
the least part a float can have, so that no value that has left the window leaves a rounding error behind.
"""

import math
from collections import deque
from typing import Literal

from edge.clock import Moment

VALUES_MAX = 100_000
"""In one window; of more, the newest count."""
Statistic = Literal["mean", "min", "max"]
_LEAST_BITS = 1074
"""2**-1074 is the smallest part of a float."""


class ExactSum:
    """A sum of finite numbers, without rounding."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        """Nothing yet."""
        self._parts = 0

    def add(self, value: float) -> None:
        """Add a number."""
        parts, of = value.as_integer_ratio()  # of is a power of two
        self._parts += parts << (_LEAST_BITS + 1 - of.bit_length())

    def remove(self, value: float) -> None:
        """Take back a number that was added."""
        parts, of = value.as_integer_ratio()
        self._parts -= parts << (_LEAST_BITS + 1 - of.bit_length())

    def mean(self, count: int) -> float:
        """Return the sum divided by ``count``, rounded once."""
        return self._parts / (count << _LEAST_BITS)


class MovingMean:
    """The mean of the newest values."""

    def __init__(self) -> None:
        """Begin empty."""
        self._values: deque[tuple[float, float]] = deque()
        self._sum = ExactSum()

    def push(self, value: float, at_s: float) -> None:
        """Take a value."""
        values = self._values
        values.append((at_s, value))
        self._sum.add(value)
        if len(values) > VALUES_MAX:
            self._sum.remove(values.popleft()[1])

    def forget(self, until_s: float) -> None:
        """Let go what is as old as that, but never the newest."""
        values = self._values
        while values[0][0] <= until_s and len(values) > 1:
            self._sum.remove(values.popleft()[1])

    @property
    def value(self) -> float:
        """The mean."""
        return self._sum.mean(len(self._values))


class Extreme:
    """The least or the greatest of the newest values: those that no later one outdoes, in order."""

    def __init__(self, *, greatest: bool) -> None:
        """Begin empty."""
        self._sign = 1.0 if greatest else -1.0
        self._values: deque[tuple[float, float]] = deque()

    def push(self, value: float, at_s: float) -> None:
        """Take a value."""
        values, height = self._values, value * self._sign
        while values and values[-1][1] <= height:
            values.pop()
        values.append((at_s, height))
        if len(values) > VALUES_MAX:
            values.popleft()

    def forget(self, until_s: float) -> None:
        """Let go what is as old as that, but never the newest."""
        values = self._values
        while values[0][0] <= until_s and len(values) > 1:
            values.popleft()

    @property
    def value(self) -> float:
        """The least or the greatest."""
        return self._values[0][1] * self._sign


def figure(statistic: Statistic) -> MovingMean | Extreme:
    """Return what keeps this figure of a window, empty."""
    return MovingMean() if statistic == "mean" else Extreme(greatest=statistic == "max")


class Window:
    """Good values of the last ``span_s`` seconds; times are monotonic seconds.

    A figure counts only when good values cover its whole span; a hole longer than ``stale_s`` starts it anew.
    With ``span_s`` 0 the newest value counts, as long as it is not stale.
    """

    due_s = math.inf
    """It waits for no time: only values change what it says."""

    def __init__(self, span_s: float, stale_s: float, statistic: Statistic = "mean") -> None:
        """Begin empty."""
        self._span_s, self._stale_s, self._statistic = span_s, stale_s, statistic
        self.newest_s = -math.inf
        """When the newest good value came; minus infinity before the first."""
        self._newest = 0.0
        self._covered_from_s = math.inf
        self._figure = figure(statistic)

    def add(self, value: float, at_s: float) -> None:
        """Take a good value."""
        if at_s - self.newest_s > self._stale_s:
            self._covered_from_s = at_s
            if self._span_s:
                self._figure = figure(self._statistic)
        self.newest_s, self._newest = at_s, value
        if self._span_s:
            self._figure.push(value, at_s)
            self._figure.forget(at_s - self._span_s)

    def value(self, now_s: float) -> float | None:
        """Return what a rule may decide on, or None where there is nothing to decide on."""
        if now_s - self.newest_s > self._stale_s:
            return None
        if not self._span_s:
            return self._newest
        if now_s - self._covered_from_s < self._span_s:
            return None
        self._figure.forget(now_s - self._span_s)
        return self._figure.value

    def take(self, value: float, now: Moment) -> None:
        """Take a good value that was measured at that moment."""
        self.add(value, now.s)

    def value_at(self, now: Moment) -> float | None:
        """See ``value``."""
        return self.value(now.s)
