"""Copied cards and restored centres, for a short while."""

import subprocess
import sys


def test_what_a_card_or_a_centre_still_holds_survives_and_the_rest_is_named() -> None:
    """The campaign itself says if something was lost, unnamed or stalled, or if the control loses nothing."""
    command = [sys.executable, "-m", "tests.faults.restores", "--stories", "1", "--control-stories", "1"]
    done = subprocess.run([*command, "--seed", "7"], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
