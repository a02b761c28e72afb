"""Runs a workload with its file operations recorded (recorder.c), and reads the record."""

import ctypes
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WORKLOAD_S_MAX = 100
_RECORD = struct.Struct("=B3xiqII")


class Kind(IntEnum):
    """What an operation does; as in recorder.c."""

    OPEN = 1  # path, offset: the flags
    WRITE = 2  # offset, data
    RESIZE = 3  # offset: the new size
    RENAME = 4  # path, data: the new path
    UNLINK = 5  # path
    MKDIR = 6  # path
    SYNC = 7  # of a file or a folder
    CLOSE = 8
    MARK = 9  # data: what the workload says of itself


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; paths are below the recorded folder."""

    kind: Kind
    fd: int
    offset: int
    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Life:
    """What a workload is told: how it is to live."""

    workload: str  # a module of this folder
    seed: int
    steps: int
    weaken: str = ""


class RecorderError(Exception):
    """The recorder cannot be built, or the workload failed under it."""


def scratch() -> Path:
    """Return a new folder, in memory where the machine has that; the caller removes it."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="power-", dir=memory if os.access(memory, os.W_OK) else None))


def build(folder: Path) -> Path:
    """Compile the recorder into ``folder``; RecorderError where that cannot be done."""
    compiler = shutil.which("gcc")
    if compiler is None:
        raise RecorderError("gcc is missing: install it (Debian: apt install gcc libc6-dev)")
    library = folder / "recorder.so"
    source = Path(__file__).with_name("recorder.c")
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-U_FORTIFY_SOURCE", "-shared", "-fPIC"]
    command = [compiler, *flags, "-o", str(library), str(source), "-ldl", "-pthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RecorderError(f"gcc cannot build the recorder:\n{done.stderr}")
    return library


def record(library: Path, life: Life, disk: Path) -> list[Operation]:
    """Let the workload live in the folder ``disk`` and return everything it did there, in order."""
    disk = disk.resolve()
    log = disk.with_name(f"{disk.name}.log")
    told = [str(disk), str(life.seed), str(life.steps), life.weaken]
    done = subprocess.run(
        [sys.executable, "-m", f"tests.faults.{life.workload}", *told],
        env=os.environ | {"LD_PRELOAD": str(library), "RECORDER_FOLDER": str(disk), "RECORDER_LOG": str(log)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WORKLOAD_S_MAX,
        check=False,
    )
    if done.returncode != 0:
        raise RecorderError(f"{life} failed with {done.returncode}:\n{done.stderr}")
    operations = read(log.read_bytes())
    log.unlink()
    return operations


def read(log: bytes) -> list[Operation]:
    """Return the operations of a log."""
    operations, at = [], 0
    while at < len(log):
        kind, fd, offset, path_size, data_size = _RECORD.unpack_from(log, at)
        path_at = at + _RECORD.size
        data_at = path_at + path_size
        at = data_at + data_size
        path = log[path_at:data_at].decode()
        operations.append(Operation(Kind(kind), fd, offset, path, log[data_at:at]))
    return operations


class Marker:
    """What a workload tells of itself, into the record; only under the recorder."""

    def __init__(self) -> None:
        """Find the recorder in this process; AttributeError where it was not preloaded."""
        self._mark = ctypes.CDLL(None).recorder_mark
        self._mark.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
        self._mark.restype = None

    def begin(self) -> None:
        """Say that a transaction is about to begin."""
        self._tell({"begin": True})

    def end(self, change: dict[str, Any]) -> None:
        """Say that it is durable, and what it changed."""
        self._tell({"end": change})

    def note(self, what: dict[str, Any]) -> None:
        """Say something that happened elsewhere."""
        self._tell({"note": what})

    def _tell(self, what: dict[str, Any]) -> None:
        data = json.dumps(what).encode()
        self._mark(data, len(data))
