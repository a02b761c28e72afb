"""Maintenance locks in a file of their own, so that they hold whatever has become of the buffer."""

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import msgspec

import owned_files
from edge.buffer.keeper import Keeper
from edge.state_json import UndecodableError, decoded
from edge.telling import Told

FILE_NAME = "locks.json"
FILE_MODE = 0o640
BYTES_MAX = 1024 * 1024
RETRY_S = 5.0

Locks = Mapping[str, tuple[str, int]]
"""Output → who locked it, and when (UTC ms)."""
_Kept = dict[str, tuple[Annotated[str, msgspec.Meta(max_length=500)], int]]


class LocksUnreadableError(Exception):
    """There is a file of locks, and nobody can tell what is locked; the text says which and why."""


def read(folder: Path) -> Locks:
    """Return the locks; LocksUnreadableError where they are there and cannot be read."""
    path = folder / FILE_NAME
    try:
        return decoded(owned_files.read(path, BYTES_MAX, follow=True), _Kept)
    except FileNotFoundError:
        return {}
    except (OSError, UndecodableError) as error:
        raise LocksUnreadableError(f"{path}: {error}") from error


def write(folder: Path, locks: Locks) -> None:
    """Replace the file so that a power cut leaves one state or the other; OSError where the disk refuses."""
    path = folder / FILE_NAME
    if not locks and not path.exists():
        return
    fresh = path.with_name(f".{FILE_NAME}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(locks))
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class KeepingLocks:
    """Writes the locks whenever they have changed, until the disk has taken them."""

    def __init__(self, folder: Path, keeper: Keeper, locks: Callable[[], Locks]) -> None:
        """``locks`` returns what is locked now."""
        self._folder, self._keeper, self._locks = folder, keeper, locks
        self._changed = asyncio.Event()
        self._kept: Locks | None = None
        self._told = Told(f"the locks in {folder / FILE_NAME}")

    def changed(self) -> None:
        """Take note that something was locked or unlocked."""
        self._changed.set()

    async def run(self) -> None:
        """Keep them until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while not await self.keep():
                await asyncio.sleep(RETRY_S)

    async def keep(self) -> bool:
        """Write them now, if that is to be done; return whether they are on disk."""
        locks = self._locks()
        if locks == self._kept:
            return True
        try:
            await self._keeper.run(write, self._folder, locks)
        except OSError as error:
            self._told.failed(f"{error}; a lock ends with this process until it is kept")
            return False
        self._kept = locks
        self._told.works()
        return True
