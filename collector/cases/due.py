"""When a case is due: by the city's working calendar, or by the clock where none is asked."""

from dataclasses import dataclass
from typing import Protocol

from collector.cases.settings import Limit
from collector.deadlines.calendar import WorkingCalendar
from collector.deadlines.limits import LimitKind, TimeLimit, due

_HOURS = {"hours": 1, "days": 24, "working_hours": 1, "working_days": 24}
_KINDS = {
    "hours": LimitKind.URGENT_HOURS,
    "days": LimitKind.CALENDAR_DAYS,
    "working_hours": LimitKind.WORKING_HOURS,
    "working_days": LimitKind.WORKING_DAYS,
}
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


class ByCalendar:
    """Counts by a working calendar; what is doubtful about it is said in both languages."""

    def __init__(self, calendar: WorkingCalendar, *, to_end_of_day: bool) -> None:
        """``to_end_of_day``: whole working days end with their last day's work."""
        self._calendar, self._to_end_of_day = calendar, to_end_of_day

    def __call__(self, start_ms: int, limit: Limit) -> Due:
        """See Deadlines."""
        kind = _KINDS[limit.kind]
        ends_day = self._to_end_of_day and kind is LimitKind.WORKING_DAYS and not limit.amount % 1
        found = due(start_ms, TimeLimit(kind, limit.amount, ends_day), self._calendar)
        return Due(found.at_ms, tuple(f"{remark.zh} / {remark.en}" for remark in found.warnings))
