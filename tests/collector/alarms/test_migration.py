"""Alarms that were active before there were conditions."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text

from collector.database import MIGRATIONS
from contract.events import Priority
from tests.collector.alarms.room import alarm, opened


def upgraded(connection: Connection, to: str) -> None:
    """Bring the tables of the state to a version."""
    config = Config()
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("version_locations", str(MIGRATIONS / "state"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def test_what_was_active_is_on_the_list_after_the_upgrade_and_ends_as_all_do(tmp_path: Path) -> None:
    """The newest occurrence of each source; what was over, or waits to be told, is not."""
    engine = create_engine(f"sqlite:///{tmp_path / 'old.db'}")
    with engine.connect() as connection:
        upgraded(connection, "state_0010")
    insert = text(
        "INSERT INTO alarms (gateway, id, rule, device, point, problem, priority, message, part, value, "
        "clock, raised_ms, cleared_ms, received_ms, backfill, condition, planned, waits) VALUES "
        "('gw-1', :id, 'burst', :device, 'pressure', 'pipe_burst', 'high', 'low', '', 'null', "
        "'synchronised', 5, :cleared, 6, false, 'low', :planned, :waits)"
    )
    told = [("main", None, False), ("main", None, False), ("pump", 7, False), ("late", None, True)]
    rows = [
        {"id": f"{number:032x}", "device": device, "cleared": over, "planned": False, "waits": waits}
        for number, (device, over, waits) in enumerate(told)
    ]
    rows.append(rows[0] | {"id": "f" * 32, "device": "work", "planned": True})
    with engine.begin() as connection:
        connection.execute(insert, rows)
    engine.dispose()
    with opened(tmp_path / "old.db") as room:
        main, work = alarm(1, priority=Priority.HIGH), alarm(int("f" * 32, 16), device="work")
        assert room.count() == 2
        assert (room.row(main).alarm_id, room.row(main).acked) == (main.id, False)
        assert room.quiet(main, work) == {work.id: "planned"}
        room.cleared(main)
        assert not room.row(main).active
