"""Evidence: what every lamp did in every night, written down as it happens, told when the night is over.

Pure but for its own memory; ``data`` and ``load`` carry it over a restart.
"""

import logging
from collections.abc import Callable, Iterator, Mapping

import msgspec

from contract.events import LampNight
from contract.samples import ClockState
from edge.clock import Moment
from edge.lamps.events import Happened, LampEvent
from edge.lamps.executor import Lamps
from edge.rules.effects import Emit, Ids
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
        self._lamps, self._ids, self._intervals_s = lamps, ids, intervals_s
        self._logs: dict[str, NightLog] = {}
        self._until_ms = 0
        lamps.listeners.append(self._heard)

    def roll(self, now: Moment) -> list[Emit]:
        """Tell of nights that are over, and begin the one that it is."""
        plan = self._lamps.program.plan
        if now.clock is ClockState.UNSET or (self._logs and now.wall_ms < self._until_ms):
            return []
        told = [Emit(record) for record in self._ended(now)] if self._logs else []
        self._logs = {}
        if plan is not None:
            self._begin(plan, now)
        return told

    def data(self) -> bytes:
        """Return all of it as JSON; empty where nothing is written down."""
        if not self._logs:
            return b""
        return msgspec.json.encode(list(self._logs.values()))

    def load(self, data: bytes) -> None:
        """Take up what a former run had written down, of lamps that there still are."""
        try:
            kept = msgspec.json.decode(data, type=list[NightLog])
        except msgspec.MsgspecError as error:
            _log.warning(
                "what was written down of the lamps' night cannot be read, it begins anew: %s", error
            )
            return
        self._logs = {log.lamp: log for log in kept if log.lamp in self._lamps.states}
        self._until_ms = min((log.until_ms for log in self._logs.values()), default=0)

    def _begin(self, plan: Plan, now: Moment) -> None:
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
            )
            if lamp.command is not None:
                log.due(lamp.command, max(from_ms, min(now.wall_ms, lamp.command.start_ms)))
            for failure in self._lamps.failures(name):
                log.failed(failure)

    def _ended(self, now: Moment) -> Iterator[LampNight]:
        logs = list(self._logs.values())
        planned = self._lamps.program.planned(logs[0].from_ms, self._until_ms)
        for log in logs:
            log.plan(planned.get(log.lamp, ()))
            for failure in self._lamps.failures(log.lamp):
                log.failed(failure)
            yield log.record(self._ids(), now.wall_ms, self.plan_sequence(), now.clock)

    def _heard(self, event: LampEvent) -> None:
        log = self._logs.get(event.lamp)
        if log is None or event.now.clock is ClockState.UNSET:
            return
        now_ms = event.now.wall_ms
        match event.what:
            case Happened.COMMANDED if event.command is not None:
                log.due(event.command, now_ms)
            case Happened.SENT if event.command is not None:
                log.sent(event.command, now_ms, again=event.attempt > 1)
            case Happened.MEASURED:
                level = None if event.level is None else round(min(max(event.level, 0), 100))
                log.saw(Seen(event.burns, level, event.power_w, event.energy_wh, event.powered), now_ms)
            case Happened.RAISED:
                log.failed(event.told)
            case Happened.FAILED:
                for failure in self._lamps.failures(event.lamp):
                    log.failed(failure)
