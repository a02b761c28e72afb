"""What retention has chosen, done: batches replaced by tombstones, oldest rows let go and counted."""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from contract import batches
from contract.batches import Content, Tombstone
from contract.events import UNSET
from contract.samples import ClockState
from contract.topics import Lane
from edge.buffer import meta
from edge.buffer.dropping import Dropped
from edge.buffer.losses import EVENTS_LET_GO, SAMPLES_LET_GO, Ledger, Loss
from edge.buffer.retention import (
    ROW_BYTES,
    TOMBSTONE_BYTES,
    Excess,
    Held,
    Usage,
    excess,
    let_go,
    may_stay,
    quotas,
    surplus,
)

_ROWS_AT_ONCE = 1_000
_REASON = {Lane.TELEMETRY: SAMPLES_LET_GO, Lane.EVENTS: EVENTS_LET_GO}


@dataclass(slots=True)
class Step:
    """What one transaction has dropped, and what is to be told of it."""

    batches: int = 0
    losses: list[Loss] = field(default_factory=list)


def is_needed(usage: Mapping[Lane, Usage], bytes_max: int) -> bool:
    """Say whether a lane has more than it may; looks at no row."""
    lanes = quotas(bytes_max, usage[Lane.EVENTS].octets)
    return any(not excess(usage[lane], lane_max, bytes_max).none for lane, lane_max in lanes.items())


def give_way(
    db: sqlite3.Connection, usage: dict[Lane, Usage], bytes_max: int, left_upto: Mapping[Lane, int]
) -> Step:
    """Drop so many of the oldest batches as fit into one transaction; ``usage`` follows.

    Up to ``left_upto`` they may have arrived, and nobody here knows: those are let go last.
    """
    step = Step()
    for lane, lane_max in quotas(bytes_max, usage[Lane.EVENTS].octets).items():
        over = excess(usage[lane], lane_max, bytes_max)
        if over.none:
            continue
        if over.octets > 0:
            live = list(_live(db, lane, usage[lane].live_from))
            for sequence in surplus(live, over.octets):
                usage[lane] = _bury(db, lane, sequence, usage[lane], step)
            if not live:  # what is small stays small: it need not be looked at again
                [last] = db.execute("SELECT max(sequence) FROM batches WHERE lane = ?", (lane,)).fetchone()
                usage[lane] = usage[lane]._replace(live_from=last or 0)
            over = excess(usage[lane], lane_max, bytes_max)
            if over.none or len(live) == _ROWS_AT_ONCE:
                continue
        stays_upto, stays = may_stay(_oldest(db, lane), left_upto[lane], bytes_max)
        spared = Excess(over.octets, min(over.tombstone_octets, usage[lane].tombstone_octets - stays))
        if upto := let_go(_oldest(db, lane, stays_upto), spared):
            usage[lane] = _let_go(db, lane, stays_upto, upto, usage[lane], step)
        elif upto := let_go(_oldest(db, lane), Excess(over.octets, 0)):
            usage[lane] = _let_go(db, lane, 0, upto, usage[lane], step)
    return step


def delete(db: sqlite3.Connection, lane: Lane, upto: int, usage: Usage, after: int = 0) -> Usage:
    """Delete a lane's rows after one sequence and up to another; return what it takes then."""
    octets, tombstones = db.execute(
        "SELECT coalesce(sum(length(payload) + ?), 0),"
        " coalesce(sum(iif(content = ?, length(payload) + ?, 0)), 0)"
        " FROM batches WHERE lane = ? AND sequence > ? AND sequence <= ?",
        (ROW_BYTES, Content.TOMBSTONE, ROW_BYTES, lane, after, upto),
    ).fetchone()
    db.execute("DELETE FROM batches WHERE lane = ? AND sequence > ? AND sequence <= ?", (lane, after, upto))
    if not after:  # else it may stand for what stays
        db.execute("DELETE FROM settled WHERE lane = ? AND upto <= ?", (lane, upto))
    return usage._replace(octets=usage.octets - octets, tombstone_octets=usage.tombstone_octets - tombstones)


