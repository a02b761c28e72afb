"""What becomes of cases with time: they settle, are looked at again, are late, or nobody has answered.

Each is found by reading, and done in a transaction that looks again. What is due stands in the rows, so a
restart forgets nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select, update

from collector.alarms.book import of_row
from collector.cases import classes, no_collection, record
from collector.cases.book import DONE, STILL_ACTIVE, CaseBook, holder_of
from collector.cases.desk import CaseDesk, active_count
from collector.cases.life import OPEN, SENSOR, Step
from collector.cases.outgoing import Kind, post
from collector.cases.tables import case_problems
from collector.database import Database
from collector.patience import Patiences, repeated
from collector.people.roles import CENTRE
from collector.tables import alarms, cases

AT_ONCE_MAX = 100
"""Of each kind, so many a transaction: commits of what arrives wait for the same thread."""
RETURNED_TO_NORMAL = "returned_to_normal"


@dataclass(frozen=True, slots=True)
class Found:
    """What is due: ids of cases, and (gateway, alarm) of alarms whose rule of no collection is over."""

    settling: list[str]
    rechecked: list[str]
    late: list[str]
    unanswered: list[str]
    collectable: list[tuple[str, str]]

    def __bool__(self) -> bool:
        """Say whether there is any."""
        return any((self.settling, self.rechecked, self.late, self.unanswered, self.collectable))


class CaseTimers:
    """Looks at what is due every so often."""

    def __init__(
        self, state: Database, desk: CaseDesk, book: CaseBook, *, interval_s: float, now_ms: Callable[[], int]
    ) -> None:
        """``run`` works."""
        self._state, self._desk, self._book = state, desk, book
        self._interval_s, self._now_ms = interval_s, now_ms
        self._looked_row = 0

    async def run(self, patiences: Patiences) -> None:
        """Work until cancelled."""
        await repeated(self.look, self._interval_s, patiences.of("timers of cases"))

    async def look(self) -> bool:
        """Do what is due now, up to so much at once; say whether there was any."""
        now_ms = self._now_ms()
        found = await self._state.read(lambda connection: self.due(connection, now_ms))
        if found:
            await self._state.write(lambda connection: self.do(connection, found, now_ms))
        return bool(found)

    def due(self, connection: Connection, now_ms: int) -> Found:
        """Return what is due."""
        open_ = cases.c.closed_ms.is_(None), cases.c.overdue_ms.is_(None)
        return Found(
            _due(connection, cases.c.settles_ms, now_ms),
            _due(connection, cases.c.recheck_ms, now_ms),
            _due(connection, cases.c.deadline_ms, now_ms - 1, *open_),
            _due(connection, cases.c.confirm_until_ms, now_ms),
            self._collectable(connection, now_ms),
        )

    def do(self, connection: Connection, found: Found, now_ms: int) -> None:
        """Do it, looking at each again."""
        for case_id in found.settling:
            self._settle(connection, case_id, now_ms)
        for case_id in found.rechecked:
            self._recheck(connection, case_id, now_ms)
        for case_id in found.unanswered:
            self._go_unconfirmed(connection, case_id, now_ms)
        for case_id in found.late:
            self._be_late(connection, case_id, now_ms)
        for gateway, alarm_id in found.collectable:
            self._collect(connection, gateway, alarm_id, now_ms)

    def _settle(self, connection: Connection, case_id: str, now_ms: int) -> None:
        """Its alarms have been over for long enough: on to verification, closed where its class allows."""
        case = self._desk.case(connection, case_id)
        if case.settles_ms is None or case.settles_ms > now_ms:
            return
        connection.execute(update(cases).where(cases.c.id == case_id).values(settles_ms=None))
        if case.closed_ms is not None or active_count(connection, case_id):
            return
        count = select(func.count(), func.max(alarms.c.cleared_ms)).where(alarms.c.case_id == case_id)
        total, last_ms = connection.execute(count).one()
        record.happened(
            connection, case_id, now_ms, "settled", SENSOR.name, {"alarms": total, "last_cleared_ms": last_ms}
        )
        if case.stage in OPEN[:4]:
            self._desk.step(connection, case_id, Step.REPORT, SENSOR, now_ms, note=RETURNED_TO_NORMAL)
        held = classes.of(connection, case.problem)
        if held and held.entry.closes_by_itself:
            self._desk.step(connection, case_id, Step.VERIFY, SENSOR, now_ms, note=RETURNED_TO_NORMAL)

    def _recheck(self, connection: Connection, case_id: str, now_ms: int) -> None:
        """It was closed while its sensor alarmed: if it still does, the case comes back."""
        case = self._desk.case(connection, case_id)
        if case.recheck_ms is None or case.recheck_ms > now_ms:
            return
        connection.execute(update(cases).where(cases.c.id == case_id).values(recheck_ms=None))
        active = active_count(connection, case_id)
        if case.stage not in DONE or not active:
            return
        other = holder_of(connection, case.problem_key)
        if other is not None and other.id != case_id and other.closed_ms is None:
            self._hand_over(connection, case_id, other.id, now_ms)
        else:
            record.happened(connection, case_id, now_ms, STILL_ACTIVE, SENSOR.name, {"alarms": active})
            self._book.rework(connection, case, STILL_ACTIVE, now_ms)

    def _hand_over(self, connection: Connection, case_id: str, other_id: str, now_ms: int) -> None:
        """What is still active goes to the problem's open case, with the problems that this one had."""
        where = alarms.c.case_id == case_id, alarms.c.cleared_ms.is_(None)
        moved = connection.execute(update(alarms).where(*where).values(case_id=other_id)).rowcount
        connection.execute(
            update(case_problems).where(case_problems.c.case_id == case_id).values(case_id=other_id)
        )
        connection.execute(update(cases).where(cases.c.id == other_id).values(settles_ms=None))
        detail = {"from": case_id, "alarms": moved}
        record.happened(connection, other_id, now_ms, "attached", SENSOR.name, detail)

    def _be_late(self, connection: Connection, case_id: str, now_ms: int) -> None:
        case = self._desk.case(connection, case_id)
        if case.closed_ms is not None or case.overdue_ms is not None or case.deadline_ms >= now_ms:
            return
        connection.execute(update(cases).where(cases.c.id == case_id).values(overdue_ms=now_ms))
        detail = {"deadline_ms": case.deadline_ms, "stage": case.stage, "department": case.dispatched_to}
        record.happened(connection, case_id, now_ms, "overdue", CENTRE.name, detail)
        post(connection, case_id, Kind.CHANGED, now_ms, {"step": "overdue"})

    def _go_unconfirmed(self, connection: Connection, case_id: str, now_ms: int) -> None:
        """Nobody has answered in time: silence does not hold a case up."""
        case = self._desk.case(connection, case_id)
        if case.confirm_until_ms is None or case.confirm_until_ms > now_ms:
            return
        values = {"waits_for": "", "confirm_until_ms": None, "version": case.version + 1}
        connection.execute(update(cases).where(cases.c.id == case_id).values(values))
        record.happened(connection, case_id, now_ms, "confirmation", CENTRE.name, {"answer": "timeout"})
        self._desk.dispatch_if_due(connection, case_id, now_ms)

    def _collectable(self, connection: Connection, now_ms: int) -> list[tuple[str, str]]:
        """Return alarms that made no case and that no rule keeps out any more; a stretch each look."""
        rows = no_collection.waiting(connection, self._looked_row, AT_ONCE_MAX)
        self._looked_row = rows[-1].row if len(rows) == AT_ONCE_MAX else 0
        keys = [(row.gateway, row.alarm_id) for row in rows]
        return [key for key in keys if not self._is_kept_out(connection, *key, now_ms)]

    def _collect(self, connection: Connection, gateway: str, alarm_id: str, now_ms: int) -> None:
        if self._is_kept_out(connection, gateway, alarm_id, now_ms):
            return
        no_collection.settled(connection, [(gateway, alarm_id)])
        row = _alarm(connection, gateway, alarm_id)
        if row is not None and row.cleared_ms is None and row.case_id is None:
            self._book.collect(connection, of_row(row), now_ms)

    def _is_kept_out(self, connection: Connection, gateway: str, alarm_id: str, now_ms: int) -> bool:
        row = _alarm(connection, gateway, alarm_id)
        return row is not None and bool(self._book.kept_out(connection, of_row(row), now_ms))


def _alarm(connection: Connection, gateway: str, alarm_id: str) -> Row[Any] | None:
    where = alarms.c.gateway == gateway, alarms.c.id == alarm_id
    return connection.execute(select(alarms).where(*where)).first()


def _due(
    connection: Connection, column: ColumnElement[int], upto_ms: int, *more: ColumnElement[bool]
) -> list[str]:
    """Return the first cases of which a time has come, by the index of that time."""
    query = select(cases.c.id).where(column <= upto_ms, *more).order_by(column, cases.c.row)
    query = query.limit(AT_ONCE_MAX)
    return list(connection.scalars(query))
