"""What a step changes of a case, decided from what is known of it: pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from collector.cases.life import Party, Stage, Step, Transition
from collector.cases.settings import Cases
from collector.cases.words import CaseError

DAY_MS = 86_400_000
LENGTHS = {"note": 500, "reason": 500, "department": 200}


@dataclass(frozen=True, slots=True)
class Asked:
    """A step with all that was said of it; ``other`` is a case's id."""

    step: Step
    party: Party
    who: str
    at_ms: int
    note: str = ""
    reason: str = ""
    department: str = ""
    deadline_ms: int | None = None
    other: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What a decision needs beside the case's row: its active alarms, its class's patience, a new limit."""

    active: int
    recheck_after_ms: int
    new_deadline_ms: int
    before: Stage
    """The stage before the present one."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a decision looks at."""

    case: Mapping[str, Any]
    asked: Asked
    known: Known
    limits: Cases


@dataclass(slots=True)
class Change:
    """New values of the case's columns, the stage it enters (None: it stays), what to note as an event."""

    values: dict[str, Any]
    entered: Stage | None = None
    event: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


def change(row: Transition, facts: Facts) -> Change:
    """Return what the step does; CaseError where it contradicts what the case is."""
    asked = facts.asked
    _has_what_it_needs(row, facts)
    decide = _SPECIAL.get(asked.step)
    result = decide(facts) if decide else Change({})
    result.entered = facts.known.before if row.back else row.to
    if result.entered is not None:
        result.values |= {"stage": result.entered.value, "stage_ms": asked.at_ms}
    return result


def _has_what_it_needs(row: Transition, facts: Facts) -> None:
    asked = facts.asked
    for name, most in LENGTHS.items():
        if len(getattr(asked, name)) > most:
            raise CaseError("too_long", what=name, most=most)
    grants = asked.step is Step.EXTEND and facts.case["asked_deadline_ms"] is not None
    for need in row.needs:
        if need == "deadline_ms" and grants:
            continue  # what was asked for is granted
        if not getattr(asked, need):
            raise CaseError("needs", step=asked.step, what=need)


def _file(facts: Facts) -> Change:
    return Change({"filed_ms": facts.asked.at_ms})


def _dispatch(facts: Facts) -> Change:
    if facts.case["waits_for"]:
        raise CaseError("waits", waits_for=facts.case["waits_for"])
    return Change({"dispatched_to": facts.asked.department})


def _redispatch(facts: Facts) -> Change:
    case, asked = facts.case, facts.asked
    if asked.department == case["dispatched_to"]:
        raise CaseError("same_department", department=asked.department)
    values = {
        "dispatched_to": asked.department,
        "redispatch_count": case["redispatch_count"] + 1,
        "asked_deadline_ms": None,
    }
    detail = {"from": case["dispatched_to"], "to": asked.department, "reason": asked.reason}
    return Change(values, event="redispatched", detail=detail)


def _report(_facts: Facts) -> Change:
    return Change({"asked_deadline_ms": None} | _NOT_WAITING)


def _close(facts: Facts) -> Change:
    asked, known = facts.asked, facts.known
    how = asked.party.value if asked.party in (Party.PLATFORM, Party.SENSOR) else "person"
    recheck = asked.party is not Party.SENSOR and known.active > 0
    return Change(
        {
            "closed_ms": asked.at_ms,
            "closed_by": asked.who,
            "closed_how": how,
            "settles_ms": None,
            "recheck_ms": asked.at_ms + known.recheck_after_ms if recheck else None,
        }
        | _NOT_WAITING
    )


def _rework(facts: Facts) -> Change:
    case, asked = facts.case, facts.asked
    values = {"rework_count": case["rework_count"] + 1, "recheck_ms": None}
    if not case["dispatched_to"]:
        values["dispatched_to"] = asked.department
    if case["closed_ms"] is not None:  # what was closed begins anew
        values |= {
            "closed_ms": None,
            "closed_by": "",
            "closed_how": "",
            "deadline_ms": facts.known.new_deadline_ms,
            "overdue_ms": None,
        }
    return Change(values)


def _ask(facts: Facts) -> Change:
    deadline_ms = _later(facts, facts.asked.deadline_ms or 0)
    detail = {"deadline_ms": deadline_ms, "reason": facts.asked.reason}
    return Change({"asked_deadline_ms": deadline_ms}, event="extension_asked", detail=detail)


def _extend(facts: Facts) -> Change:
    case, asked = facts.case, facts.asked
    deadline_ms = _later(facts, asked.deadline_ms or case["asked_deadline_ms"])
    values = {
        "deadline_ms": deadline_ms,
        "asked_deadline_ms": None,
        "overdue_ms": None,
        "extension_count": case["extension_count"] + 1,
    }
    detail = {"from_ms": case["deadline_ms"], "to_ms": deadline_ms, "reason": asked.reason}
    return Change(values, event="extended", detail=detail)


def _refuse(facts: Facts) -> Change:
    asked_ms = facts.case["asked_deadline_ms"]
    if asked_ms is None:
        raise CaseError("none_asked")
    detail = {"deadline_ms": asked_ms, "reason": facts.asked.reason}
    return Change({"asked_deadline_ms": None}, event="extension_refused", detail=detail)


def _void(facts: Facts) -> Change:
    asked = facts.asked
    merges = asked.step is Step.MERGE
    if merges and asked.other == facts.case["id"]:
        raise CaseError("itself")
    return Change(
        {
            "closed_ms": asked.at_ms,
            "closed_by": asked.who,
            "closed_how": "merged" if merges else "voided",
            "merged_into": asked.other if merges else "",
            "settles_ms": None,
            "asked_deadline_ms": None,
        }
        | _NOT_WAITING
    )


_NOT_WAITING: dict[str, Any] = {"waits_for": "", "confirm_until_ms": None}
_SPECIAL: dict[Step, Callable[[Facts], Change]] = {
    Step.FILE: _file,
    Step.DISPATCH: _dispatch,
    Step.REDISPATCH: _redispatch,
    Step.REPORT: _report,
    Step.VERIFY: _close,
    Step.RETURN_FOR_REWORK: _rework,
    Step.REWORK: _rework,
    Step.ASK_EXTENSION: _ask,
    Step.EXTEND: _extend,
    Step.REFUSE_EXTENSION: _refuse,
    Step.VOID: _void,
    Step.MERGE: _void,
}


def _later(facts: Facts, deadline_ms: int) -> int:
    case, at_ms, limits = facts.case, facts.asked.at_ms, facts.limits
    if case["extension_count"] >= limits.extensions_max:
        raise CaseError("too_often", most=limits.extensions_max)
    if deadline_ms <= case["deadline_ms"]:
        raise CaseError("not_later")
    if deadline_ms <= at_ms:
        raise CaseError("past")
    if deadline_ms > at_ms + limits.extension_days_max * DAY_MS:
        raise CaseError("too_far", days=limits.extension_days_max)
    return deadline_ms
