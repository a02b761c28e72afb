"""A gateway under forged documents, for a short while; gateways without a check, for comparison."""

import subprocess
import sys


def test_forged_documents_are_counted_and_not_taken_and_a_missing_check_shows() -> None:
    """The campaign itself says if one was taken, went uncounted, or if a control took nothing."""
    numbers = ["--documents", "300", "--control-documents", "60", "--seed", "7"]
    command = [sys.executable, "-m", "tests.faults.forged", *numbers]
    done = subprocess.run(command, capture_output=True, text=True, timeout=115, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
