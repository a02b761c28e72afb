"""How often a buffer may begin a new epoch. Pure.

A copied or rolled-back card needs one; more in a short time are forged, or a centre's mistake. Each costs all
that is held its way over the air, and the centre a mark.
"""

INTERVAL_MIN_S = 60.0
INTERVAL_MAX_S = 3600.0


class Renumberings:
    """At most one an interval, which doubles with each that follows soon; times are monotonic seconds."""

    def __init__(self) -> None:
        """The first may be at once."""
        self._last_s = float("-inf")
        self._interval_s = INTERVAL_MIN_S

    def wait_s(self, now_s: float) -> float:
        """Return how long the buffer may not be renumbered yet."""
        return max(0.0, self._last_s + self._interval_s - now_s)

    def may(self, now_s: float) -> bool:
        """Say whether the buffer may be renumbered now, and count it as done."""
        since_s = now_s - self._last_s
        if since_s < self._interval_s:
            return False
        soon = since_s < 2 * self._interval_s
        self._interval_s = min(2 * self._interval_s, INTERVAL_MAX_S) if soon else INTERVAL_MIN_S
        self._last_s = now_s
        return True
