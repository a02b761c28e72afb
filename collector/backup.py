"""Copies of a centre's databases: taken while it works, checked, and put back.

A backup is a folder with both databases and a manifest that is written last. The series are copied before the
journal, so their cursor never lies beyond the journal's end; each copy is one state of its database.
"""

import fcntl
import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

import msgspec

import owned_files
from owned_files import acting_as, as_owner, opened

STATE, SERIES = "collector.db", "series.db"
COPIED = (SERIES, STATE)
UNFINISHED = ".new"
"""Ends the names of databases that are being put back."""
MANIFEST = "manifest.json"
MANIFEST_BYTES_MAX = 64 * 1024
NOT_THERE = "correct data_folder in the settings, start the centre once, or restore a backup"
"""What to do about what is ``absent``."""
NEVER_STARTED = "start the centre once, or correct data_folder in the settings"
"""What to do about a database in which no centre has begun its journal."""
IN_POSTGRESQL = (
    "the state is in a PostgreSQL, which this command does not copy: use pg_dump and pg_restore, "
    "and copy series.db before each dump (docs/how-to/postgresql.md)"
)
PAGES_AT_ONCE = 2_048
BUSY_TIMEOUT_S = 5
REPLACED_MAX = 1_000
_SIDES = ("-wal", "-shm")
_BLOCK_BYTES = 1024 * 1024

Progress = Callable[[str, int, int], None]
"""Told what is worked on, how much is done, and of how much."""


class BackupError(RuntimeError):
    """A backup cannot be taken or put back; the text says why and what to do."""


class Copied(msgspec.Struct, frozen=True):
    """One file of a backup."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds: the journal up to ``last_id``, taken at ``taken_ms``."""

    schema: Literal[1]
    district: str
    taken_ms: int
    journal_identity: str
    last_id: int
    files: dict[str, Copied]


def take(folder: Path, target: Path, *, district: str, now_ms: int, progress: Progress) -> Manifest:
    """Copy the databases in ``folder``, at work or not, to a new folder ``target``; BackupError where not.

    Root does it as whom ``folder`` belongs to, who must be able to write where ``target`` is to be.
    """
    with _as_owner(folder):
        return _taken(folder, target, district=district, now_ms=now_ms, progress=progress)


def _taken(folder: Path, target: Path, *, district: str, now_ms: int, progress: Progress) -> Manifest:
    if target.exists():
        raise BackupError(f"{target} is there already; name a folder that is not")
    partial = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        files = {name: _copied(folder / name, partial / name, progress) for name in COPIED}
        with closing(_opened(partial / STATE)) as db:
            identity, last_id = _journal_head(db, folder / STATE)
        manifest = Manifest(1, district, now_ms, identity, last_id, files)
        _written(partial / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        _synced(partial)
        partial.rename(target)
        _synced(target.parent)
    except (OSError, sqlite3.Error) as error:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
        raise BackupError(f"no backup was made: {_reason(error)}") from error
    return manifest


def put_back(
    source: Path, folder: Path, *, district: str, replace: bool, progress: Progress
) -> tuple[Manifest, Path | None]:
    """Make ``folder`` hold what the backup holds; databases that stand there are moved aside.

    Return the manifest, and where the former databases are now, if there were any. BackupError, and nothing
    changed, where a collector works there, the backup is damaged or another district's, or databases stand
    there and ``replace`` is not set. Root does it as whom ``folder`` belongs to, who must be able to read it.
    """
    with _as_owner(folder):
        return _put_back(source, folder, district=district, replace=replace, progress=progress)


def _put_back(
    source: Path, folder: Path, *, district: str, replace: bool, progress: Progress
) -> tuple[Manifest, Path | None]:
    manifest = _read(source)
    if manifest.district != district:
        raise BackupError(
            f"{source} is a backup of district {manifest.district}, the settings say {district}"
        )
    for name, copied in manifest.files.items():
        if name not in COPIED or _digest(source / name, progress) != copied:
            raise BackupError(f"{source / name} is not what was backed up; take another backup")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            standing = _standing(folder)
            if standing and not replace:
                raise BackupError(f"{standing[0]} is there; say --replace to move it aside")
            fresh = {name: folder / f"{name}{UNFINISHED}" for name in COPIED}
            try:
                for name, path in fresh.items():
                    shutil.copyfile(source / name, path)
                    _synced(path)
            except OSError:
                for path in fresh.values():
                    path.unlink(missing_ok=True)
                raise
            aside = _moved_aside(folder) if standing else None
            for name, path in fresh.items():
                path.rename(folder / name)
            _synced(folder)
    except OSError as error:
        raise BackupError(f"{folder}: {_reason(error)}") from error
    return manifest, aside


def interrupted(folder: Path) -> bool:
    """Say whether databases were being put back there, and those that stood there are moved aside already."""
    return any((folder / f"{name}{UNFINISHED}").exists() and not (folder / name).exists() for name in COPIED)


def absent(folder: Path, *, state_elsewhere: bool = False) -> list[Path]:
    """Return what is not there of a centre's data: the folder, or databases in it."""
    if not folder.is_dir():
        return [folder]
    names = (SERIES,) if state_elsewhere else (STATE, SERIES)
    return [path for name in names if not (path := folder / name).is_file()]


def _copied(path: Path, target: Path, progress: Progress) -> Copied:
    with closing(_opened(path)) as db, closing(sqlite3.connect(target, isolation_level=None)) as copy:
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # holds one state, whatever is written
        db.backup(
            copy,
            pages=PAGES_AT_ONCE,
            progress=lambda _, left, total: progress(path.name, total - left, total),
        )
        [verdict] = copy.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"{path} is damaged: {verdict}")
    _synced(target)
    return _digest(target, progress)