def _live(db: sqlite3.Connection, lane: Lane, live_from: int) -> Iterator[Held]:
    rows = db.execute(
        "SELECT sequence, length(payload) + ? FROM batches WHERE lane = ? AND sequence >= ? AND content != ?"
        " AND length(payload) + ? > ? ORDER BY sequence LIMIT ?",
        (ROW_BYTES, lane, live_from, Content.TOMBSTONE, ROW_BYTES, TOMBSTONE_BYTES, _ROWS_AT_ONCE),
    )
    return (Held(sequence, octets) for sequence, octets in rows)


def _oldest(db: sqlite3.Connection, lane: Lane, after: int = 0) -> Iterator[Held]:
    rows = db.execute(
        "SELECT sequence, length(payload) + ?, content = ? FROM batches WHERE lane = ? AND sequence > ?"
        " ORDER BY sequence LIMIT ?",
        (ROW_BYTES, Content.TOMBSTONE, lane, after, _ROWS_AT_ONCE),
    )
    return (Held(sequence, octets, bool(tombstone)) for sequence, octets, tombstone in rows)


def _bury(db: sqlite3.Connection, lane: Lane, sequence: int, usage: Usage, step: Step) -> Usage:
    """Replace one batch by its tombstone."""
    [row] = _rows(db, lane, sequence, sequence)
    step.losses += row.gaps
    held = row.range
    tombstone = batches.tombstone_payload(
        Tombstone(held.first_ms, held.last_ms, row.count, "buffer full", held.clock)
    )
    # Deleted and inserted, because a row that only shrinks leaves its page as it is: nothing would be free.
    columns = "rowid, lane, sequence, boot_id, created_ms, count, live"
    [kept] = db.execute(
        f"SELECT {columns} FROM batches WHERE lane = ? AND sequence = ?",  # noqa: S608 - constant
        (lane, sequence),
    )
    db.execute("DELETE FROM batches WHERE rowid = ?", kept[:1])
    db.execute(
        f"INSERT INTO batches ({columns}, content, first_ms, last_ms, unset, payload)"  # noqa: S608
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*kept, Content.TOMBSTONE, held.first_ms, held.last_ms, held.moves, tombstone),
    )
    step.batches += 1
    return usage._replace(
        octets=usage.octets - len(row.payload) + len(tombstone),
        live_from=sequence,
        tombstone_octets=usage.tombstone_octets + ROW_BYTES + len(tombstone),
    )


def _let_go(db: sqlite3.Connection, lane: Lane, after: int, upto: int, usage: Usage, step: Step) -> Usage:
    """Delete the oldest rows after a sequence, and count what they held or stood for."""
    gone, reason = Ledger(), _REASON[lane]
    for row in _rows(db, lane, after + 1, upto):
        step.batches += 1
        step.losses += row.gaps
        held = row.range
        reason_here = reason + (UNSET if held.clock is ClockState.UNSET else "")
        gone.add(Loss(reason_here, held.first_ms, held.last_ms, row.count, row.sequence, row.sequence))
    step.losses += gone
    return delete(db, lane, upto, usage, after)


def _rows(db: sqlite3.Connection, lane: Lane, first: int, last: int) -> Iterator[Dropped]:
    offsets = meta.offsets(db)
    rows = db.execute(
        "SELECT sequence, content, first_ms, last_ms, count, unset, payload, boot_id, offset_ms"
        " FROM batches WHERE lane = ? AND sequence BETWEEN ? AND ? ORDER BY sequence",
        (lane, first, last),
    )
    for *row, boot_id, offset_ms in rows:
        row.append(offsets.get(boot_id) if offset_ms is None else offset_ms)
        yield Dropped(*row)
