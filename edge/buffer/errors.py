"""What may be wrong with the buffer, and what a disk says that is full or broken."""

import errno
import sqlite3

DISK_FAULTS = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE)
)
"""What a disk says that is full or broken; anything else is a mistake in the settings."""


class BufferUnusableError(Exception):
    """The buffer cannot be used; the text says which file and why."""


class BufferClosedError(sqlite3.OperationalError):
    """The buffer is not open: its disk refuses, or it was found corrupt just now."""
