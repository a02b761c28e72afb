"""The whole system as a stranger meets it: real processes, a real broker that is killed and wiped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.collector.telling.test_channels import smtp

RUN_S = 95
DIMMED_S = 55
"""By then lamps have been dimmed for a while, by their plan."""
MAILS = sorted(
    ["【高】网关离线", "【中】工地扬尘", "【高】井盖移位或开启", "【中】路灯不亮", "【最高】自来水管破裂"]
)
"""One for each incident."""


def started(folder: Path, *arguments: str, for_s: int = RUN_S) -> "subprocess.Popen[str]":
    """Start the demo without a terminal."""
    command = [sys.executable, "-m", "gengfu.main", "demo", "--for", str(for_s), "--json"]
    command += ["--folder", str(folder)]
    return subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


def ended(process: "subprocess.Popen[str]") -> tuple[int, dict[str, Any], str]:
    """Wait for the demo; return its exit status, its figures and what it told."""
    figures, told = process.communicate(timeout=240)
    assert figures, told
    return process.returncode, json.loads(figures.splitlines()[-1]), told


@pytest.mark.timeout(300)
def test_nothing_is_lost_or_doubled_no_lamp_strays_and_weakened_gateways_are_found_out(
    tmp_path: Path,
) -> None:
    """Counted on both ends: what devices served against what the centre's store holds.

    Gateways beside it that believe the broker, and others that do not dim, are the negative controls: the
    same audit must see what the ones lose, and how lamps of the others stray from the preview.
    """
    with smtp() as (box, port):
        sound = started(tmp_path / "sound", "--smtp", f"127.0.0.1:{port}")
        weakened = started(tmp_path / "weakened", "--weaken", "puback")
        undimmed = started(tmp_path / "undimmed", "--weaken", "lamps", for_s=DIMMED_S)
        undimmed_status, undimmed_figures, undimmed_told = ended(undimmed)
        status, figures, told = ended(sound)
        weakened_status, weakened_figures, _ = ended(weakened)
    assert status == 0, (figures, told)
    assert (figures["lost"], figures["duplicated"], figures["cases_duplicated"]) == (0, 0, 0)
    assert figures["samples_taken"] > 1000
    assert figures["sprinkler_runs"] >= 1
    assert (figures["cases_raised"], figures["cases_verified"]) == (5, 2)
    assert sorted(mail["subject"].partition("：")[0] for mail in box.mails) == MAILS
    assert (figures["lamp_plans_in_force"], figures["lamp_alarms"], figures["lamp_deviations"]) == (3, 1, 0)
    assert figures["lamp_checks"] > 500
    assert "lighting-3    1  sent, no answer" in told
    assert figures["broker_kills"] == 1
    assert figures["queued_at_kill"] >= 1
    assert (figures["verdict"], weakened_figures["verdict"]) == ("good", "bad")
    assert weakened_status == 1
    assert weakened_figures["lost"] > 0
    assert (undimmed_status, undimmed_figures["verdict"]) == (1, "bad")
    assert (undimmed_figures["lost"], undimmed_figures["duplicated"]) == (0, 0)
    assert undimmed_figures["lamp_deviations"] > 10
    assert "UTC: 100 % ≠ 50 %" in undimmed_told


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    """The demo empties its own folder only."""
    (tmp_path / "precious.txt").write_text("mine")
    ran = subprocess.run(
        [sys.executable, "-m", "gengfu.main", "demo", "--for", "1", "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "holds other files; name another folder" in ran.stderr
    assert (tmp_path / "precious.txt").read_text() == "mine"


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]


def command(pid: int) -> str:
    """Return the command line of a process, or nothing when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def under_way(demo: "subprocess.Popen[str]") -> list[int]:
    """Wait until all gateways of a demo are there; return all its processes."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = children(demo.pid)
        if sum("edge run" in command(pid) for pid in found) == 5:
            return found
        time.sleep(0.1)
    raise AssertionError([command(pid) for pid in children(demo.pid)])


def test_a_second_demo_leaves_the_folder_of_the_first_alone_and_a_killed_one_leaves_nobody_behind(
    tmp_path: Path,
) -> None:
    """Neither gateways nor devices, neither centre nor broker outlive even a SIGKILL."""
    demo = started(tmp_path / "demo")
    try:
        found = under_way(demo)
        assert any("mosquitto" in command(pid) for pid in found)
        second = started(tmp_path / "demo")
        assert "a demo is running in" in second.communicate(timeout=30)[1]
        assert second.returncode == 1
        assert (tmp_path / "demo" / "broker" / "mosquitto.conf").exists()
    finally:
        demo.kill()
        demo.communicate()
    deadline = time.monotonic() + 40
    while left := [command(pid) for pid in found if str(tmp_path) in command(pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def test_a_gateway_that_dies_ends_the_demo_with_its_name(tmp_path: Path) -> None:
    """A gateway that reads nothing loses nothing, so the audit alone would not miss it."""
    demo = started(tmp_path / "demo")
    assert demo.stderr
    while "dust passes" not in demo.stderr.readline():
        assert demo.poll() is None
    victim = next(pid for pid in under_way(demo) if "street.toml" in command(pid))
    os.kill(victim, signal.SIGKILL)
    told = demo.communicate(timeout=120)[1]
    assert "street ended by itself with status -9; see" in told
    assert demo.returncode == 1


def test_a_folder_that_cannot_be_made_is_told_plainly() -> None:
    """What, where, and what to do, in one line."""
    ran = subprocess.run(
        [sys.executable, "-m", "gengfu.main", "demo", "--for", "1", "--folder", "/proc/x"],
        capture_output=True,
        text=True,
        check=False,
    )
    told = "demo: /proc/x: No such file or directory; name a folder that can be written with --folder\n"
    assert (ran.returncode, ran.stderr) == (1, told)


@pytest.mark.timeout(150)
def test_an_early_end_is_no_bad_end(tmp_path: Path) -> None:
    """With a second of story nothing is lost, and the verdict says so; the exit status is 1 still."""
    command = [
        sys.executable,
        "-m",
        "gengfu.main",
        "demo",
        "--for",
        "1",
        "--json",
        "--folder",
        str(tmp_path / "a"),
    ]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )
    assert (ran.returncode, json.loads(ran.stdout)["verdict"]) == (1, "early")
    assert "starting: gateway of the street …" in ran.stderr
    assert "0 of 19 steps of the story happened" in ran.stderr
    assert ran.stderr.endswith(f"files: {tmp_path / 'a'}/\n")
