"""One PostgreSQL for a run of the tests, and the fixture by which a module's tests run on both engines."""

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from collector.database import Database
from collector.postgresql import Postgresql
from simulators.postgres import Postgres
from tests.collector.making import States

TEMPLATE = "template_of_state"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Lend a server that spares the disk; its folder is where another user may go."""
    folder = Path(tempfile.mkdtemp(prefix="gengfu-postgres-"))
    folder.chmod(0o755)
    server = Postgres(folder, durable=False)
    try:
        server.start()
        told(server, f"CREATE DATABASE {TEMPLATE}")
        Database(Postgresql(server.url(TEMPLATE), server.password, durable=False), "state").close()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def told(server: Postgres, statement: str) -> None:
    """Tell the server something that is no transaction."""
    address = server.url("postgres")
    with closing(psycopg.connect(address, password=server.password, autocommit=True)) as connection:
        connection.execute(statement.encode())


def drop(server: Postgres, place: Postgresql) -> None:
    """Remove a database, whoever is in it."""
    told(server, f"DROP DATABASE {place.url.rpartition('/')[2]} WITH (FORCE)")


@pytest.fixture(scope="session")
def new_database(postgres: Postgres) -> Callable[[], Postgresql]:
    """Make databases, migrated and empty."""

    def make() -> Postgresql:
        name = f"state_{next(_numbers)}"
        told(postgres, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
        return Postgresql(postgres.url(name), postgres.password, durable=False)

    return make


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def both_engines(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a module's tests on SQLite, and again with every state database in PostgreSQL."""
    if request.param == "sqlite":
        yield "sqlite"
        return
    make: Callable[[], Postgresql] = request.getfixturevalue("new_database")
    server: Postgres = request.getfixturevalue("postgres")
    made: dict[Path, Postgresql] = {}

    def of(folder: Path) -> Postgresql:
        folder.mkdir(parents=True, exist_ok=True)
        if folder not in made:
            for gone in [each for each in made if not each.exists()]:
                drop(server, made.pop(gone))
            made[folder] = make()
        return made[folder]

    States.elsewhere = of
    try:
        yield "postgresql"
    finally:
        States.elsewhere = None
        for each in made.values():
            drop(server, each)
