"""Rows held in memory for a transaction: found by an index, written so that keys can change hands."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from collector.database import Database
from collector.held import HeldRows, Lookup
from collector.incidents.holding import EMPTY
from collector.incidents.tables import incident_members, incidents
from collector.tables import alarms

ROW = dict.fromkeys(("id", "key", "grouping", "rule", "labels", "title_en", "title_zh", "area"), "")
FIRST = {**EMPTY, **ROW, "priority": "low", "opened_ms": 1, "last_ms": 1}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Lend an empty one."""
    opened = Database(tmp_path / "state.db", "state")
    yield opened
    opened.close()


def plans(connection: Connection, lookup: Lookup) -> str:
    """Return how SQLite goes about a lookup."""
    statement = lookup._on_sqlite.compile(
        dialect=connection.dialect, compile_kwargs={"render_postcompile": True}
    )
    told = [statement.params[name] if name != "values" else "[]" for name in statement.positiontup or ()]
    rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", tuple(told))
    return " / ".join(str(row[3]) for row in rows)


def test_keys_of_several_columns_are_found_by_their_index(database: Database) -> None:
    """SQLite would look through the whole table for a list of VALUES."""
    for columns in (
        (alarms.c.gateway, alarms.c.id),
        (incident_members.c.gateway, incident_members.c.alarm_id),
    ):
        lookup = Lookup(select(columns[0].table), *columns)
        found = database.read_now(partial(plans, lookup=lookup))
        assert f"SEARCH {columns[0].table} USING INDEX" in found


def test_a_new_row_may_take_the_key_that_another_lets_go(database: Database) -> None:
    """What is changed is written before what is added."""

    def change_hands(connection: Connection) -> None:
        rows = HeldRows(connection, incidents, "id")
        old = rows.add({**FIRST, "id": "a", "key": "k"})
        rows.write()
        rows.change(old, key="k#a")
        rows.add({**FIRST, "id": "b", "key": "k"})
        rows.write()
        rows.write()

    database.write_now(change_hands)
    found = database.read_now(lambda db: db.execute(select(incidents.c.id, incidents.c.key)).all())
    assert sorted(map(tuple, found)) == [("a", "k#a"), ("b", "k")]


def test_what_is_read_again_does_not_undo_what_was_changed(database: Database) -> None:
    """Until it is written, memory knows better; and a change to what it was is none."""
    by_key = Lookup(select(incidents), incidents.c.key)

    def read_again(connection: Connection) -> str:
        HeldRows(connection, incidents, "id").write()
        rows = HeldRows(connection, incidents, "id")
        rows.add({**FIRST, "id": "a", "key": "k", "title_en": "before"})
        rows.write()
        rows = HeldRows(connection, incidents, "id")
        (held,) = rows.load(by_key, ["k", "k"])
        rows.change(held, title_en="after", members=held.members)
        (again,) = rows.load(by_key, ["k"])
        assert again is held
        rows.write()
        return str(connection.scalar(select(incidents.c.title_en)))

    assert database.write_now(read_again) == "after"
