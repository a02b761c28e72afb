"""What a case's raw stages and events come to: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

FILED, ACCEPTED = "filed", "accepted"
VERIFIED, EVALUATED, VOIDED = "verified", "evaluated", "voided"
REWORK_STEPS = frozenset({"rework", "return_for_rework"})
EXTENDED = "extended"
SPENT = {
    "collected": "collected_ms",
    "filed": "filing_ms",
    "dispatched": "dispatched_ms",
    "in_hand": "in_hand_ms",
    "reported": "verifying_ms",
}
"""Which column says how long a case was in a stage."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A case's entry into a stage, by a step."""

    stage: str
    step: str
    at_ms: int
    department: str


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened to a case beside its stages."""

    kind: str
    at_ms: int


def fact(case: Mapping[str, Any], entries: Sequence[Entry], events: Sequence[Happening]) -> dict[str, Any]:
    """Return the row of ``case_facts``.

    ``case`` is the row of ``cases``, ``entries`` are in their order, at least one.
    """
    last = entries[-1]
    departments = [entry.department for entry in entries if entry.department]
    filed = [entry.at_ms for entry in entries if entry.stage == FILED]
    filed += [event.at_ms for event in events if event.kind == ACCEPTED]
    closings = [entry.at_ms for entry in entries if entry.stage == VERIFIED]
    is_closed = last.stage in (VERIFIED, EVALUATED) and closings
    return {
        "case_id": case["id"],
        "district": case["area"],
        "street": case["street"],
        "department": departments[-1] if departments else "",
        "class_code": case["class_code"],
        "urgent": case["urgent"],
        "repeated": bool(case["repeat_of"]),
        "voided": last.stage == VOIDED,
        "extensions": sum(event.kind == EXTENDED for event in events),
        "reworks": sum(entry.step in REWORK_STEPS for entry in entries),
        "reported_ms": entries[0].at_ms,
        "filed_ms": min(filed, default=None),
        "deadline_ms": case["deadline_ms"],
        "closed_ms": closings[-1] if is_closed else None,
        **_spent(entries),
    }


def _spent(entries: Sequence[Entry]) -> dict[str, int | None]:
    """Return how long the case was in each stage; the stage it is in does not count yet."""
    spent: dict[str, int | None] = dict.fromkeys(SPENT.values())
    for entry, following in pairwise(entries):
        if column := SPENT.get(entry.stage):
            spent[column] = (spent[column] or 0) + max(0, following.at_ms - entry.at_ms)
    return spent
