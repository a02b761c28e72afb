"""A connector to a platform that speaks JSON over HTTP, by a mapping file. Whatever it does is an answer."""

import asyncio
import base64
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from collector.platforms import answers, templates
from collector.platforms.answers import HttpAnswer
from collector.platforms.mapping import ApiKey, Ask, Basic, Bearer, PlatformMapping
from collector.platforms.protocol import (
    Answered,
    CannotSay,
    Capabilities,
    LookedUp,
    NotSent,
    Outgoing,
    Perhaps,
    Refused,
    Statuses,
    Untold,
)
from collector.platforms.signing import Signature, Signed
from collector.platforms.templates import TemplateError

BODY_BYTES_MAX = 64 * 1024
PAGE_BYTES_MAX = 4 * 1024 * 1024
"""Of a page of statuses, which is longer than an answer to a message."""
REQUEST_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request as it goes out."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


class RestConnector:
    """One platform; a connector of ``protocol.Connector``."""

    def __init__(
        self,
        url: str,
        mapping: PlatformMapping,
        *,
        secret: str = "",
        timeout_s: float,
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        """``url`` stands before every path of the mapping; ``new_id`` makes nonces."""
        self._url, self._mapping, self._secret = url, mapping, secret
        self._timeout_s, self._now_ms, self._new_id = timeout_s, now_ms, new_id
        self._words = mapping.words()
        self._client: httpx.AsyncClient | None = None

    @property
    def capabilities(self) -> Capabilities:
        """See Connector."""
        return self._mapping.capabilities

    async def send(self, message: Outgoing, key: str) -> Answered:
        """See Connector."""
        if message.kind not in self._mapping.messages:
            return Untold()
        try:
            request = self.request_of(message, key)
        except TemplateError as error:
            return Refused(f"cannot be told to this platform: {error}")
        answer = await self._exchange(request, BODY_BYTES_MAX)
        if isinstance(answer, HttpAnswer):
            return answers.of_message(answer, self._mapping)
        return answer

    def request_of(self, message: Outgoing, key: str) -> Request:
        """Return the request of a message, signed now; TemplateError where it cannot be made."""
        ask = self._mapping.messages[message.kind]
        header = self._mapping.key.header if self._mapping.key else ""
        return self._request(ask, _data(message, key), {header: key} if header else {})

    async def look_up(self, message: Outgoing, key: str) -> LookedUp:
        """See Connector."""
        if self._mapping.look_up is None:
            return CannotSay("it cannot be asked")
        try:
            request = self._request(self._mapping.look_up.request, _data(message, key))
        except TemplateError as error:
            return CannotSay(f"cannot be asked for: {error}")
        answer = await self._exchange(request, BODY_BYTES_MAX)
        if isinstance(answer, HttpAnswer):
            return answers.of_look_up(answer, self._mapping)
        return CannotSay(answer.reason, answer.after)

    async def statuses(self, cursor: str) -> Statuses | CannotSay:
        """See Connector."""
        if self._mapping.poll is None:
            return CannotSay("it cannot be polled")
        try:
            request = self._request(self._mapping.poll.request, {"cursor": cursor})
        except TemplateError as error:
            return CannotSay(f"cannot be asked for: {error}")
        answer = await self._exchange(request, PAGE_BYTES_MAX)
        if isinstance(answer, HttpAnswer):
            return answers.of_poll(answer, self._mapping, cursor)
        return CannotSay(answer.reason, answer.after)

    async def close(self) -> None:
        """See Connector."""
        if self._client:
            await self._client.aclose()

    def _request(self, ask: Ask, data: Mapping[str, Any], more: Mapping[str, str] | None = None) -> Request:
        url = (
            self._url.rstrip("/") + templates.text(ask.path, data, self._words, _quoted)
            if ask.path
            else self._url
        )
        headers = {name: templates.text(it, data, self._words) for name, it in ask.headers.items()}
        if unprintable := [
            name for name, text in headers.items() if not (text.isascii() and text.isprintable())
        ]:
            raise TemplateError(f"header {unprintable[0]} would hold what no header can; headers are ASCII")
        headers |= {"Accept": "application/json", "Accept-Encoding": "identity", **(more or {})}
        body = b""
        if ask.method != "GET":
            told = templates.filled(ask.body, data, self._words) if ask.body is not None else data
            if ask.form == "urlencoded":
                body = urlencode({name: _text(value) for name, value in told.items()}).encode()
                headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
            else:
                body = json.dumps(told, ensure_ascii=False).encode(errors="replace")
                headers["Content-Type"] = "application/json; charset=utf-8"
        if len(body) > REQUEST_BYTES_MAX:
            raise TemplateError(f"the request has {len(body)} bytes, and {REQUEST_BYTES_MAX} are the most")
        request = Request(ask.method, url, headers, body)
        return Request(ask.method, url, headers | self._authentication(request), body)

    def _authentication(self, request: Request) -> dict[str, str]:
        match self._mapping.authentication:
            case Bearer():
                return {"Authorization": f"Bearer {self._secret}"}
            case Basic(user=user):
                pair = base64.b64encode(f"{user}:{self._secret}".encode()).decode()
                return {"Authorization": f"Basic {pair}"}
            case ApiKey(header=header):
                return {header: self._secret}
            case Signature() as scheme:
                path = httpx.URL(request.url).raw_path.decode("ascii")
                timestamp = scheme.timestamp(self._now_ms())
                signed = Signed(request.method, path, timestamp, self._new_id(), request.body)
                return scheme.headers(self._secret.encode(), signed)
        return {}

    async def _exchange(self, request: Request, bytes_max: int) -> HttpAnswer | NotSent | Perhaps:
        if self._client is None:
            timeout = httpx.Timeout(self._timeout_s)
            self._client = httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False)
        try:
            # httpx limits each read; this limits a platform that sends a byte now and then.
            async with (
                asyncio.timeout(2 * self._timeout_s),
                self._client.stream(
                    request.method, request.url, content=request.body, headers=request.headers
                ) as response,
            ):
                body = b""
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > bytes_max:
                        break
                told = plain(body[:bytes_max], response.headers.get("Content-Encoding", ""), bytes_max)
                return HttpAnswer(
                    response.status_code,
                    told,
                    response.headers.get("Retry-After", "")[:100],
                    response.headers.get("Location", "")[:200],
                )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return NotSent(f"no connection: {_named(error)}")
        except (httpx.InvalidURL, UnicodeError) as error:  # names are checked late, when they are looked up
            return NotSent(f"no address: {_named(error)}")
        except (httpx.HTTPError, httpx.StreamError, TimeoutError) as error:
            return Perhaps(f"no answer: {_named(error)}")


def plain(body: bytes, encoding: str, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """Unpack a body that is packed although we asked for a plain one, up to its limit."""
    if encoding.lower() not in ("gzip", "x-gzip"):
        return body
    try:
        return zlib.decompressobj(wbits=31).decompress(body, bytes_max)
    except zlib.error:
        return body


def _data(message: Outgoing, key: str) -> dict[str, Any]:
    return {**message.payload, "kind": message.kind, "n": message.n, "key": key}


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="replace")


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _named(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()
