"""Reading what may be anything: a pipe nobody writes to, a device, a socket, a link, a file without end."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a link",
}
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class NotAFileError(OSError):
    """Something else stands there; ``strerror`` says what."""

    def __init__(self, path: Path, mode: int) -> None:
        """``mode`` is that of ``os.stat``."""
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        super().__init__(errno.EINVAL, f"it is {kind}, not a file", str(path))


@contextmanager
def opened(path: Path, *, follow: bool = False) -> Iterator[int]:
    """Lend a descriptor of a regular file, at once whatever stands there; NotAFileError, OSError.

    ``follow``: a link may lead to it, where people may well have laid one.
    """
    try:
        descriptor = os.open(path, _FLAGS if follow else _FLAGS | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ENXIO or (error.errno == errno.ELOOP and not follow):  # a socket, or a link
            raise NotAFileError(path, path.stat(follow_symlinks=follow).st_mode) from error
        raise
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise NotAFileError(path, mode)
        yield descriptor
    finally:
        os.close(descriptor)


def read(path: Path, bytes_max: int, *, follow: bool = False) -> bytes:
    """Return a file, or the first ``bytes_max + 1`` bytes of one that is longer; NotAFileError, OSError."""
    with opened(path, follow=follow) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read(bytes_max + 1)
