"""The value a rule looks at: the newest good one, or a moving mean of them."""

import math
from collections import deque

VALUES_MAX = 100_000


class Window:
    """Good values of the last ``mean_s`` seconds; times are monotonic seconds.

    A mean counts only when good values cover its whole span; a hole longer than ``stale_s`` starts it anew.
    With ``mean_s`` 0 the newest value counts, as long as it is not stale.
    """

    def __init__(self, mean_s: float, stale_s: float) -> None:
        """Begin empty."""
        self._mean_s = mean_s
        self._stale_s = stale_s
        self._values: deque[tuple[float, float]] = deque(maxlen=VALUES_MAX)
        self._mean: float | None = None
        self._covered_from_s: float | None = None

    def add(self, value: float, at_s: float) -> None:
        """Take a good value."""
        if self._is_stale(at_s):
            self._values.clear()
            self._covered_from_s = at_s
        self._values.append((at_s, value))
        self._mean = None
        self._forget(at_s)

    def value(self, now_s: float) -> float | None:
        """Return what a rule may decide on, or None where there is nothing to decide on."""
        if self._is_stale(now_s) or self._covered_from_s is None:
            return None
        if self._mean_s == 0:
            return self._values[-1][1]
        self._forget(now_s)
        if now_s - self._covered_from_s < self._mean_s:
            return None
        if self._mean is None:
            # Summed anew: in a running sum one wild value would leave its rounding error for ever.
            self._mean = math.fsum(value for _, value in self._values) / len(self._values)
        return self._mean

    @property
    def newest_s(self) -> float:
        """When the newest good value came; minus infinity before the first."""
        return self._values[-1][0] if self._values else float("-inf")

    def _is_stale(self, now_s: float) -> bool:
        return not self._values or now_s - self._values[-1][0] > self._stale_s

    def _forget(self, now_s: float) -> None:
        while len(self._values) > 1 and self._values[0][0] <= now_s - self._mean_s:
            self._values.popleft()
            self._mean = None
