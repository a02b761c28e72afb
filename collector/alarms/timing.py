"""What time alone changes: shelving and silences end, chattering and floods are over. All of it is in SQL."""

from collections.abc import Callable
from functools import partial

from sqlalchemy import ColumnElement, Connection, select

from collector.alarms import annunciating, silences
from collector.alarms.conditions import Conditions
from collector.alarms.inhibition import PREFIX
from collector.alarms.labels import labels_of
from collector.alarms.lifecycle import step
from collector.alarms.operating import target_of
from collector.alarms.settings import AlarmSettings
from collector.alarms.standings import Change, standing_of
from collector.alarms.tables import conditions
from collector.alarms.tables import silences as silence_table
from collector.alarms.transitions import Happening
from collector.database import Database
from collector.patience import Patiences, repeated
from collector.people import audit
from collector.people.roles import CENTRE

ROUND_S = 1.0
ROWS_AT_ONCE_MAX = 200
"""A transaction takes so many: commits of what arrives wait for the same thread."""
TRANSACTIONS_PER_ROUND_MAX = 50


class Timers:
    """Goes round every second; what a round leaves is the next one's work, also after a restart."""

    def __init__(
        self, state: Database, book: Conditions, settings: AlarmSettings, *, now_ms: Callable[[], int]
    ) -> None:
        """``book`` is what writes alarms' standings."""
        self._state, self._book, self._now_ms = state, book, now_ms
        self._chatter, self._flood = settings.chatter, settings.flood
        self._settled_upto = 0

    async def run(self, patiences: Patiences) -> None:
        """Go round until cancelled."""
        await repeated(self.round, ROUND_S, patiences.of("timers of alarms"))

    async def round(self) -> None:
        """Do all that is due."""
        for _ in range(TRANSACTIONS_PER_ROUND_MAX):
            now_ms = self._now_ms()
            if not await self._state.read(partial(self._is_due, now_ms=now_ms)):
                return
            if not await self._state.write(partial(self.turn, now_ms=now_ms)):
                return

    def turn(self, connection: Connection, now_ms: int) -> bool:
        """Do some of what is due, in the caller's transaction; return whether more may wait."""
        more = self._unshelve(connection, now_ms)
        more |= self._calm(connection, now_ms)
        more |= silences.note_ended(connection, now_ms)
        annunciating.end_flood(connection, now_ms, self._flood)
        return more | (self._book.standings.unsettled and self._settle(connection, now_ms))

    def _is_due(self, connection: Connection, now_ms: int) -> bool:
        over = annunciating.flood_is_over(connection, now_ms, self._flood)
        if self._book.standings.unsettled or over:
            return True
        due = (
            select(conditions.c.row).where(*self._shelved(now_ms)),
            select(conditions.c.row).where(*self._calmed(now_ms)),
            select(silence_table.c.row).where(silence_table.c.ends_at_ms <= now_ms, ~silence_table.c.ended),
        )
        return any(connection.execute(query.limit(1)).first() for query in due)

    def _unshelve(self, connection: Connection, now_ms: int) -> bool:
        query = select(conditions).where(*self._shelved(now_ms)).order_by(conditions.c.row)
        rows = connection.execute(query.limit(ROWS_AT_ONCE_MAX)).all()
        change = Change(Happening.SHELVING_EXPIRED, CENTRE.name, now_ms)
        with self._book.standings.sources(connection) as sources:
            for row in rows:
                held = sources.hold(row)
                self._book.standings.put(sources, held, step(standing_of(held), change.happening), change)
                detail = {"row": row.row, "until_ms": row.shelved_until_ms}
                audit.note(connection, CENTRE, now_ms, "alarm.shelving_expired", target_of(row), detail)
        return len(rows) == ROWS_AT_ONCE_MAX

    def _calm(self, connection: Connection, now_ms: int) -> bool:
        """End chattering that was quiet for long enough: the alarm goes by its current condition."""
        query = select(conditions).where(*self._calmed(now_ms)).order_by(conditions.c.row)
        rows = connection.execute(query.limit(ROWS_AT_ONCE_MAX)).all()
        change = Change(Happening.CHATTERING_ENDED, CENTRE.name, now_ms)
        with self._book.standings.sources(connection) as sources:
            for held in [sources.hold(row) for row in rows]:  # as the one before may have left it
                after = step(standing_of(held), change.happening, latching=self._book.latches(held))
                after = self._book.standings.inhibited(sources, labels_of(held), after)
                over = {"chattering_since_ms": None, "chattering_alarm_id": None, "activations": "[]"}
                self._book.standings.put(sources, held, after, change, **over)
        return len(rows) == ROWS_AT_ONCE_MAX

    def _settle(self, connection: Connection, now_ms: int) -> bool:
        """Look at inhibition anew, some sources at a time: rules may have changed since it was decided."""
        inhibited = conditions.c.suppressed.contains(f'"{PREFIX}', autoescape=True)
        query = (
            select(conditions)
            .where(conditions.c.row > self._settled_upto, conditions.c.active | inhibited)
            .order_by(conditions.c.row)
            .limit(ROWS_AT_ONCE_MAX)
        )
        rows = connection.execute(query).all()
        with self._book.standings.sources(connection) as sources:
            for held in [sources.hold(row) for row in rows]:
                self._book.standings.settle(sources, held, CENTRE.name, now_ms)
        more = len(rows) == ROWS_AT_ONCE_MAX
        self._settled_upto = rows[-1].row if more else 0
        self._book.standings.unsettled = more
        return more

    def _shelved(self, now_ms: int) -> tuple[ColumnElement[bool], ...]:
        return conditions.c.shelving != "unshelved", conditions.c.shelved_until_ms <= now_ms

    def _calmed(self, now_ms: int) -> tuple[ColumnElement[bool], ...]:
        before_ms = now_ms - self._chatter.quiet_ms
        return conditions.c.chattering_since_ms.is_not(None), conditions.c.activated_ms <= before_ms
