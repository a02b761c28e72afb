"""Cases: one for each problem of a part or incident, opened by an alarm and found again by the next.

A problem is a part of the city (or a device, where no part is declared) with a problem class. While its case
is open, further alarms attach to it; for a time after, they bring it back as rework; later they open another
that names it. Everything is written in the caller's transaction.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from collector.alarms.happening import Alarm
from collector.cases import classes, no_collection, record
from collector.cases.classes import Held as HeldClass
from collector.cases.desk import CaseDesk, any_active, department_of
from collector.cases.holding import HeldCases, IncidentsOf, problem_key, record_holder
from collector.cases.life import CLOSED, SENSOR, Party, Stage, Step
from collector.cases.opening import Opening
from collector.cases.outgoing import Posting
from collector.cases.similar import HOUR_MS
from collector.cases.tables import case_problems, case_stages
from collector.held import Held
from collector.tables import alarms, cases

__all__ = ["CLOSED", "CaseBook", "Posting", "Stage", "problem_key"]

RAISED_AGAIN, STILL_ACTIVE = "raised_again", "still_active"
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
        incidents_of: IncidentsOf = lambda *_: {},
        tell_incident: Callable[[Connection, str, str], None] = lambda *_: None,
    ) -> None:
        """``incidents_of`` gives the incidents of alarms; ``tell_incident`` hears an incident's case."""
        self._desk, self._opening, self._now_ms = desk, opening, now_ms
        self._offset = timedelta(minutes=utc_offset_min)
        self._incidents_of, self._tell_incident = incidents_of, tell_incident

    def follow(self, connection: Connection, alarms: Sequence[Alarm]) -> None:
        """See Follower: give alarms their cases, note as evidence that they are over.

        None of planned work has one, nor one whose problem has no class here, unless its incident has a case.
        When the last that is active of a case is over, the case settles after a time.
        """
        held, now_ms = HeldCases(connection, alarms, self._incidents_of), self._now_ms()
        for alarm in alarms:
            if alarm.cleared_ms is not None:
                self._over(held, alarm, now_ms)
            elif not alarm.planned:
                self._collect(held, alarm, alarm.received_ms)
        for case_id in held.quieted:
            self._quieted(held, case_id, now_ms)
        held.written()

    def _over(self, held: HeldCases, alarm: Alarm, now_ms: int) -> None:
        case_id = held.case_of_ended(alarm)
        if case_id is not None:
            detail = _evidence(alarm) | {"cleared_ms": alarm.cleared_ms, "cleared_value": alarm.cleared_value}
            held.note(case_id, now_ms, "evidence", detail)
            held.quieted[case_id] = None

    def _quieted(self, held: HeldCases, case_id: str, now_ms: int) -> None:
        case = held.case(case_id)
        if case.closed_ms is None and not any_active(held.written(), case_id):
            found = held.class_of(case.problem)
            settle_min = found.entry.settle_min if found else 0
            held.settles(case_id, now_ms + settle_min * 60_000)

    def collect(self, connection: Connection, alarm: Alarm, at_ms: int) -> bool:
        """Attach an active alarm to a case, bring one back for it, or open one; False where it has none."""
        held = HeldCases(connection, [alarm], self._incidents_of)
        has_one = self._collect(held, alarm, at_ms)
        held.written()
        return has_one

    def _collect(self, held: HeldCases, alarm: Alarm, at_ms: int) -> bool:
        key, incident_id = problem_key(alarm), held.incident_of(alarm)
        own = held.holder(key)
        if own is not None and own.closed_ms is None and own.incident_id == incident_id:
            self._attached(held, own, alarm, incident_id, at_ms)
            self._belongs(held, own.id, key, alarm, incident_id)
            return True
        of_class = held.class_of(alarm.problem)
        siblings = held.siblings(incident_id) if incident_id else []
        shared = siblings[0] if siblings else None
        found = next((case for case in (own, shared) if case and case.closed_ms is None), None)
        if found is None and of_class is not None:
            connection = held.written()
            if rule_id := self.kept_out(connection, alarm, at_ms):
                most = self._desk.limits.uncollected_max
                no_collection.count(connection, rule_id, alarm, at_ms, most=most)
                return False
            found = self._reopened(held, (own, shared), of_class, at_ms)
        if found is not None:
            case_id = found.id
            self._attached(held, found, alarm, incident_id, at_ms)
            if unlike := held.unlike(found, siblings):
                self._opening.note_siblings(held.written(), found, unlike)
        elif of_class is not None:
            repeats = own.id if own is not None and own.stage in DONE else ""
            connection = held.written()
            case_id = self._opening.open(
                connection, alarm, of_class, key, at_ms, incident_id=incident_id, repeat_of=repeats
            )
            record.happened(connection, case_id, at_ms, "raised", SENSOR.name, _evidence(alarm))
        else:
            return False
        if own is not None and own.id != case_id:
            _bring_active(held.written(), alarm, own.id, case_id)
            held.changed_behind()
        self._belongs(held, case_id, key, alarm, incident_id)
        return True

    def _belongs(self, held: HeldCases, case_id: str, key: str, alarm: Alarm, incident_id: str) -> None:
        held.hold(key, case_id)
        held.belong(alarm, case_id)
        if incident_id and not held.named(incident_id, case_id):
            self._tell_incident(held.written(), incident_id, case_id)

    def kept_out(self, connection: Connection, alarm: Alarm, at_ms: int) -> str:
        """Return the rule of no collection that an alarm falls under now, empty where there is none."""
        grid = self._opening.grid_of(connection, alarm)
        return no_collection.in_the_way(
            connection, grid=grid, problem=alarm.problem, at_ms=at_ms, offset=self._offset
        )

    def _reopened(
        self, held: HeldCases, former: tuple[Held | None, ...], of_class: HeldClass, at_ms: int
    ) -> Held | None:
        """Bring back the first that was closed a short time ago, as rework."""
        within_ms = round(of_class.entry.rework_within_h * HOUR_MS)
        for case in former:
            if case is None or case.stage not in DONE or at_ms - case.closed_ms > within_ms:
                continue
            holder = held.holder(case.problem_key)
            if holder is not None and holder.id != case.id and holder.closed_ms is None:
                return holder
            self.rework(held.written(), case, RAISED_AGAIN, at_ms)
            held.changed_behind()
            return held.case(case.id)
        return None

    def rework(self, connection: Connection, case: Row[Any] | Held, reason: str, at_ms: int) -> None:
        """Bring a case back to its department, as its sensor shows that it is not done."""
        held = classes.of(connection, case.problem)
        department = department_of(held.entry, case) if held else case.maintainer
        self._desk.step(connection, case.id, Step.REWORK, SENSOR, at_ms, reason=reason, department=department)
        record_holder(connection, case.problem_key, case.id)

    def _attached(self, held: HeldCases, case: Held, alarm: Alarm, incident_id: str, at_ms: int) -> None:
        held.note(case.id, at_ms, "attached", _evidence(alarm))
        held.attach(case, incident_id)
        if case.stage != Stage.REPORTED:
            return
        connection = held.written()
        query = select(case_stages.c.role).where(case_stages.c.case_id == case.id)
        if connection.scalar(query.order_by(case_stages.c.n.desc()).limit(1)) == Party.SENSOR:
            self._desk.step(connection, case.id, Step.RELAPSE, SENSOR, at_ms, reason=RAISED_AGAIN)
        else:
            self.rework(connection, case, RAISED_AGAIN, at_ms)
        held.changed_behind()


def holder_of(connection: Connection, key: str) -> Row[Any] | None:
    """Return the case that has a problem: the newest, unless one of that very problem is open again."""
    query = select(cases).join(case_problems, case_problems.c.case_id == cases.c.id)
    found = connection.execute(query.where(case_problems.c.problem_key == key)).first()
    if found is not None and found.closed_ms is not None:
        again = select(cases).where(cases.c.problem_key == key, cases.c.closed_ms.is_(None))
        found = connection.execute(again).first() or found
    return found


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
