"""Cases in one transaction, as alarms find them: read together, changed in memory, written together."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy import insert as plain_insert

from collector import storable
from collector.alarms.happening import Alarm
from collector.cases import classes, no_collection, record
from collector.cases.classes import Held as HeldClass
from collector.cases.incidents import cases_of
from collector.cases.life import SENSOR
from collector.cases.tables import case_events, case_problems
from collector.database import insert
from collector.held import Held, HeldRows, Lookup
from collector.tables import alarms, cases

EVENTS_PER_CASE_MAX = 1_000
"""Beyond so many, alarms of a case are on the alarms' own record only."""
Key = tuple[str, str]
"""Of an alarm: its gateway and its id."""
IncidentsOf = Callable[[Connection, Collection[Key]], Mapping[Key, str]]
_BELONG = (
    update(alarms)
    .where(alarms.c.gateway == bindparam("of_gateway"), alarms.c.id == bindparam("of_id"))
    .values(case_id=bindparam("to_case"))
)

_BY_ID = Lookup(select(cases), cases.c.id)
_OPEN = Lookup(select(cases).where(cases.c.closed_ms.is_(None)), cases.c.problem_key)
_HOLDERS = Lookup(
    select(cases, case_problems.c.problem_key.label("held_key")).join(
        case_problems, case_problems.c.case_id == cases.c.id
    ),
    case_problems.c.problem_key,
)
_CASE_IDS = Lookup(select(alarms.c.gateway, alarms.c.id, alarms.c.case_id), alarms.c.gateway, alarms.c.id)
_EVENTS = select(func.count()).where(case_events.c.case_id == bindparam("case_id"))


def problem_key(alarm: Alarm) -> str:
    """Return what makes two alarms the same problem."""
    place = f"part/{alarm.part}" if alarm.part else f"device/{alarm.gateway}/{alarm.device}"
    return storable.text(f"{place}/{alarm.problem}")


def record_holder(connection: Connection, key: str, case_id: str) -> None:
    """Write which case has a problem."""
    statement = insert(connection, case_problems).values(problem_key=key, case_id=case_id)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["problem_key"], set_={"case_id": case_id})
    )


