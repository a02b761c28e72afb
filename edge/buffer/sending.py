"""The message of a row: header columns that are settled before it first leaves, and stay as they were.

A batch that is committed while the link waits for it leaves at once: it is ``live``, and nothing about it is
open. Whether any other was taken long before it left, and whether its times are known by now, is settled when
it is its turn, with those that follow, and kept in ``settled`` before it is sent: one small row stands for
all batches up to ``upto`` that are not live. So one sequence never leaves in two forms.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from contract import batches
from contract.batches import Content, Header
from contract.messages import EpochRange, LaneRange
from contract.samples import ClockState
from contract.topics import Lane
from edge.clock import Moment

OLD_AT_ONCE = 256
"""So many batches of a backlog are settled by one commit: those that are old now are older in their turn."""
YOUNG_AT_ONCE = 32


class Row(NamedTuple):
    """A batch as the table has it, without its payload."""

    sequence: int
    content: str
    boot_id: str
    created_ms: int
    live: bool
    unset: bool
    """Whether any of it was stamped before the clock was ever set."""
    offset_ms: int | None
    """What is missing in its times, where that was known when it was committed."""


COLUMNS = "sequence, content, boot_id, created_ms, live, unset, offset_ms"


class Settled(NamedTuple):
    """What stands in a header; an offset only counts for what is unset."""

    backfill: bool
    offset_ms: int | None


LIVE = Settled(backfill=False, offset_ms=None)


@dataclass(frozen=True, slots=True)
class Now:
    """What batches are held against that are sent for the first time."""

    moment: Moment
    boot_id: str
    backfill_after_ms: int
    offsets: Mapping[str, int]
    """By boot, what is missing in its times from before its clock was set."""


def header(names: tuple[str, str, str], lane: Lane, row: Row, settled: Settled) -> Header:
    """Return a row's header; ``names`` are district, gateway and epoch."""
    offset_ms = row.offset_ms
    if row.unset and offset_ms is None:
        offset_ms = settled.offset_ms
    return Header(
        *names,
        lane,
        row.sequence,
        Content(row.content),
        row.boot_id,
        row.created_ms,
        settled.backfill,
        offset_ms,
    )


def row(db: sqlite3.Connection, lane: Lane, sequence: int) -> tuple[Row, bytes] | None:
    """Return a row and its payload, if it is held."""
    found = db.execute(
        f"SELECT {COLUMNS}, payload FROM batches WHERE lane = ? AND sequence = ?",  # noqa: S608 - constant
        (lane, sequence),
    ).fetchone()
    return found and (_row(found[:-1]), found[-1])


def _row(columns: tuple[Any, ...]) -> Row:
    sequence, content, boot_id, created_ms, live, unset, offset_ms = columns
    return Row(sequence, content, boot_id, created_ms, bool(live), bool(unset), offset_ms)


def settled(db: sqlite3.Connection, lane: Lane, row: Row) -> Settled | None:
    """Return what is settled of a row; None where it has not been its turn."""
    if row.live:
        return LIVE
    found = db.execute(
        "SELECT backfill, offset_ms FROM settled WHERE lane = ? AND upto >= ? ORDER BY upto LIMIT 1",
        (lane, row.sequence),
    ).fetchone()
    return found and Settled(bool(found[0]), found[1])


def settle(db: sqlite3.Connection, lane: Lane, sequence: int, now: Now) -> Settled:
    """Settle a batch and, as far as the same holds for them, those that follow; return what was settled.

    Runs inside a transaction, which is to end before the batch is sent.
    """
    rows = [
        _row(each)
        for each in db.execute(
            f"SELECT {COLUMNS} FROM batches WHERE lane = ? AND sequence >= ? ORDER BY sequence LIMIT ?",  # noqa: S608
            (lane, sequence, OLD_AT_ONCE),
        )
    ]
    verdict = verdict_of(rows[0], now)
    upto = sequence
    for each in rows[1 : OLD_AT_ONCE if verdict.backfill else YOUNG_AT_ONCE]:
        if not each.live:
            same = verdict_of(each, now) == verdict
            may_be_known_later = each.unset and each.offset_ms is None and each.boot_id == now.boot_id
            if not same or (may_be_known_later and verdict.offset_ms is None):
                break
        upto = each.sequence
    before = db.execute(
        "SELECT upto, backfill, offset_ms FROM settled WHERE lane = ? ORDER BY upto DESC LIMIT 1", (lane,)
    ).fetchone()
    if before and (bool(before[1]), before[2]) == verdict:
        db.execute("UPDATE settled SET upto = ? WHERE lane = ? AND upto = ?", (upto, lane, before[0]))
    else:
        db.execute("INSERT INTO settled VALUES (?, ?, ?, ?)", (lane, upto, *verdict))
    return verdict


