"""Programs of Debian that the simulators, tests and benchmarks run: the machine's, or those in ``.deps``.

``make setup`` unpacks into ``.deps`` what the machine does not have, libraries included.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

FOLDERS = ("usr/bin", "usr/sbin")
POSTGRESQL = "usr/lib/postgresql"
"""Debian keeps the programs of each PostgreSQL in a folder of its version there."""


def find(name: str) -> tuple[str, dict[str, str]] | None:
    """Return the program's path and the environment to run it in; None where it is nowhere."""
    environment = dict(os.environ)
    folders = ("/usr/sbin", "/usr/local/sbin", *(f"/{folder}" for folder in _of_postgresql(Path("/"))))
    path = os.pathsep.join((environment.get("PATH", ""), *folders))
    if found := shutil.which(name, path=path):
        return found, environment
    for root in unpacked():
        for folder in (*FOLDERS, *_of_postgresql(root)):
            if (program := root / folder / name).exists():
                libraries = sorted({str(file.parent) for file in (root / "usr/lib").rglob("*.so.*")})
                environment["LD_LIBRARY_PATH"] = os.pathsep.join(libraries)
                return str(program), environment
    return None


def unpacked() -> Iterator[Path]:
    """Yield where ``make setup`` may have unpacked Debian programs."""
    if named := os.environ.get("GENGFU_DEPS"):
        yield Path(named) / "root"
    for folder in (Path.cwd(), Path(__file__).resolve().parent.parent):
        yield folder / ".deps" / "root"


def _of_postgresql(root: Path) -> list[str]:
    """Return the folders of PostgreSQL's programs under ``root``, the newest version first."""
    versions = [found.parent.name for found in (root / POSTGRESQL).glob("*/bin")]
    return [f"{POSTGRESQL}/{each}/bin" for each in sorted(versions, key=_number, reverse=True)]


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
