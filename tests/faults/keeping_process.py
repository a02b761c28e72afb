"""The other end of keeping.py: starts the process on a failing disk and tells it what to do."""

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.faults.failing_disk import FailingDisk

ROOT = Path(__file__).parents[2]
END_TIMEOUT_S = 30


class KeepingProcess:
    """The process."""

    def __init__(self, disk: FailingDisk, ballast_bytes: int = 0, *options: str) -> None:
        """Start it; ``told`` is its log after it has ended."""
        self.told = ""
        command = [
            sys.executable,
            "-m",
            "tests.faults.keeping",
            str(disk.folder),
            str(ballast_bytes),
            *options,
        ]
        self.process = subprocess.Popen(
            command,
            env=disk.environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        """It is started already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """End it."""
        if kind is not None:
            self.process.kill()
        self.told = self.process.communicate(timeout=END_TIMEOUT_S)[1]
        assert kind is not None or self.process.returncode == 0, self.told

    def do(self, line: str) -> dict[str, Any]:
        """Say a line; return the answer."""
        self.begin(line)
        assert self.process.stdout
        answer = self.process.stdout.readline()
        assert answer, self.process.communicate(timeout=END_TIMEOUT_S)[1]
        found: dict[str, Any] = json.loads(answer)
        return found

    def begin(self, line: str) -> None:
        """Say a line and do not wait."""
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.told = self.process.communicate(timeout=END_TIMEOUT_S)[1]
