"""``gengfu lamps export`` and ``import``: plans go to TALQ's JSON and come back, through files."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gengfu.commands.lamps import app
from lighting.checking import as_file, load, parsed
from tests.gengfu.operators import ENGLISH
from tests.lighting.talq_schemas import VARIABLE, Schemas
from tests.lighting.test_talq import EXAMPLES, KINDS, by_chance, facts_of, foreign, lamps, year
from toml_files import TomlFile, TomlFileError

FRAME = """
schema = 1
name = "foreign"
place = { latitude_deg = 30.0, longitude_deg = 104.0 }

[[cabinets]]
gateway = "north"
lamps = ["lamp-{1-2}"]

[talq_addresses]
"4EB333B9-1/fLampActuator" = "north/lamp-1"
"4EB333B9-2/fLampActuator" = "north/lamp-2"
"""


def ran(*words: str | Path) -> Result:
    """Run ``gengfu lamps``."""
    return CliRunner().invoke(app, list(map(str, words)), env=ENGLISH)


def done(*words: str | Path) -> Result:
    """Run what must succeed."""
    result = ran(*words)
    assert result.exit_code == 0, result.output
    return result


def refused(*words: str | Path) -> str:
    """Return what a refusal says."""
    result = ran(*words)
    assert result.exit_code == 1
    return result.stderr


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_comes_back_as_it_went_through_files(path: Path, tmp_path: Path) -> None:
    """A year of steps and the same lamps; exported again it is the same file."""
    there, back, again = (tmp_path / name for name in ("talq.json", "plan.toml", "again.json"))
    assert done("export", path, "--output", there).stdout == f"{there}: {there.stat().st_size} bytes\n"
    assert done("import", there, "--output", back).stderr == ""
    before, after = load(path), load(back)
    assert year(after, facts_of(before)) == year(before, facts_of(before))
    assert lamps(after) == lamps(before)
    done("export", back, "--output", again)
    assert again.read_bytes() == done("export", back).stdout_bytes


@pytest.mark.skipif(Schemas.path() is None, reason=f"{VARIABLE} names no file with TALQ's schemas")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_file_that_is_written_validates_against_the_published_schemas(path: Path) -> None:
    """As whoever takes it will read it; without a list that it needs an object does not."""
    given = Schemas.path()
    assert given is not None
    schemas, data = Schemas(given), json.loads(done("export", path).stdout)
    for table, name in (KINDS | {"assignCommands": "AssignCommand", "services": "Service"}).items():
        for row in data[table]:
            assert schemas.problems(row, name) == []
    assert schemas.problems(data["calendars"][0] | {"rules": None}, "Calendar")


def test_a_plan_as_a_file_reads_back_equal() -> None:
    """Every example, and plans by chance."""
    for plan in [*map(load, EXAMPLES), *by_chance(15)]:
        text = as_file(plan)
        assert parsed(TomlFile(text, "plan.toml")) == plan
        assert max(map(len, text.splitlines())) < 260


def test_another_system_s_objects_need_a_frame_and_say_what_was_left_out(tmp_path: Path) -> None:
    """The frame's addresses make them lamps of ours."""
    theirs, frame, plan = tmp_path / "theirs.json", tmp_path / "frame.toml", tmp_path / "plan.toml"
    theirs.write_text(json.dumps(foreign()))
    said = refused("import", theirs)
    assert f"{theirs}: x-gengfu-plan: nothing says the plan's cabinets; give it with a frame, --frame" in said
    frame.write_text(FRAME.replace("latitude_deg", "latitude"))
    with pytest.raises(TomlFileError, match=r"frame\.toml:4: place\.latitude: is not a key"):
        CliRunner().invoke(app, ["import", str(theirs), "--frame", str(frame)], catch_exceptions=False)
    frame.write_text(FRAME)
    result = done("import", theirs, "--frame", frame, "--output", plan)
    assert f"{theirs}: calendars[0].id: 'C1' is called 'c1' here\n" in result.stderr
    assert lamps(load(plan)) == {"c1": {"north/lamp-1", "north/lamp-2"}}


def test_a_whole_plan_is_a_frame_as_well(tmp_path: Path) -> None:
    """Of which the head alone is taken: lamps keep what TALQ says."""
    there = tmp_path / "talq.json"
    done("export", EXAMPLES[0], "--output", there)
    data = json.loads(there.read_text())
    del data["x-gengfu-plan"]
    there.write_text(json.dumps(data))
    text = done("import", there, "--frame", EXAMPLES[0]).stdout
    back = parsed(TomlFile(text, "plan.toml"))
    assert lamps(back) == lamps(load(EXAMPLES[0]))
    assert back.name == load(EXAMPLES[0]).name


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    """Unless somebody says so; a refusal leaves nothing behind."""
    there = tmp_path / "plan.toml"
    there.write_text("mine")
    done("export", EXAMPLES[0], "--output", tmp_path / "talq.json")
    for command, file in ("export", EXAMPLES[0]), ("import", tmp_path / "talq.json"):
        said = refused(command, file, "--output", there)
        assert said == f"{there}: is there already; name another file, or say --replace\n"
        assert there.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plan.toml", "talq.json"]
    done("import", tmp_path / "talq.json", "--output", there, "--force")
    assert load(there).name == load(EXAMPLES[0]).name


BROKEN: list[tuple[Any, str]] = [
    ("{", "not valid JSON: "),
    ([], "must be an object with services, controlPrograms"),
    (
        foreign() | {"services": [{"name": "ControlService"}]},
        "services[0]: days go from midnight to midnight",
    ),
    (foreign() | {"calendars": "none"}, "calendars: is no list; write [ … ]"),
]


@pytest.mark.parametrize(("data", "said"), BROKEN)
def test_what_is_wrong_is_told_with_file_member_and_remedy(data: Any, said: str, tmp_path: Path) -> None:
    """And no plan is written."""
    theirs, plan = tmp_path / "theirs.json", tmp_path / "plan.toml"
    theirs.write_text(data if isinstance(data, str) else json.dumps(data))
    assert f"{theirs}: {said}" in refused("import", theirs, "--output", plan)
    assert not plan.exists()


def test_a_file_that_is_not_there_is_told() -> None:
    """With what to do."""
    assert refused("import", "/nowhere/x.json") == (
        "/nowhere/x.json: cannot be read: no such file or directory; check the path and its permissions\n"
    )
