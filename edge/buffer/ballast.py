"""Ballast: a file that holds room on the disk, and gives it away when there is none left."""

import logging
import os
from pathlib import Path

_log = logging.getLogger(__name__)

MODE = 0o600
ROOM_BYTES = 1024 * 1024
"""Twice this has to be free where there is no ballast to say how much."""


class Ballast:
    """A file of so many bytes, really allocated; none where the size is 0."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        """Name it; nothing is written yet."""
        self.path, self.size_bytes = path, size_bytes
        self.held = False
        """Whether the room is held."""

    def build(self) -> bool:
        """Hold the room if twice as much is free; False where it cannot be had. Never raises.

        With no size it says whether the disk has room at all.
        """
        if self.held:
            return True
        try:
            there = self.path.stat().st_blocks * 512 if self.path.exists() else 0
            room = os.statvfs(self.path.parent)
            whole = 0 < self.size_bytes <= there  # a former run has left it
            if not whole and room.f_bavail * room.f_frsize < 2 * (self.size_bytes or ROOM_BYTES):
                return False
            if self.size_bytes:
                self._allocate()
                self.held = True
        except OSError as error:
            _log.debug("ballast %s cannot be built: %s", self.path, error)
            self._remove()
            return False
        return True

    def release(self) -> bool:
        """Give the room away; False where there was none to give."""
        return self._remove()

    def _allocate(self) -> None:
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
        try:
            if os.fstat(file).st_size > self.size_bytes:
                os.ftruncate(file, self.size_bytes)
            os.posix_fallocate(file, 0, self.size_bytes)
            os.fsync(file)
        finally:
            os.close(file)

    def _remove(self) -> bool:
        self.held = False
        try:
            os.truncate(self.path, 0)  # the room is free even where the name cannot be removed
            self.path.unlink()
        except OSError:
            return False
        return True
