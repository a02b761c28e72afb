"""Keeps everything within its limits: the journal by bytes and age, all that is made of it by age."""

from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import Connection, select

from collector import dead_letters, journal, old_rows
from collector.alarms import old as old_alarms
from collector.commands import states as command_states
from collector.database import Database
from collector.incidents import old as old_incidents
from collector.old_rows import Old
from collector.patience import Patiences, repeated
from collector.people.settings import People
from collector.people.tables import sessions
from collector.platforms import old as old_platforms
from collector.projections import Projection
from collector.series import projection as series
from collector.series.stores import StoreProjection
from collector.settings import Limits
from collector.tables import audit, commands, connections, events, gaps, lamp_nights, listening
from collector.telling import old as old_telling

DAY_MS = 86_400_000
JOURNAL_FILL = 0.9
"""The journal is brought down to this part of its limit, so that there is room until the next round."""

UNDECODABLE_SHARE = 0.1
"""Of the journal's limit: so much of it may be batches that only wait to be decoded by a later version."""

BLOCKS_AT_ONCE_MAX = 2_000
TRANSACTIONS_PER_ROUND_MAX = 50
"""Of each kind: what is not dropped in a round is the next one's work, and commits go in between."""


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
        people: People,
        series_stores: Sequence[StoreProjection] = (),
    ) -> None:
        """``state`` holds journal and events, ``store`` the series; nothing unprojected is dropped.

        But ``series_stores``, which are others' to keep at work, are waited for only while there is room.
        """
        self._state, self._store, self._projections = state, store, projections
        self._series_stores = series_stores
        self._limits, self._now_ms, self._people = limits, now_ms, people
        self._after_series = 0
        self._looked_rows: dict[int, int] = {}

    async def run(self, patiences: Patiences) -> None:
        """Go round until cancelled; a round that fails is the next one's work."""
        await repeated(self.round, self._limits.housekeeping_interval_s, patiences.of("housekeeping"))

    async def round(self) -> None:
        """Drop what is too much or too old, and merge the small blocks of the series."""
        now_ms = self._now_ms()
        ours = min([await projection.position() for projection in self._projections])
        theirs = [await projection.position() for projection in self._series_stores]
        before_ms = now_ms - self._limits.journal_retention_days * DAY_MS
        journal_max = self._limits.journal_bytes_max
        room = max(journal_max - round(journal_max * JOURNAL_FILL), self._limits.commit_bytes_max)
        spare = await self._undecodable(round(journal_max * UNDECODABLE_SHARE), before_ms)
        while await self._prune(min([ours, *theirs]), journal_max - room, before_ms, spare):
            pass
        while theirs and (dropped := await self._prune(ours, journal_max - room, before_ms=0, spare=spare)):
            for store in self._series_stores:
                await store.lose(dropped)
        events_before_ms = now_ms - self._limits.events_retention_days * DAY_MS
        audit_before_ms = now_ms - self._people.audit_retention_days * DAY_MS
        for old in (
            *_old(events_before_ms, min(events_before_ms, before_ms)),
            *_old_of_lamps(self._limits, now_ms, await self._state.read(self._connections_from)),
            Old((audit.c.row,), [audit.c.at_ms < audit_before_ms]),
            Old((sessions.c.row,), [sessions.c.expires_ms < now_ms]),
        ):
            await self._drop_rows(old)
        await self._look_through(now_ms)
        await self._drop_samples(now_ms - self._limits.series_retention_days * DAY_MS)
        for _ in range(TRANSACTIONS_PER_ROUND_MAX):
            if not await self._store.write(series.compact):
                break

    async def _undecodable(self, bytes_max: int, before_ms: int) -> set[int]:
        """Return the batches that a later version may decode: they stay as long as their age allows."""
        waiting = await self._store.read(series.waiting_to_decode)
        waiting += await self._state.read(dead_letters.waiting)
        return await self._state.read(
            partial(journal.spared, ids=waiting, bytes_max=bytes_max, before_ms=before_ms)
        )

    async def _prune(self, passed: int, bytes_max: int, before_ms: int, spare: set[int]) -> list[int]:
        return await self._state.write(
            partial(journal.prune, passed=passed, bytes_max=bytes_max, before_ms=before_ms, spare=spare)
        )

    async def _drop_rows(self, old: Old) -> None:
        for _ in range(TRANSACTIONS_PER_ROUND_MAX):
            dropped = await self._state.write(partial(old_rows.drop, old=old))
            if dropped < old_rows.ROWS_AT_ONCE_MAX:
                return

    async def _look_through(self, now_ms: int) -> None:
        """Look through the next stretch of each table of which most of what is old stays."""
        sent_before_ms = now_ms - self._limits.outbox_retention_days * DAY_MS
        told_before_ms = now_ms - self._limits.platform_statuses_retention_days * DAY_MS
        for number, looked in enumerate(old_platforms.looked_through(sent_before_ms, told_before_ms)):
            work = partial(old_rows.drop_some, looked=looked, after_row=self._looked_rows.get(number, 0))
            self._looked_rows[number] = await self._state.write(work)

    def _connections_from(self, connection: Connection) -> int:
        """Return from which id on connections are few enough."""
        newest = select(connections.c.id).order_by(connections.c.id.desc())
        return connection.execute(newest.offset(self._limits.connections_max - 1).limit(1)).scalar() or 0

    async def _drop_samples(self, before_ms: int) -> None:
        for _ in range(TRANSACTIONS_PER_ROUND_MAX):
            self._after_series, more = await self._store.write(
                partial(
                    series.drop_older,
                    before_ms=before_ms,
                    after_series=self._after_series,
                    blocks_max=BLOCKS_AT_ONCE_MAX,
                )
            )
            if not more:
                return


def _old(before_ms: int, journalled_before_ms: int) -> list[Old]:
    """Return what of the tables of what happened may go; an index finds each.

    A gap stays as long as the journal may hold what follows it, and an alarm as long as it may hold its
    batch: projected anew it would be news. A command stays as long as it may be answered.
    """
    answered = commands.c.state.not_in(command_states.OPEN)
    return [
        Old((events.c.id,), [events.c.received_ms < before_ms]),
        Old((commands.c.row,), [commands.c.issued_ms < before_ms, answered]),
        Old((gaps.c.id,), [gaps.c.recorded_ms < journalled_before_ms]),
        *old_incidents.old(before_ms, old_telling.is_pending()),
        *old_alarms.old(journalled_before_ms, old_incidents.has_member()),
        *old_telling.old(before_ms),
    ]


def _old_of_lamps(limits: Limits, now_ms: int, connections_from: int) -> list[Old]:
    """Return the same of lamps' nights, and of who was connected when; what still lasts stays."""
    nights_before_ms = now_ms - limits.lamp_nights_retention_days * DAY_MS
    before_ms = now_ms - limits.connections_retention_days * DAY_MS
    too_many = [connections.c.id < connections_from, connections.c.until_ms.is_not(None)]
    return [
        Old((lamp_nights.c.id,), [lamp_nights.c.received_ms < nights_before_ms]),
        Old((connections.c.id,), [connections.c.until_ms < before_ms]),
        Old((connections.c.id,), too_many),
        Old((listening.c.id,), [listening.c.until_ms < before_ms]),
    ]
