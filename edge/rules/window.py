"""The value a rule looks at: the newest good one, or the mean, least or greatest of a moving window of them.

Every figure is kept up to date in amortised constant time. A mean is exact: the sum is held as an integer,
so that no value that has left the window leaves a rounding error behind.
"""

import math
from collections import deque
from typing import Literal

from edge.clock import Moment

VALUES_MAX = 100_000
"""In one window; of more, the newest count."""
Statistic = Literal["mean", "min", "max"]
_BITS = 64
"""Parts of 2**-64 to begin with: enough for what devices measure. The smallest float needs 2**-1074."""


class ExactSum:
    """A sum of finite numbers without rounding: an integer of parts as small as any of them needs."""

    __slots__ = ("_bits", "_parts")

    def __init__(self) -> None:
        """Nothing yet."""
        self._parts, self._bits = 0, _BITS

    def add(self, value: float) -> None:
        """Add a number."""
        parts, of = value.as_integer_ratio()  # of is a power of two
        shift = self._bits + 1 - of.bit_length()
        if shift < 0:
            self._parts <<= -shift
            self._bits -= shift
            shift = 0
        self._parts += parts << shift

    def mean(self, count: int) -> float:
        """Return the sum divided by ``count``, rounded once."""
        return self._parts / (count << self._bits)


class MovingMean:
    """The mean of the newest values, rounded once; each is held as so many parts, as the sum is."""

    __slots__ = ("_bits", "_parts", "_values")

    def __init__(self) -> None:
        """Begin empty."""
        self._values: deque[tuple[float, int]] = deque()
        self._parts, self._bits = 0, _BITS

    def push(self, value: float, at_s: float, until_s: float) -> float:
        """Take a value; let go what is as old as ``until_s``, which is before it. Return the mean."""
        parts, of = value.as_integer_ratio()  # of is a power of two
        shift = self._bits + 1 - of.bit_length()
        if shift < 0:
            self._divide(-shift)
            shift = 0
        parts <<= shift
        values, total = self._values, self._parts + parts
        values.append((at_s, parts))
        while values[0][0] <= until_s or len(values) > VALUES_MAX:
            total -= values.popleft()[1]
        self._parts = total
        return total / (len(values) << self._bits)

    def forget(self, until_s: float) -> float:
        """Let go what is as old as that, but never the newest; return the mean."""
        values = self._values
        while values[0][0] <= until_s and len(values) > 1:
            self._parts -= values.popleft()[1]
        return self._parts / (len(values) << self._bits)

    def _divide(self, more_bits: int) -> None:
        """Count in smaller parts."""
        self._bits += more_bits
        self._parts <<= more_bits
        self._values = deque((at_s, parts << more_bits) for at_s, parts in self._values)


class Extreme:
    """The least or the greatest of the newest values: those that no later one outdoes, in order."""

    __slots__ = ("_sign", "_values")

    def __init__(self, *, greatest: bool) -> None:
        """Begin empty."""
        self._sign = 1.0 if greatest else -1.0
        self._values: deque[tuple[float, float]] = deque()

    def push(self, value: float, at_s: float, until_s: float) -> float:
        """Take a value; let go what is as old as ``until_s``, which is before it. Return the extreme."""
        values, height = self._values, value * self._sign
        while values and values[-1][1] <= height:
            values.pop()
        values.append((at_s, height))
        while values[0][0] <= until_s or len(values) > VALUES_MAX:
            values.popleft()
        return values[0][1] * self._sign

    def forget(self, until_s: float) -> float:
        """Let go what is as old as that, but never the newest; return the extreme."""
        values = self._values
        while values[0][0] <= until_s and len(values) > 1:
            values.popleft()
        return values[0][1] * self._sign


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
        self.covered_from_s = math.inf
        """Since when good values have come without a hole longer than ``stale_s``."""
        self._figure = figure(statistic)
        self._value, self._of_s = 0.0, -math.inf  # the figure, and when it was that

    def add(self, value: float, at_s: float) -> float | None:
        """Take a good value; return what may be decided on with it."""
        if at_s - self.newest_s > self._stale_s:
            self.covered_from_s = at_s
            if self._span_s:
                self._figure = figure(self._statistic)
        self.newest_s = self._of_s = at_s
        if not self._span_s:
            self._value = value
            return value
        self._value = self._figure.push(value, at_s, at_s - self._span_s)
        return self._value if at_s - self.covered_from_s >= self._span_s else None

    def value(self, now_s: float) -> float | None:
        """Return what a rule may decide on, or None where there is nothing to decide on."""
        if now_s - self.newest_s > self._stale_s:
            return None
        if not self._span_s:
            return self._value
        if now_s - self.covered_from_s < self._span_s:
            return None
        if now_s > self._of_s:
            self._value, self._of_s = self._figure.forget(now_s - self._span_s), now_s
        return self._value

    def take(self, value: float, now: Moment) -> float | None:
        """Take a good value that was measured at that moment; return what may be decided on with it."""
        return self.add(value, now.mono_ns / 1e9)

    def value_at(self, now: Moment) -> float | None:
        """See ``value``."""
        return self.value(now.mono_ns / 1e9)
