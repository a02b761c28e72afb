"""A gateway whose link waits for a program that asks a TPM and never ends: told to stop, the process ends."""

import os
import signal
import sys
import threading
from pathlib import Path

from edge.identity import tpm
from edge.run import serve

DAYS_S = 1e6


def stop_once(began: Path) -> None:
    """Stop this process as a supervisor does, once the program runs."""
    began.read_text()
    os.kill(os.getpid(), signal.SIGTERM)


def main(file: Path, began: Path) -> None:
    """Run the gateway, and tell that it has ended."""
    tpm.TIMEOUT_S = DAYS_S
    threading.Thread(target=stop_once, args=(began,), daemon=True).start()
    serve(file, ready=lambda: None)
    sys.stdout.write("ended\n")


main(Path(sys.argv[1]), Path(sys.argv[2]))
