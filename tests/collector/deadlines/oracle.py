"""What is worked by the published calendar, counted by walking through it: nothing clever or of ours."""

import functools
from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import accumulate

import chinese_calendar

FIRST, LAST = date(2017, 1, 1), date(2026, 12, 31)
"""Ten years of published holidays and make-up workdays."""
DAYS = (LAST - FIRST).days + 1
DAY_MIN = 24 * 60
MINUTE_MS = 60_000
CHINA = timezone(timedelta(hours=8))
BEGIN_MS = int(datetime(2017, 1, 1, tzinfo=CHINA).timestamp() * 1000)

Schedule = tuple[tuple[int, int], ...]
"""Stretches of a working day in minutes from midnight; the end is not in it."""
OFFICE: Schedule = ((8 * 60 + 30, 12 * 60), (14 * 60, 18 * 60))
SCHEDULES: tuple[Schedule, ...] = (
    OFFICE,
    ((9 * 60, 17 * 60),),
    ((0, DAY_MIN),),
    ((0, 61), (120, 1000), (1000, 1001), (1381, DAY_MIN)),
)


@functools.cache
def worked_days() -> bytes:
    """Return 1 for each day of the ten years that is worked."""
    return bytes(chinese_calendar.is_workday(FIRST + timedelta(number)) for number in range(DAYS))


@functools.cache
def minutes(schedule: Schedule) -> bytes:
    """Return 1 for each minute of the ten years that is worked."""
    day = bytes(any(start <= minute < end for start, end in schedule) for minute in range(DAY_MIN))
    return b"".join(day if worked else bytes(DAY_MIN) for worked in worked_days())


@functools.cache
def worked_minutes(schedule: Schedule) -> list[int]:
    """Return the numbers of the worked minutes."""
    return [number for number, worked in enumerate(minutes(schedule)) if worked]


@functools.cache
def sums(schedule: Schedule) -> list[int]:
    """Return how many minutes are worked before each."""
    return list(accumulate(minutes(schedule), initial=0))


def walked(start: int, amount: int, schedule: Schedule, *, per_minute: int = 1) -> int:
    """Return when ``amount`` steps have been worked from step ``start`` on, step by step.

    Steps are minutes, or parts of them: so many ``per_minute``.
    """
    worked = minutes(schedule)
    at = start
    while amount:
        amount -= worked[at // per_minute]
        at += 1
    return at


def jumped(start: int, amount: int, schedule: Schedule) -> int:
    """Return the same as ``walked`` in minutes, by looking up the last of the worked ones."""
    every = worked_minutes(schedule)
    return every[bisect_left(every, start) + amount - 1] + 1


def day_end(start: int, days: int, schedule: Schedule) -> int:
    """Return the minute in which the last of so many worked days after the one of ``start`` ends."""
    day = start // DAY_MIN
    while days:
        day += 1
        days -= worked_days()[day]
    return day * DAY_MIN + schedule[-1][1]


def ms(minute: int) -> int:
    """Return a minute of the ten years as UTC ms."""
    return BEGIN_MS + minute * MINUTE_MS


def minute_of(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    """Return a local time as a minute of the ten years."""
    return ((date(year, month, day) - FIRST).days * 24 + hour) * 60 + minute


def shown(at_ms: int) -> str:
    """Return local time as people read it."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(CHINA):%Y-%m-%d %H:%M}"
