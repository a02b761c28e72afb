"""The catalogue: what is shipped, and a city's own beside it."""

from pathlib import Path

import pytest

from device_profiles import catalogue
from toml_files import TomlFileError

GAUGE = (catalogue.SHIPPED / "water_gauge.toml").read_text()


def test_every_shipped_file_is_a_profile() -> None:
    """By its own name."""
    shipped = catalogue.load_all()
    assert set(shipped) == {path.stem for path in catalogue.SHIPPED.glob("*.toml")}
    assert "wt901c485" in shipped


def test_a_citys_profile_replaces_the_shipped_one_and_adds_others(tmp_path: Path) -> None:
    """The later folder wins."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, vendor in ((first, "one"), (second, "two")):
        folder.mkdir()
        (folder / "water_gauge.toml").write_text(GAUGE.replace('"generic"', f'"{vendor}"'))
    (first / "own.toml").write_text(GAUGE.replace('"water_gauge"', '"own"'))
    profiles = catalogue.load_all([first, second])
    assert profiles["water_gauge"].vendor == "two"
    assert profiles["own"].vendor == "generic"
    assert set(profiles) == set(catalogue.load_all()) | {"own"}
    assert catalogue.load_all([second, first])["water_gauge"].vendor == "one"


def test_a_file_that_changed_is_read_anew_and_one_that_did_not_is_not(tmp_path: Path) -> None:
    """Even where its size and its time are the same; and a mistake is told each time."""
    path = tmp_path / "water_gauge.toml"
    path.write_text(GAUGE.replace('"generic"', '"one"'))
    profile = catalogue.load(path)
    assert (profile.vendor, catalogue.load(path) is profile) == ("one", True)
    path.write_text(GAUGE.replace('"generic"', '"two"'))
    assert catalogue.load(path).vendor == "two"
    path.write_text("x = ")
    for _ in range(2):
        with pytest.raises(TomlFileError):
            catalogue.load(path)


def test_mistakes_of_several_files_are_told_together(tmp_path: Path) -> None:
    """With the file's path in front."""
    (tmp_path / "a.toml").write_text("x = ")
    (tmp_path / "b.toml").write_text(GAUGE)
    with pytest.raises(TomlFileError) as caught:
        catalogue.load_all([tmp_path])
    first, second = str(caught.value).split("\n")
    assert first.startswith(f"{tmp_path}/a.toml:1: not valid TOML")
    assert second == (
        f"{tmp_path}/b.toml:3: id: 'water_gauge' is not the file's name; write id = \"b\" or rename the file"
    )


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A slip of the pen in the settings must not silently mean no profiles."""
    with pytest.raises(TomlFileError, match="profils: is no folder; name the folder of the profiles"):
        catalogue.load_all([tmp_path / "profils"])


def test_a_folder_with_too_many_files_is_told(tmp_path: Path) -> None:
    """Somebody has named the wrong folder."""
    for index in range(catalogue.PROFILES_MAX):
        (tmp_path / f"{index}.toml").touch()
    with pytest.raises(TomlFileError, match="keep at most 2000"):
        catalogue.load_all([tmp_path])
