"""What city platforms are told of a case: one message after the other, written where the case changes.

A message is the case as it stands then; it keeps its key however often it is sent.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy import insert as plain_insert

from collector.tables import cases, outbox


class Posting(StrEnum):
    """Where a message stands on its way to the city platform; ``ASKING``: the platform may have it."""

    WAITING = "waiting"
    SENDING = "sending"
    ASKING = "asking"
    DONE = "done"
    NEEDS_PERSON = "needs_person"


class Kind(StrEnum):
    """What a message tells."""

    OPENED = "opened"
    STAGE = "stage"
    ATTACHED = "attached"
    EVIDENCE = "evidence"
    REWORK = "rework"
    CHANGED = "changed"


def post(
    connection: Connection,
    case_id: str,
    kind: Kind | str,
    at_ms: int = 0,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Write a message of this case, behind those that are written already, in the caller's transaction.

    ``more`` is added to what the case's row says (as the source of an alarm, a note, evidence).
    """
    case = connection.execute(select(cases).where(cases.c.id == case_id)).one()._asdict()
    last: int = connection.scalar(select(func.max(outbox.c.n)).where(outbox.c.case_id == case_id)) or 0
    payload = {
        "kind": str(kind),
        "at_ms": at_ms,
        **told(case),
        **_source(connection, case_id),
        **(more or {}),
    }
    connection.execute(
        plain_insert(outbox).values(
            case_id=case_id,
            n=last + 1,
            kind=str(kind),
            key=case_id if not last else f"{case_id}-{last + 1}",
            platform="",
            state=Posting.WAITING.value,
            attempts=0,
            perhaps=False,
            next_ms=at_ms,
            reason="",
            payload=json.dumps(payload, ensure_ascii=False),
            at_ms=at_ms,
        )
    )


def told(case: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of a case, from its row; mappings of platforms name these fields."""
    return {
        "id": case["id"],
        "number": case["number"],
        "stage": case["stage"],
        "class": {"code": case["class_code"], "title": {"en": case["title_en"], "zh": case["title_zh"]}},
        "problem": case["problem"],
        "description": case["description"],
        "part": {"code": case["part"], "name": case["part_name"]},
        "place": {
            "lon": case["lon"],
            "lat": case["lat"],
            "grid": case["grid"],
            "area": case["area"],
            "street": case["street"],
        },
        "departments": {name: case[name] for name in ("in_charge", "owner", "maintainer")},
        "opened_ms": case["opened_ms"],
        "deadline_ms": case["deadline_ms"],
        "limit": case["limit_words"],
        "severity": case["severity"],
        "urgent": case["urgent"],
        "stage_ms": case["stage_ms"],
        "dispatched_to": case["dispatched_to"],
        "closed_ms": case["closed_ms"],
        "closed_how": case["closed_how"],
        "repeat_of": case["repeat_of"],
        "merged_into": case["merged_into"],
        "version": case["version"],
        "platform_number": case["platform_number"],
    }


def _source(connection: Connection, case_id: str) -> dict[str, Any]:
    """Return where the case came from, as its first message said."""
    query = select(outbox.c.payload).where(outbox.c.case_id == case_id, outbox.c.n == 1)
    first = connection.scalar(query)
    said = json.loads(first) if first else {}
    return {key: said[key] for key in ("source", "raised_ms") if key in said}
