"""The open file of the buffer: its life from one opening to the next, its transactions, what is known of it.

Where a transaction fails, what is known in memory goes back with it. A file that is found corrupt is closed.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from contract.topics import Lane
from edge.buffer import file, meta, opening
from edge.buffer.ballast import Ballast
from edge.buffer.errors import DISK_FAULTS, BufferClosedError, BufferUnusableError
from edge.buffer.losses import Ledger
from edge.buffer.retention import Usage

_log = logging.getLogger(__name__)


class OpenFile:
    """One buffer file that is open, or is to be opened when its disk lets it.

    Every call but ``open`` and ``close`` raises sqlite3.OperationalError where the disk refuses, and
    BufferClosedError, which is one, where it is not open.
    """

    def __init__(
        self,
        path: Path,
        ids: Callable[[], str],
        wall_ms: Callable[[], int],
        *,
        ballast_bytes: int,
        quarantined_files_max: int,
    ) -> None:
        """``ids`` gives the ids of epochs; ``open`` opens."""
        self.path = path
        self.new_id, self._wall_ms = ids, wall_ms
        self.quarantined: Path | None = None
        self._since_ms = wall_ms()  # what is measured before the disk takes anything is of this run, too
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
        self._left_upto = dict.fromkeys(Lane, 0)
        """Up to where batches may have left although the disk refused to note in which form."""
        self._may_have_left = dict.fromkeys(Lane, 0)
        """Up to where batches were given to be sent: the centre may have them."""
        self._numbering: frozenset[Lane] = frozenset()
        """Lanes of which the file says that this boot numbers them."""
        self._acknowledged: dict[Lane, tuple[int, str]] = {}
        """Up to where, and with which digest, the centre has what the disk refused to delete."""

    def open(self) -> None:
        """Open it if it is not; OSError or sqlite3.Error where the disk refuses, for another try later.

        A corrupt file is set aside and replaced, ``quarantined`` names it, and what it still gives is taken
        over under the new epoch. BufferUnusableError where the folder cannot be one, or another version wrote
        the file.
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
        self._left_upto = dict.fromkeys(Lane, 0)
        self._may_have_left = opened.left_upto
        self._numbering, self._acknowledged = frozenset(), {}
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

    def close(self, *, clean: bool = True) -> None:
        """Close the file; everything committed is on disk already.

        With ``clean`` the next start knows that nothing went missing here.
        """
        if self._file is None:
            return
        if clean and self._begun:
            try:
                with self._transaction() as db:
                    meta.delete(db, meta.RUN)
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

    def _begin(self, db: sqlite3.Connection) -> None:
        """Note that a run is at work; one that is noted already had no clean end."""
        if self._begun:
            return
        loss = opening.begin(db, self._since_ms, self._wall_ms())
        if loss and not self._has_run:
            opening.set_owed(db, self._owed.add(loss))
        self._begun = self._has_run = True

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
        run = self._begun, self._has_run, self._has_unset, self._numbering
        before = dict(self._usage), Ledger(self._owed), self._acknowledged
        with self._reading() as db:
            try:
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            except BaseException:
                self._usage, self._owed, self._acknowledged = before
                self._begun, self._has_run, self._has_unset, self._numbering = run
                if self._file is not None and db.in_transaction:
                    db.execute("ROLLBACK")
                raise


def _pages(ballast_bytes: int) -> int:
    """Return to how many pages the write-ahead log may grow: half of the ballast, at most SQLite's own."""
    return max(4, min(1_000, ballast_bytes // 2 // file.PAGE_BYTES))
