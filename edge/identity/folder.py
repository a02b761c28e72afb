"""The files of an identity, below the state folder: there whole or not at all, the key for its owner only."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

import owned_files
from edge.identity.errors import IdentityError, UnreadableError
from edge.state_folder import synced
from owned_files import NotAFileError

NAME = "identity"
PRIVATE, PUBLIC, FOLDER = 0o600, 0o644, 0o700
PEM_BYTES_MAX = 256 * 1024


@dataclass(frozen=True)
class IdentityFolder:
    """Where they are."""

    path: Path

    @property
    def key(self) -> Path:
        """The key, which never leaves."""
        return self.path / "key.pem"

    @property
    def certificate(self) -> Path:
        """What the centre issued for it."""
        return self.path / "cert.pem"

    @property
    def ca(self) -> Path:
        """Whom this gateway trusts."""
        return self.path / "ca.pem"

    def make(self) -> None:
        """Make the folder, for its owner only; OSError."""
        self.path.mkdir(mode=FOLDER, parents=True, exist_ok=True)


def replace(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all; OSError where the disk refuses.

    Whoever works in a folder of another user's does so as that user (``owned_files.as_owner``).
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # whatever the umask is
        if path.exists() and os.geteuid() == 0:
            was = path.stat()  # settings that root laid down for another user stay that user's
            os.fchown(descriptor, was.st_uid, was.st_gid)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
    synced(path.parent)


def read(path: Path) -> bytes:
    """Return a file; IdentityError. A link may lead to it: to certificates people lay some."""
    try:
        content = owned_files.read(path, PEM_BYTES_MAX, follow=True)
    except NotAFileError as error:
        raise IdentityError(
            f"{path}: {error.strerror}; remove it, and enrol again with a new code"
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        is_there = not isinstance(error, FileNotFoundError | PermissionError)
        raise (UnreadableError if is_there else IdentityError)(
            f"{path}: cannot be read: {reason}; enrol with `gengfu edge enrol`, or mend its permissions"
        ) from error
    if len(content) > PEM_BYTES_MAX:
        raise IdentityError(f"{path}: more than {PEM_BYTES_MAX} bytes; name a file of PEM")
    return content


def check_private(path: Path) -> None:
    """IdentityError where others may read a key."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise IdentityError(f"{path}: {reason}; enrol with `gengfu edge enrol`") from error
    if mode & 0o077:
        raise IdentityError(
            f"{path} has mode {mode:04o}, so others may have read the key; run  chmod 600 {path}  if nobody "
            "has; else have the gateway revoked at the centre, remove it, and enrol again"
        )
