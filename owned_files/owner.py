"""Root gives its powers away while it works in a folder of another user's.

Whoever owns a folder can lay links there, exchange names at any moment, and make databases lead elsewhere.
No look before an act helps against that. So the act is the owner's: what the owner could not do, the kernel
refuses.
"""

import encodings.idna  # noqa: F401 - names of hosts need it, and the owner may not read where root's Python lies
import errno
import os
import pwd
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

NO_GROUP = 65_534
"""Of an owner whom the system does not know, in a folder of root's group."""
LINKS_MAX = 40


class Owner(NamedTuple):
    """Whose a folder is, by number."""

    user: int
    group: int


_alone = threading.RLock()  # a process has one user for all of its threads


@contextmanager
def as_owner(folder: Path) -> Iterator[None]:
    """Act as whom a folder belongs to, or the nearest above it that is there; nothing changes but for root.

    PermissionError where root may not become that user, or where nobody is to be trusted: a link of another
    user's leads to the folder, or the folder is root's and others may write in it. OSError.
    """
    with _alone:
        if os.geteuid() != 0 or (whose := owner(folder)).user == 0:
            yield
            return
        groups, group = os.getgroups(), os.getegid()
        try:
            become(folder, whose)
            yield
        finally:
            os.seteuid(0)
            os.setegid(group)
            os.setgroups(groups)


def acting_as() -> str:
    """Return as whom root acts now; empty where it is root, or was never."""
    return _name(os.geteuid()) if os.getuid() == 0 != os.geteuid() else ""


def check_runs_as_owner(folder: Path, how: str) -> None:
    """PermissionError where root would work for long in another user's folder; ``how`` says what to do."""
    if os.geteuid() != 0 or not folder.exists() or (user := folder.stat().st_uid) == 0:
        return
    told = f"it belongs to {_name(user)}, and root does not work in it; {how.format(user=_name(user))}"
    raise PermissionError(errno.EPERM, told, str(folder))


def owner(folder: Path) -> Owner:
    """Return whose a folder is, or the nearest above it that is there; PermissionError as ``as_owner``."""
    place, rest, links = Path("/"), list(reversed(folder.absolute().parts[1:])), 0
    through = 0
    while rest:
        step = place / rest.pop()
        try:
            status = step.lstat()
        except FileNotFoundError:
            break  # it would be made by whom the folder around it belongs to
        if not stat.S_ISLNK(status.st_mode):
            place = step.parent.parent if step.name == ".." else step
            continue
        if (links := links + 1) > LINKS_MAX:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(folder))
        through = through or status.st_uid
        leads_to = step.readlink()
        rest += reversed(leads_to.parts)
        if leads_to.is_absolute():
            place = Path(rest.pop())
    status = place.stat()
    if status.st_uid == 0:
        _check_roots_own(folder, status, through)
    return Owner(status.st_uid, status.st_gid)


def _check_roots_own(folder: Path, status: os.stat_result, through: int) -> None:
    """PermissionError where root cannot trust even a folder of its own."""
    if through:
        told = f"a link of {_name(through)} leads there; name the folder itself"
        raise PermissionError(errno.EPERM, told, str(folder))
    is_open = status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and status.st_gid != 0)
    if is_open:
        told = (
            "it is root's, and others may write in it, so root does nothing there; give it to the user that "
            "works in it (chown), or take the right to write from others (chmod go-w)"
        )
        raise PermissionError(errno.EPERM, told, str(folder))


def become(folder: Path, whose: Owner, *, for_good: bool = False) -> None:
    """Act as whom ``folder`` belongs to, with the groups of that user; PermissionError."""
    user = whose.user
    try:
        known = pwd.getpwuid(user)
        group, groups = known.pw_gid, os.getgrouplist(known.pw_name, known.pw_gid)
    except KeyError:
        group = whose.group or NO_GROUP
        groups = [group]
    try:
        os.setgroups(groups)
        if for_good:
            os.setresgid(group, group, group)
            os.setresuid(user, user, user)
        else:
            os.setegid(group)
            os.seteuid(user)
    except PermissionError as error:
        told = (
            f"it belongs to {_name(user)}, and this process may not act as that user; run it as {_name(user)}"
        )
        raise PermissionError(errno.EPERM, told, str(folder)) from error


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
