"""Messages as they are looked up, newest first. Rows only."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from collector.telling.facts import Kind
from collector.telling.packing import HOUR_MS
from collector.telling.tables import message_incidents, messages


def newest(
    connection: Connection, wanted: dict[str, str], before: int | None, count_max: int
) -> list[Row[Any]]:
    """Return messages; ``wanted``: values of person, channel, kind, state, incident; empty for all."""
    where: list[ColumnElement[bool]] = [
        messages.c[name] == value for name, value in wanted.items() if value and name != "incident"
    ]
    if before is not None:
        where.append(messages.c.row < before)
    if incident := wanted.get("incident"):
        told = select(message_incidents.c.message_id).where(message_incidents.c.incident_id == incident)
        where.append(messages.c.id.in_(told))
    about = (
        select(func.count())
        .where(message_incidents.c.message_id == messages.c.id)
        .scalar_subquery()
        .label("incidents")
    )
    query = select(messages, about).where(*where).order_by(messages.c.row.desc()).limit(count_max)
    return list(connection.execute(query))


def tests_in_the_last_hour(connection: Connection, now_ms: int) -> int:
    """Return how many test messages were asked for."""
    query = (
        select(func.count())
        .select_from(messages)
        .where(messages.c.at_ms > now_ms - HOUR_MS, messages.c.kind == Kind.TEST)
    )
    return connection.execute(query).scalar_one()
