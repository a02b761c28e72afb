"""A real VictoriaMetrics on a free loopback port, with a folder of its own.

The program is the machine's, or the one that ``make setup`` unpacked into ``.deps``. What is sent again
counts once (``-dedup.minScrapeInterval``), and nothing is too old for it.
"""

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulators import programs
from simulators.errors import SimulatorError
from simulators.mosquitto import HOST, free_port

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 20.0
REQUEST_TIMEOUT_S = 60.0
EXPORT_BYTES_MAX = 1024**3

Key = tuple[tuple[str, str], ...]
"""The labels of a series, by name; ``__name__`` among them."""


class StoreError(SimulatorError):
    """VictoriaMetrics is missing, did not start or did not answer; the text says what to do."""


class VictoriaMetrics:
    """One store process; ``start`` after ``kill`` runs it again on the same port and folder."""

    def __init__(
        self, folder: Path, port: int | None = None, *, in_child: Callable[[], None] | None = None
    ) -> None:
        """Prepare ``folder``, which is made; ``port`` is chosen if not given.

        ``in_child`` is called in the new process before it becomes the store. StoreError if there is no
        victoria-metrics, or the folder cannot be made.
        """
        program = programs.find("victoria-metrics")
        if program is None:
            raise StoreError(
                "no victoria-metrics on this machine; run `make setup`, or install the package of that name"
            )
        self._program, self._environment = program
        self.folder = folder
        self.port = port or free_port()
        self._in_child = in_child
        self._process: subprocess.Popen[bytes] | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{folder}: cannot make this folder: {error.strerror}; choose another"
            ) from error

    @property
    def url(self) -> str:
        """Where it serves, and takes lines under /api/v2/write."""
        return f"http://{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        """What it said."""
        return self.folder / "victoria-metrics.log"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it and wait until it accepts connections; StoreError if it cannot."""
        if self._accepts():
            raise StoreError(f"port {self.port} of {HOST} is taken by another program; choose another port")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    f"-httpListenAddr={HOST}:{self.port}",
                    f"-storageDataPath={self.folder / 'data'}",
                    "-retentionPeriod=100y",
                    "-dedup.minScrapeInterval=1ms",
                    "-search.latencyOffset=0s",
                    "-selfScrapeInterval=0",
                    "-memory.allowedBytes=128MiB",
                ],
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
                raise StoreError(
                    f"victoria-metrics did not start on port {self.port}; it said: {self.last_words()}"
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

    def wipe(self) -> None:
        """Remove everything that a stopped store holds."""
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def export(self, match: str = '{__name__!=""}') -> dict[Key, list[tuple[int, float]]]:
        """Return every sample of the series that match: (time in ms, value), in order of time.

        What it took a moment ago is shown as well.
        """
        self._get("/internal/force_flush")
        query = urllib.parse.urlencode({"match[]": match, "start": "0", "end": "4102444800"})
        found: dict[Key, list[tuple[int, float]]] = {}
        for line in self._get(f"/api/v1/export?{query}").splitlines():
            told: dict[str, Any] = json.loads(line)
            samples = found.setdefault(tuple(sorted(told["metric"].items())), [])
            samples += zip(told["timestamps"], map(float, told["values"]), strict=True)
        return {key: sorted(samples) for key, samples in found.items()}

    def last_words(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-500:].strip() if self.log.exists() else "nothing"

    def _get(self, path: str) -> bytes:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=REQUEST_TIMEOUT_S) as answer:  # noqa: S310
                body: bytes = answer.read(EXPORT_BYTES_MAX)
                return body
        except OSError as error:
            raise StoreError(
                f"{self.url}{path} does not answer: {error}; it said: {self.last_words()}"
            ) from error

    def _accepts(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=0.5):
                return True
        except OSError:
            return False
