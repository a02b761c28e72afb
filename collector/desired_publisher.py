"""Desired documents on their way: published, retained, until the gateway answers, ever more seldom."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import SQLAlchemyError

from collector.database import Database
from collector.desired_states import OPEN, RETRIED, State
from collector.metrics import Metrics
from collector.tables import desired
from contract import topics

_log = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.5
AT_ONCE_MAX = 32
EXPIRY_S_MAX = 2**32 - 1
"""What MQTT has room for."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A document to be published, retained; after ``expiry_s`` (None: never) the broker may forget it."""

    gateway: str
    kind: str
    sequence: int
    topic: str
    payload: bytes
    expiry_s: int | None


class Publisher:
    """Says what is due, and notes that it was sent. What is due stands in the state."""

    def __init__(
        self,
        district: str,
        database: Database,
        metrics: Metrics,
        *,
        retry_min_s: float,
        retry_max_s: float,
        now_ms: Callable[[], int],
        random: Random,
    ) -> None:
        """Waits begin at ``retry_min_s`` and are doubled up to ``retry_max_s``, with a random part."""
        self.failing = ""
        self._district, self._database, self._metrics = district, database, metrics
        self._retry_min_s, self._retry_max_s = retry_min_s, retry_max_s
        self._now_ms, self._random = now_ms, random

    async def take(self) -> list[Outgoing]:
        """Wait until something is due, and return some of it; each is to be told as ``sent``."""
        while True:
            try:
                if await self._database.read(self._is_due):
                    await self._database.write(self._expire)
                    if due := await self._database.read(self._due):
                        return due
                self.failing = ""
            except SQLAlchemyError as error:
                self._failed(error)
            await asyncio.sleep(POLL_INTERVAL_S)

    async def sent(self, outgoing: list[Outgoing]) -> None:
        """Note that the broker has taken them; what cannot be noted is sent again."""
        self._metrics.desired_sent.inc(len(outgoing))
        try:
            await self._database.write(lambda connection: self._note(connection, outgoing))
        except SQLAlchemyError as error:
            self._failed(error)

    def _failed(self, error: SQLAlchemyError) -> None:
        if not self.failing:
            _log.error("desired documents cannot be read or noted: %s", error)
        self.failing = str(getattr(error, "orig", error))

    def _is_due(self, connection: Connection) -> bool:
        query = select(desired.c.next_ms).where(desired.c.next_ms <= self._now_ms()).limit(1)
        return connection.execute(query).first() is not None

    def _due(self, connection: Connection) -> list[Outgoing]:
        now_ms = self._now_ms()
        columns = (desired.c.gateway, desired.c.kind, desired.c.sequence, desired.c.jws, desired.c.expires_ms)
        query = select(*columns).where(desired.c.next_ms <= now_ms).order_by(desired.c.next_ms)
        return [
            Outgoing(
                row.gateway,
                row.kind,
                row.sequence,
                topics.desired(self._district, row.gateway, row.kind),
                row.jws,
                None if row.expires_ms is None else min(-((now_ms - row.expires_ms) // 1000), EXPIRY_S_MAX),
            )
            for row in connection.execute(query.limit(AT_ONCE_MAX))
        ]

    def _expire(self, connection: Connection) -> None:
        """What is over is not sent any more."""
        over = desired.c.expires_ms <= self._now_ms()
        reason = "its time was over before the gateway had answered"
        connection.execute(
            update(desired)
            .where(over, desired.c.next_ms.is_not(None), desired.c.state.in_(OPEN))
            .values(state=State.EXPIRED.value, reason=reason)
        )
        connection.execute(update(desired).where(over, desired.c.next_ms.is_not(None)).values(next_ms=None))

    def _note(self, connection: Connection, outgoing: list[Outgoing]) -> None:
        now_ms = self._now_ms()
        for each in outgoing:
            this = (
                desired.c.gateway == each.gateway,
                desired.c.kind == each.kind,
                desired.c.sequence == each.sequence,
            )
            row = connection.execute(
                select(desired.c.state, desired.c.refusal, desired.c.attempts).where(*this)
            ).first()
            if row is None:
                continue
            waits_on = row.state in OPEN or (row.state == State.REFUSED and row.refusal in RETRIED)
            connection.execute(
                update(desired)
                .where(*this)
                .values(
                    state=State.SENT.value if row.state == State.WAITING else row.state,
                    attempts=row.attempts + 1,
                    sent_ms=now_ms,
                    next_ms=now_ms + self._wait_ms(row.attempts) if waits_on else None,
                )
            )

    def _wait_ms(self, attempts: int) -> int:
        wait_s = min(self._retry_min_s * 2.0 ** min(attempts, 30), self._retry_max_s)
        return round(wait_s * (500 + self._random.random() * 500))
