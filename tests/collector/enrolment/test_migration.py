"""Revocations from before names were revoked: an upgrade forgets none of them."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, select, text
from sqlalchemy.pool import NullPool

from collector import postgresql as engines
from collector.database import MIGRATIONS, Database
from collector.enrolment import revoking
from collector.enrolment.tables import name_revocations
from collector.postgresql import Postgresql
from tests.collector.making import NOW_MS

DAY_MS = 86_400_000
BEFORE = "state_0023"


def put_back(place: Path | Postgresql) -> None:
    """Make the tables of the former version, with what it has revoked and issued."""
    Database(place, "state").close()
    config = Config()
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("version_locations", str(MIGRATIONS / "state"))
    if isinstance(place, Postgresql):
        engine = engines.writer(place)
    else:
        engine = create_engine(f"sqlite:///{place}", poolclass=NullPool)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, BEFORE)
    issued = text(
        "INSERT INTO gateway_certificates (serial, gateway, key_digest, der, origin, issued_ms, "
        "not_before_ms, not_after_ms) VALUES (:serial, :gateway, 'k', :der, 'code', 1, 1, :until)"
    )
    revoked = text("INSERT INTO revocations VALUES (:serial, :gateway, :revoked, 'ops', :reason, :until)")
    told = [("a", "gw-1", 3, 90), ("b", "gw-1", 0, 60), ("c", "gw-2", 0, 90), ("e", "", 0, 90)]
    rows = [
        {
            "serial": serial,
            "gateway": gateway,
            "revoked": NOW_MS - ago * DAY_MS,
            "reason": f"stolen {serial}",
            "until": NOW_MS + until * DAY_MS,
            "der": b"",
        }
        for serial, gateway, ago, until in told
    ]
    with engine.begin() as connection:
        connection.execute(revoked, rows)
        connection.execute(issued, [*rows[:3], rows[2] | {"serial": "d"}])
    engine.dispose()


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_who_was_revoked_before_the_upgrade_is_cut_after_it(
    tmp_path: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    """Of each name the newest order; what only the former list knows has no name."""
    place: Path | Postgresql = tmp_path / "collector.db"
    if engine == "postgresql":
        make: Callable[[], Postgresql] = request.getfixturevalue("new_database")
        place = make()
    put_back(place)
    with closing(Database(place, "state")) as state:
        assert state.read_now(lambda db: revoking.without(db, NOW_MS - DAY_MS, 10)) == {"gw-1"}
        query = select(*name_revocations.c[1:]).order_by(name_revocations.c.gateway)
        rows = [tuple(row) for row in state.read_now(lambda db: db.execute(query).all())]
    until_ms = NOW_MS + 90 * DAY_MS
    assert rows == [
        ("gw-1", NOW_MS, "ops", "stolen b", 0, 0, until_ms),
        ("gw-2", NOW_MS, "ops", "stolen c", 0, 0, until_ms),
    ]
