"""``gengfu lamps report`` and ``nights`` against a centre that runs."""

import asyncio
import csv
import datetime as dt
import http.server
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner, Result

from collector.lamps.views import night_view
from contract.events import LampChange
from gengfu import night_picture
from gengfu.commands.lamps import app
from tests.collector.lamps.making import HOUR_MS, ZONE, night, nightly, noon_ms
from tests.collector.lamps.test_api import fill
from tests.collector.making import Clock, given, projected, settings, standing
from tests.gengfu.operators import CHINESE, ENGLISH

MONTH = ("--month", "2025-11")
"""Long over, so that last night is not in it."""


def yesterday() -> str:
    """Return the last night that is over, as the command takes it."""
    now = dt.datetime.now(dt.timezone(dt.timedelta(hours=8)))
    return str((now - dt.timedelta(hours=12)).date() - dt.timedelta(days=1))


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a centre of its own process that was told of the month counted by hand, and of last night."""
    folder = tmp_path_factory.mktemp("centre")
    loaded = settings(folder, limits="lamp_nights_retention_days = 36500")
    noon = noon_ms(yesterday())
    with standing(loaded, Clock()) as collector:
        fill(collector, 2025)
        record = night(
            1,
            "lamp-3",
            yesterday(),
            planned=[LampChange(noon, 0, "program"), LampChange(noon + 6 * HOUR_MS, 100, "program")],
            commanded=[LampChange(noon + 6 * HOUR_MS, 100, "program")],
            measured=[LampChange(noon + 8 * HOUR_MS, 60, "measured")],
            failures=["dimming_failure"],
            dark_s=7200,
            lit_s=28_800,
        )
        given(collector, [nightly(1, record, gateway="gw-8")])
        asyncio.run(projected(collector))
    run = [
        sys.executable,
        "-m",
        "gengfu.main",
        "collector",
        "run",
        "--settings",
        str(folder / "collector.toml"),
    ]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0


def typed(*words: str, env: dict[str, str] = ENGLISH) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(app, words, env=env | {"COLUMNS": "80"})


def shown(*words: str, env: dict[str, str] = ENGLISH) -> list[str]:
    """Return the lines that the command prints, which fit into 80 columns."""
    result = typed(*words, env=env)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(map(cell_len, lines)) <= 80
    return [" ".join(line.split()) for line in lines]


def refused(*words: str) -> str:
    """Return what the command says of what is in its way."""
    result = typed(*words)
    assert result.exit_code == 1
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    return line


def test_the_figures_are_those_counted_by_hand(centre: str) -> None:
    """A short table, whose words follow the terminal's language."""
    lines = shown("report", *MONTH, "--url", centre)
    assert lines[0] == "lamps of north, 2025-11-01 to 2025-11-30"
    assert "lit rate 71.43 % 10 of 14 lamp-nights, 1 not seen enough" in lines
    assert "intact rate 86.67 % 13 of 15 lamp-nights" in lines
    assert "failures 2 lamp-nights, lamp failed" in lines
    chinese = shown("report", *MONTH, "--url", centre, env=CHINESE)
    assert chinese[0] == "north 照明，2025-11-01 至 2025-11-30"
    assert "亮灯率 71.43 % 10/14 灯夜，1 灯夜观测不足" in chinese
    assert any(line.startswith("集中控制器在线率") for line in chinese)
    assert any("部件标识码" in line for line in chinese)
    assert not [line for line in chinese if "rate" in line or "lamp failed" in line]


def test_a_file_is_written_whole_and_never_over_another_unasked(centre: str, tmp_path: Path) -> None:
    """Its form is told by its name; nothing else is left in the folder."""
    for name, begins in (("a.csv", "\ufeffnight,gateway"), ("a.html", "<!doctype html>"), ("a.json", "{")):
        path = tmp_path / name
        assert "bytes" in typed("report", *MONTH, "--url", centre, "--output", str(path)).stdout
        assert path.read_text().startswith(begins)
    before = (tmp_path / "a.csv").read_bytes()
    said = refused("report", *MONTH, "--url", centre, "--output", str(tmp_path / "a.csv"))
    assert said == f"{tmp_path}/a.csv: is there already; name another file, or say --replace"
    assert (
        typed(
            "report", "--month", "2026-01", "--url", centre, "--output", str(tmp_path / "a.csv"), "--replace"
        ).exit_code
        == 0
    )
    assert len((tmp_path / "a.csv").read_bytes()) < len(before)
    assert "no such file" in refused(
        "report", *MONTH, "--url", centre, "--output", str(tmp_path / "no" / "a.csv")
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.html", "a.json"]


def test_a_pipe_gets_the_report_as_the_real_command_writes_it(centre: str) -> None:
    """Every lamp and night of the CSV, as the operator types it."""
    command = [
        sys.executable,
        "-m",
        "gengfu.main",
        "lamps",
        "report",
        *MONTH,
        "--format",
        "csv",
        "--url",
        centre,
    ]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True, env=os.environ | ENGLISH)
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode("utf-8-sig"))))
    assert len(rows) == 15
    assert sum(row["lit"] == "1" for row in rows) == 10
    told = json.loads(typed("report", *MONTH, "--url", centre, "--json").stdout)
    assert told["figures"]["records"] == len(rows)


