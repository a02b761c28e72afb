"""A real VictoriaMetrics on a free loopback port, with a folder of its own.

What is sent again counts once (``-dedup.minScrapeInterval``), and nothing is too old for it.
"""

import json
import shutil
import urllib.parse
import urllib.request
from typing import Any

from simulators.errors import SimulatorError
from simulators.servers import HOST, Server

REQUEST_TIMEOUT_S = 60.0
EXPORT_BYTES_MAX = 1024**3

Key = tuple[tuple[str, str], ...]
"""The labels of a series, by name; ``__name__`` among them."""


class StoreError(SimulatorError):
    """VictoriaMetrics is missing, did not start or did not answer; the text says what to do."""


class VictoriaMetrics(Server):
    """One store process; stopped politely, it writes what it holds in memory."""

    name = "victoria-metrics"
    error = StoreError

    @property
    def url(self) -> str:
        """Where it serves, and takes lines under /api/v2/write."""
        return f"http://{HOST}:{self.port}"

    def arguments(self) -> list[str]:
        """Return how it is called."""
        return [
            f"-httpListenAddr={HOST}:{self.port}",
            f"-storageDataPath={self.folder / 'data'}",
            "-retentionPeriod=100y",
            "-dedup.minScrapeInterval=1ms",
            "-search.latencyOffset=0s",
            "-selfScrapeInterval=0",
            "-memory.allowedBytes=128MiB",
        ]

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

    def _get(self, path: str) -> bytes:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=REQUEST_TIMEOUT_S) as answer:  # noqa: S310
                body: bytes = answer.read(EXPORT_BYTES_MAX)
                return body
        except OSError as error:
            raise StoreError(
                f"{self.url}{path} does not answer: {error}; it said: {self.last_words()}"
            ) from error
