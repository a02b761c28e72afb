"""Keeps everything within its limits: the journal by bytes and age, all that is made of it by age."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, delete, select

from collector import dead_letters, journal
from collector.alarms.tables import annunciations, conditions, floods, silences
from collector.cases.outgoing import Posting
from collector.database import Database
from collector.incidents.tables import incident_members, incidents
from collector.patience import Patience, repeated
from collector.people.settings import People
from collector.people.tables import sessions
from collector.platforms.tables import platform_statuses
from collector.projections import Projection
from collector.series import projection as series
from collector.series.stores import StoreProjection
from collector.settings import Limits
from collector.tables import (
    alarms,
    audit,
    cases,
    commands,
    connections,
    events,
    gaps,
    lamp_nights,
    listening,
    outbox,
)
from collector.telling.tables import messages, told

DAY_MS = 86_400_000
JOURNAL_FILL = 0.9
"""The journal is brought down to this part of its limit, so that there is room until the next round."""

UNDECODABLE_SHARE = 0.1
"""Of the journal's limit: so much of it may be batches that only wait to be decoded by a later version."""

ROWS_AT_ONCE_MAX = 5_000
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

    async def run(self) -> None:
        """Go round until cancelled; a round that fails is the next one's work."""
        await repeated(self.round, self._limits.housekeeping_interval_s, Patience("housekeeping"))

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
        for key, old in _old(events_before_ms, min(events_before_ms, before_ms)):
            await self._drop_rows(key, old)
        for key, old in _old_of_lamps(self._limits, now_ms, await self._state.read(self._connections_from)):
            await self._drop_rows(key, old)
        await self._drop_rows(
            audit.c.row, [audit.c.at_ms < now_ms - self._people.audit_retention_days * DAY_MS]
        )
        await self._drop_rows(sessions.c.row, [sessions.c.expires_ms < now_ms])
        for number, looked in enumerate(_looked_through(self._limits, now_ms)):
            work = partial(_drop_some, looked=looked, after_row=self._looked_rows.get(number, 0))
            self._looked_rows[number] = await self._state.write(work)
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

    async def _drop_rows(self, key: "Column[Any]", old: Sequence[ColumnElement[bool]]) -> None:
        for _ in range(TRANSACTIONS_PER_ROUND_MAX):
            dropped = await self._state.write(lambda connection: _drop(connection, key, old))
            if dropped < ROWS_AT_ONCE_MAX:
                return

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


def _old(before_ms: int, gaps_before_ms: int) -> list[tuple["Column[Any]", list[ColumnElement[bool]]]]:
    """Return the key of each table of what happened, and what of it may go; an index finds each.

    A gap stays as long as the journal may hold what follows it.
    """
    closed = select(incidents.c.id).where(incidents.c.closed_ms < before_ms)
    is_empty = (
        ~select(incident_members.c.row).where(incident_members.c.incident_id == incidents.c.id).exists()
    )
    over = [alarms.c.cleared_ms.is_not(None), alarms.c.case_id.is_(None)]
    return [
        (events.c.id, [events.c.received_ms < before_ms]),
        (commands.c.row, [commands.c.issued_ms < before_ms]),
        (gaps.c.id, [gaps.c.recorded_ms < gaps_before_ms]),
        (incident_members.c.row, [incident_members.c.incident_id.in_(closed)]),
        (incidents.c.row, [incidents.c.closed_ms < before_ms, is_empty]),
        (alarms.c.row, [alarms.c.received_ms < before_ms, *over]),
        *_old_of_alarms(before_ms),
        (messages.c.row, [messages.c.at_ms < before_ms, messages.c.settled_ms.is_not(None)]),
        (told.c.incident_id, [told.c.seen_ms < before_ms, told.c.done]),
    ]


def _old_of_alarms(before_ms: int) -> list[tuple["Column[int]", list[ColumnElement[bool]]]]:
    """Return the same of alarms' life; a source that is at rest is forgotten."""
    at_rest = [
        ~conditions.c.active,
        conditions.c.acked,
        ~conditions.c.latched,
        conditions.c.shelving == "unshelved",
        conditions.c.suppressed == "[]",
        ~conditions.c.out_of_service,
    ]
    return [
        (annunciations.c.row, [annunciations.c.at_ms < before_ms]),
        (floods.c.row, [floods.c.ended_ms < before_ms]),
        (silences.c.row, [silences.c.ends_at_ms < before_ms, silences.c.ended]),
        (conditions.c.row, [conditions.c.changed_ms < before_ms, *at_rest]),
    ]


def _old_of_lamps(
    limits: Limits, now_ms: int, connections_from: int
) -> list[tuple["Column[int]", list[ColumnElement[bool]]]]:
    """Return the same of lamps' nights, and of who was connected when; what still lasts stays."""
    nights_before_ms = now_ms - limits.lamp_nights_retention_days * DAY_MS
    before_ms = now_ms - limits.connections_retention_days * DAY_MS
    return [
        (lamp_nights.c.id, [lamp_nights.c.received_ms < nights_before_ms]),
        (connections.c.id, [connections.c.until_ms < before_ms]),
        (connections.c.id, [connections.c.id < connections_from, connections.c.until_ms.is_not(None)]),
        (listening.c.id, [listening.c.until_ms < before_ms]),
    ]


@dataclass(frozen=True, slots=True)
class _Looked:
    """Rows of a table that is looked through stretch by stretch, and which may go: most that are old stay."""

    row: "Column[int]"
    may_go: Sequence[ColumnElement[bool]]


def _looked_through(limits: Limits, now_ms: int) -> list[_Looked]:
    """Return what platforms were told, but for the first and the last of each case: they say whose it is,
    and how the next is numbered; and what they told of cases that were closed as long ago.
    """
    later = outbox.alias()
    is_followed = (
        select(later.c.row).where(later.c.case_id == outbox.c.case_id, later.c.n > outbox.c.n).exists()
    )
    sent_ms = now_ms - limits.outbox_retention_days * DAY_MS
    told_ms = now_ms - limits.platform_statuses_retention_days * DAY_MS
    of_case = cases.c.id == platform_statuses.c.case_id
    is_over = select(cases.c.row).where(of_case, cases.c.closed_ms < told_ms).exists()
    is_done = outbox.c.state == Posting.DONE.value
    return [
        _Looked(outbox.c.row, [outbox.c.at_ms < sent_ms, is_done, outbox.c.n > 1, is_followed]),
        _Looked(platform_statuses.c.row, [platform_statuses.c.received_ms < told_ms, is_over]),
    ]


def _drop_some(connection: Connection, looked: _Looked, after_row: int) -> int:
    """Drop what may go of the next rows; return up to where that was, 0 where it begins anew."""
    key = looked.row
    following = select(key).where(key > after_row).order_by(key).limit(ROWS_AT_ONCE_MAX)
    rows = connection.scalars(following).all()
    if rows:
        within = key > after_row, key <= rows[-1]
        connection.execute(delete(key.table).where(*within, *looked.may_go))
    return rows[-1] if len(rows) == ROWS_AT_ONCE_MAX else 0


def _drop(connection: Connection, key: "Column[Any]", old: Sequence[ColumnElement[bool]]) -> int:
    """Delete some rows; return how many."""
    some = select(key).where(*old).limit(ROWS_AT_ONCE_MAX)
    return connection.execute(delete(key.table).where(key.in_(some))).rowcount
