"""Local time of the site, by its offset to UTC; nobody knows it while the clock was never set. Pure."""

import math

from contract.samples import ClockState
from edge.clock import Moment

DAY_MS = 86_400_000
WALL_LOOK_S = 60.0
"""The wall clock may be found to be another: whoever waits for a time of day looks so often at least."""


def local_ms(now: Moment, utc_offset_min: int) -> int | None:
    """Return milliseconds of local time since 1970, or None while the time is not known."""
    return None if now.clock is ClockState.UNSET else now.wall_ms + utc_offset_min * 60_000


def iso_weekday(at_ms: int) -> int:
    """Return 1 (Monday) to 7 of a local time."""
    return (at_ms // DAY_MS + 3) % 7 + 1  # 1970 began on a Thursday


def due_s(now: Moment, in_ms: float | None = None) -> float:
    """Return the monotonic time at which to look again for what is ``in_ms`` away, never late by much."""
    wait_s = math.inf if in_ms is None else max(0.0, in_ms) / 1000
    return now.s + min(wait_s, WALL_LOOK_S)
