"""``gengfu edge scan``, ``identify`` and ``doctor`` as a technician runs them: real ptys, a real process."""

import json
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.commissioning.cabinet import Seated, running
from edge import checks
from gengfu.finding_words import CAUSES, SYMPTOMS, TEXTS
from simulators.uart import Format

SEATS = (
    Seated("bus", 1, "sdm630", Format(19_200), named=True),
    Seated("bus", 2, "water_gauge", Format(19_200)),
)
SETTINGS = """# the cabinet at the corner
schema = 1
district = "north"
gateway = "site-1"

[broker]
host = "127.0.0.1"
"""
ONLY = ("--format", "19200-8N1", "--units", "1-2")
ENGLISH = {**os.environ, "LC_ALL": "C.UTF-8"}


@pytest.fixture
def port(tmp_path: Path) -> Iterator[str]:
    """A port with two devices."""
    with running(tmp_path, SEATS) as ports:
        yield ports["bus"]


def gengfu(*arguments: str, env: dict[str, str] = ENGLISH) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-m", "gengfu.main", "edge", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, env=env, check=False)


def test_a_scan_tells_who_is_there_and_how_long_it_took(port: str) -> None:
    """Unit, format, mode; and the time against the least it needs."""
    done = gengfu("scan", port, *ONLY, "--json")
    assert done.returncode == 0, done.stderr
    [told] = json.loads(done.stdout)
    assert [(each["unit_id"], each["baud"]) for each in told["devices"]] == [(1, 19_200), (2, 19_200)]
    assert told["of_minimum"] >= 1
    assert told["outcome"] == "finished"


def test_what_is_certain_is_written_and_the_result_is_examined(port: str, tmp_path: Path) -> None:
    """Two commands from nothing to a line that is known to be well; the comments are the file's own."""
    path = tmp_path / "gateway.toml"
    path.write_text(SETTINGS)
    done = gengfu("identify", port, *ONLY, "--write", str(path), "--yes")
    assert done.returncode == 0, done.stderr
    assert "certain" in done.stdout
    assert '+profile = "sdm630"' in done.stdout
    settings, _ = checks.load(path)
    assert [(each.profile, each.unit_id) for each in settings.devices] == [("sdm630", 1)]
    assert path.read_text().startswith("# the cabinet at the corner\n")
    assert '# profile = "water_gauge"' in path.read_text()
    well = gengfu("doctor", str(path), "--times", "2", "--json")
    assert well.returncode == 0, well.stdout
    assert json.loads(well.stdout)[0]["diagnosis"]["causes"] == []


def test_the_doctor_names_the_speed_that_the_device_has(port: str, tmp_path: Path) -> None:
    """In plain words, with what to try; in the language of the terminal."""
    path = tmp_path / "gateway.toml"
    line = f'[[lines]]\nkind = "serial"\nname = "bus"\nport = "{port}"\nbaud = 9600\n'
    device = '[[devices]]\nname = "meter"\nline = "bus"\nunit_id = 1\nprofile = "sdm630"\n'
    path.write_text(SETTINGS + line + device)
    told = gengfu("doctor", str(path), "--times", "2", env={**ENGLISH, "LC_ALL": "zh_CN.UTF-8"})
    assert told.returncode == 1
    assert "1. 波特率不一致" in told.stdout
    assert "19200 8N1" in told.stdout


def test_a_result_that_would_not_be_sound_is_not_written(port: str, tmp_path: Path) -> None:
    """The file stays as it is, and the mistakes are told."""
    path = tmp_path / "gateway.toml"
    path.write_text(SETTINGS.replace('gateway = "site-1"', 'gateway = "Site 1"'))
    done = gengfu("identify", port, *ONLY, "--write", str(path), "--yes")
    assert done.returncode == 1
    assert "stays as it is" in done.stderr
    assert f"{path}:4: gateway" in done.stderr
    assert "profile" not in path.read_text()


def test_ctrl_c_tells_what_was_found_and_leaves_the_port_as_it_was(port: str) -> None:
    """Exit 1, for there may be more."""
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        before = termios.tcgetattr(descriptor)
        command = [sys.executable, "-m", "gengfu.main", "edge", "scan", port, "--at-once"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENGLISH
        )
        assert process.stderr is not None
        try:
            while "unit" not in process.stderr.readline():
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            stdout, _ = process.communicate(timeout=100)
        finally:
            process.kill()
            process.communicate()
        assert termios.tcgetattr(descriptor) == before
    finally:
        os.close(descriptor)
    assert process.returncode == 1
    assert "stopped before it was over" in stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("scan", "/dev/not-there", "--at-once"), "there is no such port"),
        (("scan", "x", "--format", "9600"), "write it as 9600-8N1"),
        (("scan", "x", "--units", "0-3"), "units are 1 to 247"),
    ],
)
def test_mistakes_are_told_with_what_to_do(arguments: tuple[str, ...], told: str) -> None:
    """And end with an exit code."""
    done = gengfu(*arguments)
    assert done.returncode in (1, 2)
    assert told in " ".join(done.stderr.split())


def test_every_word_is_there_in_both_languages() -> None:
    """Every cause with what to try, every symptom, every reason and doubt."""
    from edge.commissioning.causes import WEIGHTS, Cause

    assert set(CAUSES) == {cause.value for cause in Cause}
    assert set(SYMPTOMS) == set(WEIGHTS)
    for english, chinese in [
        *TEXTS.values(),
        *SYMPTOMS.values(),
        *(pair for two in CAUSES.values() for pair in two),
    ]:
        assert english
        assert any("\u4e00" <= character <= "\u9fff" for character in chinese), chinese
