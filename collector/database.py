"""A database, the one thread that writes to it, and the few that read: a file of SQLite, or a PostgreSQL.

Every write is one transaction on one thread, so writers never meet, and what a transaction decides is still
true when it commits. Readers see the last commit and never wait for a writer.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import NullPool, QueuePool

from collector import postgresql as engines
from collector.postgresql import Postgresql

BUSY_TIMEOUT_S = 5
READERS_MAX = 4
MIGRATIONS = Path(__file__).with_name("migrations")

T = TypeVar("T")


class Database:
    """One open database; ``write`` and ``read`` run blocking work off the event loop."""

    def __init__(self, place: Path | Postgresql, schema: str) -> None:
        """Open or create the database and migrate it; ``schema`` names a folder of migrations.

        OSError or sqlalchemy.exc.SQLAlchemyError where that cannot be done.
        """
        self.place = place
        if isinstance(place, Postgresql):
            name = schema
            self._writer, self._reader = engines.writer(place), engines.readers(place, READERS_MAX)
        else:
            name = place.stem
            place.parent.mkdir(parents=True, exist_ok=True)
            self._writer = _engine(place, begin="BEGIN IMMEDIATE")
            self._reader = _engine(
                place, begin="BEGIN", pragmas=("PRAGMA query_only = ON",), kept=READERS_MAX
            )
        self._connection = self._writer.connect()
        try:
            _migrate(self._connection, schema)
        except BaseException:
            self._connection.close()
            raise
        self._write_thread = ThreadPoolExecutor(1, f"write-{name}")
        self._read_threads = ThreadPoolExecutor(READERS_MAX, f"read-{name}")

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one transaction on the writing thread: all of it is committed, or none."""
        return await asyncio.get_running_loop().run_in_executor(self._write_thread, self.write_now, work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on a reading thread; it sees one state of the database."""
        return await asyncio.get_running_loop().run_in_executor(self._read_threads, self.read_now, work)

    def write_now(self, work: Callable[[Connection], T]) -> T:
        """Do as ``write``, here and now; for the writing thread, and before the loop runs.

        A connection that is lost fails this work and is made anew for the next. Where it is lost in a commit,
        the work fails though it may have been done: whoever tries again must find that out, as after a crash.
        """
        if self._connection.closed:
            self._connection = self._writer.connect()
        connection = self._connection
        try:
            with connection.begin():
                return work(connection)
        finally:
            if connection.invalidated:
                connection.close()

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """Do as ``read``, here and now."""
        with self._reader.connect() as connection, connection.begin():
            return work(connection)

    def close(self) -> None:
        """Wait for work under way and close the database."""
        self._write_thread.shutdown()
        self._read_threads.shutdown()
        self._connection.close()
        self._writer.dispose()
        self._reader.dispose()


def insert(connection: Connection, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """Return an INSERT that can say ON CONFLICT; both dialects spell it alike."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def _engine(path: Path, *, begin: str, pragmas: tuple[str, ...] = (), kept: int = 0) -> Engine:
    """Return an engine; it keeps so many connections: to open one costs more than most of what is asked."""
    engine = create_engine(
        f"sqlite:///{path}",
        **({"poolclass": QueuePool, "pool_size": kept} if kept else {"poolclass": NullPool}),
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _set_up(dbapi: Any, _record: Any) -> None:
        dbapi.isolation_level = None  # transactions begin where we say
        for pragma in (
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",  # NORMAL loses acknowledged rows in a power cut
            "PRAGMA foreign_keys = ON",
            *pragmas,
        ):
            dbapi.execute(pragma)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _migrate(connection: Connection, schema: str) -> None:
    config = Config()
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("version_locations", str(MIGRATIONS / schema).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
