"""Alarms, lamps' nights, answers to documents and commands, gaps: a projection of the journal's events.

It lives in the journal's own database, so an alarm, its case, the case's outbox row and the cursor are one
transaction.
"""

from dataclasses import replace
from functools import partial

from sqlalchemy import Connection, select

from collector import dead_letters, journal, noting, storable
from collector.alarms.book import TOLD_AT_ONCE_MAX, AlarmBook, Ended, waiting
from collector.alarms.happening import Alarm
from collector.commands import states as command_states
from collector.database import Database, insert
from collector.desired.book import DesiredBook
from collector.journal import Entry
from collector.lamps import nights as lamp_nights
from collector.metrics import Metrics
from collector.projections import Redone
from collector.tables import cursors
from contract import batches
from contract.batches import Batch
from contract.errors import ContractError
from contract.events import AlarmCleared, AlarmRaised, CommandResult, DesiredReport, LampNight
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
        book: AlarmBook,
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
        looked = await self._state.read(self._look)
        if looked is not None:
            self._looked_upto, waits = looked
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

    def _look(self, connection: Connection) -> tuple[int, bool] | None:
        """Return up to where nothing follows, and whether something waits; None where something follows."""
        after = max(self._looked_upto, _position(connection))
        following = journal.read(connection, after, samples=False, batches_max=1)
        return None if following.entries else (following.upto, bool(waiting(connection, 1)))

    def _redo(self, connection: Connection, ids: list[int]) -> Redone:
        standing = journal.entries(connection, ids)
        settled = set(ids) - {entry.id for entry in standing}
        gone, told = len(settled), list[Alarm | Ended]()
        for entry in standing:
            try:
                batch = batches.decode(entry.message)
            except ContractError:
                continue
            told += self._take(connection, replace(entry, backfill=True), batch)
            settled.add(entry.id)
        self._book.take(connection, told)
        dead_letters.settled(connection, settled)
        return Redone(len(settled) - gone, len(ids) - len(settled), gone)

    def _project(self, connection: Connection) -> tuple[bool, int]:
        """Return whether more is to be done, and how many batches did not decode."""
        after = _position(connection)
        following = journal.read(connection, after, samples=False, batches_max=self._batches_max)
        failed, taken, told = 0, 0, list[Alarm | Ended]()
        upto, reaches_end = following.upto, following.reaches_end
        for entry in following.entries:
            try:
                batch = batches.decode(entry.message)
            except ContractError as error:
                _note_undecodable(connection, entry, error)
                failed += 1
            else:
                told += self._take(connection, entry, batch)
                taken += len(batch.events)
            if taken >= EVENTS_AT_ONCE_MAX and entry.id < upto:
                upto, reaches_end = entry.id, False
                break
        self._book.take(connection, told)
        if failed:
            dead_letters.trim(connection, self._dead_letters_max)
        _move_cursor(connection, upto)
        return not reaches_end or self._book.tell_waiting(connection, TOLD_AT_ONCE_MAX), failed

    def _take(self, connection: Connection, entry: Entry, batch: Batch) -> list[Alarm | Ended]:
        """Take what a batch brings, but for what it tells of alarms; that is returned."""
        told: list[Alarm | Ended] = []
        for event in map(storable.struct, batch.events):
            match event:
                case AlarmRaised():
                    told.append(_alarm(entry, event))
                case AlarmCleared():
                    told.append(Ended(entry.gateway, event, entry.received_ms, entry.backfill))
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
            noting.tombstone(connection, entry, storable.struct(batch.tombstone))
        return told

    def _settle_at_end(self, connection: Connection) -> bool:
        """Settle unless events still follow, one of which may end an alarm; projecting them settles."""
        if journal.read(connection, _position(connection), samples=False, batches_max=1).entries:
            return False
        return self._book.tell_waiting(connection, TOLD_AT_ONCE_MAX)


def _alarm(entry: Entry, event: AlarmRaised) -> Alarm:
    return Alarm(
        gateway=entry.gateway,
        id=event.id,
        rule=event.rule,
        device=event.device,
        point=event.point,
        condition=event.condition,
        problem=event.problem,
        priority=event.priority,
        message=event.message,
        part=event.part,
        value=event.value,
        limit=event.limit,
        clock=event.clock,
        raised_ms=event.time_ms,
        received_ms=entry.received_ms,
        backfill=_is_backfill(entry, event),
        planned=event.planned,
    )


def _is_backfill(entry: Entry, event: AlarmRaised) -> bool:
    late = entry.received_ms - event.time_ms > BACKFILL_AFTER_MS
    return entry.backfill or (late and event.clock is ClockState.SYNCHRONISED)


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


def _position(connection: Connection) -> int:
    query = select(cursors.c.journal_id).where(cursors.c.projection == AlarmProjection.name)
    journal_id: int | None = connection.execute(query).scalar()
    return journal_id or 0


def _move_cursor(connection: Connection, journal_id: int) -> None:
    statement = insert(connection, cursors).values(projection=AlarmProjection.name, journal_id=journal_id)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["projection"], set_={"journal_id": journal_id})
    )
