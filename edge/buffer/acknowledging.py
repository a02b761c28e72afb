"""Whether an acknowledgement can be of what this file holds, and what is deleted by one that can."""

import sqlite3

from contract.batches import Content
from contract.messages import CONTESTED
from contract.topics import Lane
from edge.buffer import making_room, meta, sending
from edge.buffer.retention import Usage


def acked_before(
    db: sqlite3.Connection, site: tuple[str, str], lane: Lane, upto: int, digest: str, *, left: bool
) -> int | None:
    """Return up to where the lane was acknowledged before; None where the digest contradicts the file.

    ``site`` is district and gateway; ``left`` says that the batch may have left, though no row says so.
    """
    following, acked, acked_digest = db.execute(
        "SELECT next_sequence, acked_upto, acked_digest FROM lanes WHERE lane = ?", (lane,)
    ).fetchone()
    if upto >= following or digest == CONTESTED:
        return None
    if held := sending.row(db, lane, upto):
        if not digest:
            return None  # the centre passed over what a buffer had lost; this one has it
        row, payload = held
        settled = sending.settled(db, lane, row)
        offset_ms = settled and settled.offset_ms
        possible = sending.digests((*site, meta.epoch(db)), lane, row, payload, offset_ms)
        # A tombstone may have replaced what was sent before: the centre then has the better part.
        replaced = row.content == Content.TOMBSTONE and (left or settled is not None)
        if digest not in possible and not replaced:
            return None
    elif upto == acked and digest and acked_digest and digest != acked_digest:
        return None
    return int(acked)


def take(db: sqlite3.Connection, lane: Lane, upto: int, digest: str, usage: Usage) -> Usage:
    """Delete what was acknowledged and note up to where; return what the lane takes then."""
    left = making_room.delete(db, lane, upto, usage)
    db.execute("UPDATE lanes SET acked_upto = ?, acked_digest = ? WHERE lane = ?", (upto, digest, lane))
    return left
