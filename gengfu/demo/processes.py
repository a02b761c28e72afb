"""The demo's processes: started in order, told to end in order, and never left behind."""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

READY_TIMEOUT_S = 60.0
END_TIMEOUT_S = 30.0
PR_SET_PDEATHSIG = 1


class DemoError(RuntimeError):
    """A part of the demo did not do what it should; the text says which and what it said."""


class Child:
    """One process of ours; what it logs goes into a file, its first line of output says that it is ready."""

    def __init__(
        self, name: str, arguments: list[str], log: Path, *, environment: Mapping[str, str] | None = None
    ) -> None:
        """Remember what to start; ``environment`` is added to ours."""
        self.name = name
        self._environment = dict(environment or {})
        self._arguments = [sys.executable, "-m", *arguments]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ending = False

    @property
    def fallen(self) -> str:
        """Say how it ended if nobody asked it to; nothing while all is well."""
        if self._process is None or self._is_ending or self._process.poll() is None:
            return ""
        return f"{self.name} ended by itself with status {self._process.returncode}; see {self._log}"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> dict[str, Any]:
        """Start it and return its line of readiness; DemoError if it does not come."""
        self.spawn()
        return self.ready()

    def spawn(self) -> None:
        """Start it and do not wait."""
        self._is_ending = False
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | self._environment,
                start_new_session=True,  # Ctrl-C is for the demo, which ends its parts in order
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, no lock, no allocation
            )

    def ready(self, timeout_s: float = READY_TIMEOUT_S) -> dict[str, Any]:
        """Wait for its line of readiness and return it; DemoError if it does not come."""
        line = self._first_line(timeout_s)
        try:
            ready = json.loads(line)
        except ValueError as error:
            self.kill()
            tail = self._log.read_text(errors="replace")[-600:]
            raise DemoError(f"{self.name} did not start; it said: {line!r} {tail}") from error
        if not isinstance(ready, dict):
            raise DemoError(f"{self.name} said {line!r} instead of how it can be reached")
        return ready

    def end(self) -> int | None:
        """Ask it to end and wait; a process that does not is killed. Return its exit status."""
        if self._process is None:
            return None
        self._is_ending = True
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._let_go()
        return self._process.returncode

    def kill(self) -> None:
        """End it at once."""
        self._is_ending = True
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(END_TIMEOUT_S)
        self._let_go()

    def _let_go(self) -> None:
        if self._process and self._process.stdout:
            self._process.stdout.close()

    def _first_line(self, timeout_s: float) -> bytes:
        assert self._process is not None  # noqa: S101 - set just before
        assert self._process.stdout is not None  # noqa: S101
        descriptor = self._process.stdout.fileno()
        deadline, line = time.monotonic() + timeout_s, b""
        while not line.endswith(b"\n") and (rest_s := deadline - time.monotonic()) > 0:
            if select.select([descriptor], [], [], rest_s)[0]:
                part = os.read(descriptor, 4096)
                if not part:
                    break
                line += part
        return line


def die_with_parent() -> None:
    """Even a killed demo leaves nobody behind (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
