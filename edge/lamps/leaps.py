"""A clock that leaps ahead, and may come back: nothing that it says is written down for a while. Pure."""

from edge.clock import Moment

LEAP_MS = 60_000
"""Time that goes on by so much more than the monotonic clock has leapt."""
SETTLE_S = 600.0
"""A time that has leapt ahead stands when it has gone on for so long."""


class Leaps:
    """Watches trusted moments."""

    def __init__(self) -> None:
        """The first moment stands."""
        self._stands_ms: int | None = None
        """The wall clock less the monotonic one, as it stands."""
        self._since_s: float | None = None

    def doubts(self, now: Moment) -> bool:
        """Say whether the time has leapt ahead so lately that it may come back."""
        between_ms = now.wall_ms - now.mono_ns // 1_000_000
        if self._stands_ms is not None and between_ms - self._stands_ms > LEAP_MS:
            self._since_s = now.s if self._since_s is None else self._since_s
            if now.s - self._since_s < SETTLE_S:
                return True
        self._stands_ms, self._since_s = between_ms, None
        return False
