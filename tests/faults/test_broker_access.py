"""A gateway reaches its own topics only, at a real broker, for a short while; and each control."""

import subprocess
import sys

import pytest


@pytest.mark.timeout(300)  # ten seconds of work, on a machine that may have others to do
def test_nothing_of_others_is_reached_and_a_weaker_list_shows() -> None:
    """The campaign itself says what was let through, and whether a control let nothing through."""
    numbers = ["--tries", "120", "--control-tries", "40"]
    command = [sys.executable, "-m", "tests.faults.broker_access", *numbers]
    done = subprocess.run(command, capture_output=True, text=True, timeout=290, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
