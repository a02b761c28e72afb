"""The buffer: one SQLite file, WAL, synchronous=FULL. A batch is on disk before it is published.

The row holds header columns and the payload; the message is made of both when it is sent. Next sequence and
acknowledged mark live in rows of their own, so they survive an empty table. Blocking: call it on one thread.
"""

import errno
import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from contract import batches
from contract.batches import Content
from contract.messages import CONTESTED, EpochRange, LaneRange, Turn
from contract.topics import Lane
from edge.buffer import file, making_room, opening, sending
from edge.buffer.ballast import Ballast
from edge.buffer.losses import LET_GO, Ledger, Loss
from edge.buffer.retention import ROW_BYTES, Usage
from edge.clock import Moment

_log = logging.getLogger(__name__)

DISK_FAULTS = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE)
)
"""What a disk says that is full or broken; anything else is a mistake in the settings."""


@dataclass(frozen=True, slots=True)
class Append:
    """What is to be kept: a payload, and what its header and a possible tombstone need to know."""

    lane: Lane
    content: Content
    payload: bytes
    created_ms: int
    first_ms: int
    last_ms: int
    count: int
    live: bool = False
    """Whether it leaves as soon as it is committed: then it is no backfill, and nothing about it is open."""
    unset: bool = False
    """Whether any of it was stamped before the clock was ever set."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A batch as it will be sent, if it is ``settled``; else its header may still be completed."""

    lane: Lane
    sequence: int
    message: bytes
    settled: bool = True


BOOTS_MAX = 16
"""Of so many boots it is kept what was missing in their times."""


NOTHING_HELD = EpochRange("0" * 32, {lane: LaneRange(1, 1) for lane in Lane})
"""What is known of a buffer that was not opened yet."""


FORMER_EPOCHS_MAX = 8
"""So many are remembered, so that a centre that was restored learns what it had of them."""


class BufferUnusableError(Exception):
    """The buffer cannot be used; the text says which file and why."""


class BufferClosedError(sqlite3.OperationalError):
    """The buffer is not open: its disk refuses, or it was found corrupt just now."""