def test_a_night_is_drawn_in_three_rows(centre: str) -> None:
    """Planned from noon on, commanded at six, measured at eight and dimmer; a night before has no record."""
    result = typed("nights", "--lamp", "gw-8/lamp-3", "--last", "2", "--url", centre)
    lines = result.stdout.splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert lines[0] == "gw-8/lamp-3"
    assert lines[2].endswith("no record")
    told = " ".join(" ".join(lines[3:-4]).split())
    assert "plan 3, lit 8 h 00 min of 10 h 00 min, seen dark 2 h 00 min, 0.70 kWh, dimming failed" in told
    assert lines[-4] == "plan    " + " " * 18 + "█" * 54
    assert lines[-3] == "command " + "·" * 18 + "█" * 54
    assert lines[-2] == "seen    " + "·" * 24 + "▒" * 48
    chinese = typed("nights", "--lamp", "gw-8/lamp-3", "--last", "2", "--url", centre, env=CHINESE).stdout
    assert "计划    " in chinese
    assert "无记录" in chinese
    assert max(map(cell_len, chinese.splitlines())) <= 80


def test_after_a_record_was_told_nobody_knows() -> None:
    """A gateway that was taken away at midnight: what it was to do is known, what the lamp did is not."""
    noon = noon_ms("2026-11-05")
    on = LampChange(noon, 100, "program")
    told = night(1, "lamp-1", "2026-11-05", time_ms=noon + 12 * HOUR_MS, planned=[on], commanded=[on])
    view = night_view("gw-1", told, ZONE)
    assert night_picture.row(view, view.planned) == "█" * 72
    assert night_picture.row(view, view.commanded) == "█" * 36 + "·" * 36
    assert night_picture.row(view, view.measured) == "·" * 72


def test_nights_as_json_are_what_the_centre_tells(centre: str) -> None:
    """For scripts."""
    [item] = json.loads(typed("nights", "--lamp", "gw-8/lamp-3", "--url", centre, "--json").stdout)
    assert (item["night"], item["lit"], item["measured"][0]["level"]) == (yesterday(), False, 60)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("report", *MONTH, "--url", "http://127.0.0.1:1"), "http://127.0.0.1:1: no centre answers there"),
        (("report", *MONTH, "--url", "somewhere"), "somewhere: request url is missing"),
        (("report", *MONTH, "--output", "report.pdf"), "--output: the name report.pdf does not say"),
        (("report", *MONTH, "--json", "--format", "csv"), "--json and --format csv cannot both be"),
        (("nights", "--lamp", "lamp-3"), "--lamp: 'lamp-3' is no lamp's address; write the cabinet"),
        (("nights", "--lamp", "a/lamp-3", "--url", "http://x:y"), "http://x:y: is no address"),
    ],
)
def test_what_is_in_the_way_is_one_sentence(words: tuple[str, ...], said: str) -> None:
    """And exit code 1."""
    assert refused(*words).startswith(said)


def test_what_the_centre_refuses_is_told_in_its_words(centre: str) -> None:
    """As it stands in the answer."""
    assert refused("report", "--month", "1969-11", "--url", centre).endswith(
        "refuses: month: there is no 1969-11; write it as 2026-11"
    )


class _Odd(http.server.BaseHTTPRequestHandler):
    """Answers as its server's ``says`` has it, and then goes, whatever length it announced."""

    def do_GET(self) -> None:
        """Answer."""
        status, length, body = self.server.says  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def odd_server(status: int, body: bytes, length: int = -1) -> Iterator[str]:
    """Serve one answer to everybody."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Odd) as server:
        server.says = status, len(body) if length < 0 else length, body  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<html>", "answers no JSON: is that a centre?"),
        (200, b"{}", "answers no report; is it a centre of this version?"),
        (404, b"nothing here", "refuses: 404 Not Found; is that a centre of this version?"),
        (
            503,
            b'{"detail": "2 reports are being made; try again in a moment"}',
            "refuses: 2 reports are being made",
        ),
    ],
)
def test_whoever_answers_something_else_is_told(status: int, body: bytes, said: str) -> None:
    """A proxy, an older centre, a busy one."""
    with odd_server(status, body) as url:
        assert said in refused("report", *MONTH, "--url", url)


def test_an_answer_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    """Half a month looks like a good one."""
    path = tmp_path / "a.csv"
    with odd_server(200, b"night,gateway\r\n", length=10_000) as url:
        assert "try again" in refused("report", *MONTH, "--url", url, "--output", str(path))
    assert list(tmp_path.iterdir()) == []