class HeldCases:
    """What some alarms have to do with cases."""

    def __init__(self, connection: Connection, some: Sequence[Alarm], incidents_of: IncidentsOf) -> None:
        """Read what is known of these alarms, their problems and incidents."""
        self._connection = connection
        self._ended = [(each.gateway, each.id) for each in some if each.cleared_ms is not None]
        raised = [each for each in some if each.cleared_ms is None]
        self._incidents = incidents_of(connection, [(each.gateway, each.id) for each in raised])
        self._classes: dict[str, HeldClass | None] = {}
        self._notes: list[dict[str, Any]] = []
        self._counts: dict[str, int] = {}
        self._belonging: list[dict[str, str]] = []
        self._uncollected: list[Key] = []
        self._named: dict[str, str] = {}
        self._alike: set[tuple[str, str]] = set()
        self.quieted: dict[str, None] = {}
        """Cases of which an alarm is over, in order."""
        self._forget()
        self._read_holders({problem_key(each) for each in raised if not each.planned})

    def _forget(self) -> None:
        self._cases = HeldRows(self._connection, cases, "id")
        self._holders: dict[str, Held | None] = {}
        self._recorded: dict[str, str] = {}
        self._siblings: dict[str, list[Held]] = {}
        self._case_ids: dict[Key, str | None] | None = None

    def written(self) -> Connection:
        """Write what was changed, and return where it is: whoever asks SQL asks there."""
        self._cases.write()
        self._write_belonging()
        if self._notes:
            self._connection.execute(plain_insert(case_events), self._notes)
        if self._uncollected:
            no_collection.settled(self._connection, self._uncollected)
        self._notes, self._uncollected = [], []
        return self._connection

    def _write_belonging(self) -> None:
        if self._belonging:
            self._connection.execute(_BELONG, self._belonging)
            self._belonging = []

    def changed_behind(self) -> None:
        """Read anew: SQL has changed what was written."""
        self._forget()
        self._counts = {}

    def class_of(self, problem: str) -> HeldClass | None:
        """Return the class of a problem, or None where it makes no case."""
        if problem not in self._classes:
            self._classes[problem] = classes.of(self._connection, problem)
        return self._classes[problem]

    def incident_of(self, alarm: Alarm) -> str:
        """Return the incident of an alarm, empty where there is none."""
        return self._incidents.get((alarm.gateway, alarm.id), "")

    def case(self, case_id: str) -> Held:
        """Return a case that is there."""
        return self._cases.get(case_id) or self._cases.load(_BY_ID, [case_id])[0]

    def holder(self, key: str) -> Held | None:
        """Return the case that has a problem: the newest, unless one of that very problem is open again."""
        if key not in self._holders:
            self._read_holders([key])
        return self._holders[key]

    def _read_holders(self, keys: Collection[str]) -> None:
        self._holders |= dict.fromkeys(keys)
        for row in _HOLDERS.rows(self._connection, keys):
            self._recorded[row.held_key], self._holders[row.held_key] = row.id, self._cases.hold(row)
        done = [key for key in keys if (held := self._holders[key]) and held.closed_ms is not None]
        self._holders |= {held.problem_key: held for held in self._cases.load(_OPEN, done)}

    def hold(self, key: str, case_id: str) -> None:
        """Let a case have a problem."""
        if self._recorded.get(key) != case_id:
            record_holder(self._connection, key, case_id)
            self._recorded[key], self._holders[key] = case_id, self.case(case_id)

    def siblings(self, incident_id: str) -> list[Held]:
        """Return the cases of an incident; where it has none, those that its members had before it."""
        if incident_id not in self._siblings:
            found = cases_of(self.written(), incident_id)
            self._siblings[incident_id] = [self._cases.hold(row) for row in found]
        return self._siblings[incident_id]

    def unlike(self, case: Held, siblings: Sequence[Held]) -> list[Held]:
        """Return which of its open siblings were not returned before: those are to be noted as similar."""
        found = [
            each
            for each in siblings
            if each.id != case.id and each.closed_ms is None and (case.id, each.id) not in self._alike
        ]
        self._alike |= {(case.id, each.id) for each in found}
        return found

    def attach(self, case: Held, incident_id: str) -> None:
        """A case has an alarm more: it does not settle, and is its incident's."""
        self._cases.change(case, settles_ms=None)
        if incident_id and case.incident_id != incident_id:
            self._siblings.pop(case.incident_id, None)
            self._cases.change(case, incident_id=incident_id)

    def belong(self, alarm: Alarm, case_id: str) -> None:
        """Let an alarm have its case, and its incident know."""
        self._belonging.append({"of_gateway": alarm.gateway, "of_id": alarm.id, "to_case": case_id})
        if self._case_ids is not None and (alarm.gateway, alarm.id) in self._case_ids:
            self._case_ids[alarm.gateway, alarm.id] = case_id
        incident_id = self.incident_of(alarm)
        if all(each.id != case_id for each in self._siblings.get(incident_id, ())):
            self._siblings.pop(incident_id, None)

    def named(self, incident_id: str, case_id: str) -> bool:
        """Say whether an incident was told of its case already, and note that it is."""
        told, self._named[incident_id] = self._named.get(incident_id), case_id
        return told == case_id

    def case_of_ended(self, alarm: Alarm) -> str | None:
        """Return the case of an alarm that is over; it is noted where there is none."""
        if self._case_ids is None:
            self._write_belonging()
            self._case_ids = dict.fromkeys(self._ended)
            rows = _CASE_IDS.rows(self._connection, self._ended)
            self._case_ids |= {(row.gateway, row.id): row.case_id for row in rows}
        case_id = self._case_ids[alarm.gateway, alarm.id]
        if case_id is None:
            self._uncollected.append((alarm.gateway, alarm.id))
        return case_id

    def note(self, case_id: str, at_ms: int, kind: str, detail: Mapping[str, Any]) -> None:
        """Note what happened to a case, where that is not too much."""
        if case_id not in self._counts:
            self._counts[case_id] = self._connection.scalar(_EVENTS, {"case_id": case_id}) or 0
        if self._counts[case_id] < EVENTS_PER_CASE_MAX:
            self._counts[case_id] += 1
            self._notes.append(record.event_row(case_id, at_ms, kind, SENSOR.name, detail))

    def settles(self, case_id: str, at_ms: int) -> None:
        """Let a case settle at a time, if its alarms stay over until then."""
        self._cases.change(self.case(case_id), settles_ms=at_ms)