def verdict_of(row: Row, now: Now) -> Settled:
    """Return what a batch is whose turn it is now."""
    offset_ms = row.offset_ms
    if row.unset and offset_ms is None:
        offset_ms = now.offsets.get(row.boot_id)
    age_ms = now.moment.wall_ms - row.created_ms - (offset_ms or 0)
    # How long ago another boot was, only a clock can tell.
    unknown = now.moment.clock is ClockState.UNSET or (row.unset and offset_ms is None)
    backfill = age_ms > now.backfill_after_ms or (row.boot_id != now.boot_id and unknown)
    return Settled(backfill, offset_ms if row.unset and row.offset_ms is None else None)


def digests(
    names: tuple[str, str, str], lane: Lane, row: Row, payload: bytes, offset_ms: int | None
) -> set[str]:
    """Return the digests that it may have at the centre: of one payload, in whichever form it has left.

    A card that was copied, or a disk that refused, may know less of it than what was sent.
    """
    forms = {Settled(backfill, each) for backfill in (False, True) for each in (None, offset_ms)}
    return {batches.digest(batches.message(header(names, lane, row, form), payload)) for form in forms}


def left_upto(db: sqlite3.Connection, lane: Lane) -> int:
    """Return up to where batches of this file may have left, as far as it says."""
    [settled_upto] = db.execute("SELECT max(upto) FROM settled WHERE lane = ?", (lane,)).fetchone()
    [live] = db.execute("SELECT max(sequence) FROM batches WHERE lane = ? AND live", (lane,)).fetchone()
    return max(settled_upto or 0, live or 0)


def ranges(db: sqlite3.Connection, epoch: str, acknowledged: Mapping[Lane, int]) -> EpochRange:
    """Return what each lane holds beyond what was ``acknowledged`` and not deleted yet."""
    lanes = {}
    for lane, following in db.execute("SELECT lane, next_sequence FROM lanes").fetchall():
        [first] = db.execute(
            "SELECT min(sequence) FROM batches WHERE lane = ? AND sequence > ?",
            (lane, acknowledged.get(lane, 0)),
        ).fetchone()
        lanes[lane] = LaneRange(first or following, following)
    return EpochRange(epoch, lanes)


def renumber(db: sqlite3.Connection) -> None:
    """Number everything held anew from 1, in order; what is settled stays."""
    for lane in Lane:
        sequences = [
            row[0]
            for row in db.execute("SELECT sequence FROM batches WHERE lane = ? ORDER BY sequence", (lane,))
        ]
        # Ascending, and the new number is never above the old one: no collision on the way.
        db.executemany(
            "UPDATE batches SET sequence = ? WHERE lane = ? AND sequence = ?",
            [(number, lane, old) for number, old in enumerate(sequences, 1)],
        )
        _renumber_settled(db, lane, sequences)
        db.execute(
            "UPDATE lanes SET next_sequence = ?, acked_upto = 0, acked_digest = '' WHERE lane = ?",
            (len(sequences) + 1, lane),
        )


def _renumber_settled(db: sqlite3.Connection, lane: Lane, sequences: list[int]) -> None:
    kept = {
        sum(sequence <= upto for sequence in sequences): verdict
        for upto, *verdict in db.execute(
            "SELECT upto, backfill, offset_ms FROM settled WHERE lane = ? ORDER BY upto DESC", (lane,)
        ).fetchall()
    }
    db.execute("DELETE FROM settled WHERE lane = ?", (lane,))
    db.executemany(
        "INSERT INTO settled VALUES (?, ?, ?, ?)",
        [(lane, upto, *verdict) for upto, verdict in kept.items() if upto],
    )
