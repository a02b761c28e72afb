"""When work is done: days of rest and make-up workdays by year, hours of each working day. Pure.

A local day is counted from 1970-01-01, a time in it in milliseconds: nothing here knows of time zones but one
fixed offset, as China has no summer time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from collector.deadlines.years import LAST_WEEK, YearFile, days_of

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
THURSDAY = 3
"""1970-01-01 was one."""
_EPOCH = date(1970, 1, 1).toordinal()
_LAST = date.max.toordinal() - _EPOCH


@dataclass(frozen=True, slots=True)
class Hours:
    """Part of a working day, in milliseconds from its midnight; ``end_ms`` is not in it any more."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that people have to be told of a deadline, in both languages."""

    en: str
    zh: str


class WorkingCalendar:
    """Which moments are worked. A year that is not known counts as plain weeks, and ``remarks`` say so."""

    def __init__(
        self, years: Mapping[int, YearFile], hours: tuple[Hours, ...], utc_offset_min: int = 480
    ) -> None:
        """``hours`` are in order and do not overlap; at least one of them."""
        if not hours or any(each.start_ms >= each.end_ms for each in hours):
            raise ValueError("a working day needs hours, each of which ends after it starts")
        if any(left.end_ms > right.start_ms for left, right in pairwise(hours)):
            raise ValueError("hours of a working day are in order and do not overlap")
        if hours[0].start_ms < 0 or hours[-1].end_ms > DAY_MS:
            raise ValueError("hours of a working day lie within the day")
        off, worked = days_of(years)
        self.hours = hours
        self.day_ms = sum(each.end_ms - each.start_ms for each in hours)
        """How much of a working day is worked."""
        self.offset_ms = utc_offset_min * MINUTE_MS
        self._years = frozenset(years)
        self._off = frozenset(day.toordinal() - _EPOCH for day in off)
        self._worked = frozenset(day.toordinal() - _EPOCH for day in worked)

    def local(self, at_ms: int) -> tuple[int, int]:
        """Return the local day and the time in it, ms."""
        return divmod(at_ms + self.offset_ms, DAY_MS)

    def utc_ms(self, day: int, into_ms: int) -> int:
        """Return the moment of a time in a local day."""
        return day * DAY_MS + into_ms - self.offset_ms

    def works_on(self, day: int) -> bool:
        """Say whether a local day is worked."""
        if day in self._worked:
            return True
        return (day + THURSDAY) % 7 < 5 and day not in self._off

    def is_working(self, at_ms: int) -> bool:
        """Say whether a moment is worked; the end of a stretch is not."""
        day, into_ms = self.local(at_ms)
        return self.works_on(day) and any(each.start_ms <= into_ms < each.end_ms for each in self.hours)

    def elapsed_working_ms(self, from_ms: int, to_ms: int) -> int:
        """Return how much of the time from ``from_ms`` to ``to_ms`` is worked; 0 where it runs backwards."""
        (first, from_into), (last, to_into) = self.local(from_ms), self.local(to_ms)
        total = 0
        for day in range(first, last + 1):
            if self.works_on(day):
                begins = from_into if day == first else 0
                ends = to_into if day == last else DAY_MS
                for each in self.hours:
                    total += max(0, min(each.end_ms, ends) - max(each.start_ms, begins))
        return total

    def remarks(self, from_ms: int, to_ms: int) -> tuple[Remark, ...]:
        """Return what has to be told of a time that was counted over these days."""
        return tuple(self._unknown(self.local(from_ms)[0], self.local(to_ms)[0]))

    def _unknown(self, first: int, last: int) -> Iterator[Remark]:
        begins, ends = date_of(first), date_of(last)
        for year in range(begins.year, ends.year + 1):
            if year not in self._years:
                yield Remark(
                    f"no calendar for {year}: counted as plain weeks, Monday to Friday, without holidays",
                    f"缺少{year}年节假日安排：按周一至周五计算，未计节假日和调休",
                )
        if (
            (ends.month, ends.day) >= LAST_WEEK
            and ends.year + 1 not in self._years
            and ends.year in self._years
        ):
            yield Remark(
                f"no calendar for {ends.year + 1}: its New Year may move the last days of {ends.year}",
                f"缺少{ends.year + 1}年节假日安排：元旦调休可能影响{ends.year}年最后几天",
            )


def date_of(day: int) -> date:
    """Return a local day as a date, the last one that there is at most."""
    return date.fromordinal(min(max(day, 1 - _EPOCH), _LAST) + _EPOCH)
