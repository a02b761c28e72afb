"""A series store behind the write API of InfluxDB 2, which VictoriaMetrics has, too. All calls block."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from collector.series.store_errors import LinesRefusedError, StoreError

METRICS_BYTES_MAX = 4 * 1024 * 1024
_START = re.compile(rb"^process_start_time_seconds(?:\{[^}\n]*\})? +(\S+)", re.MULTILINE)
_REFUSED = {400, 413, 422}
"""Malformed, too large, outside of what is kept: the same lines would be refused again."""


class InfluxStore:
    """One store at one address; errors are StoreError."""

    def __init__(self, *, url: str, org: str, bucket: str, token: str, timeout_s: float) -> None:
        """Prepare; nothing is asked yet. A token may be empty."""
        self._url, self._org, self._bucket = url.rstrip("/"), org, bucket
        self._client = InfluxDBClient(
            self._url, token, timeout=round(timeout_s * 1000), org=org, retries=False
        )
        self._api = self._client.write_api(write_options=SYNCHRONOUS)
        headers = {"Authorization": f"Token {token}"} if token else {}
        self._http = httpx.Client(timeout=timeout_s, headers=headers, follow_redirects=False, trust_env=False)

    def identity(self) -> str:
        """Return when the store's process started, which tells it from others; empty where it does not say.

        That, too, is an answer: some servers in between keep their metrics to themselves.
        """
        with self._told("asked for its metrics"), self._http.stream("GET", f"{self._url}/metrics") as answer:
            if answer.status_code >= 500:
                raise StoreError(f"{self._url}/metrics answers {answer.status_code}")
            if answer.status_code != 200:
                return ""
            found = bytearray()
            for piece in answer.iter_bytes():
                found += piece
                if len(found) > METRICS_BYTES_MAX:
                    break
        started = _START.search(found)
        return started[1].decode("ascii", "replace") if started else ""

    def write(self, lines: str) -> None:
        """Write lines, times in milliseconds. An answer says that they arrived, not that they are stored."""
        with self._told("given lines"):
            self._api.write(self._bucket, self._org, lines, WritePrecision.MS)  # type: ignore[arg-type]

    def close(self) -> None:
        """Close the connections."""
        self._api.close()  # type: ignore[no-untyped-call]
        self._client.close()  # type: ignore[no-untyped-call]
        self._http.close()

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except (ApiException, InfluxDBError) as error:
            status = getattr(error, "status", None) or getattr(error.response, "status", None)
            text = f"{self._url}, {what}, answers {status}: {_reason(error)}"
            raise (LinesRefusedError if status in _REFUSED else StoreError)(text) from None
        except StoreError:
            raise
        except (HTTPError, httpx.HTTPError, OSError) as error:
            text = f"{self._url}, {what}, does not answer: {str(error)[:300]}"
            raise StoreError(text) from None  # pages of a library's inside help nobody


def _reason(error: Exception) -> str:
    return str(getattr(error, "message", "") or getattr(error, "body", "") or error)[:300]
