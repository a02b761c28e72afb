"""The demo's lamps: a plan for the coming minute whatever the hour, and levels held against its preview."""

import datetime as dt
import json
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import pytest
from typer.testing import CliRunner

from gengfu.commands.lamps import app
from gengfu.demo.lamps import SETTLE_MS, Checks, Look, plan_values
from lighting import checking, nights

TEMPLATE = (Path(str(files("gengfu.demo"))) / "files" / "lamp-plan.toml").read_text()
MORNING = dt.datetime(2027, 1, 15, 7, 59, 55, 400_000, dt.UTC)
LIT_MS = 1_800_000_007_000
"""12 s after that morning, whole seconds."""


def previewed(folder: Path) -> list[dict[str, Any]]:
    """Return what the preview says of the demo's plan of that morning."""
    (folder / "plan.toml").write_text(Template(TEMPLATE).substitute(plan_values(MORNING)))
    told = CliRunner().invoke(
        app, ["preview", str(folder / "plan.toml"), "--json", "--nights", "1", "--from", "2027-01-15"]
    )
    assert told.exit_code == 0, told.output
    found: list[dict[str, Any]] = json.loads(told.stdout)
    return found


@pytest.mark.parametrize("hour", range(24))
def test_at_every_hour_the_plan_is_sound_and_it_is_evening_in_its_zone(hour: int, tmp_path: Path) -> None:
    """Its night neither begins nor ends within the demo, and its times are those that were meant."""
    now = MORNING.replace(hour=hour)
    path = tmp_path / "plan.toml"
    path.write_text(Template(TEMPLATE).substitute(plan_values(now)))
    plan = checking.load(path)
    local = now.astimezone(nights.zone(plan.time_zone))
    assert local.hour == 20
    lit = plan.program_of["main-road"].fixed_time_controls[0].start_time
    assert lit == (local + dt.timedelta(seconds=12)).time().replace(microsecond=0)


def seen(checks: Checks, at_s: float, level: int, lamp: str = "lamp-11") -> tuple[int, int]:
    """Let lighting-1 give a level some time after its lamps are to be lit; return checks and deviations."""
    checks.look("lighting-1", Look(LIT_MS + round(at_s * 1000), {lamp: level}))
    return checks.done, checks.deviated


def test_a_lamp_that_gives_another_level_than_its_preview_is_a_deviation(tmp_path: Path) -> None:
    """About a switch point nothing is said; a moment counts once, and the lamp that is to fail never."""
    checks = Checks(previewed(tmp_path), "lighting-1/lamp-14")
    checks.in_force("lighting-1", LIT_MS - SETTLE_MS - 5_000)
    assert seen(checks, -3, 0) == (1, 0)
    assert seen(checks, -3, 0) == (1, 0)
    assert seen(checks, 5, 0) == (1, 0)
    assert seen(checks, 11, 100) == (2, 0)
    assert seen(checks, 12, 50) == (3, 1)
    assert seen(checks, 21, 100) == (3, 1)
    assert seen(checks, 31, 50) == (4, 1)
    assert seen(checks, 32, 0, "lamp-14") == (4, 1)
    assert checks.deviations == ["lighting-1/lamp-11 08:00:19 UTC: 50 % ≠ 100 %"]


def test_a_cabinet_without_the_plan_is_not_held_against_it(tmp_path: Path) -> None:
    """Nor while it brings its lamps to what is due, just after it got the plan."""
    checks = Checks(previewed(tmp_path), "")
    assert seen(checks, 12, 0) == (0, 0)
    checks.in_force("lighting-1", LIT_MS + 5_000)
    assert seen(checks, 14, 0) == (0, 0)
    checks.in_force("lighting-1", LIT_MS + 14_000)
    assert seen(checks, 16, 0) == (1, 1)
