"""Sessions and tokens: opened, found by what a request brings, and ended; in the caller's transaction."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, select, update
from sqlalchemy import insert as plain_insert

from collector.people.roles import Actor, Role
from collector.people.tables import api_tokens, sessions, users

USED_STEP_MS = 60_000
"""When it was used last is written once a minute; so a request is seldom a write."""
AGENT_CHARACTERS_MAX = 200
ADDRESS_CHARACTERS_MAX = 64


@dataclass(frozen=True, slots=True)
class Found:
    """Who a request comes from, and by which row; ``noted_late``: the use is to be written."""

    actor: Actor
    user_row: int | None
    session_row: int | None
    token_row: int | None
    expires_ms: int | None
    noted_late: bool


def opened(
    connection: Connection,
    user_row: int,
    digest: str,
    now_ms: int,
    *,
    lifetime_ms: int,
    sessions_max: int,
    user_agent: str,
    address: str,
) -> int:
    """Open a session and return when it ends at the latest; who has too many loses the oldest."""
    connection.execute(delete(sessions).where(sessions.c.expires_ms <= now_ms))
    expires_ms = now_ms + lifetime_ms
    connection.execute(
        plain_insert(sessions).values(
            digest=digest,
            user_row=user_row,
            created_ms=now_ms,
            used_ms=now_ms,
            expires_ms=expires_ms,
            user_agent=user_agent[:AGENT_CHARACTERS_MAX],
            address=address[:ADDRESS_CHARACTERS_MAX],
        )
    )
    newest = (
        select(sessions.c.row)
        .where(sessions.c.user_row == user_row)
        .order_by(sessions.c.row.desc())
        .limit(sessions_max)
    )
    connection.execute(delete(sessions).where(sessions.c.user_row == user_row, sessions.c.row.not_in(newest)))
    return expires_ms


def by_cookie(connection: Connection, digest: str, now_ms: int, idle_ms: int) -> Found | None:
    """Return who has this session, if it is neither over nor idle for too long."""
    row = _joined(connection, sessions.c.digest == digest)
    if row is None or row.disabled or row.expires_ms <= now_ms or row.used_ms + idle_ms <= now_ms:
        return None
    actor = Actor(row.name, Role(row.role))
    late = row.used_ms + USED_STEP_MS <= now_ms
    return Found(actor, row.user_row, row.row, None, row.expires_ms, late)


def by_token(connection: Connection, digest: str, now_ms: int) -> Found | None:
    """Return who has this token, if it is not over; a user's never may more than its user."""
    columns = (*api_tokens.c, users.c.name.label("user"), users.c.role.label("user_role"), users.c.disabled)
    query = select(*columns).join(users, users.c.row == api_tokens.c.user_row, isouter=True)
    row = connection.execute(query.where(api_tokens.c.digest == digest)).first()
    if row is None or row.disabled or (row.expires_ms is not None and row.expires_ms <= now_ms):
        return None
    role = Role(row.role)
    if row.user is not None and not Actor(row.user, Role(row.user_role)).may(role):
        role = Role.READ_ONLY
    actor = Actor(row.user or f"program/{row.name}", role)
    late = row.used_ms is None or row.used_ms + USED_STEP_MS <= now_ms
    return Found(actor, row.user_row, None, row.row, row.expires_ms, late)


def note_use(connection: Connection, found: Found, now_ms: int) -> None:
    """Write when a session or token was used."""
    if found.session_row is not None:
        this = sessions.c.row == found.session_row
        connection.execute(update(sessions).where(this).values(used_ms=now_ms))
    if found.token_row is not None:
        this = api_tokens.c.row == found.token_row
        connection.execute(update(api_tokens).where(this).values(used_ms=now_ms))


def close(connection: Connection, session_row: int) -> None:
    """End one session."""
    connection.execute(delete(sessions).where(sessions.c.row == session_row))


def _joined(connection: Connection, where: ColumnElement[bool]) -> Row[Any] | None:
    columns = (*sessions.c, users.c.name, users.c.role, users.c.disabled)
    query = select(*columns).join(users, users.c.row == sessions.c.user_row)
    return connection.execute(query.where(where)).first()
