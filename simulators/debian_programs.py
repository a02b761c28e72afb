"""Where programs of Debian packages are: on this machine, or unpacked by ``make setup``."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path


def found(name: str) -> tuple[str, dict[str, str]] | None:
    """Return the program's path and the environment to run it in; None where there is none."""
    environment = dict(os.environ)
    path = os.pathsep.join((environment.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    if installed := shutil.which(name, path=path):
        return installed, environment
    for root in _unpacked():
        for folder in ("usr/sbin", "usr/bin"):
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