class Buffer:
    """The buffer of one gateway.

    Every call but ``open`` and ``close`` raises sqlite3.OperationalError where the disk refuses, and
    BufferClosedError, which is one, where it is not open. A file that is found corrupt is closed; ``open``
    sets it aside then.
    """

    def __init__(
        self,
        path: Path,
        district: str,
        gateway: str,
        boot_id: str,
        ids: Callable[[], str],
        wall_ms: Callable[[], int] = lambda: 0,
        *,
        offset_ms: Callable[[], int | None] = lambda: None,
        backfill_after_s: float = 300,
        ballast_bytes: int = 0,
        quarantined_files_max: int = 3,
        open_now: bool = True,
    ) -> None:
        """Open or create the file; a disk that refuses leaves it closed, unless ``open_now`` is False.

        ``offset_ms`` tells what is missing in the times of this boot that were stamped before its clock was
        set, None as long as nobody knows; what is first sent ``backfill_after_s`` later is marked.
        BufferUnusableError where the folder cannot be one, or another version wrote the file.
        """
        self.path = path
        self.district, self.gateway, self.boot_id = district, gateway, boot_id
        self.quarantined: Path | None = None
        self.new_id, self._wall_ms, self._offset_ms = ids, wall_ms, offset_ms
        self._since_ms = wall_ms()  # what is measured before the disk takes anything is of this run, too
        self._backfill_after_ms = round(backfill_after_s * 1000)
        self._quarantined_files_max = quarantined_files_max
        self.ballast = Ballast(path.with_name("ballast"), ballast_bytes)
        self.life = 0
        """Counts how often it was opened: with each the epoch may be another."""
        self._file: sqlite3.Connection | None = None
        self._begun = self._has_run = False
        self._usage = {lane: Usage() for lane in Lane}
        self._owed = Ledger()
        self._has_unset = False
        """Whether it holds something of this boot whose times will yet be known."""
        self._heard = False
        """Whether the centre has acknowledged anything since losses were told last."""
        if open_now:
            try:
                self.open()
            except (OSError, sqlite3.Error) as error:
                _log.error("the buffer %s cannot be opened: %s", path, error)

    def open(self) -> None:
        """Open it if it is not; OSError or sqlite3.Error where the disk refuses, for another try later.

        A corrupt file is set aside and replaced, ``quarantined`` names it, and what it still gives is taken
        over under the new epoch. BufferUnusableError as above.
        """
        if self._file is not None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if error.errno in DISK_FAULTS:
                raise
            raise BufferUnusableError(f"{self.path}: the buffer cannot be opened: {error}") from error
        try:
            opened = self._opened()
        except (OSError, sqlite3.Error):
            if not self.ballast.release():
                raise
            opened = self._opened()
        if isinstance(opened, str):
            raise BufferUnusableError(opened)
        if self.ballast.size_bytes:
            # What is in the log must fit into the file, too, once the ballast is gone.
            opened.db.execute(f"PRAGMA wal_autocheckpoint = {_pages(self.ballast.size_bytes)}")
        self._file, self.quarantined = opened.db, opened.quarantined or self.quarantined
        self._usage, self._owed, self._begun = opened.usage, Ledger(opened.owed), False
        try:
            with self._transaction() as db:
                self._begin(db)
        except sqlite3.OperationalError as error:
            if file.is_read_only(error):  # and would stay so when the disk can be written again
                self._let_go()
                raise
            _log.warning("the buffer %s is open, but takes nothing yet: %s", self.path, error)
        if not self.ballast.size_bytes:
            self.ballast.release()
        self.ballast.build()
        self.life += 1

    @property
    def is_open(self) -> bool:
        """Say whether it is open."""
        return self._file is not None

    @property
    def epoch(self) -> str:
        """Random id of this buffer's life."""
        with self._reading() as db:
            value: str = db.execute("SELECT value FROM meta WHERE key = ?", (file.EPOCH,)).fetchone()[0]
        return value

    @property
    def octets(self) -> int:
        """What it holds, in bytes."""
        return sum(usage.octets for usage in self._usage.values())

    @property
    def events_octets(self) -> int:
        """What of it are events."""
        return self._usage[Lane.EVENTS].octets

    @property
    def owed(self) -> list[Loss]:
        """Losses to be told now; what was let go waits until the centre has been heard."""
        return [loss for loss in self._owed if self._heard or loss.reason not in LET_GO]

    def append(
        self,
        items: list[Append],
        remember: dict[str, Any] | None = None,
        learnt: dict[str, Any] | None = None,
        told: list[Loss] | None = None,
    ) -> list[Stored]:
        """Commit the items, what the rules remember and what the drivers learnt in one transaction.

        Returns the items as stored; None leaves what was remembered or learnt before. ``told`` is what of
        ``owed`` the items tell.
        """
        stored = []
        with self._transaction() as db:
            self._begin(db)
            epoch = self.epoch if items else ""
            for item in items:
                row = self._inserted(db, item)
                settled = sending.LIVE if row.live else None
                stored.append(self._stored(item.lane, row, item.payload, settled, epoch))
            if items:
                self._keep_offset(db)
            if remember is not None:
                self._set(file.RULES, json.dumps(remember))
            if learnt is not None:
                self._set(file.LEARNT, json.dumps(learnt))
            if told:
                reasons = {loss.reason for loss in told}
                db.executemany("DELETE FROM owed WHERE reason = ?", [(reason,) for reason in reasons])
                self._owed = Ledger(loss for loss in self._owed if loss.reason not in reasons)
        if told:
            self._heard = False
        return stored

    def read(self, lane: Lane, sequence: int) -> Stored | None:
        """Return one batch as it is now, None if it is not held; ``to_send`` may complete its header."""
        with self._reading() as db:
            found = sending.row(db, lane, sequence)
            if found is None:
                return None
            row, payload = found
            return self._stored(lane, row, payload, sending.settled(db, lane, row))

    def to_send(self, lane: Lane, sequence: int, now: Moment) -> Stored | None:
        """Return one batch as it leaves, the first time and ever after; None if it is not held.

        What was open in its header is settled, and on disk, before this returns. Where the disk refuses that,
        it leaves all the same.
        """
        with self._reading() as db:
            found = sending.row(db, lane, sequence)
            if found is None:
                return None
            row, payload = found
            settled = sending.settled(db, lane, row)
        if settled is None:
            settled = self._settled(lane, row, now)
        return self._stored(lane, row, payload, settled)

    def _settled(self, lane: Lane, row: sending.Row, now: Moment) -> sending.Settled:
        with self._reading() as db:
            offsets = sending.offsets(db)
        if (offset_ms := self._offset_ms()) is not None:
            offsets[self.boot_id] = offset_ms
        known = sending.Now(now, self.boot_id, self._backfill_after_ms, offsets)
        try:
            with self._transaction() as db:
                self._keep_offset(db)
                return sending.settle(db, lane, row.sequence, known)
        except BufferClosedError:
            raise
        except sqlite3.OperationalError as error:
            _log.debug("the buffer %s cannot keep in which form a batch leaves: %s", self.path, error)
            return sending.verdict_of(row, known)

    def ranges(self) -> list[EpochRange]:
        """Return what each lane holds, for the hello."""
        with self._reading() as db:
            return [sending.ranges(db, self.epoch)]

    def former(self) -> list[EpochRange]:
        """Return the epochs before this one, the newest first, by where each lane of theirs ended."""
        with self._reading() as db:
            row = db.execute("SELECT value FROM meta WHERE key = ?", (file.FORMER,)).fetchone()
        return msgspec.json.decode(row[0], type=list[EpochRange]) if row else []

    def acknowledge(self, lane: Lane, upto: int, digest: str) -> bool:
        """Delete what the centre has committed; False, and nothing deleted, where the digest contradicts.

        A contradiction means that this file is a copy or was rolled back: what the centre has under these
        sequences is something else.
        """
        with self._reading() as db:
            following, acked, acked_digest = db.execute(
                "SELECT next_sequence, acked_upto, acked_digest FROM lanes WHERE lane = ?", (lane,)
            ).fetchone()
            if upto >= following or digest == CONTESTED:
                return False
            held = sending.row(db, lane, upto)
            settled = sending.settled(db, lane, held[0]) if held else None
        if held is not None:
            row, payload = held
            if not digest:
                return False  # the centre passed over what a buffer had lost; this one has it
            # A tombstone may have replaced what was sent before: the centre then has the better part.
            offset_ms = settled and settled.offset_ms
            possible = sending.digests(self._names(), lane, row, payload, offset_ms)
            if row.content != Content.TOMBSTONE and digest not in possible:
                return False
        elif upto == acked and digest and acked_digest and digest != acked_digest:
            return False
        self._heard = True
        if upto <= acked:
            return True
        with self._transaction() as db:
            self._usage[lane] = making_room.delete(db, lane, upto, self._usage[lane])
            db.execute(
                "UPDATE lanes SET acked_upto = ?, acked_digest = ? WHERE lane = ?", (upto, digest, lane)
            )
        return True

    def renumber(self) -> None:
        """Begin a new epoch: everything held is numbered anew from 1, in order, and nothing is deleted."""
        [held] = self.ranges()
        ended = {lane: LaneRange(lanes.first, lanes.first) for lane, lanes in held.lanes.items()}
        former = [EpochRange(held.epoch, ended), *self.former()][:FORMER_EPOCHS_MAX]
        with self._transaction() as db:
            sending.renumber(db)
            self._set(file.EPOCH, self.new_id())
            self._set(file.FORMER, msgspec.json.encode(former).decode())
            db.execute("UPDATE owed SET first_sequence = 0, last_sequence = 0")
            self._owed = self._owed.without_sequences()
            self._usage = opening.usage(db)

    def keep_within(self, bytes_max: int) -> int:
        """Let the oldest telemetry, at last the oldest events give way until all fits.

        Returns how many batches became tombstones or, counted in ``owed``, were let go.
        """
        dropped = 0
        while making_room.is_needed(self._usage, bytes_max):
            with self._transaction() as db:
                step = making_room.give_way(db, self._usage, bytes_max)
                for loss in step.losses:
                    opening.set_owed(db, self._owed.add(loss))
            if not step.batches:
                break
            dropped += step.batches
        return dropped

    def stop_growing(self) -> None:
        """The disk is full: give the ballast away, and let the file use nothing but what it has."""
        self.ballast.release()
        with self._reading() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            [pages] = db.execute("PRAGMA page_count").fetchone()
            db.execute(f"PRAGMA max_page_count = {pages}")

    def may_grow(self) -> None:
        """Let the file grow again."""
        with self._reading() as db:
            db.execute(f"PRAGMA max_page_count = {opening.PAGES_MAX}")

    def remembered(self) -> dict[str, Any]:
        """Return what the rules last remembered."""
        return self._get(file.RULES)

    def learnt(self) -> dict[str, Any]:
        """Return what the drivers last learnt, by device."""
        return self._get(file.LEARNT)

    def turn(self) -> Turn | None:
        """Return the gateway's turn to connect again, as the centre gave it last."""
        found = self._get(file.TURN)
        return msgspec.convert(found, Turn) if found else None

    def keep_turn(self, turn: Turn) -> None:
        """Keep the gateway's turn across restarts: when power returns, a whole city starts at once."""
        with self._transaction():
            self._set(file.TURN, msgspec.json.encode(turn).decode())

    def committed_ms(self) -> int:
        """Return when anything was committed last, by the gateway's time then; 0 if never."""
        with self._reading() as db:
            [committed_ms] = db.execute("SELECT max(committed_ms) FROM lanes").fetchone()
        return int(committed_ms)

    def link_use(self) -> dict[str, Any]:
        """Return what the link had carried by month, as it was kept last."""
        return self._get(file.LINK_USE)

    def keep_link_use(self, use: dict[str, Any]) -> None:
        """Keep what the link has carried across restarts."""
        with self._transaction():
            self._set(file.LINK_USE, json.dumps(use))

    def backlog(self) -> dict[Lane, tuple[int, int | None]]:
        """Return by lane the bytes that are held, and the oldest batch's first time if there is one."""
        oldest = "SELECT first_ms FROM batches WHERE lane = ? ORDER BY sequence LIMIT 1"
        with self._reading() as db:
            rows = {lane: db.execute(oldest, (lane,)).fetchone() for lane in Lane}
        return {lane: (self._usage[lane].octets, row[0] if row else None) for lane, row in rows.items()}

    def forget(self, lane: Lane, upto: int) -> None:
        """Delete without the centre's acknowledgement: only for showing what is lost that way."""
        with self._transaction() as db:
            self._usage[lane] = making_room.delete(db, lane, upto, self._usage[lane])

    def close(self, *, clean: bool = True) -> None:
        """Close the file; everything committed is on disk already.

        With ``clean`` the next start knows that nothing went missing here.
        """
        if self._file is None:
            return
        if clean and self._begun:
            try:
                with self._transaction() as db:
                    db.execute("DELETE FROM meta WHERE key = ?", (file.RUN,))
            except sqlite3.OperationalError as error:
                _log.warning("the buffer %s cannot be told a clean end: %s", self.path, error)
        self._let_go()

    def _opened(self) -> opening.Opened | str:
        return opening.opened(
            self.path, self.new_id, self._wall_ms(), self._quarantined_files_max, ends_run=not self._has_run
        )

    def _let_go(self) -> None:
        db, self._file = self._file, None
        if db is not None:
            db.close()

    def _inserted(self, db: sqlite3.Connection, item: Append) -> sending.Row:
        """Keep an item under the next number of its lane."""
        [sequence] = db.execute(
            "UPDATE lanes SET next_sequence = next_sequence + 1, committed_ms = ? WHERE lane = ?"
            " RETURNING next_sequence - 1",
            (min(item.created_ms, item.last_ms), item.lane),
        ).fetchone()
        offset_ms = self._offset_ms() if item.unset else None
        self._has_unset |= item.unset
        db.execute(
            "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                item.lane,
                sequence,
                item.content,
                self.boot_id,
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
        usage = self._usage[item.lane]
        self._usage[item.lane] = usage._replace(octets=usage.octets + ROW_BYTES + len(item.payload))
        return sending.Row(
            sequence, item.content, self.boot_id, item.created_ms, item.live, item.unset, offset_ms
        )

    def _stored(
        self,
        lane: Lane,
        row: sending.Row,
        payload: bytes,
        settled: sending.Settled | None,
        epoch: str = "",
    ) -> Stored:
        header = sending.header(self._names(epoch), lane, row, settled or sending.LIVE)
        return Stored(lane, row.sequence, batches.message(header, payload), settled=settled is not None)

    def _names(self, epoch: str = "") -> tuple[str, str, str]:
        return self.district, self.gateway, epoch or self.epoch

    def _keep_offset(self, db: sqlite3.Connection) -> None:
        """Keep what is missing in the times of this boot, once it is known, for what is not sent yet."""
        offset_ms = self._offset_ms()
        if offset_ms is None or not self._has_unset:
            return
        known = sending.offsets(db)
        newest = list(known.items())[-(BOOTS_MAX - 1) :]
        self._set(file.OFFSETS, json.dumps({**dict(newest), self.boot_id: offset_ms}))
        self._has_unset = False

    def _begin(self, db: sqlite3.Connection) -> None:
        """Note that a run is at work; one that is noted already had no clean end."""
        if self._begun:
            return
        loss = opening.begin(db, self._since_ms, self._wall_ms())
        if loss and not self._has_run:
            opening.set_owed(db, self._owed.add(loss))
        self._begun = self._has_run = True

    def _set(self, key: str, value: str) -> None:
        opening.set_value(self._db, key, value)

    def _get(self, key: str) -> dict[str, Any]:
        with self._reading() as db:
            row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        found: dict[str, Any] = json.loads(row[0]) if row else {}
        return found

    @property
    def _db(self) -> sqlite3.Connection:
        if self._file is None:
            raise BufferClosedError(f"{self.path} is not open")
        return self._file

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Lend the open file; where it is found corrupt it is closed, and ``open`` will set it aside."""
        db = self._db
        try:
            yield db
        except sqlite3.Error as error:
            if not file.is_damage(error):
                raise
            self._let_go()
            raise BufferClosedError(f"{self.path} is corrupt: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Lend the open file for one commit; where it fails, what is known in memory goes back with it."""
        before = dict(self._usage), Ledger(self._owed), self._begun, self._has_run, self._has_unset
        with self._reading() as db:
            try:
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            except BaseException:
                self._usage, self._owed, self._begun, self._has_run, self._has_unset = before
                if self._file is not None and db.in_transaction:
                    db.execute("ROLLBACK")
                raise


def _pages(ballast_bytes: int) -> int:
    """Return to how many pages the write-ahead log may grow: half of the ballast, at most SQLite's own."""
    return max(4, min(1_000, ballast_bytes // 2 // file.PAGE_BYTES))
