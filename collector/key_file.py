"""The centre's signing key: one file in the data folder that nobody but its owner may read."""

import os
import stat
from pathlib import Path

from contract.errors import ContractError
from contract.signing import PEM_BYTES_MAX, SigningKey
from owned_files import as_owner, opened

FILE_NAME = "signing_key.pem"
MODE = 0o600


class KeyFileError(RuntimeError):
    """The key cannot be made or used; the text says which file, why, and what to do."""


def make(folder: Path) -> SigningKey:
    """Make the key and return it; KeyFileError where one is there, or the disk refuses."""
    path = folder / FILE_NAME
    key = SigningKey.make()
    try:
        with as_owner(folder):
            _write(path, key.pem)
    except FileExistsError as error:
        raise KeyFileError(
            f"{path} is there already and is not replaced: gateways refuse what another key signs; "
            "to change keys, write the new public key beside the old one into all gateways' settings first"
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise KeyFileError(f"{path}: cannot be written: {reason}; check the folder") from error
    return key


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, MODE)  # whatever the umask is
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    _synced(path.parent)


def read(folder: Path) -> SigningKey | None:
    """Return the key, or None where none was made; KeyFileError where it cannot be trusted or read."""
    path = folder / FILE_NAME
    try:
        with opened(path, follow=True) as file:
            mode = stat.S_IMODE(os.fstat(file).st_mode)
            pem = os.read(file, PEM_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise KeyFileError(
            f"{path}: cannot be read: {reason}; it must be the file of the user who runs the centre"
        ) from error
    if mode & 0o077:
        raise KeyFileError(
            f"{path} has mode {mode:04o}, so others may have read the key; run  chmod 600 {path}  if nobody "
            "has; else move it away and make another with `gengfu collector init` and the settings file"
        )
    try:
        return SigningKey.from_pem(pem)
    except ContractError as error:
        raise KeyFileError(f"{path} {error}; put it back from where it is kept safe") from error


def _synced(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
