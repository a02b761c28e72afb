"""The buffer's file: how it is opened, found corrupt and set aside."""

import logging
import re
import sqlite3
from pathlib import Path

from contract.topics import Lane
from edge.buffer import meta

_log = logging.getLogger(__name__)

SCHEMA_VERSION = 3
SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE lanes (lane TEXT PRIMARY KEY, next_sequence INTEGER NOT NULL, acked_upto INTEGER NOT NULL,"
    " acked_digest TEXT NOT NULL, committed_ms INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE batches (lane TEXT NOT NULL, sequence INTEGER NOT NULL, content TEXT NOT NULL,"
    " boot_id TEXT NOT NULL, created_ms INTEGER NOT NULL, first_ms INTEGER NOT NULL,"
    " last_ms INTEGER NOT NULL, count INTEGER NOT NULL, live INTEGER NOT NULL, unset INTEGER NOT NULL,"
    " offset_ms INTEGER, payload BLOB NOT NULL, PRIMARY KEY (lane, sequence))",
    "CREATE TABLE settled (lane TEXT NOT NULL, upto INTEGER NOT NULL, backfill INTEGER NOT NULL,"
    " offset_ms INTEGER, PRIMARY KEY (lane, upto)) WITHOUT ROWID",
    "CREATE TABLE owed (reason TEXT PRIMARY KEY, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,"
    " count INTEGER, first_sequence INTEGER NOT NULL, last_sequence INTEGER NOT NULL) WITHOUT ROWID",
)
_HELD = f"SELECT CAST(value AS INTEGER) FROM meta WHERE key = '{meta.HELD}'"  # noqa: S608 - a constant
COMMITTED = (
    f"SELECT min(committed_ms, coalesce(({_HELD}), committed_ms)) FROM lanes"  # noqa: S608 - constants
    f" WHERE lane = '{Lane.TELEMETRY}'"
)
"""Up to when telemetry is on disk, or known not to come there; events do not wait for it."""

PAGE_BYTES = 4096
WAL_BYTES_MAX = 8 * 1024 * 1024
"""A write-ahead log that has grown beyond is cut when it is used anew."""

_SIDES = ("-wal", "-shm")
VERSIONS_MAX = 1000
"""No version is ever as high: such a number is noise."""
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_DAMAGE_EXTENDED = {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ}


def is_read_only(error: sqlite3.Error) -> bool:
    """Say whether the connection can only read: its file was opened while the disk let nobody write."""
    return _code(error) & 0xFF == sqlite3.SQLITE_READONLY


def is_full(error: BaseException) -> bool:
    """Say whether the disk had no room, or the file was not allowed more."""
    if not isinstance(error, sqlite3.Error):
        return False
    code = _code(error)
    return code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE


def is_damage(error: sqlite3.Error) -> bool:
    """Say whether it is the file that is broken: what it holds cannot be, or cannot be read."""
    code = _code(error)
    known = code & 0xFF in _DAMAGE or code in _DAMAGE_EXTENDED
    return known or (isinstance(error, sqlite3.DatabaseError) and type(error) is sqlite3.DatabaseError)


def _code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code


def connected(path: Path) -> sqlite3.Connection:
    """Return the open file; sqlite3.Error where that cannot be done."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")
        [version] = db.execute("PRAGMA user_version").fetchone()
        if not 0 <= version <= VERSIONS_MAX or (version == 0 and _holds_tables(db)):
            raise sqlite3.DatabaseError(f"its version is said to be {version}")
        if version == SCHEMA_VERSION:
            [verdict] = db.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
    except BaseException:
        db.close()
        raise
    return db


def _holds_tables(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None


def set_aside(path: Path, files_max: int) -> None:
    """Rename a corrupt file with all that belongs to it; ``waiting`` finds it until it is ``numbered``."""
    numbered(path, files_max)
    _rename(path, _waiting(path))


def waiting(path: Path) -> Path | None:
    """Return the corrupt file whose place no other has taken for certain, if there is one."""
    return found if (found := _waiting(path)).exists() else None


def numbered(path: Path, files_max: int) -> Path | None:
    """Give the corrupt file that waits, if one does, its name; the oldest of too many are deleted."""
    if waiting(path) is None:
        return None
    there = _corrupt_files(path)
    target = path.with_name(f"{path.name}.corrupt-{max(there, default=0) + 1}")
    _rename(_waiting(path), target)
    for old in sorted(there)[: max(0, len(there) + 1 - files_max)]:
        _log.warning("%s is deleted: %d corrupt buffers are kept at most", there[old], files_max)
        for suffix in ("", *_SIDES):
            there[old].with_name(there[old].name + suffix).unlink(missing_ok=True)
    return target


def _waiting(path: Path) -> Path:
    return path.with_name(f"{path.name}.corrupt")


def _rename(path: Path, target: Path) -> None:
    for suffix in _SIDES:
        side = path.with_name(path.name + suffix)
        if side.exists():
            side.rename(target.with_name(target.name + suffix))
    path.rename(target)


def _corrupt_files(path: Path) -> dict[int, Path]:
    pattern = re.compile(re.escape(path.name) + r"\.corrupt-([0-9]{1,9})")
    found = ((each, pattern.fullmatch(each.name)) for each in path.parent.iterdir())
    return {int(match[1]): each for each, match in found if match}
