"""Keeps everything within its limits: the journal by bytes and age, series and events by age."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, and_, delete
from sqlalchemy.exc import SQLAlchemyError

from collector import journal, series
from collector.database import Database
from collector.projections import Projection
from collector.settings import Limits
from collector.tables import alarms, events, gaps

_log = logging.getLogger(__name__)

DAY_MS = 86_400_000
JOURNAL_FILL = 0.9
"""The journal is brought down to this part of its limit, so that there is room until the next round."""


class Housekeeping:
    """Goes round every ``housekeeping_interval_s``."""

    def __init__(
        self,
        state: Database,
        store: Database,
        projections: Sequence[Projection],
        limits: Limits,
        *,
        now_ms: Callable[[], int],
    ) -> None:
        """``state`` holds journal and events, ``store`` the series; nothing unprojected is dropped."""
        self._state, self._store, self._projections = state, store, projections
        self._limits, self._now_ms = limits, now_ms
        self._after_series = 0

    async def run(self) -> None:
        """Go round until cancelled; a round that fails is the next one's work."""
        while True:
            try:
                await self.round()
            except SQLAlchemyError:
                _log.exception("housekeeping failed and is tried again")
            await asyncio.sleep(self._limits.housekeeping_interval_s)

    async def round(self) -> None:
        """Drop what is too much or too old."""
        now_ms = self._now_ms()
        passed = min([await projection.position() for projection in self._projections])
        before_ms = now_ms - self._limits.journal_retention_days * DAY_MS
        bytes_max = round(self._limits.journal_bytes_max * JOURNAL_FILL)
        dropped = journal.PRUNE_BATCHES_MAX
        while dropped == journal.PRUNE_BATCHES_MAX:
            dropped = await self._state.write(
                lambda connection: journal.prune(
                    connection, passed=passed, bytes_max=bytes_max, before_ms=before_ms
                )
            )
        events_before_ms = now_ms - self._limits.events_retention_days * DAY_MS
        await self._state.write(lambda connection: _drop_events(connection, events_before_ms))
        series_before_ms = now_ms - self._limits.series_retention_days * DAY_MS
        after = self._after_series
        self._after_series = await self._store.write(
            lambda connection: series.drop_older(connection, series_before_ms, after)
        )


def _drop_events(connection: Connection, before_ms: int) -> None:
    connection.execute(delete(events).where(events.c.received_ms < before_ms))
    connection.execute(delete(gaps).where(gaps.c.recorded_ms < before_ms))
    over = and_(alarms.c.cleared_ms.is_not(None), alarms.c.case_id.is_(None))
    connection.execute(delete(alarms).where(alarms.c.received_ms < before_ms, over))
