"""From an alarm to its case: the rooms that follow alarms, put together. Part of the wiring."""

from collections.abc import Coroutine, Iterator
from typing import Any

from fastapi import APIRouter

from collector.alarms import api as alarm_api
from collector.alarms.book import AlarmBook
from collector.alarms.conditions import Conditions
from collector.alarms.operating import Operators
from collector.alarms.timing import Timers
from collector.cases import api as case_api
from collector.cases import classes as case_classes
from collector.cases import tables_api as case_tables_api
from collector.cases.book import CaseBook
from collector.cases.desk import CaseDesk
from collector.cases.due import Deadlines
from collector.cases.incidents import name_case
from collector.cases.opening import Opening
from collector.cases.timers import CaseTimers
from collector.database import Database
from collector.fleet.words import TITLES as FLEET_TITLES
from collector.incidents import api as incident_api
from collector.incidents.acknowledging import AlarmsOfIncidents
from collector.incidents.book import IncidentBook, Life
from collector.incidents.desk import IncidentDesk
from collector.incidents.keeping import IncidentKeeping
from collector.incidents.labels import Labeller
from collector.parts import api as part_api
from collector.parts import book as parts
from collector.patience import Patiences
from collector.settings import Loaded
from collector.telling.channel_alarms import PROBLEM as CHANNEL_FAILING
from collector.telling.channel_alarms import TITLE as CHANNEL_TITLE
from collector.world import World


class AlarmRooms:
    """Conditions, incidents, cases: each hears of every alarm in this order, in one transaction."""

    def __init__(self, loaded: Loaded, world: World, state: Database) -> None:
        """Put them together; classes of cases come from the settings where people left them alone."""
        settings = loaded.settings
        self._settings, self._state, self._world = settings, state, world
        state.write_now(lambda db: case_classes.seed(db, settings.case_classes, world.now_ms()))
        self.case_desk = CaseDesk(settings.cases, _deadlines(loaded))
        self.labeller = Labeller(parts.found, area_digits=settings.incidents.area_digits)
        self.conditions = Conditions(
            settings.alarms, now_ms=world.now_ms, areas_of=self.labeller.areas_of_parts
        )
        self.operators = Operators(self.conditions, shelve_max_ms=settings.alarms.shelve_max_ms)
        self.alarm_timers = Timers(state, self.conditions, settings.alarms, now_ms=world.now_ms)
        self.incident_book = _incident_book(loaded, world, self.labeller, self.conditions)
        self.incident_keeping = IncidentKeeping(state, self.incident_book, now_ms=world.now_ms)
        self.case_book = CaseBook(
            self.case_desk,
            _opening(loaded, world, self.case_desk),
            utc_offset_min=settings.utc_offset_min,
            now_ms=world.now_ms,
            incidents_of=self.incident_book.of_alarms,
            tell_incident=name_case,
        )
        self.case_timers = CaseTimers(
            state,
            self.case_desk,
            self.case_book,
            interval_s=settings.cases.timer_interval_s,
            now_ms=world.now_ms,
        )
        self.alarm_book = AlarmBook([self.conditions, self.incident_book, self.case_book])

    def routers(self) -> Iterator[APIRouter]:
        """Yield what they have on the interface."""
        settings, state, now_ms, new_id = self._settings, self._state, self._world.now_ms, self._world.new_id
        incident_desk = IncidentDesk(AlarmsOfIncidents(self.operators).acknowledge)
        yield alarm_api.router(alarm_api.Sources(state, self.operators, settings.alarms, now_ms, new_id))
        yield incident_api.router(incident_api.Sources(state, incident_desk, now_ms))
        yield case_api.router(case_api.Sources(state, self.case_desk, now_ms))
        yield case_tables_api.router(case_tables_api.Sources(state, settings.cases, now_ms, new_id))
        yield part_api.router(part_api.Sources(state, settings.parts, now_ms))

    def loops(self, patiences: Patiences) -> Iterator[Coroutine[Any, Any, None]]:
        """Yield everything that runs until it is cancelled."""
        yield self.alarm_timers.run(patiences)
        yield self.incident_keeping.run(patiences)
        yield self.case_timers.run(patiences)


def _deadlines(loaded: Loaded) -> Deadlines:
    settings = loaded.settings.deadlines
    return Deadlines(loaded.calendar, settings.table(), settings.working_days_end == "end_of_day")


def _opening(loaded: Loaded, world: World, desk: CaseDesk) -> Opening:
    settings = loaded.settings
    return Opening(
        settings.district,
        desk,
        parts.find,
        number_template=settings.cases.number_template,
        utc_offset_min=settings.utc_offset_min,
        new_id=world.new_id,
    )


def _incident_book(loaded: Loaded, world: World, labeller: Labeller, conditions: Conditions) -> IncidentBook:
    settings = loaded.settings.incidents
    life = Life(
        close_after_ms=round(settings.close_after_s * 1000),
        joins_for_ms=round(settings.joins_for_s * 1000),
        candidates_max=settings.candidates_max,
    )
    return IncidentBook(
        [rule.rule() for rule in settings.rules],
        labeller,
        {watch.problem: FLEET_TITLES[name] for name, watch in loaded.settings.fleet.watches.items()}
        | {CHANNEL_FAILING: CHANNEL_TITLE}
        | {entry.problem: entry.title for entry in loaded.settings.case_classes},
        life,
        new_id=world.new_id,
        now_ms=world.now_ms,
        quiet=lambda connection, alarm: bool(conditions.quiet(connection, [(alarm.gateway, alarm.id)])),
    )
