"""Time as the gateway sees it: a moment on both clocks, taken once and handed on."""

import time
from typing import NamedTuple, Protocol

from contract.samples import ClockState

CREDIBLE_FROM_MS = 1_767_225_600_000
"""2026-01-01: an earlier wall clock was never set (boards without a battery boot in 1970)."""


class Moment(NamedTuple):
    """One moment: monotonic nanoseconds for intervals, UTC milliseconds and its worth for stamps."""

    mono_ns: int
    wall_ms: int
    clock: ClockState = ClockState.SYNCHRONISED

    @property
    def s(self) -> float:
        """Monotonic seconds; intervals in the rules are counted on these."""
        return self.mono_ns / 1e9


class Clock(Protocol):
    """Where moments come from."""

    def now(self) -> Moment:
        """Return this moment."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> Moment:
        """Return this moment; the wall clock is unset as long as it tells an impossible year."""
        wall_ms = time.time_ns() // 1_000_000
        if wall_ms >= CREDIBLE_FROM_MS:
            return Moment(time.monotonic_ns(), wall_ms)
        return Moment(time.monotonic_ns(), max(0, wall_ms), ClockState.UNSET)
