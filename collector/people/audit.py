"""The audit trail: who changed what. A row a change, in the transaction that makes it; rows never change."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, or_, select
from sqlalchemy import insert as plain_insert

from collector.people.roles import Actor
from collector.tables import audit
from contract.limits import TIME_MS_MAX

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
            target=target.replace("\x00", "")[:200],  # PostgreSQL keeps no such character
            detail=told if len(told) <= DETAIL_CHARACTERS_MAX else json.dumps({"too_long": len(told)}),
        )
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which notes; empty strings mean all. ``action`` finds those below it: ``user`` finds ``user.add``."""

    who: str = ""
    action: str = ""
    target: str = ""
    from_ms: int = 0
    to_ms: int = TIME_MS_MAX + 1


def noted(connection: Connection, wanted: Wanted, before_row: int, limit: int) -> list[Row[Any]]:
    """Return notes, the newest first, those before a row (0: from the newest on)."""
    query = select(audit).where(audit.c.at_ms >= wanted.from_ms, audit.c.at_ms < wanted.to_ms)
    if wanted.who:
        query = query.where(audit.c.who == wanted.who)
    if wanted.action:
        below = audit.c.action.startswith(f"{wanted.action}.", autoescape=True)
        query = query.where(or_(audit.c.action == wanted.action, below))
    if wanted.target:
        query = query.where(audit.c.target == wanted.target)
    if before_row:
        query = query.where(audit.c.row < before_row)
    return list(connection.execute(query.order_by(audit.c.row.desc()).limit(limit)))
