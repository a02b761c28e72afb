"""The part file of the settings: imported at start, and only where it has changed."""

from pathlib import Path

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from collector.parts import book, seeding
from collector.parts.places import distance_m
from collector.parts.settings import PartSettings
from collector.parts.tables import part_imports, parts
from collector.settings import load
from gengfu.commands.collector import app
from tests.collector import making as centre
from tests.collector.parts.making import NOW_MS, PART, csv_text, geojson, part, point, state_of
from toml_files import TomlFileError


def test_a_file_is_imported_again_only_where_it_has_changed(tmp_path: Path) -> None:
    """What is taken out of it stays: others import into the register as well."""
    path = tmp_path / "parts.csv"
    with state_of(tmp_path) as database:
        path.write_bytes(csv_text(part(1), part(2)))
        first = seeding.seed(database, path, PartSettings(), NOW_MS)
        assert first is not None
        assert (first.added, first.written) == (2, True)
        assert seeding.seed(database, path, PartSettings(), NOW_MS) is None
        path.write_bytes(csv_text(part(1), part(3)))
        second = seeding.seed(database, path, PartSettings(), NOW_MS)
        assert second is not None
        assert (second.added, second.unchanged, second.gone, second.removed) == (1, 1, 1, 0)
        assert seeding.seed(database, path, PartSettings(), NOW_MS) is None
        counts = [
            database.read_now(lambda db: db.execute(select(func.count()).select_from(parts)).scalar()),
            database.read_now(lambda db: db.execute(select(func.count()).select_from(part_imports)).scalar()),
        ]
        assert counts == [3, 2]


def test_the_same_file_in_another_datum_is_another(tmp_path: Path) -> None:
    """Somebody has found out, and said so in the settings."""
    path = tmp_path / "parts.geojson"
    path.write_bytes(geojson(point(PART)))
    with state_of(tmp_path) as database:
        assert seeding.seed(database, path, PartSettings(), NOW_MS) is not None
        shifted = seeding.seed(database, path, PartSettings(parts_file_gcj02=True), NOW_MS)
        assert shifted is not None
        assert shifted.changed == 1
        found = database.read_now(lambda db: book.find(db, PART["ObjID"]))
    assert found is not None
    assert 100 < distance_m(found.lon, found.lat, 106.55, 29.56) < 1_000


def test_a_bad_file_keeps_a_centre_from_starting_and_check_tells_it(tmp_path: Path) -> None:
    """With file, line, attribute and remedy; how many more there are where they are many."""
    bad = csv_text(*(part(number, lat="x") for number in range(1, 200))).decode()
    loaded = centre.settings(tmp_path, parts=bad)
    with pytest.raises(TomlFileError) as caught, centre.standing(loaded, centre.Clock()):
        pass
    lines = str(caught.value).replace(f"{tmp_path}/", "").splitlines()
    assert len(lines) == 101
    assert "parts.csv: 99 more mistakes follow; mend these first" in lines
    assert "parts.csv:2: lat: 'x' is no number; write degrees, such as 106.551234" in lines
    checked = CliRunner().invoke(app, ["check", str(tmp_path / "collector.toml"), "--json"])
    assert checked.exit_code == 1
    assert "such as 106.551234" in checked.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda path: path.unlink(),
            "parts.csv: cannot be read: no such file or directory; check the path, or",
        ),
        (lambda path: path.write_bytes(b"x" * 2_000), "parts.csv: is longer than 1024 bytes; split it"),
        (
            lambda path: path.rename(path.parent / "x.geojson") and path.mkdir(),
            "parts.csv: cannot be read: is a directory",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_told(change: object, said: str, tmp_path: Path) -> None:
    """With what to do."""
    path = tmp_path / "parts.csv"
    path.write_text("x")
    assert callable(change)
    change(path)
    with pytest.raises(TomlFileError) as caught:
        seeding.check(path, PartSettings(import_bytes_max=1024))
    assert str(caught.value).replace(f"{tmp_path}/", "").startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('divisions = ["000103"]', ":6: parts.divisions: '000103' begins with no division of GB/T 2260"),
        ('divisions = ["5001"]', ":6: parts.divisions[0]: must be 6 to 15 digits"),
        ('[[parts.minors]]\ncode = "21"\nname = {en = "x", zh = "x"}', ":7: parts.minors[0].code: must be 4"),
        (
            2 * '[[parts.minors]]\ncode = "2102"\nname = {en = "x", zh = "x"}\n',
            "class 2102 is given twice; keep",
        ),
    ],
)
def test_mistakes_in_the_settings_are_told(text: str, said: str, tmp_path: Path) -> None:
    """By line and key."""
    path = tmp_path / "collector.toml"
    path.write_text(f'schema = 1\ndistrict = "north"\n[broker]\nhost = "x"\n[parts]\n{text}\n')
    with pytest.raises(TomlFileError) as caught:
        load(path)
    assert said in str(caught.value)
