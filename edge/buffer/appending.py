"""A batch put into the table, under the next number of its lane."""

import sqlite3

from contract.topics import Lane
from edge.buffer import meta
from edge.buffer.batch import Append
from edge.buffer.sending import Row


def insert(db: sqlite3.Connection, item: Append, boot_id: str, offset_ms: int | None) -> Row:
    """Keep an item; ``offset_ms`` is what is missing in its times. Runs inside a transaction."""
    [sequence] = db.execute(
        "UPDATE lanes SET next_sequence = next_sequence + 1, committed_ms = ? WHERE lane = ?"
        " RETURNING next_sequence - 1",
        (min(item.created_ms, item.last_ms), item.lane),
    ).fetchone()
    if item.held_ms is not None and item.held_ms < item.last_ms:
        meta.set_value(db, meta.HELD, str(item.held_ms))
    elif item.lane is Lane.TELEMETRY:
        meta.delete(db, meta.HELD)
    db.execute(
        "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            item.lane,
            sequence,
            item.content,
            boot_id,
            item.created_ms,
            item.first_ms,
            item.last_ms,
            item.count,
            item.live,
            item.unset,
            offset_ms,
            item.payload,
        ),
    )
    return Row(sequence, item.content, boot_id, item.created_ms, item.live, item.unset, offset_ms)
