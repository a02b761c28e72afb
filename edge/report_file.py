"""Small files in the state folder that a running gateway renews for people to look at."""

import os
from pathlib import Path
from typing import TypeVar

import msgspec

import owned_files
from edge.state_json import UndecodableError, decoded
from owned_files import NotAFileError, as_owner

FILE_MODE = 0o640

R = TypeVar("R", bound=msgspec.Struct)


class ReportUnreadableError(Exception):
    """There is no report to show; the text says which file, why, and what to do."""


def write(path: Path, report: msgspec.Struct) -> None:
    """Replace the report in one step; OSError where that cannot be done."""
    write_bytes(path, msgspec.json.encode(report))


def write_bytes(path: Path, data: bytes, *, synced: bool = False) -> None:
    """Replace a file in one step, ``synced`` also where power fails; OSError where that cannot be done."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, FILE_MODE)  # whatever the umask is
        file.write(data)
        if synced:
            file.flush()
            os.fsync(descriptor)
    fresh.replace(path)


def read(path: Path, kind: type[R], renewed_every_s: float, bytes_max: int) -> R:
    """Return the report; ReportUnreadableError says why there is none."""
    try:
        with as_owner(path.parent):
            data = owned_files.read(path, bytes_max)
    except FileNotFoundError as error:
        raise ReportUnreadableError(
            f"{path} is not there: with these settings no gateway has run for {renewed_every_s:.0f} s yet; "
            "start it with `gengfu edge run`"
        ) from error
    except NotAFileError as error:
        raise ReportUnreadableError(
            f"{path}: {error.strerror}; remove it: a running gateway writes it every {renewed_every_s:.0f} s"
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ReportUnreadableError(
            f"{path}: cannot be read: {reason}; read it as root, or as the user that the gateway runs as"
        ) from error
    try:
        if len(data) > bytes_max:
            raise UndecodableError("it is too large")
        return decoded(data, kind)
    except UndecodableError as error:
        raise ReportUnreadableError(
            f"{path}: is no report of this version: {error}; a running gateway renews it "
            f"every {renewed_every_s:.0f} s"
        ) from error
