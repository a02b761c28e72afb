"""What the tests of cases make: alarms, people and time on a database in memory, and no centre around it."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Table, create_engine, event, select

from collector.alarms.book import AlarmBook, Ended
from collector.alarms.happening import Alarm
from collector.cases import classes
from collector.cases.book import CaseBook
from collector.cases.desk import CaseDesk, Taken
from collector.cases.due import Deadlines
from collector.cases.holding import IncidentsOf
from collector.cases.life import Step
from collector.cases.opening import Opening
from collector.cases.settings import CaseClass, Cases
from collector.cases.tables import case_events, case_stages
from collector.cases.timers import CaseTimers
from collector.deadlines.settings import Deadlines as DeadlineSettings
from collector.parts.model import Part
from collector.people.roles import Actor, Role
from collector.tables import STATE, cases
from contract.events import AlarmCleared, Priority
from contract.samples import ClockState

NOW_MS = 1_800_000_000_000
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
CHIEF = Actor("chief", Role.COMMAND)
CREW = Actor("crew", Role.TECHNICIAN)
GUEST = Actor("guest", Role.READ_ONLY)
MAIN = "5001030132000007"
COVER = "5001030101000001"
NEAR_COVER = "5001030101000002"
FAR_COVER = "5001030101000003"

DEADLINES = Deadlines(DeadlineSettings().calendar(Path(), 480), DeadlineSettings().table())


def part(code: str, name: str, lon: float, lat: float, grid: str = "500103001001001") -> Part:
    """Return a part with its three departments."""
    return Part(code, name, lon, lat, grid, in_charge="城管局", owner="产权单位", maintainer="抢修队")


PARTS = {
    each.code: each
    for each in (
        part(MAIN, "供水器", 106.55, 29.56),
        part(COVER, "上水井盖", 106.551, 29.56),
        part(NEAR_COVER, "上水井盖", 106.5512, 29.56),
        part(FAR_COVER, "上水井盖", 106.56, 29.57, "500103002001001"),
    )
}


def case_class(problem: str = "pipe_burst", **changes: Any) -> CaseClass:
    """Return a class; due within two hours."""
    told: dict[str, Any] = {
        "problem": problem,
        "code": "020501",
        "title": {"en": problem, "zh": problem},
        "deadline_h": 2,
    }
    if "limit" in changes:
        del told["deadline_h"]
    return CaseClass.model_validate(told | changes)


def all_in(incident_id: str | None, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return alarms in one incident, or in none."""
    return dict.fromkeys(keys, incident_id) if incident_id else {}


def memory() -> Connection:
    """Return a connection to a new state database in memory, with the foreign keys of the real one."""
    engine = create_engine("sqlite://")

    @event.listens_for(engine, "connect")
    def _set_up(dbapi: Any, _record: Any) -> None:
        dbapi.execute("PRAGMA foreign_keys = ON")

    STATE.create_all(engine)
    return engine.connect()


