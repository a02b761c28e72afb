"""The latest time a gateway knew, kept across boots as the time of a file: one inode, no data."""

import logging
import os
from pathlib import Path

_log = logging.getLogger(__name__)

FILE_NAME = "clock"
KEEP_INTERVAL_S = 600.0
"""The buffer knows its last commit besides; this is for a start at which it cannot be opened."""
MODE = 0o600


def read(folder: Path) -> int:
    """Return it in milliseconds; 0 where nothing is known."""
    try:
        return max(0, (folder / FILE_NAME).stat().st_mtime_ns // 1_000_000)
    except OSError:
        return 0


def keep(folder: Path, time_ms: int) -> None:
    """Keep it; OSError where the disk refuses."""
    path = folder / FILE_NAME
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, MODE))
    os.utime(path, ns=(time_ms * 1_000_000, time_ms * 1_000_000))
