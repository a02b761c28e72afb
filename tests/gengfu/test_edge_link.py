"""``gengfu edge link``, as people at a terminal and scripts see it."""

import json
import time
from pathlib import Path

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from edge import link_report
from edge.link_report import Report, Share, Waiting
from gengfu.commands.edge import app
from tests.gengfu.operators import CHINESE, ENGLISH
from tests.gengfu.test_edge_lines import SETTINGS

LONG = "a-very-long-name-of-a-device-of-40-chars"


def place(
    folder: Path,
    *,
    age_s: float = 0,
    scale: int = 1,
    budget: int = 300_000_000,
    held: bool = True,
    clock: bool = True,
) -> Path:
    """Write settings and a report of that age; return the settings' path."""
    (folder / "state").mkdir()
    settings = folder / "edge.toml"
    settings.write_text(SETTINGS)
    now_ms = round((time.time() - age_s) * 1000)
    telemetry = Waiting("telemetry", 112 * scale, 1_234_000 * scale, now_ms - 7_300_000)
    report = Report(
        schema=1,
        gateway="site-1",
        written_ms=now_ms,
        stopped=False,
        broker="10.0.0.1:1883",
        connected_since_ms=None if scale > 1 else now_ms - 3 * 3_600_000,
        last_error="[Errno 111] Connection refused" * (6 if scale > 1 else 1),
        last_error_ms=now_ms - 4 * 3_600_000,
        waiting=[Waiting("events", 0, 0, None), telemetry],
        month="2026-11" if clock else "",
        accrues_by="calendar" if clock else "running_time",
        used_octets=112_300_000 * scale,
        counted_since_ms=now_ms - 10 * 86_400_000,
        monthly_bytes_max=budget,
        available_octets=(-5_000 if held else 12_100_000) if budget else None,
        expected_octets=280_000_000 if budget else None,
        budget_holds=held and budget > 0,
        octets_a_sample=8.314,
        resent_batches=3 * scale,
        devices=[Share("station", 1000, 42), Share(LONG, 10**9 * scale, 10**8 * scale)] if budget else [],
    )  # fmt: skip
    link_report.write(folder / "state", report)
    return settings


def shown(settings: Path, *words: str, env: dict[str, str] = ENGLISH) -> list[str]:
    """Return the lines that the command prints, blanks made single."""
    result = CliRunner().invoke(app, ["link", str(settings), *words], env=env)
    assert result.exit_code == 0, result.output
    assert max(map(cell_len, result.stdout.splitlines())) <= 80 or words
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


def test_connection_backlog_month_and_shares_are_told(tmp_path: Path) -> None:
    """What a technician asks, in this order."""
    told = shown(place(tmp_path))
    assert told[0].startswith("gateway site-1, as of ")
    for line in (
        "broker 10.0.0.1:1883: connected for 3 h",
        "last error, 4 h ago: [Errno 111] Connection refused",
        "waiting batches bytes oldest",
        "events 0 0 B -",
        "telemetry 112 1.2 MB 2 h ago",
        "2026-11: 112.3 MB used of 300.0 MB",
        "5.0 kB more than accrued so far, by alarms and the link itself",
        "expected at the month's end: 280.0 MB",
        "telemetry waits in the buffer for the budget; alarms go on",
        "8.31 bytes a sample in batches, 3 batches sent again",
        "device measured reported share %",
        "station 1000 42 4.2",
    ):
        assert line in told, told


def test_people_read_it_in_chinese(tmp_path: Path) -> None:
    """By the terminal's language."""
    told = shown(place(tmp_path, held=False), env=CHINESE)
    assert told[0].startswith("网关 site-1，截至 ")
    for line in (
        "消息代理 10.0.0.1:1883：已连接 3 小时",
        "遥测 112 1.2 MB 2 小时前",
        "2026-11：已用 112.3 MB，共 300.0 MB",
        "当前可用 12.1 MB",
        "设备 测得 上报 占比 %",
    ):
        assert line in told, told


def test_by_which_clock_the_budget_accrues_is_told(tmp_path: Path) -> None:
    """A technician who waits for telemetry has to know that it is the time that lacks."""
    assert "the budget accrues by the calendar month" in shown(place(tmp_path))
    without = tmp_path / "without"
    without.mkdir()
    told = shown(place(without, clock=False))
    assert "the clock is not set: the budget accrues by running time, at a month's rate" in told
    assert "last 31 days of running: 112.3 MB used of 300.0 MB" in told


def test_without_budget_and_policies_that_is_said(tmp_path: Path) -> None:
    """So that people know that there could be."""
    told = shown(place(tmp_path, budget=0))
    assert "2026-11: 112.3 MB used, no budget (monthly_bytes_max = 0)" in told
    assert "expected at the month's end: not known yet" in told
    assert "no report policies: every reading is sent" in told


@pytest.mark.parametrize("env", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_the_widest_figures_fit_eighty_columns(tmp_path: Path, env: dict[str, str]) -> None:
    """A year's backlog, terabytes, the longest names."""
    told = " ".join(shown(place(tmp_path, scale=9999), env=env))
    assert "…" not in told
    for whole in ("1119888", "12.3 GB", "1.1 TB", "29997", "9999000000000"):
        assert whole in told


def test_scripts_get_all_of_it(tmp_path: Path) -> None:
    """With its age, and whether it is current."""
    data = json.loads(shown(place(tmp_path), "--json")[0])
    assert data["current"]
    assert data["waiting"][1]["batches"] == 112
    assert (data["used_octets"], data["monthly_bytes_max"]) == (112_300_000, 300_000_000)
    assert data["devices"][0] == {"device": "station", "measured": 1000, "reported": 42}
    assert not json.loads(shown(place_again(tmp_path), "--json")[0])["current"]


def place_again(folder: Path) -> Path:
    """Return settings beside an old report."""
    old = folder / "old"
    old.mkdir()
    return place(old, age_s=300)


def test_without_a_report_it_says_what_to_do(tmp_path: Path) -> None:
    """And exits non-zero."""
    settings = tmp_path / "edge.toml"
    settings.write_text(SETTINGS)
    result = CliRunner().invoke(app, ["link", str(settings)], env=ENGLISH)
    assert result.exit_code == 1
    assert "link.json is not there" in result.stderr
    assert "start it with `gengfu edge run`" in result.stderr


def test_the_largest_gateway_s_report_is_within_the_limit(tmp_path: Path) -> None:
    """A thousand devices of the longest names."""
    place(tmp_path)
    report = link_report.read(tmp_path / "state")
    many = [Share("d" * 64, 10**12, 10**12)] * 1000
    link_report.write(
        tmp_path / "state",
        Report(**{**{f: getattr(report, f) for f in report.__struct_fields__}, "devices": many}),
    )
    assert len(link_report.read(tmp_path / "state").devices) == 1000
    assert (tmp_path / "state" / "link.json").stat().st_size < link_report.FILE_BYTES_MAX / 2
