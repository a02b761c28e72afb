"""When a case is due: by the clock here; whoever knows the working calendar gives another ``Deadlines``."""

from dataclasses import dataclass
from typing import Protocol

from collector.cases.settings import Limit

_HOURS = {"hours": 1, "days": 24, "working_hours": 1, "working_days": 24}
NO_CALENDAR = "no_working_calendar"


@dataclass(frozen=True, slots=True)
class Due:
    """By when, and what is doubtful about it, in words that are kept on the case."""

    at_ms: int
    warnings: tuple[str, ...] = ()


class Deadlines(Protocol):
    """What counts a limit from a moment on."""

    def __call__(self, start_ms: int, limit: Limit) -> Due:
        """Return by when it is due."""


def by_the_clock(start_ms: int, limit: Limit) -> Due:
    """Count every hour of every day; of working time, warn that no calendar was asked."""
    at_ms = start_ms + round(limit.amount * _HOURS[limit.kind] * 3_600_000)
    return Due(at_ms, (NO_CALENDAR,) if limit.kind.startswith("working") else ())