@dataclass
class Rig:
    """Alarms that followers hear of, a desk, timers, and a clock that stands until it is moved."""

    entries: Sequence[CaseClass] = (case_class(),)
    limits: Cases = field(default_factory=Cases)
    deadlines: Deadlines = field(default_factory=lambda: DEADLINES)
    incidents_of: IncidentsOf = lambda *_: {}
    now_ms: int = NOW_MS

    def __post_init__(self) -> None:
        """Start on an empty database."""
        self.db = memory()
        self.ids = itertools.count(1)
        self.told: list[tuple[str, str]] = []
        self.start()

    def start(self) -> None:
        """Put the parts together, as a centre does when it starts; what they know is in the database."""
        classes.seed(self.db, self.entries, self.now_ms)
        self.desk = CaseDesk(self.limits, self.deadlines)
        opening = Opening(
            "north",
            self.desk,
            lambda _, code: PARTS.get(code),
            number_template="{district}-{date}-{number:05}",
            utc_offset_min=480,
            new_id=lambda: f"{next(self.ids):032x}",
        )
        self.book = CaseBook(
            self.desk,
            opening,
            utc_offset_min=480,
            now_ms=lambda: self.now_ms,
            incidents_of=self.incidents_of,
            tell_incident=lambda _, incident, case: self.told.append((incident, case)),
        )
        self.timers = CaseTimers(
            None,  # type: ignore[arg-type]  # what is due is asked for directly
            self.desk,
            self.book,
            interval_s=1,
            now_ms=lambda: self.now_ms,
        )
        self.alarms = AlarmBook([self.book])

    def wait(self, ms: int) -> None:
        """Let time pass, and the timers look."""
        self.now_ms += ms
        while found := self.timers.due(self.db, self.now_ms):
            self.timers.do(self.db, found, self.now_ms)
        self.db.commit()

    def alarm(self, number: int, **changes: Any) -> Alarm:
        """Return an alarm."""
        told: dict[str, Any] = {
            "gateway": "gw-1",
            "id": f"{number:032x}",
            "rule": "burst",
            "device": "main-pressure",
            "point": "pressure",
            "condition": "low",
            "problem": "pipe_burst",
            "priority": Priority.HIGH,
            "message": "Pressure is too low",
            "part": MAIN,
            "value": 96.5,
            "limit": 140.0,
            "clock": ClockState.SYNCHRONISED,
            "raised_ms": self.now_ms,
            "received_ms": self.now_ms,
        }
        return Alarm(**told | changes)

    def raised(self, number: int, **changes: Any) -> None:
        """Have an alarm become active."""
        self.alarms.take(self.db, [self.alarm(number, **changes)])
        self.db.commit()

    def cleared(self, number: int, gateway: str = "gw-1") -> None:
        """Have an alarm return to normal."""
        event = AlarmCleared(f"{number:032x}", self.now_ms, "burst", "main-pressure", "pressure", 180.0)
        self.alarms.take(self.db, [Ended(gateway, event, self.now_ms)])
        self.db.commit()

    def together(self, raised: Mapping[int, dict[str, Any]], cleared: Collection[int]) -> None:
        """Have alarms become active, and some of them return to normal, all of it told at once."""
        told: list[Alarm | Ended] = [self.alarm(number, **changes) for number, changes in raised.items()]
        for number in cleared:
            event = AlarmCleared(f"{number:032x}", self.now_ms, "burst", "main-pressure", "pressure", 180.0)
            told.append(Ended("gw-1", event, self.now_ms))
        self.alarms.take(self.db, told)
        self.db.commit()

    def step(self, step: Step, actor: Actor = CHIEF, case_id: str = "", **told: Any) -> Taken:
        """Take a step with a case, the newest where none is named; a refused one leaves nothing."""
        case_id = case_id or self.newest().id
        try:
            taken = self.desk.step(self.db, case_id, step, actor, self.now_ms, **told)
        except ValueError:
            self.db.rollback()
            raise
        self.db.commit()
        return taken

    def upto(self, *steps: Step, case_id: str = "") -> None:
        """Take steps, with what each needs."""
        for step in steps:
            self.step(step, case_id=case_id, **NEEDS.get(step, {}))

    def newest(self) -> Row[Any]:
        """Return the newest case."""
        return self.db.execute(select(cases).order_by(cases.c.row.desc()).limit(1)).one()

    def rows(self, table: Table) -> list[Row[Any]]:
        """Return a table in the order of its key."""
        return list(self.db.execute(select(table).order_by(*table.primary_key.columns)))

    def stages(self, case_id: str = "") -> list[str]:
        """Return the stages of a case, in order."""
        case_id = case_id or self.newest().id
        return [row.stage for row in self.rows(case_stages) if row.case_id == case_id]

    def kinds(self, case_id: str = "") -> list[str]:
        """Return what happened to a case beside."""
        case_id = case_id or self.newest().id
        return [row.kind for row in self.rows(case_events) if row.case_id == case_id]


NEEDS: dict[Step, dict[str, Any]] = {
    Step.DISPATCH: {"department": "抢修队"},
    Step.REPORT: {"note": "mended"},
    Step.RETURN_FOR_REWORK: {"reason": "still wet"},
    Step.VOID: {"reason": "no such thing"},
}
CLOSING = (Step.FILE, Step.DISPATCH, Step.TAKE_IN_HAND, Step.REPORT, Step.VERIFY)
