"""A centre that is older than its database touches nothing of it."""

from pathlib import Path

import pytest
from sqlalchemy import text

from collector import backup
from collector.database import Database
from collector.service import CollectorError, people_offline
from collector.settings import load
from tests.collector.making import Clock


@pytest.mark.parametrize("schema", ["state", "series"])
def test_a_database_that_a_newer_version_has_changed_is_refused_and_left_as_it_is(
    schema: str, tmp_path: Path
) -> None:
    """It says what to do; that is what a downgrade meets."""
    settings = tmp_path / "collector.toml"
    settings.write_text('schema = 1\ndistrict = "north"\n[broker]\nhost = "127.0.0.1"\n')
    loaded, world = load(settings), Clock().world()
    with people_offline(loaded, world):
        pass
    path = loaded.data_folder / {"state": backup.STATE, "series": backup.SERIES}[schema]
    newer = Database(path, schema)
    newer.write_now(
        lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = 'x_9999'"))
    )
    newer.close()
    before = path.read_bytes()
    with (
        pytest.raises(
            CollectorError, match=r"a database of unknown version .* install the version that wrote it"
        ),
        people_offline(loaded, world),
    ):
        pass
    assert path.read_bytes() == before
