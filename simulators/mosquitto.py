"""A real mosquitto on a free loopback port, with a folder and a configuration of its own.

The program is the machine's, or the one that ``make setup`` unpacked into ``.deps``.
"""

import os
import pwd
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from simulators import programs
from simulators.errors import SimulatorError

HOST = "127.0.0.1"
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0


class BrokerError(SimulatorError):
    """mosquitto is missing or did not start; the text says what to do."""


class Mosquitto:
    """One broker process; ``start`` after ``kill`` runs it again on the same port and folder."""

    def __init__(
        self, folder: Path, port: int | None = None, *, in_child: Callable[[], None] | None = None
    ) -> None:
        """Prepare ``folder`` (created, readable by the broker's user); ``port`` is chosen if not given.

        ``in_child`` is called in the new process before it becomes the broker. BrokerError if there is no
        mosquitto, or the folder cannot be made.
        """
        self.folder = folder
        self._in_child = in_child
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._program, self._environment = _program()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BrokerError(
                f"{folder}: cannot make this folder: {error.strerror}; choose another"
            ) from error

    @property
    def log(self) -> Path:
        """The broker's own log."""
        return self.folder / "mosquitto.log"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it and wait until it accepts connections; BrokerError if it cannot."""
        if self._accepts():
            raise BrokerError(f"port {self.port} of {HOST} is taken by another program; choose another port")
        user = pwd.getpwuid(os.getuid()).pw_name
        configuration = self.folder / "mosquitto.conf"
        text = (
            f"user {user}\n"  # as root it would drop to its own user and lose its folder
            f"listener {self.port} {HOST}\n"
            "allow_anonymous true\n"
            "persistence true\n"
            f"persistence_location {self.folder}/\n"
            f"log_dest file {self.log}\n"
            "log_type error\nlog_type warning\nlog_type notice\n"
            "max_queued_messages 100000\n"
            "max_inflight_messages 1000\n"
            "sys_interval 1\n"
        )
        try:
            configuration.write_text(text)
        except OSError as error:
            raise BrokerError(
                f"{configuration}: cannot be written: {error.strerror}; choose another folder"
            ) from error
        self._process = subprocess.Popen(
            [self._program, "-c", str(configuration)],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the one who started us
            preexec_fn=self._in_child,  # noqa: PLW1509 - the caller's to keep small
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise BrokerError(
                    f"mosquitto did not start on port {self.port}; it said: {self.last_words()}"
                )
            time.sleep(0.02)

    def stop(self) -> None:
        """End it politely; it writes its persistence file."""
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

    def wipe(self) -> None:
        """Remove sessions, retained messages and queues of a stopped broker."""
        (self.folder / "mosquitto.db").unlink(missing_ok=True)

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


def _program() -> tuple[str, dict[str, str]]:
    program = programs.find("mosquitto")
    if program is None:
        raise BrokerError("no mosquitto on this machine; run `make setup`, or install the package mosquitto")
    return program
