"""Which time limit a case has: a table that a city edits, the most specific rule first. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from collector.deadlines.calendar import Remark, WorkingCalendar, date_of
from collector.deadlines.limits import TimeLimit

MonthDay = tuple[int, int]
"""Month and day; the 29th of February is one."""


@dataclass(frozen=True, slots=True)
class Season:
    """A time of the year, both days included; one that begins after it ends goes over New Year."""

    first: MonthDay
    last: MonthDay

    def holds(self, day: MonthDay) -> bool:
        """Say whether a day is in it."""
        if self.first <= self.last:
            return self.first <= day <= self.last
        return day >= self.first or day <= self.last

    def meets(self, other: "Season") -> bool:
        """Say whether both have a day in common."""
        return (
            self.holds(other.first)
            or self.holds(other.last)
            or other.holds(self.first)
            or other.holds(self.last)
        )

    def __str__(self) -> str:
        """As people write it."""
        return "{:02}-{:02}--{:02}-{:02}".format(*self.first, *self.last)


@dataclass(frozen=True, slots=True)
class DeadlineRule:
    """What a limit holds for; empty texts and no season hold for all.

    ``class_code`` and ``area`` are the beginnings of a case's class code and grid code.
    """

    limit: TimeLimit
    class_code: str = ""
    area: str = ""
    severity: str = ""
    season: Season | None = None

    def holds(self, class_code: str, area: str, severity: str, day: MonthDay) -> bool:
        """Say whether it is for such a case."""
        return (
            class_code.startswith(self.class_code)
            and area.startswith(self.area)
            and self.severity in ("", severity)
            and (self.season is None or self.season.holds(day))
        )

    @property
    def rank(self) -> tuple[int, int, bool, bool]:
        """How specific it is: by class first, then area, severity, season."""
        return len(self.class_code), len(self.area), bool(self.severity), self.season is not None

    def competes(self, other: "DeadlineRule") -> bool:
        """Say whether a case may meet both, and neither is more specific."""
        both_seasons = self.season is not None and other.season is not None
        return (
            (self.class_code, self.area, self.severity) == (other.class_code, other.area, other.severity)
            and (self.season is None) == (other.season is None)
            and (not both_seasons or _meet(self.season, other.season))
        )


def _meet(one: Season | None, other: Season | None) -> bool:
    return one is not None and other is not None and one.meets(other)


@dataclass(frozen=True, slots=True)
class Selection:
    """A limit and why it is this one."""

    limit: TimeLimit
    because: Remark


class DeadlineTable:
    """The rules; the most specific that holds gives the limit."""

    def __init__(self, rules: Sequence[DeadlineRule] = ()) -> None:
        """No two of ``rules`` compete; ValueError where two do."""
        self._rules = sorted(enumerate(rules, 1), key=lambda each: each[1].rank, reverse=True)
        if (pair := next(competing(rules), None)) is not None:
            raise ValueError("rules {} and {} hold for the same cases".format(*(each + 1 for each in pair)))

    def select(
        self, start_ms: int, calendar: WorkingCalendar, class_code: str, area: str = "", severity: str = ""
    ) -> Selection | None:
        """Return the limit of a case that starts at ``start_ms``, or None where no rule holds for it.

        ``area`` is the code of its grid, ``severity`` as the rules call it; empty where unknown.
        """
        date = date_of(calendar.local(start_ms)[0])
        for number, rule in self._rules:
            if rule.holds(class_code, area, severity, (date.month, date.day)):
                return Selection(rule.limit, _because(number, rule))
        return None


def competing(rules: Sequence[DeadlineRule]) -> Iterator[tuple[int, int]]:
    """Yield the indices of rules that hold for the same cases, the later one second."""
    alike: dict[tuple[str, str, str], list[int]] = {}
    for index, rule in enumerate(rules):
        before = alike.setdefault((rule.class_code, rule.area, rule.severity), [])
        yield from ((each, index) for each in before if rules[each].competes(rule))
        before.append(index)


def _because(number: int, rule: DeadlineRule) -> Remark:
    """Say what of a case the rule looks at."""
    en = [f"class {rule.class_code}" if rule.class_code else "any class"]
    zh = [f"类别{rule.class_code}" if rule.class_code else "所有类别"]
    for text_en, text_zh, value in (
        ("area", "区域", rule.area),
        ("severity", "严重程度", rule.severity),
        ("season", "时段", rule.season),
    ):
        if value:
            en.append(f"{text_en} {value}")
            zh.append(f"{text_zh}{value}")
    return Remark(f"because of rule {number}: {', '.join(en)}", f"依据第{number}条：{'，'.join(zh)}")
