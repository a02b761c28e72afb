"""What waited before there was a queue waits in it now, under the key that it has had."""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text

from collector.database import MIGRATIONS, Database
from collector.tables import outbox

BEFORE, HERE = "state_0014", "state_0015"
STATES = {
    "a": ("waiting", 0),
    "b": ("waiting", 3),
    "c": ("sending", 1),
    "d": ("done", 2),
    "e": ("needs_person", 1),
}


def migrated(connection: Connection, revision: str) -> None:
    """Bring a database to a revision, up or down."""
    config = Config()
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("version_locations", str(MIGRATIONS / "state"))
    config.attributes["connection"] = connection
    move = command.downgrade if revision == BEFORE else command.upgrade
    move(config, revision)


def filled(path: Path) -> None:
    """Make a database as it was, with a case in each state."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        migrated(connection, HERE)  # and back: so it was before
        migrated(connection, BEFORE)
    engine.dispose()
    with sqlite3.connect(path) as database:
        columns = database.execute("PRAGMA table_info(cases)").fetchall()
        needed = {name: kind for _, name, kind, must, default, _ in columns if must and default is None}
        for name, (state, attempts) in STATES.items():
            values: dict[str, object] = {key: "" if "CHAR" in kind else 0 for key, kind in needed.items()}
            values |= {"id": name * 32, "number": name, "stage": "collected", "problem_key": name}
            values.pop("row", None)
            marks = ", ".join("?" * len(values))
            database.execute(f"INSERT INTO cases ({', '.join(values)}) VALUES ({marks})", [*values.values()])
            database.execute(
                "INSERT INTO outbox (case_id, state, attempts, next_ms, reason, payload)"
                " VALUES (?, ?, ?, 9, 'x', '{}')",
                (name * 32, state, attempts),
            )
    database.close()


def test_the_row_of_a_case_becomes_its_first_message(tmp_path: Path) -> None:
    """With its attempts; what was sent and not answered may be there."""
    path = tmp_path / "collector.db"
    filled(path)
    database = Database(path, "state")
    try:
        found = database.read_now(lambda db: db.execute(outbox.select().order_by(outbox.c.case_id)).all())
    finally:
        database.close()
    assert [(row.key, row.n, row.kind, row.platform) for row in found] == [
        (name * 32, 1, "opened", "") for name in STATES
    ]
    assert [(row.state, row.attempts) for row in found] == list(STATES.values())
    assert [row.perhaps for row in found] == [False, True, True, False, True]
    assert {row.next_ms for row in found} == {9}


def test_going_back_keeps_the_first_message_of_each_case(tmp_path: Path) -> None:
    """What was asked about is then being sent: its outcome is unknown."""
    path = tmp_path / "collector.db"
    filled(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        migrated(connection, HERE)
        with connection.begin():
            connection.execute(text("UPDATE outbox SET state = 'asking' WHERE key LIKE 'b%'"))
        migrated(connection, BEFORE)
        with connection.begin():
            found = connection.execute(text("SELECT case_id, state FROM outbox ORDER BY case_id")).all()
    engine.dispose()
    assert [(row[0][0], row[1]) for row in found] == [
        ("a", "waiting"), ("b", "sending"), ("c", "sending"), ("d", "done"), ("e", "needs_person"),
    ]  # fmt: skip
