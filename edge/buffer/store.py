"""The buffer: one SQLite file, WAL, synchronous=FULL. A batch is on disk before it is published.

The row holds header columns and the payload; the message is made of both when it is sent. Next sequence and
acknowledged mark live in rows of their own, so they survive an empty table. Blocking: call it on one thread.
"""

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from contract import batches
from contract.messages import EpochRange, LaneRange, Turn
from contract.topics import Lane
from edge.buffer import acknowledging, appending, making_room, meta, numbering, opening, sending
from edge.buffer.batch import Append, Stored
from edge.buffer.errors import BufferClosedError
from edge.buffer.losses import LET_GO, Ledger, Loss
from edge.buffer.open_file import OpenFile
from edge.buffer.retention import ROW_BYTES
from edge.clock import Moment

_log = logging.getLogger(__name__)

NOTHING_HELD = EpochRange("0" * 32, {lane: LaneRange(1, 1) for lane in Lane})
"""What is known of a buffer that was not opened yet."""


class Buffer(OpenFile):
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
        super().__init__(
            path, ids, wall_ms, ballast_bytes=ballast_bytes, quarantined_files_max=quarantined_files_max
        )
        self.district, self.gateway, self.boot_id = district, gateway, boot_id
        self._offset_ms = offset_ms
        self._backfill_after_ms = round(backfill_after_s * 1000)
        self._heard = False
        """Whether the centre has acknowledged anything since losses were told last."""
        if open_now:
            try:
                self.open()
            except (OSError, sqlite3.Error) as error:
                _log.error("the buffer %s cannot be opened: %s", path, error)

    @property
    def epoch(self) -> str:
        """Random id of this buffer's life."""
        with self._reading() as db:
            return meta.epoch(db)

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
            epoch = meta.epoch(db) if items else ""
            for item in items:
                row = self._inserted(db, item)
                settled = sending.LIVE if row.live else None
                stored.append(self._stored(item.lane, row, item.payload, settled, epoch))
            if items:
                self._keep_offset(db)
            if remember is not None:
                meta.keep(db, meta.RULES, remember)
            if learnt is not None:
                meta.keep(db, meta.LEARNT, learnt)
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
        self._may_have_left[lane] = max(self._may_have_left[lane], sequence)
        if settled is None:
            settled = self._settled(lane, row, now)
        return self._stored(lane, row, payload, settled)

    def _settled(self, lane: Lane, row: sending.Row, now: Moment) -> sending.Settled:
        with self._reading() as db:
            offsets = meta.offsets(db)
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
            self._left_upto[lane] = max(self._left_upto[lane], row.sequence)
            return sending.verdict_of(row, known)

    def ranges(self) -> list[EpochRange]:
        """Return what each lane holds."""
        with self._reading() as db:
            return [self._ranges(db)]

    def numbered(self) -> list[EpochRange]:
        """Return what each lane holds, and who numbered what it no longer holds, for the hello."""
        with self._reading() as db:
            return [numbering.told(db, self._ranges(db))]

    def former(self) -> list[EpochRange]:
        """Return the epochs before this one, the newest first, by where each lane of theirs ended."""
        with self._reading() as db:
            return meta.former(db)

    def acknowledge(self, lane: Lane, upto: int, digest: str) -> bool:
        """Delete what the centre has committed; False, and nothing deleted, where the digest contradicts.

        A contradiction means that this file is a copy or was rolled back: what the centre has under these
        sequences is something else. What the disk refuses to delete now goes before anything gives way: it
        is not lost, and not to be counted.
        """
        with self._reading() as db:
            left = upto <= self._left_upto[lane]
            acked = acknowledging.acked_before(
                db, (self.district, self.gateway), lane, upto, digest, left=left
            )
        if acked is None:
            return False
        self._heard = True
        known, _ = self._acknowledged.get(lane, (acked, ""))
        if upto > known:
            self._acknowledged = {**self._acknowledged, lane: (upto, digest)}
        if self._acknowledged:
            with self._transaction() as db:
                self._delete_acknowledged(db)
        return True

    def _delete_acknowledged(self, db: sqlite3.Connection) -> None:
        for lane, (upto, digest) in self._acknowledged.items():
            self._usage[lane] = acknowledging.take(db, lane, upto, digest, self._usage[lane])
        self._acknowledged = {}

    def renumber(self) -> None:
        """Begin a new epoch: everything held is numbered anew from 1, in order, and nothing is deleted."""
        with self._transaction() as db:
            self._delete_acknowledged(db)
            held = numbering.told(db, self._ranges(db))
            sending.renumber(db)
            meta.begin_epoch(db, self.new_id(), held)
            numbering.begin(db)
            db.execute("UPDATE owed SET first_sequence = 0, last_sequence = 0")
            self._owed = self._owed.without_sequences()
            self._usage = opening.usage(db)
        self._left_upto, self._may_have_left = dict.fromkeys(Lane, 0), dict.fromkeys(Lane, 0)

    def keep_within(self, bytes_max: int) -> int:
        """Let the oldest telemetry, at last the oldest events give way until all fits.

        Returns how many batches became tombstones or, counted in ``owed``, were let go.
        """
        if self._acknowledged:
            with self._transaction() as db:
                self._delete_acknowledged(db)
        dropped = 0
        while making_room.is_needed(self._usage, bytes_max):
            with self._transaction() as db:
                step = making_room.give_way(db, self._usage, bytes_max, self._may_have_left)
                for loss in step.losses:
                    opening.set_owed(db, self._owed.add(loss))
            if not step.batches:
                break
            dropped += step.batches
        return dropped

    def remembered(self) -> dict[str, Any]:
        """Return what the rules last remembered."""
        with self._reading() as db:
            return meta.found(db, meta.RULES)

    def learnt(self) -> dict[str, Any]:
        """Return what the drivers last learnt, by device."""
        with self._reading() as db:
            return meta.found(db, meta.LEARNT)

    def turn(self) -> Turn | None:
        """Return the gateway's turn to connect again, as the centre gave it last."""
        with self._reading() as db:
            found = meta.found(db, meta.TURN)
        return msgspec.convert(found, Turn) if found else None

    def keep_turn(self, turn: Turn) -> None:
        """Keep the gateway's turn across restarts: when power returns, a whole city starts at once."""
        with self._transaction() as db:
            meta.keep(db, meta.TURN, msgspec.to_builtins(turn))

    def committed_ms(self) -> int:
        """Return when anything was committed last, by the gateway's time then; 0 if never."""
        with self._reading() as db:
            [committed_ms] = db.execute("SELECT max(committed_ms) FROM lanes").fetchone()
        return int(committed_ms)

    def link_use(self) -> dict[str, Any]:
        """Return what the link had carried by month, as it was kept last."""
        with self._reading() as db:
            return meta.found(db, meta.LINK_USE)

    def keep_link_use(self, use: dict[str, Any]) -> None:
        """Keep what the link has carried across restarts."""
        with self._transaction() as db:
            meta.keep(db, meta.LINK_USE, use)

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

    def _inserted(self, db: sqlite3.Connection, item: Append) -> sending.Row:
        """Keep an item under the next number of its lane."""
        offset_ms = self._offset_ms() if item.unset else None
        self._has_unset |= item.unset
        row = appending.insert(db, item, self.boot_id, offset_ms)
        if item.live:  # it leaves without being asked for
            self._may_have_left[item.lane] = row.sequence
        if item.lane not in self._numbering:
            numbering.note(db, item.lane, self.boot_id, row.sequence)
            self._numbering |= {item.lane}
        usage = self._usage[item.lane]
        self._usage[item.lane] = usage._replace(octets=usage.octets + ROW_BYTES + len(item.payload))
        return row

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

    def _ranges(self, db: sqlite3.Connection) -> EpochRange:
        acknowledged = {lane: upto for lane, (upto, _) in self._acknowledged.items()}
        return sending.ranges(db, meta.epoch(db), acknowledged)

    def _names(self, epoch: str = "") -> tuple[str, str, str]:
        return self.district, self.gateway, epoch or self.epoch

    def _keep_offset(self, db: sqlite3.Connection) -> None:
        """Keep what is missing in the times of this boot, once it is known, for what is not sent yet."""
        offset_ms = self._offset_ms()
        if offset_ms is not None and self._has_unset:
            meta.keep_offset(db, self.boot_id, offset_ms)
            self._has_unset = False
