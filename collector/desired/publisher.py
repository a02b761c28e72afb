"""Desired documents on their way: published, retained, until the gateway answers, ever more seldom."""

from collections.abc import Callable, Sequence
from random import Random

from sqlalchemy import Connection, select, update

from collector.database import Database
from collector.desired.states import OPEN, RETRIED, State
from collector.metrics import Metrics
from collector.publishing import AT_ONCE_MAX, Outgoing, Publisher, expiry_s
from collector.tables import desired
from contract import topics


class DesiredPublisher(Publisher):
    """Retained, until the gateway answers."""

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
        super().__init__(
            "desired documents", database, metrics.desired_sent, metrics.patiences, now_ms=now_ms
        )
        self._district, self._random = district, random
        self._retry_min_s, self._retry_max_s = retry_min_s, retry_max_s

    def is_due(self, connection: Connection) -> bool:
        """See Publisher."""
        query = select(desired.c.next_ms).where(desired.c.next_ms <= self._now_ms()).limit(1)
        return connection.execute(query).first() is not None

    def due(self, connection: Connection) -> list[Outgoing]:
        """See Publisher."""
        now_ms = self._now_ms()
        columns = (desired.c.gateway, desired.c.kind, desired.c.sequence, desired.c.jws, desired.c.expires_ms)
        query = select(*columns).where(desired.c.next_ms <= now_ms).order_by(desired.c.next_ms)
        return [
            Outgoing(
                topics.desired(self._district, row.gateway, row.kind),
                row.jws,
                expiry_s(row.expires_ms, now_ms),
                True,
                (row.gateway, row.kind, row.sequence),
            )
            for row in connection.execute(query.limit(AT_ONCE_MAX))
        ]

    def expire(self, connection: Connection) -> None:
        """See Publisher."""
        over = desired.c.expires_ms <= self._now_ms()
        reason = "its time was over before the gateway had answered"
        connection.execute(
            update(desired)
            .where(over, desired.c.next_ms.is_not(None), desired.c.state.in_(OPEN))
            .values(state=State.EXPIRED.value, reason=reason)
        )
        connection.execute(update(desired).where(over, desired.c.next_ms.is_not(None)).values(next_ms=None))

    def note(self, connection: Connection, outgoing: Sequence[Outgoing]) -> None:
        """See Publisher."""
        now_ms = self._now_ms()
        for each in outgoing:
            gateway, kind, sequence = each.key
            this = (
                desired.c.gateway == gateway,
                desired.c.kind == kind,
                desired.c.sequence == sequence,
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
