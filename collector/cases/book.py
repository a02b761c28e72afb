"""Cases: one for each problem of a part or incident, opened by an alarm and found again by the next.

A problem is a part of the city (or a device, where no part is declared) with a problem class. While its case
is open, further alarms attach to it; for a time after, they bring it back as rework; later they open another
that names it. Everything is written in the caller's transaction.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from collector.alarms.happening import Alarm
from collector.cases import classes, no_collection, record
from collector.cases.classes import Held
from collector.cases.desk import CaseDesk, active_count, department_of
from collector.cases.incidents import cases_of
from collector.cases.life import CLOSED, SENSOR, Party, Stage, Step
from collector.cases.opening import Opening
from collector.cases.outgoing import Posting
from collector.cases.similar import HOUR_MS
from collector.cases.tables import case_events, case_problems, case_stages
from collector.database import insert
from collector.tables import alarms, cases

__all__ = ["CLOSED", "CaseBook", "Posting", "Stage", "problem_key"]

RAISED_AGAIN, STILL_ACTIVE = "raised_again", "still_active"
EVENTS_PER_CASE_MAX = 1_000
"""Beyond so many, alarms of a case are on the alarms' own record only."""
DONE = (Stage.VERIFIED, Stage.EVALUATED)


class CaseBook:
    """Follows alarms: opens cases, attaches to them, brings them back, settles them."""

    def __init__(
        self,
        desk: CaseDesk,
        opening: Opening,
        *,
        utc_offset_min: int,
        now_ms: Callable[[], int],
        incident_of: Callable[[Connection, str, str], str | None] = lambda *_: None,
        tell_incident: Callable[[Connection, str, str], None] = lambda *_: None,
    ) -> None:
        """``incident_of`` gives the incident of a gateway's alarm; ``tell_incident`` hears its case."""
        self._desk, self._opening, self._now_ms = desk, opening, now_ms
        self._offset = timedelta(minutes=utc_offset_min)
        self._incident_of, self._tell_incident = incident_of, tell_incident

    def raised(self, connection: Connection, alarm: Alarm) -> None:
        """Give an alarm its case.

        Not one of planned work, nor one whose problem has no class here, unless its incident has a case.
        """
        if not alarm.planned:
            self.collect(connection, alarm, alarm.received_ms)

    def cleared(self, connection: Connection, alarm: Alarm) -> None:
        """Note it as evidence; when it was the last that was active, the case settles after a time."""
        query = select(alarms.c.case_id).where(alarms.c.gateway == alarm.gateway, alarms.c.id == alarm.id)
        case_id = connection.scalar(query)
        if case_id is None:
            no_collection.settled(connection, alarm.gateway, alarm.id)
            return
        case, now_ms = self._desk.case(connection, case_id), self._now_ms()
        detail = _evidence(alarm) | {"cleared_ms": alarm.cleared_ms, "cleared_value": alarm.cleared_value}
        self._note(connection, case_id, now_ms, "evidence", detail)
        if case.closed_ms is None and not active_count(connection, case_id):
            held = classes.of(connection, case.problem)
            settle_min = held.entry.settle_min if held else 0
            _set(connection, case_id, settles_ms=now_ms + settle_min * 60_000)

    def collect(self, connection: Connection, alarm: Alarm, at_ms: int) -> bool:
        """Attach an active alarm to a case, bring one back for it, or open one; False where it has none."""
        key, held = problem_key(alarm), classes.of(connection, alarm.problem)
        incident_id = self._incident_of(connection, alarm.gateway, alarm.id) or ""
        own = holder_of(connection, key)
        siblings = cases_of(connection, incident_id) if incident_id else []
        shared = siblings[0] if siblings else None
        found = next((case for case in (own, shared) if case and case.closed_ms is None), None)
        if found is None and held is not None:
            if rule_id := self.kept_out(connection, alarm, at_ms):
                most = self._desk.limits.uncollected_max
                no_collection.count(connection, rule_id, alarm, at_ms, most=most)
                return False
            found = self._reopened(connection, (own, shared), held, at_ms)
        if found is not None:
            case_id = found.id
            self._attached(connection, found, alarm, incident_id, at_ms)
            self._opening.note_siblings(connection, found, siblings)
        elif held is not None:
            repeats = own.id if own is not None and own.stage in DONE else ""
            case_id = self._opening.open(
                connection, alarm, held, key, at_ms, incident_id=incident_id, repeat_of=repeats
            )
            record.happened(connection, case_id, at_ms, "raised", SENSOR.name, _evidence(alarm))
        else:
            return False
        if own is not None and own.id != case_id:
            _bring_active(connection, alarm, own.id, case_id)
        _hold(connection, key, case_id)
        _belongs(connection, alarm, case_id)
        if incident_id:
            self._tell_incident(connection, incident_id, case_id)
        return True

    def kept_out(self, connection: Connection, alarm: Alarm, at_ms: int) -> str:
        """Return the rule of no collection that an alarm falls under now, empty where there is none."""
        grid = self._opening.grid_of(connection, alarm)
        return no_collection.in_the_way(
            connection, grid=grid, problem=alarm.problem, at_ms=at_ms, offset=self._offset
        )

    def _reopened(
        self, connection: Connection, former: tuple[Row[Any] | None, ...], held: Held, at_ms: int
    ) -> Row[Any] | None:
        """Bring back the first that was closed a short time ago, as rework."""
        within_ms = round(held.entry.rework_within_h * HOUR_MS)
        for case in former:
            if case is None or case.stage not in DONE or at_ms - case.closed_ms > within_ms:
                continue
            holder = holder_of(connection, case.problem_key)
            if holder is not None and holder.id != case.id and holder.closed_ms is None:
                return holder
            return self.rework(connection, case, RAISED_AGAIN, at_ms)
        return None

    def rework(self, connection: Connection, case: Row[Any], reason: str, at_ms: int) -> Row[Any]:
        """Bring a case back to its department, as its sensor shows that it is not done."""
        held = classes.of(connection, case.problem)
        department = department_of(held.entry, case) if held else case.maintainer
        self._desk.step(connection, case.id, Step.REWORK, SENSOR, at_ms, reason=reason, department=department)
        return self._desk.case(connection, case.id)

    def _attached(
        self, connection: Connection, case: Row[Any], alarm: Alarm, incident_id: str, at_ms: int
    ) -> None:
        self._note(connection, case.id, at_ms, "attached", _evidence(alarm))
        _set(connection, case.id, settles_ms=None, **({"incident_id": incident_id} if incident_id else {}))
        if case.stage != Stage.REPORTED:
            return
        query = select(case_stages.c.role).where(case_stages.c.case_id == case.id)
        if connection.scalar(query.order_by(case_stages.c.n.desc()).limit(1)) == Party.SENSOR:
            self._desk.step(connection, case.id, Step.RELAPSE, SENSOR, at_ms, reason=RAISED_AGAIN)
        else:
            self.rework(connection, case, RAISED_AGAIN, at_ms)

    def _note(
        self, connection: Connection, case_id: str, at_ms: int, kind: str, detail: dict[str, Any]
    ) -> None:
        count = connection.scalar(select(func.count()).where(case_events.c.case_id == case_id)) or 0
        if count < EVENTS_PER_CASE_MAX:
            record.happened(connection, case_id, at_ms, kind, SENSOR.name, detail)


