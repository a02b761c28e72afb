"""Channels of Apprise: mail, DingTalk, WeCom, Feishu, webhooks and the like. It blocks, so it has threads."""

import asyncio
import logging
import re
import threading
import warnings
from concurrent.futures import Executor
from functools import lru_cache
from urllib.parse import quote, unquote

import apprise

from collector.telling.outgoing import Accepted, Answer, Outgoing, Refused

ID_HEADER = "X-Gengfu-Message-Id"
IDEMPOTENCY_HEADER = "Idempotency-Key"
ADDRESS = "{address}"
SECRET_CHARACTERS_MIN = 3
REASON_CHARACTERS_MAX = 200

_log = logging.getLogger("apprise")
_log.propagate = False  # what it writes may hold addresses and tokens
_log.setLevel(logging.WARNING)


class AppriseSender:
    """Sends over one URL of Apprise; ``{address}`` in it is filled in for each person."""

    def __init__(self, name: str, url: str, timeout_s: float, threads: Executor) -> None:
        """``threads`` run what blocks; ``url`` holds secrets."""
        self.name = name
        self._url, self._timeout_s, self._threads = url, timeout_s, threads

    async def send(self, outgoing: Outgoing) -> Answer:
        """See Channel; a thread that does not end in time is left to the time-outs of its own socket."""
        url = self._url.replace(ADDRESS, quote(outgoing.address, safe=""))
        work = asyncio.get_running_loop().run_in_executor(self._threads, send_now, url, outgoing)
        try:
            return await asyncio.wait_for(work, self._timeout_s)
        except TimeoutError:
            return Refused(f"no end within {self._timeout_s:g} s")


def is_known(url: str) -> bool:
    """Say whether Apprise can make something of this URL."""
    return _made(url.replace(ADDRESS, "somebody%40example.org")) is not None


def send_now(url: str, outgoing: Outgoing) -> Answer:
    """Send here and now. Mail and webhooks carry the message's id, so that a double is recognisable."""
    plugin = _made(url)
    if plugin is None:
        return Refused("Apprise makes nothing of the channel's URL with this address", lasting=True)
    headers = getattr(plugin, "headers", None)
    if isinstance(headers, dict):
        headers[ID_HEADER] = headers[IDEMPOTENCY_HEADER] = outgoing.id
    with _Heard() as heard:
        try:
            taken = plugin.notify(
                title=outgoing.subject, body=outgoing.body, body_format=apprise.NotifyFormat.TEXT
            )
        except Exception as error:
            return Refused(redacted(f"{type(error).__name__}: {error}", url))
    return Accepted() if taken else Refused(redacted(heard.text, url) or "the service did not take it")


def redacted(text: str, url: str) -> str:
    """Return a text without anything that stands in the URL, but its host."""
    host = re.sub(r"^[a-z0-9+.-]+://(?:[^/@]*@)?([^:/?]*).*$", r"\1", url, flags=re.IGNORECASE | re.DOTALL)
    pieces = {unquote(piece) for piece in re.split(r"[:/@?&=,]+", url)} | set(re.split(r"[:/@?&=,]+", url))
    text = text.replace(url, "…")
    for piece in sorted(pieces, key=len, reverse=True):
        if len(piece) >= SECRET_CHARACTERS_MIN and piece not in (host, "mailto", "mailtos", "json", "jsons"):
            text = text.replace(piece, "…")
    return " ".join(text.split())[:REASON_CHARACTERS_MAX]


@lru_cache(maxsize=1)
def _load() -> None:
    """Import Apprise's plugins, which takes a second; some use what Python is about to remove."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        apprise.Apprise.instantiate("json://localhost")


def _made(url: str) -> apprise.NotifyBase | None:
    _load()
    made = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    return made if isinstance(made, apprise.NotifyBase) else None


class _Heard(logging.Handler):
    """What Apprise complains of in this thread, while the context is open."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread, self._lines = threading.get_ident(), list[str]()

    @property
    def text(self) -> str:
        """Return it in one line."""
        return "; ".join(self._lines)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it where it is of this thread."""
        if record.thread == self._thread and len(self._lines) < 4:
            self._lines.append(record.getMessage()[:300])

    def __enter__(self) -> "_Heard":
        _log.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        _log.removeHandler(self)
