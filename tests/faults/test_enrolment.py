"""Enrolment with curl and openssl, revocation of who is connected and of what was forgotten, each control."""

import subprocess
import sys

import pytest


@pytest.mark.timeout(900)  # a minute of work, on a machine that may have others to do
def test_strangers_enrol_the_bad_are_refused_and_the_revoked_are_cut() -> None:
    """The campaign itself says what went wrong, and whether a control showed nothing."""
    command = [sys.executable, "-m", "tests.faults.enrolment", "--short", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=890, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
