"""The audit trail: who changed what. A row a change, in the transaction that makes it; rows never change."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from sqlalchemy import insert as plain_insert

from collector.people.roles import Actor
from collector.tables import audit

DETAIL_CHARACTERS_MAX = 2_000


def note(
    connection: Connection,
    actor: Actor,
    at_ms: int,
    action: str,
    target: str,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Note that ``actor`` did ``action`` (as ``alarm.acknowledge``) to ``target``; ``detail`` as JSON."""
    told = json.dumps(dict(detail or {}), ensure_ascii=False, sort_keys=True)
    connection.execute(
        plain_insert(audit).values(
            at_ms=at_ms,
            who=actor.name,
            role=str(actor.role),
            action=action,
            target=target[:200],
            detail=told if len(told) <= DETAIL_CHARACTERS_MAX else json.dumps({"too_long": len(told)}),
        )
    )
