"""What reads a hostile database is a process of its own: the owner's for good, bounded in time and bytes."""

import os
import resource
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

from owned_files.owner import Owner, become, owner

MEMORY_BYTES_MAX = 512 * 1024 * 1024
"""So much more than the process that asks may be taken."""
_GOOD, _BAD = b"+", b"-"
_FAILED = 3


class ApartError(Exception):
    """It did not come to an end; the text says why."""


def apart(folder: Path, work: Callable[[], bytes], *, timeout_s: float, bytes_max: int) -> bytes:
    """Return what ``work`` returns, done by a child as the folder's owner; ApartError, OSError.

    What ``work`` raises is ApartError with its text. Whoever calls has no other threads that hold locks.
    """
    whose = owner(folder) if os.geteuid() == 0 else None
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    if (child := os.fork()) == 0:
        os._exit(_child(theirs, folder, whose, work))
    os.close(theirs)
    try:
        told = _told(ours, time.monotonic() + timeout_s, bytes_max + len(_GOOD))
    finally:
        os.close(ours)
        os.kill(child, signal.SIGKILL)  # it has ended, or shall
        _, status = os.waitpid(child, 0)
    if told is None:
        raise ApartError(f"it took more than {timeout_s:g} s")
    if len(told) > bytes_max + len(_GOOD):
        raise ApartError(f"it takes more than {bytes_max} bytes")
    if told[:1] != _GOOD:
        reason = told[1:].decode(errors="replace")[:500]
        raise ApartError(reason or f"it was ended by signal {os.WTERMSIG(status)}")
    return told[1:]


def _child(out: int, folder: Path, whose: Owner | None, work: Callable[[], bytes]) -> int:
    """Do it; nothing of the parent's may run behind it."""
    try:
        if whose and whose.user != 0:
            become(folder, whose, for_good=True)
        _bounded()
        answer, status = _GOOD + work(), 0
    except BaseException as error:
        answer, status = _BAD + (str(error) or type(error).__name__).encode(errors="replace"), _FAILED
    try:
        while answer:
            answer = answer[os.write(out, answer) :]
    except OSError:
        return _FAILED
    return status


def _bounded() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    bytes_max = pages * resource.getpagesize() + MEMORY_BYTES_MAX
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or bytes_max < hard:
        resource.setrlimit(resource.RLIMIT_AS, (bytes_max, bytes_max))


def _told(ours: int, until_s: float, bytes_max: int) -> bytes | None:
    """Return what was told up to its end, or one byte too much; None where the time is over."""
    told = bytearray()
    while len(told) <= bytes_max:
        left_s = until_s - time.monotonic()
        if left_s <= 0 or not select.select([ours], [], [], left_s)[0]:
            return None
        if not (more := os.read(ours, 65_536)):
            break
        told += more
    return bytes(told)
