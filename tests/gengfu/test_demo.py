"""The whole system as a stranger meets it: real processes, a real broker that is killed and wiped."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RUN_S = "80"


def demo(folder: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run the demo; return its exit status, its figures and what it told."""
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "gengfu.main",
            "demo",
            "--for",
            RUN_S,
            "--json",
            "--folder",
            str(folder),
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert ran.stdout, ran.stderr
    return ran.returncode, json.loads(ran.stdout.splitlines()[-1]), ran.stderr


@pytest.mark.timeout(300)
def test_nothing_is_lost_or_doubled_and_the_whole_story_happens(tmp_path: Path) -> None:
    """Counted on both ends: what devices served against what the centre's store holds."""
    status, figures, told = demo(tmp_path / "run")
    assert status == 0, (figures, told)
    assert (figures["lost"], figures["duplicated"], figures["cases_duplicated"]) == (0, 0, 0)
    assert figures["samples_taken"] > 1000
    assert figures["sprinkler_runs"] >= 1
    assert figures["cases_raised"] == 2
    assert figures["broker_kills"] == 1
    assert figures["queued_at_kill"] >= 1


@pytest.mark.timeout(300)
def test_gateways_that_believe_the_broker_lose_data_and_the_audit_sees_it(tmp_path: Path) -> None:
    """The negative control: without it the test above would show nothing."""
    status, figures, _ = demo(tmp_path / "run", "--weaken", "puback")
    assert status == 1
    assert figures["lost"] > 0


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