def problem_key(alarm: Alarm) -> str:
    """Return what makes two alarms the same problem."""
    place = f"part/{alarm.part}" if alarm.part else f"device/{alarm.gateway}/{alarm.device}"
    return f"{place}/{alarm.problem}"


def holder_of(connection: Connection, key: str) -> Row[Any] | None:
    """Return the newest case of a problem."""
    query = select(cases).join(case_problems, case_problems.c.case_id == cases.c.id)
    return connection.execute(query.where(case_problems.c.problem_key == key)).first()


def _hold(connection: Connection, key: str, case_id: str) -> None:
    statement = insert(connection, case_problems).values(problem_key=key, case_id=case_id)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["problem_key"], set_={"case_id": case_id})
    )


def _bring_active(connection: Connection, alarm: Alarm, former_id: str, case_id: str) -> None:
    """Let a problem's active alarms be where the problem is now: its former case was closed over them."""
    place = [alarms.c.part == alarm.part]
    if not alarm.part:
        place += [alarms.c.gateway == alarm.gateway, alarms.c.device == alarm.device]
    of_problem = (
        alarms.c.case_id == former_id,
        alarms.c.cleared_ms.is_(None),
        alarms.c.problem == alarm.problem,
    )
    connection.execute(update(alarms).where(*of_problem, *place).values(case_id=case_id))


def _belongs(connection: Connection, alarm: Alarm, case_id: str) -> None:
    where = alarms.c.gateway == alarm.gateway, alarms.c.id == alarm.id
    connection.execute(update(alarms).where(*where).values(case_id=case_id))


def _set(connection: Connection, case_id: str, **values: Any) -> None:
    connection.execute(update(cases).where(cases.c.id == case_id).values(**values))


def _evidence(alarm: Alarm) -> dict[str, Any]:
    return {
        "gateway": alarm.gateway,
        "alarm": alarm.id,
        "device": alarm.device,
        "point": alarm.point,
        "problem": alarm.problem,
        "priority": str(alarm.priority),
        "value": alarm.value,
        "limit": alarm.limit,
        "raised_ms": alarm.raised_ms,
    }
