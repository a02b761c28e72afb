"""Cases on their way to the city platform. Each is sent until the platform has it, or a person must look."""

import asyncio
import logging
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import httpx
from sqlalchemy import Connection, Exists, exists, select, update
from sqlalchemy.exc import SQLAlchemyError

from collector.cases.desk import CaseDesk
from collector.cases.outgoing import Posting
from collector.database import Database
from collector.metrics import Metrics
from collector.platforms.verdicts import (
    Answered,
    Attempt,
    Filed,
    NeedsPerson,
    NotSent,
    Retry,
    Unknown,
    Verdict,
    judge,
    wait_s,
)
from collector.settings import Platform
from collector.tables import outbox

_log = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.5
BODY_BYTES_MAX = 64 * 1024
INTERRUPTED = "interrupted while it was being sent"


@dataclass(frozen=True, slots=True)
class Due:
    """A message to be sent now; ``attempts`` counts this one."""

    row: int
    case_id: str
    key: str
    payload: str
    attempts: int


class Outbox:
    """Sends what is due, so many at once, and writes down what came of it."""

    def __init__(
        self,
        platform: Platform,
        database: Database,
        desk: CaseDesk,
        metrics: Metrics,
        *,
        now_ms: Callable[[], int],
        random: Random,
    ) -> None:
        """Prepare; ``run`` works."""
        self.failing = ""
        self._platform, self._database, self._metrics = platform, database, metrics
        self._desk = desk
        self._now_ms, self._random = now_ms, random
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Send until cancelled; what is under way then is settled by the next start."""
        await self._recovered()
        timeout = httpx.Timeout(self._platform.timeout_s)
        async with (
            httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False) as client,
            asyncio.TaskGroup() as tasks,
        ):
            while True:
                try:
                    for due in await self._due():
                        task = tasks.create_task(self._send(client, due))
                        self._under_way.add(task)
                        task.add_done_callback(self._under_way.discard)
                    self.failing = ""
                except SQLAlchemyError as error:
                    self.failing = str(getattr(error, "orig", error))
                await asyncio.sleep(POLL_INTERVAL_S)

    async def _recovered(self) -> None:
        """Settle what was interrupted, as soon as the database can be written."""
        while True:
            try:
                await self._database.write(self._recover)
            except SQLAlchemyError as error:
                self.failing = str(getattr(error, "orig", error))
                await asyncio.sleep(POLL_INTERVAL_S)
            else:
                return

    async def _due(self) -> list[Due]:
        free = self._platform.concurrency_max - len(self._under_way)
        if free < 1 or not await self._database.read(lambda connection: self._select(connection, 1)):
            return []
        return await self._database.write(lambda connection: self._claim(connection, free))

    def _select(self, connection: Connection, count_max: int) -> list[Due]:
        query = (
            select(outbox.c.row, outbox.c.case_id, outbox.c.key, outbox.c.payload, outbox.c.attempts + 1)
            .where(outbox.c.state == Posting.WAITING, outbox.c.next_ms <= self._now_ms())
            .where(~_earlier())
            .order_by(outbox.c.next_ms)
            .limit(count_max)
        )
        return [Due(*row) for row in connection.execute(query)]

    def _claim(self, connection: Connection, count_max: int) -> list[Due]:
        """Mark what will be sent before it is sent, so that an interruption is known as one."""
        claimed = self._select(connection, count_max)
        for due in claimed:
            _set(connection, due.row, state=Posting.SENDING, attempts=due.attempts)
        return claimed

    def _recover(self, connection: Connection) -> None:
        query = select(outbox.c.row, outbox.c.case_id).where(outbox.c.state == Posting.SENDING)
        for row in connection.execute(query).all():
            self._settle(
                connection,
                Due(row.row, row.case_id, "", "", 1),
                judge(Unknown(INTERRUPTED), has_key=self._has_key),
            )

    async def _send(self, client: httpx.AsyncClient, due: Due) -> None:
        attempt = await self._post(client, due)
        verdict = judge(attempt, has_key=self._has_key)
        if isinstance(verdict, Retry) and due.attempts >= self._platform.attempts_max:
            verdict = NeedsPerson(f"given up after {due.attempts} attempts; the last: {verdict.reason}")
        self._metrics.posts.labels(type(verdict).__name__.lower()).inc()
        if isinstance(verdict, NeedsPerson):
            _log.warning("case %s: %s", due.case_id, verdict.reason)
        while True:
            try:
                await self._database.write(lambda connection: self._settle(connection, due, verdict))
            except SQLAlchemyError as error:
                self.failing = str(getattr(error, "orig", error))
                await asyncio.sleep(POLL_INTERVAL_S)
            else:
                return

    async def _post(self, client: httpx.AsyncClient, due: Due) -> Attempt:
        headers = {"Content-Type": "application/json; charset=utf-8", "Accept-Encoding": "identity"}
        if self._has_key:
            headers[self._platform.idempotency_header] = due.key
        try:
            # httpx limits each read; this limits a platform that sends a byte now and then.
            async with (
                asyncio.timeout(2 * self._platform.timeout_s),
                client.stream(
                    "POST", self._platform.url, content=due.payload.encode(), headers=headers
                ) as response,
            ):
                body = b""
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > BODY_BYTES_MAX:
                        break
                told = _plain(body[:BODY_BYTES_MAX], response.headers.get("Content-Encoding", ""))
                return Answered(response.status_code, told, response.headers.get("Retry-After", ""))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return NotSent(f"no connection: {_named(error)}")
        except (httpx.InvalidURL, UnicodeError) as error:  # names are checked late, when they are looked up
            return NotSent(f"no address: {_named(error)}")
        except (httpx.HTTPError, httpx.StreamError, TimeoutError) as error:
            return Unknown(f"no answer: {_named(error)}")

    def _settle(self, connection: Connection, due: Due, verdict: Verdict) -> None:
        now_ms = self._now_ms()
        match verdict:
            case Filed(number):
                _set(connection, due.row, state=Posting.DONE, reason="")
                self._desk.accepted(connection, due.case_id, number, now_ms)
            case NeedsPerson(reason):
                _set(connection, due.row, state=Posting.NEEDS_PERSON, reason=reason)
            case Retry(reason):
                wait = wait_s(
                    due.attempts,
                    verdict,
                    shortest_s=self._platform.retry_min_s,
                    longest_s=self._platform.retry_max_s,
                    after_max_s=self._platform.retry_after_max_s,
                    now_ms=now_ms,
                    random=self._random,
                )
                _set(
                    connection,
                    due.row,
                    state=Posting.WAITING,
                    reason=reason,
                    next_ms=now_ms + round(wait * 1000),
                )

    @property
    def _has_key(self) -> bool:
        return bool(self._platform.idempotency_header)


def _earlier() -> Exists:
    """Say that a message of the same case is to go first."""
    before = outbox.alias()
    return exists().where(
        before.c.case_id == outbox.c.case_id, before.c.n < outbox.c.n, before.c.state != Posting.DONE
    )


def _set(connection: Connection, row: int, **values: str | int) -> None:
    plain = {key: str(value)[:500] if isinstance(value, str) else value for key, value in values.items()}
    connection.execute(update(outbox).where(outbox.c.row == row).values(**plain))


def _plain(body: bytes, encoding: str) -> bytes:
    """Unpack a body that is packed although we asked for a plain one, up to BODY_BYTES_MAX."""
    if encoding.lower() not in ("gzip", "x-gzip"):
        return body
    try:
        return zlib.decompressobj(wbits=31).decompress(body, BODY_BYTES_MAX)
    except zlib.error:
        return body


def _named(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()
