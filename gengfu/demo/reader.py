"""What the demo reads over HTTP: the centre's API as anybody would, and the city platform's list of cases."""

import asyncio
import contextlib
import time
from typing import Any

import httpx

from gengfu.demo.audit import Stored

CATCH_UP_TIMEOUT_S = 45.0
HISTORY_LIMIT = 1000
HTTP_TIMEOUT_S = 5.0
WAITING_METRICS = (
    "gengfu_projection_lag_batches",
    'gengfu_outbox{state="waiting"}',
    'gengfu_outbox{state="sending"}',
)


class Reader:
    """A client of both; httpx.HTTPError where one does not answer."""

    def __init__(self, api: str) -> None:
        """``api`` is the centre's base address; set ``platform`` before its cases are read."""
        self._api = api
        self.platform = ""
        self._http = httpx.AsyncClient(timeout=HTTP_TIMEOUT_S, trust_env=False)

    async def platform_cases(self) -> list[dict[str, Any]]:
        """Return the cases as the city platform has them."""
        cases: list[dict[str, Any]] = await self._get(f"{self.platform}/api/cases")
        return cases

    async def items(self, name: str) -> list[dict[str, Any]]:
        """Return the first page of one of the centre's lists."""
        page = await self._get(f"{self._api}/api/v1/{name}", limit=HISTORY_LIMIT)
        items: list[dict[str, Any]] = page["items"]
        return items

    async def history(self, gateway: str, device: str, point: str) -> list[Stored]:
        """Return the whole history of a series, page by page."""
        found: list[Stored] = []
        from_ms = 0
        while True:
            url = f"{self._api}/api/v1/points/{gateway}/{device}/{point}/history"
            answer = await self._http.get(url, params={"from_ms": from_ms, "limit": HISTORY_LIMIT})
            if answer.status_code == httpx.codes.NOT_FOUND:
                return found  # nothing of this series has ever arrived
            page = answer.raise_for_status().json()
            found += [Stored(row["time_ms"], row["value"]) for row in page["items"]]
            if len(page["items"]) < HISTORY_LIMIT:
                return found
            from_ms = found[-1].time_ms + 1

    async def silence(self, matcher: str, reason: str) -> None:
        """Let nobody be told of what matches, for an hour."""
        body = {"matchers": [matcher], "for_s": 3600, "comment": reason}
        (await self._http.post(f"{self._api}/api/v1/silences", json=body)).raise_for_status()

    async def caught_up(self) -> None:
        """Wait until the centre has projected all that it took, and its cases are out; at most 45 s."""
        deadline = time.monotonic() + CATCH_UP_TIMEOUT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                answer = await self._http.get(f"{self._api}/metrics")
                lags = [
                    float(line.rpartition(" ")[2])
                    for line in answer.text.splitlines()
                    if line.startswith(WAITING_METRICS)
                ]
                if lags and not any(lags):
                    return
            await asyncio.sleep(0.2)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _get(self, url: str, **parameters: str | int) -> Any:
        answer = await self._http.get(url, params=parameters)
        answer.raise_for_status()
        return answer.json()
