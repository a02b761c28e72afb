"""What a case adds to the figures of days: pure. Sums over cases, so taking a case's share back is exact."""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

DAY_MS = 86_400_000
MINUTE_MS = 60_000
SPENT = ("collected", "filing", "dispatched", "in_hand", "verifying")

Cell = tuple[str, int, str]
"""By what, the day, the key."""


class By(StrEnum):
    """What figures are told for each of."""

    DEPARTMENT = "department"
    STREET = "street"
    DISTRICT = "district"
    CLASS = "class"


KEYS = {
    By.DEPARTMENT: "department",
    By.STREET: "street",
    By.DISTRICT: "district",
    By.CLASS: "class_code",
}
"""The columns of ``case_facts`` that hold them."""


def day_of(time_ms: int, utc_offset_min: int) -> int:
    """Return the local day, counted from 1970-01-01."""
    return (time_ms + utc_offset_min * MINUTE_MS) // DAY_MS


def day_ms(day: int, utc_offset_min: int) -> int:
    """Return when a local day begins."""
    return day * DAY_MS - utc_offset_min * MINUTE_MS


def reported(fact: Mapping[str, Any]) -> dict[str, int]:
    """Return what a case adds to the day on which it was reported."""
    filed = fact["filed_ms"] is not None
    return {
        "reported": 1,
        "filed": int(filed),
        "repeated": int(filed and fact["repeated"]),
        "voided": int(fact["voided"]),
    }


def due(fact: Mapping[str, Any]) -> dict[str, int]:
    """Return what a case adds to the day of its deadline."""
    if fact["voided"] or fact["filed_ms"] is None:
        return {}
    closed_ms, extended = fact["closed_ms"], fact["extensions"] > 0
    closed = closed_ms is not None
    in_time = closed and closed_ms <= fact["deadline_ms"]
    return {
        "due": 1,
        "extended": int(extended),
        "closed": int(closed),
        "closed_extended": int(closed and extended),
        "in_time": int(in_time),
        "in_time_extended": int(in_time and extended),
        "urgent_due": int(fact["urgent"]),
        "urgent_closed": int(fact["urgent"] and closed),
        "reworked": int(fact["reworks"] > 0),
    }


def ended(fact: Mapping[str, Any]) -> dict[str, int]:
    """Return what a case adds to the day on which it was closed."""
    if fact["closed_ms"] is None:
        return {}
    added = {"ended": 1, "whole_ms": fact["closed_ms"] - fact["reported_ms"]}
    for name in SPENT:
        spent_ms = fact[f"{name}_ms"]
        if spent_ms is not None:
            added |= {f"{name}_of": 1, f"{name}_ms": spent_ms}
    return added


SETS = (("reported_ms", reported), ("deadline_ms", due), ("closed_ms", ended))
"""By which time a case belongs to a day, and what it adds there."""


def shares(
    facts: Iterable[Mapping[str, Any]], utc_offset_min: int, sign: int = 1
) -> dict[Cell, "Counter[str]"]:
    """Return what these cases add to each cell; ``sign`` -1 takes it back."""
    cells: dict[Cell, Counter[str]] = {}
    for fact in facts:
        for column, adds in SETS:
            if fact[column] is None or not (added := adds(fact)):
                continue
            day = day_of(fact[column], utc_offset_min)
            for by, key in KEYS.items():
                cell = cells.setdefault((by.value, day, fact[key]), Counter())
                for name, value in added.items():
                    cell[name] += sign * value
    return cells
