"""Alarms, lamps' nights, answers to documents and commands, gaps: a projection of the journal's events.

It lives in the journal's own database, so an alarm, its case, the case's outbox row and the cursor are one
transaction.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select, update
from sqlalchemy import insert as plain_insert

from collector import command_states, dead_letters, journal, lamp_nights, noting
from collector.cases import CaseBook, Trigger
from collector.database import Database, insert
from collector.desired_book import DesiredBook
from collector.journal import Entry
from collector.metrics import Metrics
from collector.projections import Redone
from collector.tables import alarms, cursors
from contract import batches
from contract.batches import Batch
from contract.errors import ContractError
from contract.events import AlarmCleared, AlarmRaised, CommandResult, DesiredReport, LampNight, Priority
from contract.samples import ClockState

REDONE_AT_ONCE_MAX = 100
BACKFILL_AFTER_MS = 300_000
"""An alarm that arrives so long after it was raised is old news, though its batch may have left in time."""
EVENTS_AT_ONCE_MAX = 500
"""A transaction ends with the batch that reaches it: commits of what arrives wait for the same thread."""


class AlarmProjection:
    """Events in the order of each gateway's lane; every alarm by its id, so a replay changes nothing."""

    name = "alarms"

    def __init__(
        self,
        state: Database,
        book: CaseBook,
        desired: DesiredBook,
        metrics: Metrics,
        *,
        batches_max: int,
        dead_letters_max: int,
    ) -> None:
        """``state`` holds the journal and what is projected here."""
        self._state, self._book, self._desired, self._metrics = state, book, desired, metrics
        self._batches_max, self._dead_letters_max = batches_max, dead_letters_max
        self._looked_upto = 0
        """Beyond the stored cursor, up to here there is nothing for us: not worth a commit of its own."""

    async def position(self) -> int:
        """Return the journal id up to which everything is projected."""
        return max(self._looked_upto, await self._state.read(_position))

    async def advance(self) -> bool:
        """Project the next batches of events and tombstones; False where there are none."""
        after = await self.position()
        following, waits = await self._state.read(
            lambda connection: (
                journal.read(connection, after, samples=False, batches_max=1),
                bool(_waiting(connection, 1)),
            )
        )
        if not following.entries:
            self._looked_upto = following.upto
            return waits and await self._state.write(self._settle_at_end)
        more, failed = await self._state.write(self._project)
        self._metrics.undecodable.labels(self.name).inc(failed)
        return more

    async def rewind(self) -> None:
        """Begin anew from what the journal holds."""
        await self._state.write(lambda connection: _move_cursor(connection, 0))
        self._looked_upto = 0

    async def redo(self) -> Redone:
        """Try the batches again that could not be decoded; what they tell is late, and notifies nobody."""
        waiting = await self._state.read(dead_letters.waiting)
        done = Redone()
        for begin in range(0, len(waiting), REDONE_AT_ONCE_MAX):
            some = waiting[begin : begin + REDONE_AT_ONCE_MAX]
            done += await self._state.write(partial(self._redo, ids=some))
        while await self._state.write(self._settle_at_end):
            pass
        return done

    def _redo(self, connection: Connection, ids: list[int]) -> Redone:
        standing = journal.entries(connection, ids)
        settled = set(ids) - {entry.id for entry in standing}
        gone = len(settled)
        for entry in standing:
            try:
                batch = batches.decode(entry.message)
            except ContractError:
                continue
            self._take(connection, replace(entry, backfill=True), batch)
            settled.add(entry.id)
        dead_letters.settled(connection, settled)
        return Redone(len(settled) - gone, len(ids) - len(settled), gone)

    def _project(self, connection: Connection) -> tuple[bool, int]:
        """Return whether more is to be done, and how many batches did not decode."""
        after = _position(connection)
        following = journal.read(connection, after, samples=False, batches_max=self._batches_max)
        failed = taken = 0
        upto, reaches_end = following.upto, following.reaches_end
        for entry in following.entries:
            try:
                batch = batches.decode(entry.message)
            except ContractError as error:
                _note_undecodable(connection, entry, error)
                failed += 1
            else:
                self._take(connection, entry, batch)
                taken += len(batch.events)
            if taken >= EVENTS_AT_ONCE_MAX and entry.id < upto:
                upto, reaches_end = entry.id, False
                break
        if failed:
            dead_letters.trim(connection, self._dead_letters_max)
        _move_cursor(connection, upto)
        return not reaches_end or self._settle(connection), failed

    def _take(self, connection: Connection, entry: Entry, batch: Batch) -> None:
        for event in batch.events:
            match event:
                case AlarmRaised():
                    self._raised(connection, entry, event)
                case AlarmCleared():
                    _cleared(connection, entry, event)
                case DesiredReport():
                    if noting.event(connection, entry, event):
                        self._desired.reported(connection, entry.gateway, event, entry.received_ms)
                case CommandResult():
                    if noting.event(connection, entry, event):
                        command_states.answered(connection, entry.gateway, event)
                case LampNight() if lamp_nights.take(connection, entry, event):
                    pass
                case _:
                    noting.event(connection, entry, event)
        if batch.tombstone:
            noting.tombstone(connection, entry, batch.tombstone)

    def _raised(self, connection: Connection, entry: Entry, event: AlarmRaised) -> None:
        where = [alarms.c.gateway == entry.gateway, alarms.c.id == event.id]
        known = connection.execute(select(alarms.c.raised_ms, alarms.c.cleared_ms).where(*where)).first()
        if known and known.raised_ms is not None:
            return
        backfill = _is_backfill(entry, event)
        told = {
            "rule": event.rule,
            "device": event.device,
            "point": event.point,
            "problem": event.problem,
            "priority": str(event.priority),
            "message": event.message,
            "part": event.part,
            "value": _json(event.value),
            "limit": event.limit,
            "clock": str(event.clock),
            "raised_ms": event.time_ms,
            "backfill": backfill,
            "condition": event.condition,
            "planned": event.planned,
        }
        if known:  # its return to normal came first: it is over, and makes no case
            connection.execute(update(alarms).where(*where).values(told))
            return
        wants_case = self._book.wants(event.problem) and not event.planned
        case_id = None
        if wants_case and not backfill:
            case_id = self._book.open_or_attach(connection, Trigger(entry.gateway, event, entry.received_ms))
        told |= {
            "gateway": entry.gateway,
            "id": event.id,
            "received_ms": entry.received_ms,
            "cleared_ms": None,
            "case_waits": wants_case and backfill,
            "case_id": case_id,
        }
        connection.execute(plain_insert(alarms).values(told))

    def _settle_at_end(self, connection: Connection) -> bool:
        """Settle unless events still follow, one of which may end an alarm; projecting them settles."""
        if journal.read(connection, _position(connection), samples=False, batches_max=1).entries:
            return False
        return self._settle(connection)

    def _settle(self, connection: Connection) -> bool:
        """At the end of what was backfilled: alarms that are still active make their cases.

        Some of them; return whether others still wait.
        """
        waiting = _waiting(connection, EVENTS_AT_ONCE_MAX)
        for row in waiting:
            case_id = None
            if row.cleared_ms is None and self._book.wants(row.problem):  # its class may be gone since
                event = AlarmRaised(
                    row.id,
                    row.raised_ms,
                    row.rule,
                    row.device,
                    row.point,
                    row.problem,
                    Priority(row.priority),
                    row.message,
                    row.part,
                )
                case_id = self._book.open_or_attach(connection, Trigger(row.gateway, event, row.received_ms))
            connection.execute(
                update(alarms).where(alarms.c.row == row.row).values(case_waits=False, case_id=case_id)
            )
        return len(waiting) == EVENTS_AT_ONCE_MAX


