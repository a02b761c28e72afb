"""``gengfu lamps preview``, as the lighting team sees it."""

import json
from pathlib import Path

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from gengfu.commands.lamps import app
from gengfu.lamp_picture import words
from lighting.addresses import Lamp
from tests.gengfu.operators import CHINESE, ENGLISH

PLAN = Path(__file__).parents[2] / "lighting" / "plan.example.toml"
THURSDAY = ["--from", "2026-12-03"]


def shown(*options: str, env: dict[str, str] = ENGLISH) -> list[str]:
    """Return the lines that the command prints, which fit into 80 columns."""
    result = CliRunner().invoke(app, ["preview", str(PLAN), *options], env=env | {"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(map(cell_len, lines)) <= 80 or "--json" in options
    return [line.rstrip() for line in lines]


def refused(*options: str) -> str:
    """Return what the command says of a mistake."""
    result = CliRunner().invoke(app, ["preview", str(PLAN), *options], env=ENGLISH)
    assert result.exit_code == 1
    return result.stderr


def test_a_night_is_drawn_and_each_change_has_its_reason() -> None:
    """Twenty minutes a column from noon on; the table says when, how bright, and why."""
    lines = shown(*THURSDAY, "--nights", "1", "--lamp", "lighting-1/lamp-1")
    assert lines[3] == "03 Th" + " " * 19 + "█" * 17 + "▒" * 17 + "▓" * 7 + "▒"
    table = [" ".join(line.split()) for line in lines[7:]]
    assert table[0] == "12-03 17:44:28 100 % active period begins: sunset -10 min trunk-road"
    assert "23:30:00 60 % fixed time 23:30 trunk-road" in table
    assert "07:13:03 50 % astronomical: sunrise -20 min trunk-road" in table


def test_where_a_sensor_decides_the_picture_says_so() -> None:
    """Nobody can know beforehand when clouds come."""
    lines = shown(*THURSDAY, "--nights", "1", "--lamp", "side-streets")
    assert lines[3].startswith("03 Th" + " " * 17 + "???▓")
    assert any(" 80 % ?  active period begins: sunset -45 min" in line for line in lines)
    assert "? that level or off, by lux/illuminance" in lines


def test_in_chinese_it_is_chinese_and_as_wide() -> None:
    """Every word but names and units."""
    lines = shown(*THURSDAY, "--nights", "3", env=CHINESE)
    assert "日历 trunk，纬度 29.56，经度 106.55" in lines
    assert any("开灯时段开始：日落 -10 分钟" in line for line in lines)
    assert any("经纬度（天文钟）控制：日出" in line for line in lines)
    assert not [line for line in lines if "sunset" in line or "fixed" in line]


def test_a_condition_shows_what_it_would_do() -> None:
    """Fog keeps the trunk road at full light."""
    plain, foggy = (
        json.loads(shown(*THURSDAY, "--nights", "1", "--lamp", "bridge", "--json", *more)[0])
        for more in ([], ["--condition", "fog"])
    )
    levels = [[step["level"] for step in one[0]["nights"][0]["steps"]] for one in (plain, foggy)]
    assert levels == [[0, 100, 60, 80, 50, 0], [0, 100, 0]]
    assert foggy[0]["nights"][0]["steps"][1]["rule"] == 0


def test_lamps_that_do_the_same_are_shown_once() -> None:
    """Two calendars at two places are four, whatever the number of lamps."""
    found = json.loads(shown(*THURSDAY, "--nights", "1", "--json")[0])
    assert [len(one["lamps"]) for one in found] == [6, 2, 2, 3]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--lamp", "brigde"], "--lamp: there is no group 'brigde'; write one of bridge, side-streets"),
        (["--lamp", "lighting-1/lamp-9"], "the cabinet 'lighting-1' has no lamp 'lamp-9'; write one of"),
        (["--lamp", "lighting-9/lamp-1"], "there is no cabinet 'lighting-9'; write one of lighting-1"),
        (["--condition", "snow"], "--condition: the plan has no condition 'snow'; it has: fog"),
    ],
)
def test_a_wrong_name_is_told_with_those_there_are(options: list[str], said: str) -> None:
    """People mistype."""
    assert said in refused(*options)


def test_numbered_lamps_are_told_as_plans_write_them() -> None:
    """Also with zeros before, also across cabinets."""
    lamps = [Lamp("a", f"lamp-{n:02d}") for n in (8, 9, 10, 12)] + [Lamp("b", "gate"), Lamp("b", "gate-1")]
    assert words(lamps) == "a/lamp-{08-10}, a/lamp-12, b/gate, b/gate-1"


def test_the_example_is_a_plan_that_can_be_previewed(tmp_path: Path) -> None:
    """`gengfu lamps example > plan.toml` is how a plan begins."""
    printed = CliRunner().invoke(app, ["example"])
    assert printed.exit_code == 0
    (tmp_path / "plan.toml").write_text(printed.stdout)
    assert CliRunner().invoke(app, ["preview", str(tmp_path / "plan.toml")]).exit_code == 0
