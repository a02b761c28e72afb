"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class FileError(RuntimeError):
    """The file is not written; the text says why and what to do."""


@contextmanager
def written(path: Path, *, replace: bool) -> Iterator[BinaryIO]:
    """Lend a file that takes its name once it is complete; FileError, and nothing is left, where not."""
    _check(path, replace)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with fresh.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _check(path, replace)
        fresh.replace(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FileError(
            f"{path}: cannot be written: {reason}; check the folder and the free space"
        ) from error
    finally:
        fresh.unlink(missing_ok=True)


def _check(path: Path, replace: bool) -> None:
    if path.exists() and not (replace and path.is_file()):
        raise FileError(f"{path}: is there already; name another file, or say --replace")
