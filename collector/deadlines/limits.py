"""Time limits as cities set them, and when they end. Pure.

A limit of working time ends within working time, at the latest at the end of a stretch: four working hours
from 14:00 end at 18:00, not the next morning.
"""

from dataclasses import dataclass
from enum import StrEnum

from collector.deadlines.calendar import DAY_MS, HOUR_MS, Remark, WorkingCalendar

AMOUNT_MAX = 10_000
REMARKS_MAX = 10


class LimitKind(StrEnum):
    """In what a limit is counted."""

    WORKING_HOURS = "working_hours"
    """工作时: hours that are worked."""
    WORKING_DAYS = "working_days"
    """工作日: days that are worked; the same time of that day, or its end (``to_end_of_day``)."""
    URGENT_HOURS = "urgent_hours"
    """紧急: hours on the clock, day and night."""
    CALENDAR_DAYS = "calendar_days"
    """自然日: days on the clock, each of 24 hours."""


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """``amount`` of what ``kind`` says, more than 0 and at most 10,000; ValueError where it is not.

    ``to_end_of_day`` is for whole working days: the day itself does not count, and the last one counts to its
    end of work.
    """

    kind: LimitKind
    amount: float
    to_end_of_day: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no limit."""
        if not 0 < self.amount <= AMOUNT_MAX:
            raise ValueError(f"a limit is more than 0 and at most {AMOUNT_MAX}, not {self.amount}")
        if self.to_end_of_day and (self.kind != LimitKind.WORKING_DAYS or self.amount % 1):
            raise ValueError("only whole working days end with a day")


@dataclass(frozen=True, slots=True)
class Due:
    """When something is due, UTC ms, and what people have to be told of it."""

    at_ms: int
    warnings: tuple[Remark, ...] = ()


def due(start_ms: int, limit: TimeLimit, calendar: WorkingCalendar) -> Due:
    """Return when a limit ends that starts at ``start_ms``, UTC ms."""
    match limit.kind:
        case LimitKind.URGENT_HOURS:
            return Due(start_ms + max(1, round(limit.amount * HOUR_MS)))
        case LimitKind.CALENDAR_DAYS:
            return Due(start_ms + max(1, round(limit.amount * DAY_MS)))
        case LimitKind.WORKING_HOURS:
            at_ms = _after(start_ms, max(1, round(limit.amount * HOUR_MS)), calendar)
        case LimitKind.WORKING_DAYS if limit.to_end_of_day:
            at_ms = _day_end(start_ms, int(limit.amount), calendar)
        case LimitKind.WORKING_DAYS:
            at_ms = _after(start_ms, max(1, round(limit.amount * calendar.day_ms)), calendar)
    return Due(at_ms, calendar.remarks(start_ms, at_ms)[:REMARKS_MAX])


def extended(current: Due, by: TimeLimit, calendar: WorkingCalendar) -> Due:
    """Return a deadline that is put off: the further limit starts where the current one ends.

    What was to be told of the current one is told on.
    """
    later = due(current.at_ms, by, calendar)
    told = dict.fromkeys((*current.warnings, *later.warnings))
    return Due(later.at_ms, tuple(told)[:REMARKS_MAX])


def _after(start_ms: int, working_ms: int, calendar: WorkingCalendar) -> int:
    """Return the first moment by which so much time has been worked."""
    day, into_ms = calendar.local(start_ms)
    while True:  # every week has working days: a year's file leaves 150 of them
        if calendar.works_on(day):
            for each in calendar.hours:
                begins = max(each.start_ms, into_ms)
                if begins + working_ms <= each.end_ms:
                    return calendar.utc_ms(day, begins + working_ms)
                working_ms -= max(0, each.end_ms - begins)
        day, into_ms = day + 1, 0


def _day_end(start_ms: int, days: int, calendar: WorkingCalendar) -> int:
    """Return the end of work of the last of so many working days after this one."""
    day, _ = calendar.local(start_ms)
    while days:
        day += 1
        days -= calendar.works_on(day)
    return calendar.utc_ms(day, calendar.hours[-1].end_ms)
