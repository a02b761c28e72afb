"""Inspectors near by say whether a problem is there, before anybody is dispatched (核查)."""

import json
from typing import Any

from sqlalchemy import Connection, select, update

from collector.cases import record
from collector.cases.desk import CaseDesk
from collector.cases.tables import case_events
from collector.cases.words import CaseError
from collector.people import audit
from collector.people.roles import Actor
from collector.tables import cases

CONFIRMATION, DECISION = "confirmation", "decision"
ANSWER = "confirmation"
NOTE_CHARACTERS_MAX = 500
LIST_MAX = 1_000


def answer(
    connection: Connection,
    desk: CaseDesk,
    case_id: str,
    actor: Actor,
    at_ms: int,
    *,
    is_there: bool,
    lon: float | None,
    lat: float | None,
    note: str,
) -> None:
    """Take somebody's answer, each person's once.

    A yes lets the case be dispatched. A no leaves it to the command centre, whose own yes, or voiding,
    decides: while its sensor alarms, nobody's no ends a case by itself. CaseError where nobody is asked.
    """
    case = desk.case(connection, case_id)
    if case.waits_for not in (CONFIRMATION, DECISION):
        raise CaseError("no_confirmation")
    if len(note) > NOTE_CHARACTERS_MAX:
        raise CaseError("too_long", what="note", most=NOTE_CHARACTERS_MAX)
    if case.waits_for == CONFIRMATION and actor.name in _answered(connection, case_id):
        raise CaseError("answered", who=actor.name)
    at_ms = max(at_ms, case.stage_ms)
    told = {"answer": "yes" if is_there else "no", "lon": lon, "lat": lat, "note": note}
    record.happened(connection, case_id, at_ms, ANSWER, actor.name, told)
    audit.note(connection, actor, at_ms, "case.confirm", case_id, told)
    values: dict[str, Any] = {"waits_for": "" if is_there else DECISION, "confirm_until_ms": None}
    connection.execute(update(cases).where(cases.c.id == case_id).values(version=case.version + 1, **values))
    desk.dispatch_if_due(connection, case_id, at_ms)


def _answered(connection: Connection, case_id: str) -> set[str]:
    query = select(case_events.c.who, case_events.c.detail).where(
        case_events.c.case_id == case_id, case_events.c.kind == ANSWER
    )
    return {row.who for row in connection.execute(query) if json.loads(row.detail).get("answer") != "timeout"}
