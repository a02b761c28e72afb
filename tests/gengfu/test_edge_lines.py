"""``gengfu edge lines``, as people at a terminal and scripts see it."""

import json
import time
from pathlib import Path

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from edge import line_report
from edge.line_report import DeviceReport, LineReport, Report, State
from edge.lines.listening import Seen
from gengfu.commands.edge import app
from tests.gengfu.operators import CHINESE, ENGLISH

SETTINGS = """
schema = 1
district = "north"
gateway = "site-1"

[broker]
host = "127.0.0.1"

[[lines]]
kind = "tcp"
name = "meters"
host = "127.0.0.1"

[[devices]]
name = "meter"
line = "meters"
profile = "water_gauge"
"""


SEEN = Seen(echo=True, stray_bytes=12, foreign_requests=3)


def device(
    name: str = "station",
    state: State = "ok",
    error: str = "",
    absent: tuple[str, ...] = (),
    scale: float = 1,
) -> DeviceReport:
    """Return what is told of a device; ``scale`` makes its numbers long."""
    now_ms = time.time_ns() // 1_000_000
    return DeviceReport(
        name, 1, state, 5 * scale, 5.004 * scale, 5.31 * scale, 0.034, 0.023, 0.2, 2, int(3 * scale), error,
        now_ms - 240_000, list(absent), len(absent) + (2 if absent else 0),
    )  # fmt: skip


def place(folder: Path, *devices: DeviceReport, age_s: float = 0, stopped: bool = False) -> Path:
    """Write settings and a report of that age; return the settings' path."""
    (folder / "state").mkdir()
    settings = folder / "edge.toml"
    settings.write_text(SETTINGS)
    written_ms = round((time.time() - age_s) * 1000)
    lines = [
        LineReport("rs485-1", 0.34, SEEN, list(devices)),
        LineReport("meters", 0, None, [device("main")]),
    ]
    line_report.write(folder / "state", Report(1, "site-1", written_ms, 300, stopped, lines))
    return settings


def shown(settings: Path, *words: str, env: dict[str, str] = ENGLISH) -> str:
    """Return what the command prints."""
    result = CliRunner().invoke(app, ["lines", str(settings), *words], env=env)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_each_line_has_a_table_with_what_was_asked_and_what_came(tmp_path: Path) -> None:
    """Pace, share, answers, and what went wrong how long ago."""
    told = shown(place(tmp_path, device(error="timeout"), device("meter", "no_line", absent=("pm10", "tsp"))))
    lines = [" ".join(line.split()) for line in told.splitlines()]
    assert "rs485-1: 34.0 % of the last 5 min in use, 12 stray bytes" in lines
    assert "another master has asked on this bus 3 times; there must be only one" in lines
    assert "the adapter hands our own requests back; they are passed over" in lines
    assert "meters: 0.0 % of the last 5 min in use" in lines
    assert any(line.startswith("station 1 ok 5.00 5.00 5.31 3.4 23 3 timeout, 4") for line in lines)
    assert any(line.startswith("meter 1 no line 5.00") for line in lines)
    assert "meter does not have: pm10, tsp and 2 more" in lines


def test_all_of_it_is_told_in_chinese_too(tmp_path: Path) -> None:
    """But for errors, whose names are those that the centre shows."""
    told = shown(
        place(tmp_path, device(error="timeout"), device("meter", "no_line", absent=("pm10", "tsp"))),
        env=CHINESE,
    )
    lines = [" ".join(line.split()) for line in told.splitlines()]
    assert lines[0].startswith("网关 site-1，截至 ")
    assert "rs485-1：最近 5 分钟占用 34.0 %，杂散字节 12" in lines
    assert "总线上另有主站问询 3 次；只允许一个主站" in lines
    assert "转换器回送本机请求，已忽略" in lines
    assert any(line.startswith("station 1 正常 5.00 5.00 5.31 3.4 23 3 timeout、4") for line in lines)
    assert any(line.startswith("meter 1 无线路 5.00") for line in lines)
    assert "meter 没有：pm10、tsp 等，另有 2 个" in lines


@pytest.mark.parametrize("env", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_the_widest_figures_fit_eighty_columns(tmp_path: Path, env: dict[str, str]) -> None:
    """Names and errors are broken over lines, numbers and states are not."""
    long = device(
        "a-very-long-name-of-a-device-of-40-chars",
        "unpowered",
        "gateway_target_failed_to_respond",
        scale=17_000,
    )
    told = shown(place(tmp_path, long, device()), env=env)
    assert max(map(cell_len, told.splitlines())) <= 80
    assert "…" not in told
    for whole in ("断电" if env is CHINESE else "unpowered", "85000", "90270", "51000", "respond"):
        assert whole in told


LATE = "the gateway may not be running: it renews these figures every ten seconds"


@pytest.mark.parametrize(
    ("age_s", "stopped", "ago", "warning"),
    [
        (4, False, " s ago", ""),
        (245, False, ", 4 min ago", LATE),
        (7300, False, ", 2 h ago", LATE),
        (245, True, ", 4 min ago", "the gateway was stopped then"),
        (2 * 86_400 + 60, False, ", 2 days ago", LATE),
        (-600, False, "", "that is still to come: this clock or the gateway's was set back"),
    ],
)
def test_it_begins_with_how_old_it_all_is(
    tmp_path: Path, age_s: float, stopped: bool, ago: str, warning: str
) -> None:
    """So that nobody takes last week's figures for now."""
    settings = place(tmp_path, device(), age_s=age_s, stopped=stopped)
    first, second, *_ = shown(settings).splitlines()
    assert first.startswith("gateway site-1, as of ")
    assert first.endswith(ago)
    assert second == warning
    data = json.loads(shown(settings, "--json"))
    assert data["current"] == (age_s == 4)
    assert data["age_s"] == pytest.approx(age_s, abs=30)


def test_scripts_get_all_of_it(tmp_path: Path) -> None:
    """What the table has no room for, too."""
    data = json.loads(shown(place(tmp_path, device(absent=("pm10",))), "--json"))
    [first, _] = data["lines"]
    assert first["seen"]["stray_bytes"] == 12
    assert first["devices"][0] == {
        "device": "station", "unit_id": 1, "state": "ok", "asked_s": 5, "p50_s": 5.004, "p95_s": 5.31,
        "share": 0.034, "answer_s": 0.023, "timeout_s": 0.2, "requests": 2, "timeouts": 3, "last_error": "",
        "last_error_ms": first["devices"][0]["last_error_ms"], "absent_points": ["pm10"], "absent_count": 3,
    }  # fmt: skip


def test_a_gateway_that_never_ran_is_told_so(tmp_path: Path) -> None:
    """And where the file was looked for."""
    settings = tmp_path / "edge.toml"
    settings.write_text(SETTINGS)
    result = CliRunner().invoke(app, ["lines", str(settings)], env=ENGLISH)
    assert result.exit_code == 1
    assert f"{tmp_path}/state/lines.json is not there" in result.stderr
    assert "start it with `gengfu edge run`" in result.stderr


def test_a_report_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """With the remedy, and without a traceback."""
    settings = place(tmp_path, device())
    (tmp_path / "state" / "lines.json").unlink()
    (tmp_path / "state" / "lines.json").mkdir()
    result = CliRunner().invoke(app, ["lines", str(settings)], env=ENGLISH)
    assert result.exit_code == 1
    assert "it is a folder, not a file" in result.stderr
