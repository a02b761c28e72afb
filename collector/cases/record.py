"""What is written down of a case and never changed: its stages, and what happened to it beside."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy import insert as plain_insert

from collector.cases.life import Party, Stage
from collector.cases.tables import case_events, case_stages

DETAIL_CHARACTERS_MAX = 2_000
OPENING = "open"


def entered(
    connection: Connection,
    case_id: str,
    stage: Stage,
    step: str,
    at_ms: int,
    *,
    who: str,
    party: Party,
    department: str = "",
    note: str = "",
    reason: str = "",
) -> None:
    """Write that a case entered a stage, and by which step."""
    last = connection.scalar(select(func.max(case_stages.c.n)).where(case_stages.c.case_id == case_id))
    connection.execute(
        plain_insert(case_stages).values(
            case_id=case_id,
            n=(last or 0) + 1,
            stage=stage.value,
            step=step,
            at_ms=at_ms,
            who=who,
            role=party.value,
            department=department,
            note=note,
            reason=reason,
        )
    )


def happened(
    connection: Connection, case_id: str, at_ms: int, kind: str, who: str, detail: Mapping[str, Any]
) -> None:
    """Write what is no stage: attached, evidence, redispatched, extended, overdue and the like."""
    connection.execute(plain_insert(case_events), event_row(case_id, at_ms, kind, who, detail))


def event_row(case_id: str, at_ms: int, kind: str, who: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row that ``happened`` writes."""
    told = json.dumps(dict(detail), ensure_ascii=False, sort_keys=True)
    if len(told) > DETAIL_CHARACTERS_MAX:
        told = json.dumps({"too_long": len(told)})
    return {"case_id": case_id, "at_ms": at_ms, "kind": kind, "who": who, "detail": told}


def stage_before(connection: Connection, case_id: str, present: Stage) -> Stage:
    """Return the stage that a case was in before the present one; the first where there was none."""
    query = select(case_stages.c.stage).where(
        case_stages.c.case_id == case_id, case_stages.c.stage != present.value
    )
    found = connection.scalar(query.order_by(case_stages.c.n.desc()).limit(1))
    return Stage(found) if found else Stage.COLLECTED
