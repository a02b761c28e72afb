"""One HTTP request whose answer is bounded in bytes and in time."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

ANSWER_BYTES_MAX = 16 * 1024


class NoAnswerError(Exception):
    """None came; the text says why, without the address."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer; ``headers`` by their names in lower case, ``content`` up to ANSWER_BYTES_MAX."""

    status: int
    headers: Mapping[str, str]
    content: bytes


async def heard(client: httpx.AsyncClient, request: httpx.Request, timeout_s: float) -> Heard:
    """Send a request and return its answer; NoAnswerError."""
    try:
        # httpx limits each read; this limits a server that sends a byte now and then.
        async with asyncio.timeout(timeout_s):
            answer = await client.send(request, stream=True)
            try:
                content = b""
                async for chunk in answer.aiter_raw():
                    content += chunk
                    if len(content) > ANSWER_BYTES_MAX:
                        break
            finally:
                await answer.aclose()
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, UnicodeError, TimeoutError) as error:
        raise NoAnswerError(type(error).__name__) from error
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Heard(answer.status_code, headers, content[:ANSWER_BYTES_MAX])
