"""What could not be used, kept for a look: the newest, and of each its beginning.

A batch that was journalled and cannot be decoded is whole in the journal, and can be tried again later.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, select

from collector.database import insert
from collector.tables import dead_letters

MESSAGE_BYTES_KEPT = 4_096
_TOPIC_CHARACTERS_KEPT = 256
_DETAIL_CHARACTERS_KEPT = 500


def keep(
    connection: Connection,
    *,
    received_ms: int,
    topic: str,
    reason: str,
    detail: str,
    message: bytes,
    journal_id: int | None = None,
) -> None:
    """Keep one; a batch of the journal (``journal_id``) is kept once, however often it is replayed."""
    statement = insert(connection, dead_letters).values(
        received_ms=received_ms,
        topic=topic[:_TOPIC_CHARACTERS_KEPT],
        reason=reason,
        detail=detail[:_DETAIL_CHARACTERS_KEPT],
        bytes=len(message),
        message=message[:MESSAGE_BYTES_KEPT],
        journal_id=journal_id,
    )
    connection.execute(statement.on_conflict_do_nothing(index_elements=["journal_id"]))


def trim(connection: Connection, letters_max: int) -> None:
    """Drop the oldest beyond ``letters_max`` of either kind: a flood of one costs none of the other."""
    for kind in (dead_letters.c.journal_id.is_(None), dead_letters.c.journal_id.is_not(None)):
        beyond = select(dead_letters.c.id).where(kind).order_by(dead_letters.c.id.desc()).offset(letters_max)
        last = connection.execute(beyond.limit(1)).scalar()
        if last is not None:
            connection.execute(delete(dead_letters).where(kind, dead_letters.c.id <= last))


def waiting(connection: Connection) -> list[int]:
    """Return the journal ids of batches that could not be decoded, the oldest first."""
    query = select(dead_letters.c.journal_id).where(dead_letters.c.journal_id.is_not(None))
    return list(connection.scalars(query.order_by(dead_letters.c.journal_id)))


def settled(connection: Connection, journal_ids: Iterable[int]) -> None:
    """Drop the letters of batches that need not be tried again."""
    connection.execute(delete(dead_letters).where(dead_letters.c.journal_id.in_(list(journal_ids))))
