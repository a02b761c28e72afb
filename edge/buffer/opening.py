"""Opening the buffer's file: as it is, new, or in place of a corrupt one whose readable part is kept."""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contract.batches import Content
from contract.topics import Lane
from edge.buffer import file, meta, sending
from edge.buffer.losses import UNCLEAN_END, UNREADABLE, Ledger, Loss
from edge.buffer.retention import ROW_BYTES, TOMBSTONE_BYTES, Usage
from edge.buffer.wreck import Row, Wreck, told

_log = logging.getLogger(__name__)

PAGES_MAX = 2**32 - 2
"""SQLite's own limit."""
_ROWS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Opened:
    """The open file and what is known of it."""

    db: sqlite3.Connection
    usage: dict[Lane, Usage]
    owed: list[Loss]
    left_upto: dict[Lane, int]
    quarantined: Path | None


def opened(
    path: Path, ids: Callable[[], str], now_ms: int, quarantined_files_max: int, *, ends_run: bool
) -> Opened | str:
    """Return the open file, or why it cannot be used at all; OSError, sqlite3.Error where the disk refuses.

    ``ends_run`` says that whoever wrote the file so far is gone.
    """
    try:
        db = file.connected(path)
    except sqlite3.Error as error:
        if not file.is_damage(error):
            raise
        _log.error("the buffer %s is corrupt and is set aside: %s", path, error)
        file.set_aside(path, quarantined_files_max)
        db = file.connected(path)
    try:
        [version] = db.execute("PRAGMA user_version").fetchone()
        if version not in (0, file.SCHEMA_VERSION):
            db.close()
            return f"{path}: written by another version ({version}); this one knows {file.SCHEMA_VERSION}"
        if version == 0:
            _make(db, ids(), now_ms, file.waiting(path))
        quarantined = file.numbered(path, quarantined_files_max)
        if quarantined:
            _take_over(quarantined, db, now_ms, ends_run=ends_run)
        owed = [Loss(*row) for row in db.execute("SELECT * FROM owed")]
        left_upto = {lane: sending.left_upto(db, lane) for lane in Lane}
        return Opened(db, usage(db), owed, left_upto, quarantined)
    except BaseException:
        db.close()
        raise


def usage(db: sqlite3.Connection) -> dict[Lane, Usage]:
    """Return what each lane takes, by looking at every row."""
    found = {}
    for lane in Lane:
        [octets, tombstones] = db.execute(
            "SELECT coalesce(sum(length(payload) + ?), 0),"
            " coalesce(sum(iif(content = ?, length(payload) + ?, 0)), 0) FROM batches WHERE lane = ?",
            (ROW_BYTES, Content.TOMBSTONE, ROW_BYTES, lane),
        ).fetchone()
        [live_from] = db.execute(
            "SELECT min(sequence) FROM batches WHERE lane = ? AND content != ? AND length(payload) + ? > ?",
            (lane, Content.TOMBSTONE, ROW_BYTES, TOMBSTONE_BYTES),
        ).fetchone()
        found[lane] = Usage(octets, tombstones, live_from or 0)
    return found


def begin(db: sqlite3.Connection, since_ms: int, now_ms: int) -> Loss | None:
    """Note since when a run is at work; return what a former one lost that has not ended cleanly.

    Events are committed while older telemetry waits: only telemetry on disk says that what is older is, too.
    """
    begun = meta.value(db, meta.RUN)
    meta.set_value(db, meta.RUN, str(since_ms))
    if begun is None:
        return None
    [committed_ms] = db.execute(file.COMMITTED).fetchone()
    from_ms = max(committed_ms, int(begun))
    return Loss(UNCLEAN_END, from_ms, max(from_ms, now_ms), None)


def set_owed(db: sqlite3.Connection, loss: Loss) -> None:
    """Keep all that is lost for one reason."""
    db.execute(
        "INSERT OR REPLACE INTO owed VALUES (?, ?, ?, ?, ?, ?)",
        (loss.reason, loss.from_ms, loss.to_ms, loss.count, loss.first_sequence, loss.last_sequence),
    )


def _make(db: sqlite3.Connection, epoch: str, now_ms: int, corrupt: Path | None) -> None:
    with _transaction(db):
        for statement in file.SCHEMA:
            db.execute(statement)
        db.executemany("INSERT INTO lanes VALUES (?, 1, 0, '', 0)", [(lane,) for lane in Lane])
        meta.set_value(db, meta.EPOCH, epoch)
        if corrupt:  # a power cut while it is taken over must not leave it untold
            set_owed(db, Loss(UNREADABLE, 0, now_ms, None))
            epochs, remembered = told(corrupt)
            meta.keep_former(db, epochs)
            for key, value in remembered.items():
                meta.set_value(db, key, value)
        db.execute(f"PRAGMA user_version = {file.SCHEMA_VERSION}")


def _take_over(corrupt: Path, db: sqlite3.Connection, now_ms: int, *, ends_run: bool) -> None:
    """Keep in the new file what the corrupt one still gives; a disk that refuses only ends it."""
    wreck = Wreck(corrupt)
    try:
        taken, samples, first_ms = 0, 0, now_ms
        rows = []
        for row in wreck.rows():
            rows.append(row)
            taken, first_ms = taken + 1, min(first_ms, row.first_ms)
            samples += row.count if row.lane is Lane.TELEMETRY else 0
            if len(rows) == _ROWS_AT_ONCE:
                _insert(db, rows)
                rows = []
        _insert(db, rows)
        _log.warning("%s: %d batches with %d samples are taken over", corrupt, taken, samples)
        ledger = Ledger(Loss(*row) for row in wreck.owed()).without_sequences()  # those are of its epoch
        since_ms = wreck.since_ms()
        if ends_run and since_ms is not None:
            ledger.add(Loss(UNCLEAN_END, min(since_ms, now_ms), now_ms, None))
        if wreck.unreadable:
            ledger.add(Loss(UNREADABLE, first_ms if taken else 0, now_ms, None))
        _settle(db, ledger)
    except sqlite3.Error as error:
        if file.is_damage(error):
            raise
        _log.error("%s cannot be taken over further: %s", corrupt, error)
    finally:
        wreck.close()


def _insert(db: sqlite3.Connection, rows: list[Row]) -> None:
    with _transaction(db):
        for row in rows:
            [sequence] = db.execute(
                "UPDATE lanes SET next_sequence = next_sequence + 1, committed_ms = max(committed_ms, ?)"
                " WHERE lane = ? RETURNING next_sequence - 1",
                (row.created_ms, row.lane),
            ).fetchone()
            columns = (row.boot_id, row.created_ms, row.first_ms, row.last_ms, row.count)
            header = (row.live, row.unset, row.offset_ms)
            db.execute(
                "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (row.lane, sequence, row.content, *columns, *header, row.payload),
            )


def _settle(db: sqlite3.Connection, ledger: Ledger) -> None:
    """Keep what is owed now that it is known how much could be read."""
    with _transaction(db):
        db.execute("DELETE FROM owed")
        for loss in ledger:
            set_owed(db, loss)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
