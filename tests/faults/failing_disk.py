"""A disk that can be made full, read-only or broken while a process runs; needs gcc, and no rights at all.

A small library (failing_disk.c) stands between the process and the C library and refuses what would write
below one folder. The process is another one than the test's: start it with ``environment``. ::

    disk = FailingDisk(tmp_path, "state")
    process = subprocess.Popen([...], env=disk.environment)
    disk.refuse(errno.EROFS)     # from now on, nothing can be written there
    disk.hold(4 * 1024 * 1024)   # a disk of 4 MiB: what is there can be overwritten, more does not fit
    disk.work()
"""

import os
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")


class FailingDisk:
    """One folder and what its disk does."""

    def __init__(self, folder: Path, name: str) -> None:
        """``name`` is the folder on that disk below ``folder``; the library is built beside it."""
        if shutil.which("gcc") is None:
            raise RuntimeError("gcc is missing; install it (Debian: apt install gcc libc6-dev)")
        self.folder = (folder / name).resolve()
        self._control = folder.resolve() / f"{name}.disk"
        library = folder.resolve() / "failing_disk.so"
        if not library.exists():
            built = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(SOURCE), "-ldl"]
            subprocess.run(["gcc", *built], check=True)
        self.environment = os.environ | {
            "LD_PRELOAD": str(library),
            "FAILING_DISK_FOLDER": str(self.folder),
            "FAILING_DISK_CONTROL": str(self._control),
        }

    def refuse(self, number: int) -> None:
        """Let everything that writes fail with this errno."""
        self._say(f"errno {number}")

    def hold(self, capacity_bytes: int) -> None:
        """Let the files of the folder, not of folders in it, be so large together and no larger."""
        self._say(f"capacity {capacity_bytes}")

    def work(self) -> None:
        """Let everything succeed again."""
        self._control.unlink(missing_ok=True)

    def _say(self, what: str) -> None:
        fresh = self._control.with_suffix(".new")
        fresh.write_text(what)
        fresh.replace(self._control)
