"""Evidence: what every lamp did in every night, written down as it happens, told when the night is over.

A gateway that stops tells the night so far. One that comes back takes up what it had written down, and tells
the night again at its end, under the same id: what is told later stands. Pure but for its own memory;
``data`` and ``load`` carry it over a restart.
"""

import logging
from collections.abc import Callable, Iterator, Mapping

import msgspec

from contract.events import LampNight
from contract.samples import ClockState
from edge.clock import Moment
from edge.lamps.events import Happened, LampEvent
from edge.lamps.executor import Lamps
from edge.lamps.leaps import Leaps
from edge.rules.effects import Emit, Ids
from edge.state_json import UndecodableError, decoded
from lighting import nights
from lighting.evidence import NightLog, Seen
from lighting.plan import Plan
from lighting.sun import sun_after

_log = logging.getLogger(__name__)

HOLDS_READINGS = 3
"""A reading holds for so many intervals of its device."""
HOLDS_S_MIN = 60.0


class NightBook:
    """The logs of the night that it is, one for each lamp; without a plan or a known time there are none."""

    def __init__(self, lamps: Lamps, intervals_s: Mapping[str, float], ids: Ids) -> None:
        """``intervals_s`` says how often each device is read."""
        self.plan_sequence: Callable[[], int] = int
        """Says which plan is in force; whoever keeps the documents knows."""
        self.on_told: Callable[[], None] = lambda: None
        """Called when a night has been told at its end, so that what is kept of it can go."""
        self._lamps, self._ids, self._intervals_s = lamps, ids, intervals_s
        self._logs: dict[str, NightLog] = {}
        self._until_ms = 0
        self._taken_up = False
        """Whether it is what a former run wrote down, and nothing was added yet."""
        self._changed = False
        """Whether plan or conditions are others since a time that nobody knows."""
        self._leaps, self._missed = Leaps(), False
        lamps.listeners.append(self._heard)
        lamps.on_change = self._changes

    def roll(self, now: Moment) -> list[Emit]:
        """Tell of nights that are over, and begin the one that it is."""
        plan = self._lamps.program.plan
        if not self._knows(now):
            return []
        self._catch_up(now.wall_ms)
        if self._changed:
            self._planned_until(now.wall_ms)
        if self._logs and now.wall_ms < self._until_ms:
            return []
        told = [Emit(record) for record in self._records(now)]
        watched_ms = self._until_ms if self._logs and not self._taken_up else now.wall_ms
        self._logs, self._taken_up = {}, False
        if plan is not None:
            self._begin(plan, now, watched_ms)
        if told:
            self.on_told()
        return told

    def _changes(self, now: Moment) -> list[Emit]:
        """Before another document is in force: what was planned until now stands, and a night may be over."""
        told = self.roll(now)
        if not self._knows(now):
            self._changed = True
        else:
            self._bring_up_to_date()
            self._planned_until(now.wall_ms)
        return told

    def so_far(self, now: Moment) -> list[Emit]:
        """Tell of the night as far as it has come; where nobody knows the time the next start tells it."""
        if not self._knows(now):
            return []
        self._catch_up(now.wall_ms)
        return [Emit(record) for record in self._records(now, bare=False)]

    def data(self) -> bytes:
        """Return all of it as JSON; empty where nothing is written down."""
        if not self._logs:
            return b""
        self._bring_up_to_date()
        return msgspec.json.encode(list(self._logs.values()))

    def load(self, data: bytes) -> None:
        """Take up what a former run had written down, of lamps that there still are."""
        try:
            kept = decoded(data, list[NightLog])
        except UndecodableError as error:
            _log.warning(
                "what was written down of the lamps' night cannot be read, it begins anew: %s", error
            )
            return
        self._logs = {log.lamp: log for log in kept if log.lamp in self._lamps.states}
        self._until_ms = min((log.until_ms for log in self._logs.values()), default=0)
        self._taken_up = bool(self._logs)
        for log in self._logs.values():
            log.id = log.id or self._ids()  # an earlier version gave none

    def _knows(self, now: Moment) -> bool:
        """Say whether the time is one to write down by; what was missed while it was not is made up for."""
        if now.clock is ClockState.UNSET or self._leaps.doubts(now):
            self._missed = True
            return False
        if self._missed:
            self._missed = False
            for name, log in self._logs.items() if not self._taken_up else ():
                if (command := self._lamps.states[name].command) is not None:
                    log.due(command, now.wall_ms)
        return True

    def _begin(self, plan: Plan, now: Moment, watched_ms: int) -> None:
        """Begin the night that it is; what another run saw of it before ``watched_ms``, it has told."""
        zone, place = nights.zone(plan.time_zone), plan.place_of.get(self._lamps.gateway, plan.place)
        night = nights.night_of(now.wall_ms, zone)
        from_ms = nights.begins_ms(night, zone)
        self._until_ms = nights.begins_ms(night + nights.DAY, zone)
        sunset_ms, sunrise_ms = sun_after(place.latitude_deg, place.longitude_deg, from_ms)
        for name, lamp in self._lamps.states.items():
            fixture = lamp.fixture
            holds_s = max(HOLDS_S_MIN, HOLDS_READINGS * self._intervals_s.get(fixture.output.device, 0.0))
            log = self._logs[name] = NightLog(
                name,
                fixture.output.device,
                night,
                from_ms,
                self._until_ms,
                holds_s,
                fixture.part,
                fixture.rated_power_w or 0,
                sunrise_ms - sunset_ms,
                counted_ms=watched_ms,
                counter_step_wh=fixture.energy_step_wh,
                id=self._ids(),
                dusk_ms=sunset_ms,
            )
            if lamp.command is not None:
                log.due(lamp.command, max(from_ms, watched_ms))

    def _catch_up(self, now_ms: int) -> None:
        """Count the time since the former run by what it knew of the plan, before anything is added."""
        if self._taken_up and now_ms < self._until_ms:
            self._taken_up = False
        elif not self._taken_up:
            return
        for log in self._logs.values():
            log.away(now_ms)

    def _planned_until(self, now_ms: int) -> None:
        self._changed = False
        for log in self._logs.values():
            log.planned_until(now_ms)

    def _bring_up_to_date(self) -> None:
        """Write down failures and what the plan wants; until one is in force, what was written stands."""
        if self._taken_up or not self._logs:
            return
        for log in self._logs.values():
            log.standing = set(self._lamps.failures(log.lamp))
        from_ms = max(max(log.from_ms, log.planned_ms) for log in self._logs.values())
        if self._changed or self._lamps.program.plan is None or from_ms >= self._until_ms:
            return
        planned = self._lamps.program.planned(from_ms, self._until_ms)
        for log in self._logs.values():
            log.plan(planned.get(log.lamp, ()))
            log.followed = self.plan_sequence()

    def _records(self, now: Moment, *, bare: bool = True) -> Iterator[LampNight]:
        self._bring_up_to_date()
        for log in self._logs.values():
            if bare or not log.is_bare:
                feeds = self._lamps.states[log.lamp].fixture.feeds
                record = log.record(log.id, now.wall_ms, log.followed, now.clock)
                yield msgspec.structs.replace(record, feeds=feeds)

    def _heard(self, event: LampEvent) -> None:
        log = self._logs.get(event.lamp)
        if log is None or not self._knows(event.now):
            return
        now_ms = event.now.wall_ms
        self._catch_up(now_ms)
        if self._taken_up:
            return  # a night that is over, and told in a moment
        match event.what:
            case Happened.COMMANDED if event.command is not None:
                log.due(event.command, now_ms)
            case Happened.SENT if event.command is not None:
                log.sent(event.command, now_ms, again=event.attempt > 1)
            case Happened.MEASURED:
                level = None if event.level is None else round(min(max(event.level, 0), 100))
                seen = Seen(event.burns, level, event.power_w, event.energy_wh, event.powered, event.fed)
                log.saw(seen, now_ms)
                for failure in event.failures:
                    log.failed(failure)
