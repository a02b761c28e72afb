"""The one place where a case is handed to whoever tells the city platform."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy import insert as plain_insert

from collector.cases.tables import case_posts, case_stages
from collector.tables import cases, outbox

OPENED = "opened"


class Posting(StrEnum):
    """Where a case stands on its way to the city platform."""

    WAITING = "waiting"
    SENDING = "sending"
    DONE = "done"
    NEEDS_PERSON = "needs_person"


def post_opened(connection: Connection, case_id: str, at_ms: int, told: Mapping[str, Any]) -> None:
    """Have a new case sent, ``told`` as it is."""
    connection.execute(
        plain_insert(outbox).values(
            case_id=case_id,
            state=Posting.WAITING.value,
            attempts=0,
            next_ms=at_ms,
            reason="",
            payload=json.dumps(told, ensure_ascii=False),
        )
    )


def post(connection: Connection, case_id: str, kind: str) -> None:
    """Have the platform told of ``kind`` (a step, or overdue), and how the case stands now."""
    case = connection.execute(select(cases).where(cases.c.id == case_id)).one()
    query = select(case_stages).where(case_stages.c.case_id == case_id).order_by(case_stages.c.n.desc())
    last = connection.execute(query.limit(1)).one()
    told = {
        "id": case_id,
        "number": case.number,
        "platform_number": case.platform_number,
        "kind": kind,
        "stage": case.stage,
        "stage_ms": case.stage_ms,
        "who": last.who,
        "department": case.dispatched_to,
        "note": last.note,
        "reason": last.reason,
        "deadline_ms": case.deadline_ms,
        "closed_how": case.closed_how,
        "version": case.version,
    }
    connection.execute(
        plain_insert(case_posts).values(
            case_id=case_id, kind=kind, at_ms=case.stage_ms, payload=json.dumps(told, ensure_ascii=False)
        )
    )


def name_by_platform(connection: Connection, case_id: str, number: str) -> None:
    """Keep what the platform calls a case."""
    connection.execute(update(cases).where(cases.c.id == case_id).values(platform_number=number))
