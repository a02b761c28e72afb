"""What could not be used, kept for a look: the newest, and of each its beginning."""

from sqlalchemy import Connection, delete, func, select

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
    """Drop the oldest beyond ``letters_max``."""
    newest = connection.execute(select(func.max(dead_letters.c.id))).scalar() or 0
    connection.execute(delete(dead_letters).where(dead_letters.c.id <= newest - letters_max))
