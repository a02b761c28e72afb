"""Secrets of platforms: each in a file of its own, which nobody but its owner may read."""

import os
import stat
from pathlib import Path

SECRET_BYTES_MAX = 4096


class SecretFileError(Exception):
    """A secret cannot be used; ``what`` is wrong with its file, ``remedy`` mends it."""

    def __init__(self, what: str, remedy: str) -> None:
        """Keep both."""
        super().__init__(f"{what}; {remedy}")
        self.what, self.remedy = what, remedy


def read_secret(path: Path) -> str:
    """Return the one line that the file holds; SecretFileError where it cannot be trusted or read."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            raw = file.read(SECRET_BYTES_MAX + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SecretFileError(
            f"{path}: cannot be read: {reason}", "name a file that holds the secret"
        ) from error
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode):
        raise SecretFileError(f"{path} is no file", "name a file that holds the secret")
    if mode & 0o077:
        raise SecretFileError(
            f"{path} has mode {mode:04o}, so others may have read the secret",
            f"run  chmod 600 {path}  if nobody has; else ask the platform for a new one",
        )
    if status.st_uid not in (os.geteuid(), 0):
        raise SecretFileError(
            f"{path} belongs to user {status.st_uid}", "it must be the file of the user who runs the centre"
        )
    secret = raw.strip()
    if not secret or len(raw) > SECRET_BYTES_MAX or not all(0x20 <= byte <= 0x7E for byte in secret):
        raise SecretFileError(f"{path} holds no secret", "write one line of ASCII, and nothing else")
    return secret.decode("ascii")
