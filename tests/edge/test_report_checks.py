"""Mistakes in report policies and byte budget are told with what and remedy; what is forgotten is noted."""

# ruff: noqa: E501 - a table of mistakes reads best with one a line

from pathlib import Path

import pytest

from edge import checks
from tests.edge.test_checks import TEXT, broken, line_of

MEAN = 'points = ["pm10", "pm2_5"]'
CHANGE = 'points = ["temperature", "humidity"]'
RELAY = '[[devices]]\nname = "main-pressure"'
RELAY_REPORT = '[[devices.report]]\npoints = ["relay_1"]\n'


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (MEAN, 'points = ["pm10", "pm25"]', "devices[0].report[0].points[1]: station has no point 'pm25'; it has "),
        (CHANGE, 'points = ["temperature", "pm10"]', "devices[0].report[1].points[1]: point 'pm10' has a policy already; remove it here or there"),
        (CHANGE, 'points = ["temperature", "temperature"]', "devices[0].report[1].points[1]: point 'temperature' has a policy already"),
        ("interval_s = 300\n", "interval_s = 2\n", "devices[0].report[0].interval_s: means over 2 s, and station is read every 5 s only; more than 5"),
        ("longest_s = 1800", "longest_s = 3", "devices[0].report[1].longest_s: longest_s is 3, and station is read every 5 s; 5 at least"),
        ("longest_s = 1800", "longest_s = 60\nshortest_s = 90", "devices[0].report[1]: longest_s is less than shortest_s; give 90 at least"),
        ("interval_s = 300\n", "interval_s = 300\ndeadband = 1\n", "devices[0].report[0]: deadband is of mode \"on_change\" only; remove it"),
        ('mode = "mean"', 'mode = "average"', "devices[0].report[0].mode: must be 'every', 'on_change' or 'mean'; 'average' was given"),
        ("deadband = 0.5", "deadband = -0.5", "devices[0].report[1].deadband: must be at least 0"),
        (RELAY, RELAY_REPORT + 'mode = "on_change"\ndeadband = 1\n' + RELAY, "devices[1].report[0].points[0]: 'relay_1' is a switch: it has no deadband; give it a policy of its own"),
        (RELAY, RELAY_REPORT + 'mode = "mean"\n' + RELAY, "devices[1].report[0].points[0]: 'relay_1' is a switch: it has no mean"),
        (RELAY, "[[devices.report]]\n[[devices.report]]\n" + RELAY, "devices[1].report[1].points: a second policy without points; name its points"),
        ('# mode = "every"', 'mode = "mean"\ninterval_s = 1\n# ', "report.interval_s: means over 1 s, and "),
        ("# monthly_bytes_max = 0 ", "monthly_bytes_max = 1000 ", "monthly_bytes_max = 1000 carries next to nothing; give 1048576 at least, or 0"),
        ("# utc_offset_min = 480", "utc_offset_min = 900", "utc_offset_min: must be at most 840"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_with_what_and_remedy(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """Once each, and nothing that only follows from it."""
    [told] = broken(tmp_path, old, new)
    assert expected in told


def test_the_line_of_a_mistake_is_told(tmp_path: Path) -> None:
    """Where the technician has to look."""
    [told] = broken(tmp_path, MEAN, 'points = ["pm10", "pm25"]')
    assert told.startswith(f"{line_of(MEAN)}:")


def noted(tmp_path: Path, *changes: tuple[str, str]) -> list[str]:
    """Return what is noted of the example with the changes made."""
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    file = tmp_path / "edge.toml"
    file.write_text(text)
    return [note for note in checks.notes(*checks.load(file)) if "factory" not in note]


def test_the_example_needs_no_note(tmp_path: Path) -> None:
    """Its deadbands and its missing budget are in order."""
    assert noted(tmp_path) == []


def test_a_deadband_wider_than_an_alarm_s_is_noted(tmp_path: Path) -> None:
    """The alarm sees every reading; whoever looks at the curve does not."""
    report = 'title = "Water main, Hongqi Road"\npart = "5001030132000007"\n[[devices.report]]\npoints = ["pressure"]\nmode = "on_change"\ndeadband = 5\n'
    title = 'title = "Water main, Hongqi Road"\npart = "5001030132000007"\n'
    [note] = noted(tmp_path, (title, report), ("# deadband = 0                        #", "deadband = 3 #"))
    assert note.startswith(
        "main-pressure/pressure: the deadband of its report, 5, is more than that of alarm burst, 3"
    )
    assert (
        noted(tmp_path, (title, report), ("# deadband = 0                        #", "deadband = 6 #")) == []
    )


def test_what_eats_the_budget_by_itself_is_noted(tmp_path: Path) -> None:
    """Keepalive and small batches cost more than samples on a small SIM."""
    budget = ("# monthly_bytes_max = 0 ", "monthly_bytes_max = 30_000_000 ")
    keepalive, flush = noted(tmp_path, budget)
    assert keepalive.startswith("keepalive_s = 30 costs up to 18 MB a month by itself, of 30 MB")
    assert flush.startswith("flush_interval_s = 5 costs up to 233 MB a month by itself, of 30 MB")
    frugal = [
        ("# keepalive_s = 30 ", "keepalive_s = 300 "),
        ("# flush_interval_s = 5 ", "flush_interval_s = 600 "),
    ]
    assert noted(tmp_path, budget, *frugal) == []
