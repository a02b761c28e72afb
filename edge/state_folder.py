"""The folder that holds a gateway's state belongs to one gateway at a time."""

import fcntl
import logging
import os
from pathlib import Path

from edge.buffer.errors import DISK_FAULTS, BufferUnusableError
from owned_files import check_runs_as_owner

_log = logging.getLogger(__name__)


def check(folder: Path) -> None:
    """BufferUnusableError where root would run a gateway in another user's folder."""
    try:
        check_runs_as_owner(
            folder, "start its service, or run it as that user: runuser -u {user} -- gengfu edge run ..."
        )
    except PermissionError as error:
        raise BufferUnusableError(f"{folder}: {error.strerror}") from error


def locked(folder: Path) -> int | None:
    """Return a descriptor that holds the folder's lock: two gateways on one buffer would tear it apart.

    None where the disk is full or broken: that must not keep a gateway from its work. BufferUnusableError
    where another gateway holds it, or the folder cannot be one.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        if error.errno in DISK_FAULTS:
            _log.error("%s: cannot be locked against another gateway: %s", folder, reason)
            return None
        raise BufferUnusableError(
            f"{folder}: cannot be used: {reason}; name another state_folder, or mend its permissions"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise BufferUnusableError(
            f"{folder} is in use by another gateway; stop that one, or give this one its own state_folder"
        ) from error
    return lock


class Lock:
    """The lock of the one folder that this process works in."""

    def __init__(self) -> None:
        """Nothing is locked yet."""
        self._place, self._descriptor = "", -1

    def take(self, folder: Path) -> None:
        """Lock this folder, and let go of any other; see ``locked``, also for what is raised."""
        place = os.path.realpath(folder)
        if place == self._place and self._descriptor >= 0:
            return
        fresh = locked(folder)
        self.release()
        self._place, self._descriptor = place, -1 if fresh is None else fresh

    def release(self) -> None:
        """Let go of what is locked."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def synced(folder: Path) -> None:
    """Return once what was renamed in a folder is on its disk; OSError where the disk refuses."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
