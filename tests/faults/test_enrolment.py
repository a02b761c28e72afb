"""Enrolment with curl and openssl, revocation of who is connected, and each control, for a short while."""

import subprocess
import sys


def test_strangers_enrol_the_bad_are_refused_and_the_revoked_are_cut() -> None:
    """The campaign itself says what went wrong, and whether a control showed nothing."""
    command = [sys.executable, "-m", "tests.faults.enrolment", "--short", "--rounds", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=118, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
