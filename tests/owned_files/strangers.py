"""A folder of another user's, and what that user may have laid into it; for tests that run as root."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

STRANGER = 4_321
"""Nobody's login: a second user of the system, as the kernel sees it."""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
_ABOVE = Path(__file__).resolve().parents
needs_open_project = pytest.mark.skipif(
    not all(folder.stat().st_mode & 0o001 for folder in _ABOVE),
    reason="another user may not enter the folder that this project lies in",
)
"""For what begins programs or looks up files of ours as another user."""


def site() -> Iterator[Path]:
    """Lend a folder of root's that everybody may pass through, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="gengfu-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def belongs(path: Path) -> Path:
    """Give a file or folder to the stranger."""
    os.chown(path, STRANGER, STRANGER, follow_symlinks=False)
    return path


def folder(path: Path) -> Path:
    """Make a folder of the stranger's."""
    path.mkdir(mode=0o700)
    return belongs(path)


def secret(path: Path) -> Path:
    """Make a file of root's that nobody else may read."""
    path.write_text("root only")
    path.chmod(0o600)
    return path


def untouched(path: Path) -> bool:
    """Say whether such a file is as it was made."""
    status = path.stat()
    return (path.read_text(), status.st_uid, status.st_mode & 0o777) == ("root only", 0, 0o600)


KINDS = ("pipe", "socket", "folder", "link", "device", "endless")


def laid(path: Path, kind: str) -> None:
    """Lay something that is no file of ours; a device is reached through a link, for want of mknod."""
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to("/etc/shadow")
        case "device":
            path.symlink_to("/dev/zero")
        case _:
            with path.open("wb") as file:
                file.truncate(1 << 40)  # takes no room on the disk
