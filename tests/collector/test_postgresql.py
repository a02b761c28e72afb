"""What only a PostgreSQL can do to a centre: go away, come back, forget, be another's, order otherwise."""

import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from collector import postgresql as engines
from collector.database import Database
from collector.ingest import Ingest
from collector.journal import begin
from collector.metrics import Metrics
from collector.postgresql import Postgresql
from collector.settings import Limits
from collector.tables import case_numbers, dead_letters, journal
from contract import messages
from contract.messages import Ack
from simulators.postgres import Postgres
from tests.collector.conftest import told
from tests.collector.making import settings, telemetry, typed, up

WAIT_S = 60.0


@pytest.fixture(scope="module")
def durable() -> Iterator[Postgres]:
    """Lend a server that writes to the disk, and may be killed."""
    folder = Path(tempfile.mkdtemp(prefix="gengfu-postgres-"))
    folder.chmod(0o755)
    server = Postgres(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture
def place(durable: Postgres, request: pytest.FixtureRequest) -> Iterator[Postgresql]:
    """Lend an empty database there."""
    name = f"t{abs(hash(request.node.name))}"
    told(durable, f"CREATE DATABASE {name}")
    yield Postgresql(durable.url(name), durable.password)
    told(durable, f"DROP DATABASE {name} WITH (FORCE)")


def note(date: str) -> Callable[[Connection], object]:
    """Return work that writes a row."""
    return lambda connection: connection.execute(insert(case_numbers).values(date=date, last=1))


def noted(connection: Connection) -> list[str]:
    """Return what was written."""
    return sorted(connection.scalars(select(case_numbers.c.date)))


def test_work_fails_while_the_server_is_gone_and_goes_on_when_it_is_back(
    durable: Postgres, place: Postgresql
) -> None:
    """What was committed is there; nobody opens the database again."""
    with closing(Database(place, "state")) as database:
        database.write_now(note("20260101"))
        assert database.read_now(noted) == ["20260101"]
        durable.kill()
        for _ in range(2):
            with pytest.raises(OperationalError):
                database.write_now(note("20260102"))
            with pytest.raises(OperationalError):
                database.read_now(noted)
        durable.start()
        database.write_now(note("20260103"))
        assert database.read_now(noted) == ["20260101", "20260103"]


def test_what_was_acknowledged_outlives_a_killed_server(durable: Postgres, place: Postgresql) -> None:
    """The ingest waits, says so, and takes what it has again: each batch once."""

    async def main() -> tuple[set[int], list[int]]:
        with closing(Database(place, "state")) as database:
            database.write_now(lambda connection: begin(connection, "a" * 32))
            ingest = Ingest(
                database,
                "north",
                Limits(repeat_interval_s=0),
                Metrics(),
                monotonic_s=lambda: 0.0,
                committed=lambda: None,
            )
            acknowledged: set[int] = set()
            task = asyncio.create_task(ingest.run())
            async with asyncio.timeout(WAIT_S):
                for sequence in range(1, 31):
                    if sequence in {11, 21}:
                        durable.kill()
                    await ingest.offer(up(telemetry(sequence)))
                    if sequence in {11, 21}:
                        while not ingest.failing:
                            await asyncio.sleep(0.005)
                        durable.start()
                    for each in await ingest.acks.take(100):
                        acknowledged.add(messages.decode(each.payload, Ack).upto)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            held = database.read_now(
                lambda db: list(db.scalars(select(journal.c.sequence).order_by(journal.c.id)))
            )
            return acknowledged, held

    acknowledged, held = asyncio.run(main())
    assert max(acknowledged) == 30
    assert held == list(range(1, 31))


def test_one_collector_at_a_time_writes_and_a_lost_session_takes_its_lock_along(
    durable: Postgres, place: Postgresql
) -> None:
    """Whoever lost it takes it again with the next work, unless another has it now."""
    first = Database(place, "state")
    with pytest.raises(OperationalError, match="in use by another collector"):
        Database(place, "state")
    expel(durable)
    with closing(Database(place, "state")) as second:
        with pytest.raises(OperationalError):
            first.write_now(note("20260101"))
        with pytest.raises(OperationalError, match="in use by another collector"):
            first.write_now(note("20260101"))
        second.write_now(note("20260102"))
    first.write_now(note("20260103"))
    assert first.read_now(noted) == ["20260102", "20260103"]
    first.close()
    Database(place, "state").close()


def expel(server: Postgres) -> None:
    """End the sessions of writers."""
    told(
        server,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE application_name = 'gengfu-collector-writer'",
    )


def test_work_that_is_cut_off_is_done_whole_or_not_at_all(durable: Postgres, place: Postgresql) -> None:
    """The next work finds none of it."""

    def cut(connection: Connection) -> None:
        note("20260101")(connection)
        expel(durable)
        note("20260102")(connection)

    with closing(Database(place, "state")) as database:
        with pytest.raises(SQLAlchemyError):
            database.write_now(cut)
        assert database.read_now(noted) == []
        database.write_now(note("20260103"))
        assert database.read_now(noted) == ["20260103"]


def test_a_reader_sees_one_state_and_writes_nothing(place: Postgresql) -> None:
    """Whatever is committed while it reads."""
    with closing(Database(place, "state")) as database:

        def read(connection: Connection) -> tuple[list[str], list[str]]:
            before = noted(connection)
            database.write_now(note("20260101"))
            return before, noted(connection)

        assert database.read_now(read) == ([], [])
        assert database.read_now(noted) == ["20260101"]
        with pytest.raises(SQLAlchemyError, match="read-only"):
            database.read_now(note("20260102"))


@pytest.mark.parametrize("name", ["synchronous_commit", "default_transaction_read_only"])
def test_a_server_that_may_forget_or_only_reads_is_refused_with_the_remedy(
    name: str, durable: Postgres, place: Postgresql
) -> None:
    """Before anything is migrated."""
    database = place.url.rpartition("/")[2]
    value = "on" if name.endswith("only") else "off"
    told(durable, f"ALTER DATABASE {database} SET {name} = {value}")
    said = (
        "only reads" if name.endswith("only") else "synchronous_commit = off: what was acknowledged could be"
    )
    with pytest.raises(OperationalError, match=re.escape(said)):
        Database(place, "state")
    told(durable, f"ALTER DATABASE {database} RESET {name}")
    Database(place, "state").close()


def test_a_server_that_does_not_write_to_the_disk_is_refused(postgres: Postgres) -> None:
    """That of the other tests, here as a centre sees it."""
    place = Postgresql(postgres.url("postgres"), postgres.password)
    with pytest.raises(OperationalError, match="fsync = off: a power cut would damage it; set it on"):
        Database(place, "state")


def test_a_database_that_orders_or_writes_texts_otherwise_is_refused(durable: Postgres) -> None:
    """With the command that makes a good one."""
    told(durable, "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(OperationalError, match="in LATIN1; make it anew with createdb --template=template0"):
        Database(Postgresql(durable.url("latin"), durable.password), "state")


def test_a_text_with_a_zero_in_it_is_kept_without(place: Postgresql) -> None:
    """PostgreSQL knows no such text; a message that holds one must not stop the others."""
    row = {"received_ms": 1, "topic": "a\x00b", "reason": "", "detail": "", "bytes": 1, "message": b"\x00"}
    with closing(Database(place, "state")) as database:
        database.write_now(lambda db: db.execute(insert(dead_letters).values(row)))
        query = select(dead_letters.c.topic, dead_letters.c.message)
        assert database.read_now(lambda db: db.execute(query).one()) == ("a\ufffdb", b"\x00")


def is_locked(place: Postgresql) -> bool:
    """Say whether a collector holds the database."""
    engine = engines.readers(place, 1)
    with engine.connect() as connection:
        held = connection.execute(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")).scalar()
    engine.dispose()
    return bool(held)


def test_a_centre_runs_on_it_and_says_what_it_leaves_to_postgresql(
    durable: Postgres, place: Postgresql, tmp_path: Path
) -> None:
    """A second on the same database is refused; while the server is gone, the interface says so."""
    secret = tmp_path / "password"
    secret.write_text(place.password)
    secret.chmod(0o600)
    table = f'[state]\nurl = "{place.url}"\npassword_file = "{secret}"\n'
    settings(tmp_path / "one", tables=table)
    settings(tmp_path / "two", tables=table)
    first, second = (str(tmp_path / name / "collector.toml") for name in ("one", "two"))
    command = [sys.executable, "-m", "gengfu.main", "collector", "run", "--settings", first]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    try:
        url = json.loads(running.stdout.readline())["url"]
        durable.kill()
        gone = httpx.get(f"{url}/api/v1/gateways", timeout=WAIT_S)
        assert (gone.status_code, "the database does not answer now" in gone.text) == (503, True)
        durable.start()
        assert httpx.get(f"{url}/api/v1/gateways", timeout=WAIT_S).json()["items"] == []
        until_s = time.monotonic() + WAIT_S
        while not is_locked(place):  # the first is back with its next write
            assert time.monotonic() < until_s
            time.sleep(0.05)
        refused = typed("run", "--settings", second)
        assert refused.returncode == 1
        assert "in use by another collector; stop that one" in refused.stderr
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0
        running.stdout.close()
    assert not (tmp_path / "one" / "data" / "collector.db").exists()
    for arguments in (["backup", str(tmp_path / "backup")], ["restore", str(tmp_path)]):
        done = typed(*arguments, "--settings", first)
        assert (done.returncode, "use pg_dump and pg_restore" in done.stderr) == (1, True)
    checked = typed("check", first, "--data")
    assert (checked.returncode, "not looked at; use pg_amcheck" in checked.stdout) == (0, True)
    secret.write_text("wrong")
    failed = typed("run", "--settings", first)
    assert failed.returncode == 1
    assert "password authentication failed" in failed.stderr
    assert "check [state] in the settings" in failed.stderr
