"""Rules that never apply, and rules of one kind that cut into each other.

Nights are bits of whole numbers, so that hundreds of rules cost little even on a cabinet's computer.
"""

import calendar as dates
import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache

from lighting.nights import DAY
from lighting.plan import WEEKDAYS, Calendar, CalendarRule

YEARS = range(2024, 2052)
"""28 years have every date on every weekday."""


def unreachable(calendar: Calendar) -> Iterator[tuple[int, str, str]]:
    """Yield each rule that is wrong where it stands, by its index: what is wrong, and what to do."""
    if not calendar.rules:
        return
    sample = _sample(frozenset(_years(calendar)))
    own = [sample.of(rule) for rule in calendar.rules]
    taken: dict[str | None, int] = {}
    for index, rule in enumerate(calendar.rules):
        earlier = taken.get(None, 0) | taken.get(rule.condition, 0)
        if not own[index]:
            yield index, "applies on no night", "check its dates and days"
        elif not own[index] & ~earlier:
            what = "never applies: rules before it take all of its nights"
            yield index, what, "put it before them, or remove it; the first rule that applies wins"
        else:
            for other in range(index):
                if _alike(rule, calendar.rules[other]) and _cut(own[index], own[other]):
                    what = f"its dates overlap those of rules[{other}] in part"
                    yield index, what, "let one end before the other begins, or lie within it"
        taken[rule.condition] = taken.get(rule.condition, 0) | own[index]


class _Sample:
    """Nights that show all there is to see of a calendar, one bit each."""

    def __init__(self, years: Sequence[int]) -> None:
        self.nights = [
            dt.date(year, 1, 1) + DAY * number
            for year in years
            for number in range(366 if dates.isleap(year) else 365)
        ]
        by_day: dict[tuple[int, int], list[int]] = {}
        by_weekday: list[list[int]] = [[] for _ in WEEKDAYS]
        for place, night in enumerate(self.nights):
            by_day.setdefault((night.month, night.day), []).append(place)
            by_weekday[night.weekday()].append(place)
        self._of_day = {day: self._bits(places) for day, places in by_day.items()}
        self._of_weekday = [self._bits(places) for places in by_weekday]

    def of(self, rule: CalendarRule) -> int:
        """Return the rule's nights, its condition apart."""
        found = self._dated(rule) if _with_year(rule) else self._yearly(rule)
        if rule.days:
            found &= sum(self._of_weekday[WEEKDAYS.index(day)] for day in set(rule.days))
        return found

    def _dated(self, rule: CalendarRule) -> int:
        start, end = rule.start_date, rule.end_date
        first = bisect_left(self.nights, start) if isinstance(start, dt.date) else 0
        last = bisect_right(self.nights, end) if isinstance(end, dt.date) else len(self.nights)
        return (1 << last) - (1 << first) if first < last else 0

    def _yearly(self, rule: CalendarRule) -> int:
        every_weekday = rule.model_copy(update={"days": []})
        found = 0
        for (month, day), bits in self._of_day.items():
            if every_weekday.applies(dt.date(2024, month, day)):  # a leap year
                found |= bits
        return found

    def _bits(self, places: Sequence[int]) -> int:
        line = bytearray(len(self.nights) // 8 + 1)
        for place in places:
            line[place // 8] |= 1 << place % 8
        return int.from_bytes(line, "little")


@lru_cache(maxsize=4)
def _sample(years: frozenset[int]) -> _Sample:
    return _Sample(sorted(years))


def _years(calendar: Calendar) -> Iterator[int]:
    """Yield years with every date on every weekday, and those about each date that has one."""
    yield from YEARS
    for rule in calendar.rules:
        for day in (rule.start_date, rule.end_date):
            if isinstance(day, dt.date):
                yield from range(max(day.year - 1, dt.MINYEAR), min(day.year + 1, dt.MAXYEAR) + 1)


def _with_year(rule: CalendarRule) -> bool:
    return isinstance(rule.start_date, dt.date) or isinstance(rule.end_date, dt.date)


def _alike(one: CalendarRule, other: CalendarRule) -> bool:
    return other.condition == one.condition and set(one.days) == set(other.days)


def _cut(one: int, other: int) -> bool:
    return bool(one & other) and bool(one & ~other) and bool(other & ~one)
