"""What every test gains by: files in memory, and empty databases that are copied instead of migrated anew."""

import gc
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

MEMORY = Path("/dev/shm")
ROOM_BYTES_MIN = 4 * 1024**3
"""Containers often have 64 MB there; what passed is removed at once, the largest tests take some 100 MB."""


def in_memory() -> bool:
    """Whether files can live there, programs that tests build among them."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return False
    may_execute = not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
    return may_execute and shutil.disk_usage(MEMORY).free >= ROOM_BYTES_MIN


# Every commit of a gateway's or a centre's database waits for the disk, and to wait is most of what thousands
# of them do. No test here cuts the power: those that do play the disk (tests/faults/power.py).
if in_memory():
    os.environ["TMPDIR"] = str(MEMORY)  # for workers and for what tests start, too
    tempfile.tempdir = None

# A busy machine makes no property false: a test that hangs meets its timeout.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while tests are imported, and never again among what was: it stays to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def migrated_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Migrate an empty SQLite database once for each schema; others get a copy, as PostgreSQL makes them.

    Twenty migrations cost 0.14 s of processor, a copy 0.002 s. What is not empty is migrated as ever, and
    processes that tests start do it themselves.
    """
    database = sys.modules.get("collector.database")
    if database is None:
        yield
        return
    real, templates = database._migrate, tmp_path_factory.mktemp("migrated")

    def migrate(connection: "Connection", schema: str) -> None:
        raw: Any = connection.connection.dbapi_connection
        template = templates / f"{schema}.db"
        if not isinstance(raw, sqlite3.Connection) or raw.execute("SELECT 1 FROM sqlite_master").fetchone():
            real(connection, schema)
        elif template.exists():
            with closing(sqlite3.connect(template)) as made:
                made.backup(raw)
        else:
            real(connection, schema)
            with closing(sqlite3.connect(template)) as made:
                raw.backup(made)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_migrate", migrate)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)
