"""A real server on a free loopback port, with a folder of its own: started, stopped, killed, started again.

The program is the machine's, or the one that ``make setup`` unpacked into ``.deps``.
"""

import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from simulators import programs
from simulators.errors import SimulatorError

HOST = "127.0.0.1"
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 20.0


class Server(ABC):
    """One server process; ``start`` after ``kill`` runs it again on the same port and folder."""

    name: ClassVar[str]
    """Of the program, of Debian's package, and of the log."""
    error: ClassVar[type[SimulatorError]]
    """What is raised where it cannot be started."""

    def __init__(
        self, folder: Path, port: int | None = None, *, in_child: Callable[[], None] | None = None
    ) -> None:
        """Prepare ``folder`` (created, readable by the server's user); ``port`` is chosen if not given.

        ``in_child`` is called in the new process before it becomes the server. ``error`` if there is no such
        program, or the folder cannot be made.
        """
        program = programs.find(self.name)
        if program is None:
            raise self.error(
                f"no {self.name} on this machine; run `make setup`, or install the package {self.name}"
            )
        self._program, self._environment = program
        self.folder = folder
        self.port = port or free_port()
        self._in_child = in_child
        self._process: subprocess.Popen[bytes] | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self.error(
                f"{folder}: cannot make this folder: {error.strerror}; choose another"
            ) from error

    @abstractmethod
    def arguments(self) -> list[str]:
        """Return how it is called; ``error`` where something that it needs cannot be made."""

    @property
    def log(self) -> Path:
        """What it said."""
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it and wait until it accepts connections; ``error`` if it cannot."""
        if self._accepts():
            raise self.error(f"port {self.port} of {HOST} is taken by another program; choose another port")
        arguments = self.arguments()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, *arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the one who started us
                preexec_fn=self._in_child,  # noqa: PLW1509 - the caller's to keep small
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise self.error(
                    f"{self.name} did not start on port {self.port}; it said: {self.last_words()}"
                )
            time.sleep(0.02)

    def stop(self) -> None:
        """End it politely; it writes what it holds in memory."""
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self._process and self._process.poll() is None:
            self._process.kill()
        if self._process:
            self._process.wait(STOP_TIMEOUT_S)
        self._process = None

    def last_words(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-500:].strip() if self.log.exists() else "nothing"

    def _accepts(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=0.5):
                return True
        except OSError:
            return False


def free_port() -> int:
    """Return a loopback TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
