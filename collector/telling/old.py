"""What of telling is old: messages, and what is remembered of incidents that are over."""

from sqlalchemy import ColumnElement, and_, literal, select

from collector.incidents.tables import incidents
from collector.old_rows import Old
from collector.telling.tables import message_incidents, messages, told


def old(before_ms: int) -> list[Old]:
    """Return what was settled before then and is not about an incident that was open since."""
    standing = and_(incidents.c.id == told.c.incident_id, _since(before_ms))
    is_standing = select(incidents.c.row).where(standing).exists()
    about = (
        select(message_incidents.c.message_id)
        .join(incidents, incidents.c.id == message_incidents.c.incident_id)
        .where(message_incidents.c.message_id == messages.c.id, _since(before_ms))
        .exists()
    )
    return [
        Old((messages.c.row,), [messages.c.at_ms < before_ms, messages.c.settled_ms.is_not(None), ~about]),
        Old((told.c.incident_id, told.c.alarm), [told.c.done, told.c.seen_ms < before_ms, ~is_standing]),
    ]


def is_pending() -> ColumnElement[bool]:
    """Say of ``incidents`` that somebody may be yet to be told of one.

    Written so that SQLite finds it by the incident, and not among all that is not done.
    """
    return literal(False).in_(select(told.c.done).where(told.c.incident_id == incidents.c.id))


def _since(before_ms: int) -> ColumnElement[bool]:
    return incidents.c.closed_ms.is_(None) | (incidents.c.closed_ms >= before_ms)
