"""The figures of a period: sums over its days, less what lies in stretches that are left out."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from collector.evaluation.days import KEYS, SETS, By, day_of, due
from collector.evaluation.exclusions import Exclusion
from collector.evaluation.tables import ADDED, case_facts, evaluation_days

_DUE = ("due", "extended", "closed", "closed_extended", "in_time", "in_time_extended")
OF_DUE = (*_DUE, "urgent_due", "urgent_closed", "reworked")
"""Counts that wait until the day is over on which a case is due."""


@dataclass(frozen=True, slots=True)
class Period:
    """Local days, ``first`` to before ``end``; what is due on day ``today`` or later is not due yet."""

    first: int
    end: int
    today: int


@dataclass(slots=True)
class Figures:
    """Of one key: counts by name, times in ms with how many cases each is of, and what was left out."""

    key: str
    sums: "Counter[str]" = field(default_factory=Counter)

    def __iadd__(self, other: "Figures") -> "Figures":
        """Add another's cases."""
        self.sums.update(other.sums)
        return self


def figures(
    connection: Connection,
    period: Period,
    by: By,
    exclusions: Sequence[Exclusion] = (),
    *,
    utc_offset_min: int,
) -> list[Figures]:
    """Return the figures of each key, in the order of keys; of keys with no case in the period, none."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    middle = max(period.first, min(period.end, period.today))
    for row in _summed(connection, by, period.first, middle):
        found[row["key"]].update({column.name: int(row[column.name]) for column in ADDED})
    for row in _summed(connection, by, middle, period.end):
        sums = {column.name: int(row[column.name]) for column in ADDED if column.name not in OF_DUE}
        found[row["key"]].update(sums | {"not_due_yet": int(row["due"])})
    if exclusions:
        _leave_out(connection, period, by, exclusions, found, utc_offset_min)
    return [Figures(key, found[key]) for key in sorted(found) if any(found[key].values())]


def _summed(connection: Connection, by: By, first: int, end: int) -> Sequence[Mapping[str, Any]]:
    if first >= end:
        return []
    days = evaluation_days.c
    query = select(days.key, *(func.sum(column).label(column.name) for column in ADDED))
    query = query.where(days.by == by.value, days.day >= first, days.day < end).group_by(days.key)
    return [dict(row) for row in connection.execute(query).mappings()]


def _leave_out(
    connection: Connection,
    period: Period,
    by: By,
    exclusions: Sequence[Exclusion],
    found: dict[str, "Counter[str]"],
    utc_offset_min: int,
) -> None:
    """Take back the shares of the cases that are left out, each set of them by its own time."""
    for column, adds in SETS:
        left = or_(*(_is_left_out(case_facts.c[column], each) for each in exclusions))
        for fact in connection.execute(select(case_facts).where(left)).mappings():
            day = day_of(fact[column], utc_offset_min)
            if not period.first <= day < period.end or not (added := adds(dict(fact))):
                continue
            sums = found[fact[KEYS[by]]]
            if adds is due:
                sums["due_left_out"] += 1
                if day >= period.today:
                    added = {"not_due_yet": 1}
            sums["reported_left_out"] += added.get("reported", 0)
            sums.subtract(added)


def _is_left_out(column: ColumnElement[int], exclusion: Exclusion) -> ColumnElement[bool]:
    where = [column >= exclusion.from_ms, column < exclusion.until_ms]
    if exclusion.area:
        where.append(or_(case_facts.c.district == exclusion.area, case_facts.c.street == exclusion.area))
    if exclusion.class_code:
        where.append(case_facts.c.class_code == exclusion.class_code)
    return and_(*where)