def _journal_head(db: sqlite3.Connection, path: Path) -> tuple[str, int]:
    """Return the journal's identity and last id; DatabaseError where no centre has begun one in ``path``."""
    has_table = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'journal_head'").fetchone()
    head: tuple[str, int] | None = None
    if has_table:
        head = db.execute("SELECT identity, last_id FROM journal_head").fetchone()
    if head is None:
        raise sqlite3.DatabaseError(f"{path} holds no journal: {NEVER_STARTED}")
    return head


def _opened(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there")
    with opened(path, follow=True):  # a pipe is told as what it is
        pass
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S
    )


def _read(source: Path) -> Manifest:
    try:
        told = owned_files.read(source / MANIFEST, MANIFEST_BYTES_MAX, follow=True)
        return msgspec.json.decode(told, type=Manifest)
    except OSError as error:
        raise BackupError(f"{source} is no backup: {_reason(error)}") from error
    except msgspec.DecodeError as error:
        raise BackupError(f"{source / MANIFEST} is not a manifest of this version: {error}") from error


def _digest(path: Path, progress: Progress) -> Copied:
    seen, done = hashlib.sha256(), 0
    try:
        with opened(path, follow=True) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
            total = os.fstat(descriptor).st_size
            while block := file.read(_BLOCK_BYTES):
                seen.update(block)
                done += len(block)
                progress(f"{path.name}, digest", done, total)
    except OSError as error:
        raise BackupError(f"{path}: {_reason(error)}") from error
    return Copied(done, seen.hexdigest())


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold what a working collector holds."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(folder / "lock", flags, 0o600), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupError(f"{folder} is in use by a collector; stop that one first") from error
        yield


def _moved_aside(folder: Path) -> Path:
    for number in range(1, REPLACED_MAX):
        aside = folder / f"replaced-{number}"
        if not aside.exists():
            break
    else:
        raise BackupError(f"{folder} holds {REPLACED_MAX} replaced sets of databases; remove some")
    aside.mkdir()
    for path in _standing(folder):
        path.rename(aside / path.name)
    return aside


def _standing(folder: Path) -> list[Path]:
    """Return the databases, and what waits beside them: it would be read into others of that name."""
    paths = (folder / f"{name}{side}" for name in COPIED for side in ("", *_SIDES))
    return [path for path in paths if path.exists()]


def _written(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    _synced(path)


def _synced(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _as_owner(folder: Path) -> Iterator[None]:
    try:
        with as_owner(folder):
            try:
                yield
            except PermissionError as error:
                raise BackupError(_reason(error)) from error
    except PermissionError as error:
        raise BackupError(_reason(error)) from error


def _reason(error: Exception) -> str:
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    told = f"{error.filename}: {error.strerror.lower()}"
    if isinstance(error, PermissionError) and (who := acting_as()):
        told += f"; root does this as {who}, whose the data is: name a folder that {who} may use"
    return told
