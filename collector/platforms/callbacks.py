"""Callbacks of a platform: authenticated, understood as a whole or refused, each event taken once."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select
from sqlalchemy import insert as plain_insert

from collector.platforms import answers
from collector.platforms.hearing import Heard, Hearing, Outcome, Source
from collector.platforms.mapping import ApiKey, Callbacks, PlatformMapping
from collector.platforms.outbox import Tools
from collector.platforms.protocol import Status
from collector.platforms.signing import SignatureError, verified
from collector.platforms.tables import platform_nonces
from collector.platforms.templates import MISSING, value_at

ITEMS_MAX = 100


class CallbackError(Exception):
    """A callback is refused; ``status`` is HTTP's, ``word`` is for counting, the text for whoever sent it."""

    def __init__(self, status: int, word: str, text: str) -> None:
        """Keep all three."""
        super().__init__(text)
        self.status, self.word = status, word


@dataclass(frozen=True, slots=True)
class Called:
    """A request as it came; ``path`` with its query, ``headers`` by lower-case names."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class CallbackDesk:
    """Takes the callbacks of one platform."""

    def __init__(
        self, name: str, mapping: PlatformMapping, secret: str, hearing: Hearing, tools: Tools
    ) -> None:
        """``secret`` is what the platform signs with, or its token."""
        self._name, self._mapping, self._secret = name, mapping, secret
        self._hearing, self._tools = hearing, tools

    @property
    def answer(self) -> dict[str, object]:
        """What the platform wants to be told when all is well; empty: it does not mind."""
        return self._callbacks.answer

    async def take(self, called: Called) -> list[Heard]:
        """Take a callback; CallbackError where it is refused, and counted."""
        try:
            return await self._take(called)
        except CallbackError as error:
            self._tools.metrics.callbacks_refused.labels(self._name, error.word).inc()
            raise

    @property
    def _callbacks(self) -> Callbacks:
        assert self._mapping.callbacks is not None  # noqa: S101 - made only where there are some
        return self._mapping.callbacks

    async def _take(self, called: Called) -> list[Heard]:
        now_ms = self._tools.now_ms()
        nonce = authenticated(self._callbacks, self._secret, called, now_ms)
        statuses = understood(called.body, self._mapping, self._callbacks)
        heard = await self._tools.database.write(lambda db: self._hear(db, nonce, statuses, now_ms))
        for each in heard:
            self._tools.metrics.platform_statuses.labels(self._name, "callback", str(each.outcome)).inc()
        refused = [each.reason for each in heard if each.outcome is Outcome.REFUSED]
        if refused:
            raise CallbackError(409, "refused", "; ".join(refused)[:500])
        return heard

    def _hear(self, connection: Connection, nonce: str, statuses: list[Status], now_ms: int) -> list[Heard]:
        """Take all of them, or none where one is of no case of ours."""
        if nonce:
            self._once(connection, nonce, now_ms)
        heard = [self._hearing.hear(connection, it, Source.CALLBACK, now_ms) for it in statuses]
        if unknown := [it.reason for it in heard if it.outcome is Outcome.UNKNOWN_CASE]:
            raise CallbackError(404, "unknown_case", unknown[0])
        return heard

    def _once(self, connection: Connection, nonce: str, now_ms: int) -> None:
        mine = platform_nonces.c.platform == self._name
        known = select(platform_nonces.c.seen_ms).where(mine, platform_nonces.c.nonce == nonce)
        if connection.execute(known).first():
            raise CallbackError(409, "replayed", "this nonce was used already; sign each request anew")
        kept_ms = round(2 * self._callbacks.window_s * 1000)  # a clock may be ahead by the window
        connection.execute(delete(platform_nonces).where(mine, platform_nonces.c.seen_ms < now_ms - kept_ms))
        connection.execute(
            plain_insert(platform_nonces).values(platform=self._name, nonce=nonce, seen_ms=now_ms)
        )


def authenticated(callbacks: Callbacks, secret: str, called: Called, now_ms: int) -> str:
    """Return the nonce, empty where the platform has none; CallbackError 401 where it is somebody else."""
    scheme = callbacks.authentication
    if isinstance(scheme, ApiKey):
        told = called.headers.get(scheme.header.lower(), "")
        if not hmac.compare_digest(told.encode(errors="replace"), secret.encode()):
            raise CallbackError(401, "forged", f"header {scheme.header}: not the token that was agreed on")
        return ""
    try:
        return verified(
            scheme, secret.encode(), called.headers, called.method, called.path, called.body,
            now_ms=now_ms, window_s=callbacks.window_s,
        )  # fmt: skip
    except SignatureError as error:
        raise CallbackError(401, error.word, str(error)) from error


def understood(body: bytes, mapping: PlatformMapping, callbacks: Callbacks) -> list[Status]:
    """Return what a body tells; CallbackError 422 where any of it cannot be understood."""
    told = answers.decoded(body)
    if told is MISSING:
        raise CallbackError(422, "malformed", "the body is no JSON")
    items = value_at(told, callbacks.items) if callbacks.items else [told]
    if not isinstance(items, list) or not 1 <= len(items) <= ITEMS_MAX:
        raise CallbackError(422, "malformed", f"{callbacks.items}: a list of 1 to {ITEMS_MAX} is needed")
    found = [answers.status_of(item, callbacks.status, mapping) for item in items]
    for index, each in enumerate(found):
        if isinstance(each, str):
            word = "unknown_code" if "unknown stage code" in each else "malformed"
            where = f"{callbacks.items}[{index}]: " if callbacks.items else ""
            raise CallbackError(422, word, where + each)
    return [each for each in found if isinstance(each, Status)]
