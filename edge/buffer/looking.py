"""A buffer looked into by people's commands: in a process apart, for the file may be anything by now.

SQLite makes files beside a database and gives them to the database's owner, follows links, waits at pipes,
and does what a schema tells it to: nothing that root should do in a folder of another user's.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from edge.buffer.file import SCHEMA_VERSION
from owned_files import apart, opened

TIMEOUT_S = 20.0
BYTES_MAX = 1024 * 1024
LANES_MAX = 100
_BUSY_TIMEOUT_S = 5


def lanes(path: Path) -> list[dict[str, Any]]:
    """Return what waits in each lane; ApartError says why not, OSError."""

    def asked(db: sqlite3.Connection) -> object:
        query = (
            "SELECT lane, count(*), min(sequence), max(sequence), min(first_ms) FROM batches GROUP BY lane"
        )
        names = ("lane", "batches", "first_sequence", "last_sequence", "oldest_ms")
        return [dict(zip(names, row, strict=True)) for row in db.execute(query).fetchmany(LANES_MAX)]

    return msgspec.convert(_looked(path, asked), list[dict[str, Any]])


def form(path: Path) -> int:
    """Return the number of its schema, having read in it; ApartError says why not, OSError."""

    def asked(db: sqlite3.Connection) -> object:
        [number] = db.execute("PRAGMA user_version").fetchone()
        if number in (0, SCHEMA_VERSION):
            db.execute("SELECT count(*) FROM lanes").fetchone()
        return number

    return msgspec.convert(_looked(path, asked), int)


def _looked(path: Path, ask: Callable[[sqlite3.Connection], object]) -> object:
    def work() -> bytes:
        with opened(path, follow=True):  # a pipe is told as what it is
            pass
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_TIMEOUT_S)
        ) as db:
            return msgspec.json.encode(ask(db))

    return msgspec.json.decode(apart(path.parent, work, timeout_s=TIMEOUT_S, bytes_max=BYTES_MAX))