def _waiting(connection: Connection, count_max: int) -> Sequence[Row[Any]]:
    """Return the first alarms that make a case if they are still active at the end."""
    return connection.execute(
        select(alarms).where(alarms.c.case_waits).order_by(alarms.c.row).limit(count_max)
    ).all()


def _is_backfill(entry: Entry, event: AlarmRaised) -> bool:
    late = entry.received_ms - event.time_ms > BACKFILL_AFTER_MS
    return entry.backfill or (late and event.clock is ClockState.SYNCHRONISED)


def _cleared(connection: Connection, entry: Entry, event: AlarmCleared) -> None:
    where = [alarms.c.gateway == entry.gateway, alarms.c.id == event.id]
    changed = connection.execute(
        update(alarms).where(*where, alarms.c.cleared_ms.is_(None)).values(cleared_ms=event.time_ms)
    )
    if changed.rowcount or connection.execute(select(alarms.c.row).where(*where)).first():
        return
    connection.execute(
        plain_insert(alarms).values(
            gateway=entry.gateway,
            id=event.id,
            rule=event.rule,
            device=event.device,
            point=event.point,
            problem="",
            priority=Priority.LOW.value,
            message="",
            part="",
            value=_json(event.value),
            limit=None,
            clock=str(event.clock),
            raised_ms=None,
            cleared_ms=event.time_ms,
            received_ms=entry.received_ms,
            backfill=entry.backfill,
            condition="",
            planned=False,
            case_waits=False,
            case_id=None,
        )
    )


def _note_undecodable(connection: Connection, entry: Entry, error: ContractError) -> None:
    dead_letters.keep(
        connection,
        received_ms=entry.received_ms,
        topic=f"{entry.gateway}/{entry.epoch}/{entry.lane}/{entry.sequence}",
        reason="undecodable",
        detail=str(error),
        message=entry.message,
        journal_id=entry.id,
    )


def _json(value: bool | float | str | None) -> str:
    return msgspec.json.encode(value).decode()


def _position(connection: Connection) -> int:
    query = select(cursors.c.journal_id).where(cursors.c.projection == AlarmProjection.name)
    journal_id: int | None = connection.execute(query).scalar()
    return journal_id or 0


def _move_cursor(connection: Connection, journal_id: int) -> None:
    statement = insert(connection, cursors).values(projection=AlarmProjection.name, journal_id=journal_id)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["projection"], set_={"journal_id": journal_id})
    )
