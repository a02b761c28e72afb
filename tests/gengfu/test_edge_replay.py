"""``gengfu edge check SETTINGS --against RECORDING``, as people and scripts see it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge.settings import EXAMPLE
from gengfu.commands.edge import app

START_MS = 1_800_000_000_000


def recording(folder: Path, *more: str) -> Path:
    """Write a recording: the main's pressure falls for ten minutes; the last rows are ``more``."""
    rows = [
        json.dumps(
            {
                "time_ms": START_MS + at_s * 1000,
                "device": "main-pressure",
                "point": "pressure",
                "value": 90 if 600 <= at_s < 1200 else 280,
                "quality": "good",
            }
        )
        for at_s in range(0, 1800, 5)
    ]
    file = folder / "recording.jsonl"
    file.write_text("\n".join([*rows, *more]) + "\n")
    return file


def test_it_shows_what_would_have_happened(tmp_path: Path) -> None:
    """Counts by rule, then each with its local time."""
    done = CliRunner().invoke(app, ["check", str(EXAMPLE), "--against", str(recording(tmp_path))])
    assert done.exit_code == 0, done.output
    assert "360 samples of points that rules look at, 0 of others" in done.output
    assert "01-15 16:10:00" in done.output
    assert "raised low" in done.output
    assert "01-15 16:20:00" in done.output


def test_scripts_get_json(tmp_path: Path) -> None:
    """Counts, the first events in full, and how many more."""
    words = ["check", str(EXAMPLE), "--against", str(recording(tmp_path)), "--json", "--first", "1"]
    done = CliRunner().invoke(app, words)
    told = json.loads(done.stdout)
    assert told["rules"] == {"burst": {"raised": 1, "cleared": 1}}
    assert [each["time_ms"] for each in told["first"]] == [START_MS + 600_000]
    assert (told["samples"], told["more"], told["bad_rows"]) == (360, 1, 0)


def test_bad_rows_are_told_by_file_and_line(tmp_path: Path) -> None:
    """A recording that is not what it should be proves nothing: the exit code says so."""
    late = json.dumps({"time_ms": START_MS, "device": "main-pressure", "point": "pressure", "value": 1})
    file = recording(tmp_path, "not a row", late)
    done = CliRunner().invoke(app, ["check", str(EXAMPLE), "--against", str(file)])
    assert done.exit_code == 1
    assert f"{file}:361: no JSON object" in done.output
    assert f"{file}:362: 1795000 ms earlier than the row before it" in done.output
    assert "2 rows passed over" in done.output


def test_a_recording_that_is_not_there_is_told(tmp_path: Path) -> None:
    """In a sentence."""
    done = CliRunner().invoke(app, ["check", str(EXAMPLE), "--against", str(tmp_path / "none.csv")])
    assert done.exit_code == 1
    assert "none.csv: cannot be read: no such file or directory" in done.output


def test_it_speaks_chinese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the terminal does."""
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    done = CliRunner().invoke(app, ["check", str(EXAMPLE), "--against", str(recording(tmp_path))])
    assert "报警 low" in done.output


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    """A line without an end is passed over without being held."""
    file = recording(tmp_path)
    with file.open("a") as more:
        more.write('{"time_ms": ' + " " * 3_000_000 + "\n")
    done = CliRunner().invoke(app, ["check", str(EXAMPLE), "--against", str(file), "--json"])
    told = json.loads(done.stdout)
    assert [row["line"] for row in told["bad"]] == [361]
    assert "longer than" in told["bad"][0]["what"]
