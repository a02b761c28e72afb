"""Programs of Debian that the simulators, tests and benchmarks run: the machine's, or those in ``.deps``.

``make setup`` unpacks into ``.deps`` what the machine does not have, libraries included.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

FOLDERS = ("usr/bin", "usr/sbin")


def find(name: str) -> tuple[str, dict[str, str]] | None:
    """Return the program's path and the environment to run it in; None where it is nowhere."""
    environment = dict(os.environ)
    path = os.pathsep.join((environment.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    if found := shutil.which(name, path=path):
        return found, environment
    for root in _unpacked():
        for folder in FOLDERS:
            if (program := root / folder / name).exists():
                libraries = sorted({str(file.parent) for file in (root / "usr/lib").rglob("*.so.*")})
                environment["LD_LIBRARY_PATH"] = os.pathsep.join(libraries)
                return str(program), environment
    return None


def _unpacked() -> Iterator[Path]:
    """Yield where ``make setup`` may have unpacked Debian programs."""
    if named := os.environ.get("GENGFU_DEPS"):
        yield Path(named) / "root"
    for folder in (Path.cwd(), Path(__file__).resolve().parent.parent):
        yield folder / ".deps" / "root"
