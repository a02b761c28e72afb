"""A year of 1,000 lamps on a virtual clock, offline throughout: ``python -m bench.lighting_year``.

Five cabinets at five places, in three time zones, each with 200 lamps in four calendars: by the sun, by a
light sensor, by fog, by a value; overrides now and then. The lamps of two lines follow one calendar each,
those of two others follow two. The cabinets' real executor runs on moments that jump to whatever is due
next; lamps are ideal: they hold a level, take it at once and read it back. Now and then a cabinet is down
for minutes or hours, half of the times right at a switch point, and begins anew with nothing but the stored
documents; sometimes its clock is not set for the first half minute.

What should have been done comes from elsewhere: timelines compiled for the whole year at once, and gates of
their own over the whole trace of the sensors. ``missed`` counts lamps that are not at the level that is due
within ``LAG_S`` of a switch point, or of the end of an outage; ``doubled`` counts commands that a lamp was
not in need of: for a level that it had, or one that is not due. ``--weaken replay`` makes up for what was
missed in an outage, ``--weaken skip`` begins with the next switch point after one: both must be found.
"""

import argparse
import gc
import heapq
import itertools
import json
import math
import platform
import random
import sys
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.telling import progress
from contract.samples import ClockState, Measured, Row
from edge.clock import Moment
from edge.lamps.events import LampEffect, Send
from edge.lamps.executor import Lamps
from edge.lamps.fixtures import Fixture, GroupKey
from edge.lamps.lamp import Phase
from edge.lamps.settings import Lighting
from edge.settings import Ref
from lighting.commands import command
from lighting.compiling import Compiler, Fact
from lighting.documents import Condition, Conditions, Override, Overrides, part_of, written
from lighting.plan import Plan
from lighting.timeline import Comparison, Gate, Step, Threshold, Timeline

SEED = 20_261_127
FROM_MS = 1_798_761_600_000
"""2027-01-01, and with it a year of two steps of summer time."""
DAY_MS = 86_400_000
LAG_S = 60
READ_EVERY_MS = 1_800_000
LAMPS, PER_LINE = 200, 50
CALENDARS = {
    "road": [*range(0, 100, 2)],
    "street": [*range(1, 100, 2)],
    "yard": [*range(100, 150)],
    "square": [*range(150, 200)],
}
"""The lamps of each calendar, by number."""
PLACES = (
    ("kashgar", 39.47, 75.99, "Asia/Shanghai"),
    ("harbin", 45.75, 126.64, "Asia/Shanghai"),
    ("sanya", 18.25, 109.51, "Asia/Shanghai"),
    ("berlin", 52.52, 13.40, "Europe/Berlin"),
    ("valparaiso", -33.05, -71.61, "America/Santiago"),
)
SENSOR, VALUE = "lux/illuminance", "traffic/rate"
ON_LUX, OFF_LUX, BUSY = 20.0, 40.0, 300.0
LIGHTING = Lighting(
    together_max=25, sensor_stale_s=3600, value_off_delay_s=0, sensor_doubt_s=0, horizon_nights=2
)
"""Readings are made up, light in the night too, and believed at once: so every switch point is known."""
Weakening = Literal["", "replay", "skip"]


def plan(name: str, latitude_deg: float, longitude_deg: float, zone: str) -> Plan:
    """Return a cabinet's plan."""
    moments = {"day": "12:00:00", "late": "23:30:00", "early": "05:00:00"}

    def fixed(**levels: int) -> list[dict[str, object]]:
        return [{"start_time": moments[key], "level": level} for key, level in levels.items()]

    edges = {"sensor": SENSOR, "on_level": ON_LUX, "off_level": OFF_LUX}
    sun = {"kind": "astro_clock", "sunset_offset_min": -10, "sunrise_offset_min": 10}
    both = {**edges, "kind": "astro_and_sensor"}
    both |= {"pc_active_before_sunset_min": 45, "pc_active_before_sunrise_min": 45}
    busy = {"kind": "value", "reference": VALUE, "operator": "gt", "state": BUSY}
    dawn = {"solar_event_type": "sunrise", "offset_min": -20, "operation": "min", "level": 50}
    programs = [
        {
            "id": "road",
            "active_periods": [sun],
            "fixed_time_controls": fixed(day=100, late=60, early=80),
            "astro_clock_time_controls": [dawn],
        },
        {
            "id": "street",
            "active_periods": [both],
            "fixed_time_controls": fixed(day=80, late=40, early=80),
        },
        {
            "id": "yard",
            "active_periods": [{**edges, "kind": "sensor"}],
            "fixed_time_controls": fixed(day=70, late=30),
        },
        {
            "id": "square",
            "active_periods": [{**sun, "sunrise_offset_min": 0}, busy],
            "fixed_time_controls": fixed(day=90, late=50, early=90),
        },
        {"id": "whole", "active_periods": [sun], "fixed_time_controls": fixed(day=100)},
    ]
    rules = [{"program": "whole", "condition": "fog"}, {"program": "whole", "days": ["fri", "sat"]}]
    return Plan.model_validate_json(
        json.dumps(
            {
                "schema": 1,
                "name": "a-year",
                "time_zone": zone,
                "place": {"latitude_deg": latitude_deg, "longitude_deg": longitude_deg},
                "conditions": ["fog"],
                "programs": programs,
                "calendars": [
                    {"id": it, "default_program": it, "rules": rules if it == "road" else rules[:1]}
                    for it in CALENDARS
                ],
                "cabinets": [{"gateway": name, "lamps": [f"lamp-{{0-{LAMPS - 1}}}"]}],
                "assignments": [
                    {"calendar": it, "addresses": [f"{name}/lamp-{number}" for number in numbers]}
                    for it, numbers in CALENDARS.items()
                ],
            }
        )
    )


@dataclass(frozen=True)
class Outage:
    """A cabinet is down, and its clock is set some time after it is up again."""

    down_ms: int
    up_ms: int
    unset_ms: int

    @property
    def set_ms(self) -> int:
        """When the clock is set."""
        return self.up_ms + self.unset_ms


class Site:
    """What happens at one cabinet in the year, made beforehand from a seed."""

    def __init__(self, place: tuple[str, float, float, str], days: int, reboots: int, seed: int) -> None:
        """Compile the year at once."""
        name, latitude_deg, longitude_deg, zone = place
        self.name, self.until_ms = name, FROM_MS + days * DAY_MS
        self.plan = part_of(plan(name, latitude_deg, longitude_deg, zone), name)
        randomness = random.Random(f"{seed}/{name}")
        self.overrides = list(self._made_overrides(randomness, days))
        self.conditions = list(self._made_fog(randomness, days))
        self.readings = list(self._made_readings(randomness, longitude_deg))
        compiler, at = Compiler(self.plan), self.plan.place_of[name]
        facts = [Fact(it.condition, it.from_ms, it.until_ms) for it in self.conditions]
        self.timelines = [
            compiler.timeline(calendar.id, at, FROM_MS, self.until_ms, facts)
            for calendar in self.plan.calendars
        ]
        self.calendars = [calendar.id for calendar in self.plan.calendars]
        self.outages = list(self._made_outages(randomness, reboots))

    def _made_overrides(self, randomness: random.Random, days: int) -> Iterator[Override]:
        for _ in range(days // 8):
            start_ms = FROM_MS + randomness.randrange(days * DAY_MS)
            first = randomness.randrange(LAMPS - 10)
            yield Override(
                lamps=[f"lamp-{number}" for number in range(first, first + 10)],
                level=randomness.choice([0, 35, 100]),
                start_ms=start_ms,
                expiration_ms=start_ms + randomness.randrange(600_000, 8 * 3_600_000),
                reason="works",
            )

    def _made_fog(self, randomness: random.Random, days: int) -> Iterator[Condition]:
        for _ in range(days // 12):
            from_ms = FROM_MS + randomness.randrange(days * DAY_MS)
            until_ms = from_ms + randomness.randrange(1_800_000, 10 * 3_600_000)
            yield Condition(condition="fog", from_ms=from_ms, until_ms=until_ms)

    def _made_readings(
        self, randomness: random.Random, longitude_deg: float
    ) -> Iterator[tuple[int, float, float]]:
        """Yield (time, lux, traffic): light by the hour of the sun, with clouds; and traffic."""
        noon_ms = 12 * 3_600_000 - longitude_deg / 360 * DAY_MS
        for time_ms in range(FROM_MS, self.until_ms, READ_EVERY_MS):
            height = math.cos(2 * math.pi * (time_ms - noon_ms) / DAY_MS)
            lux = 10 ** (1.6 + 3 * height + randomness.gauss(0, 0.2))
            yield time_ms, lux, max(0.0, 300 + 200 * height + randomness.gauss(0, 60))

    def _made_outages(self, randomness: random.Random, count: int) -> Iterator[Outage]:
        points = [step.start_ms for timeline in self.timelines for step in timeline.steps]
        span_ms = (self.until_ms - FROM_MS - 3 * DAY_MS) // max(1, count)
        for number in range(count):
            from_ms = FROM_MS + DAY_MS + number * span_ms  # one after the other, never two at once
            down_ms = from_ms + randomness.randrange(span_ms // 2)
            near = [point for point in points if from_ms <= point < from_ms + span_ms // 2]
            if near and randomness.random() < 0.5:
                down_ms = randomness.choice(near) + randomness.randrange(-30_000, 30_000)
            long_ms = randomness.choice([20_000, 120_000, 3_600_000, 14 * 3_600_000])
            up_ms = down_ms + min(randomness.randrange(5_000, long_ms), span_ms // 3)
            yield Outage(down_ms, up_ms, randomness.choice([0, 0, 30_000]))


class Oracle:
    """What each lamp should be at, from the whole year at once; gates begin anew after an outage."""

    def __init__(self, site: Site) -> None:
        """Walk through the year once for each calendar, and for each lamp that is overridden some time."""
        overridden = {lamp for override in site.overrides for lamp in override.lamps}
        opened = _gates_over(site)
        self.due: dict[str, tuple[list[int], list[int]]] = {}
        for at, calendar in enumerate(site.calendars):
            lamps = [f"lamp-{number}" for number in CALENDARS[calendar]]
            shared = _levels(site, site.timelines[at], opened, "", ())
            for lamp in lamps:
                mine = [override for override in site.overrides if lamp in override.lamps]
                self.due[lamp] = (
                    _levels(site, site.timelines[at], opened, lamp, mine) if lamp in overridden else shared
                )

    def at(self, lamp: str, time_ms: int) -> tuple[int, int]:
        """Return the level that is due, and since when."""
        times, levels = self.due[lamp]
        index = bisect_right(times, time_ms) - 1
        return levels[index], times[index]


Opened = tuple[list[int], list[dict[Gate, bool | None]]]


def _gates_over(site: Site) -> Opened:
    """Return when gates moved, and how they stood from then on; a gate that is known to nobody is None."""
    dim, busy = Threshold(SENSOR, ON_LUX, OFF_LUX), Comparison(VALUE, "gt", BUSY)
    state: dict[Gate, bool | None] = {dim: None, busy: None}
    times, states = [0], [state]
    for time_ms, lux, rate, is_first in _heard(site):
        before = None if is_first else state[dim]
        light = True if lux < ON_LUX else False if lux > OFF_LUX else before
        state = {dim: light, busy: rate > BUSY}
        if state != states[-1]:
            times.append(time_ms)
            states.append(state)
    return times, states


def _heard(site: Site) -> Iterator[tuple[int, float, float, bool]]:
    """Yield what a cabinet reads of its sensors: also right after each outage, and nothing within."""
    readings, outages = iter(site.readings), site.outages
    starts = [reading[0] for reading in site.readings]
    extra = []
    for outage in outages:
        _, lux, rate = site.readings[bisect_right(starts, outage.up_ms) - 1]
        extra.append((outage.up_ms, lux, rate, True))
    downs = [outage.down_ms for outage in outages]
    usual = (
        (time_ms, lux, rate, number == 0)
        for number, (time_ms, lux, rate) in enumerate(readings)
        if not ((index := bisect_right(downs, time_ms) - 1) >= 0 and time_ms <= outages[index].up_ms)
    )
    return heapq.merge(usual, extra)


def _levels(
    site: Site, timeline: Timeline, opened: Opened, lamp: str, overrides: Sequence[Override]
) -> tuple[list[int], list[int]]:
    """Return when the level that is due changes, and to what."""
    times_ms = {step.start_ms for step in timeline.steps} | set(opened[0])
    times_ms |= {edge for it in overrides for edge in (it.start_ms, it.expiration_ms)}
    times: list[int] = []
    levels: list[int] = []
    for time_ms in sorted(it for it in {*times_ms, FROM_MS} if FROM_MS <= it < site.until_ms):
        gates = opened[1][bisect_right(opened[0], time_ms) - 1]
        step: Step = timeline.at(time_ms)
        level = command(step, gates, overrides, lamp, time_ms).level
        if not levels or level != levels[-1]:
            times.append(time_ms)
            levels.append(level)
    return times, levels


def fixtures(group: str) -> list[Fixture]:
    """Return the lamps: 50 on a line, all of a line within one broadcast."""
    return [
        Fixture(
            f"lamp-{number}",
            Ref(f"c-{number}", "level"),
            f"line-{number // PER_LINE}",
            is_switch=False,
            group=GroupKey(f"line-{number // PER_LINE}", group, "level"),
        )
        for number in range(LAMPS)
    ]


@dataclass
class Tally:
    """What was counted."""

    commands: int = 0
    switch_points: int = 0
    checked: int = 0
    superseded: int = 0
    missed: int = 0
    doubled: int = 0
    reboots: int = 0


class Run:
    """One cabinet through its year."""

    def __init__(self, site: Site, tally: Tally, weakening: Weakening) -> None:
        """Nothing has begun."""
        self.site, self.tally, self.weakening = site, tally, weakening
        self.oracle = Oracle(site)
        self.levels = {f"lamp-{number}": 0 for number in range(LAMPS)}
        self.device_of = {f"lamp-{number}": f"c-{number}" for number in range(LAMPS)}
        self._ids = (f"{number:032x}" for number in itertools.count(1))
        self.lamps = self._begun()
        self._down = False
        self._now_ms = self._set_ms = FROM_MS
        self._events: list[tuple[int, int, int, object]] = []
        self._numbers = itertools.count()

    def _begun(self) -> Lamps:
        return Lamps(self.site.name, fixtures("lamp"), LIGHTING, lambda: next(self._ids))

    def run(self) -> None:
        """Go through all that happens, in order of time."""
        site, events = self.site, self._events
        for time_ms, lux, rate, is_first in _heard(site):
            if not is_first:
                self._at(time_ms, 1, (lux, rate))
        for outage in site.outages:
            self._at(outage.down_ms, 0, ("down", outage))
            self._at(outage.up_ms, 0, ("up", outage))
            if outage.unset_ms:
                self._at(outage.set_ms, 0, ("set", outage))
        for calendar_times in {id(due): due for due in self.oracle.due.values()}.values():
            lamps = [lamp for lamp, due in self.oracle.due.items() if due is calendar_times]
            self.tally.switch_points += len(lamps) * (len(calendar_times[0]) - 1)
            for time_ms in calendar_times[0]:
                self._at(self._checked_ms(time_ms), 2, lamps)
        self._boot(FROM_MS, site.readings[0][1:], FROM_MS)
        gc.freeze()  # what stands now stays, as in the gateway
        while events and events[0][0] < site.until_ms:
            next_ms = math.inf if self._down else self._due_ms
            if next_ms < events[0][0]:
                now_ms = max(math.floor(next_ms) + 1, self._now_ms)
                self._now_ms = now_ms
                self._act(self.lamps.tick(self._moment(now_ms)), now_ms)
                continue
            now_ms, _, _, event = heapq.heappop(events)
            self._now_ms = now_ms
            self._happens(event, now_ms)

    def _at(self, time_ms: int, rank: int, event: object) -> None:
        heapq.heappush(self._events, (time_ms, rank, next(self._numbers), event))

    def _checked_ms(self, time_ms: int) -> int:
        """Return when a switch point must have been done: later where the cabinet is down meanwhile."""
        done_ms = time_ms + LAG_S * 1000
        for outage in self.site.outages:
            if outage.down_ms <= done_ms and time_ms < outage.set_ms + LAG_S * 1000:
                done_ms = max(done_ms, outage.set_ms + LAG_S * 1000)
        return done_ms

    def _happens(self, event: object, now_ms: int) -> None:
        match event:
            case ("down", Outage()):
                self._down = True
            case ("up", Outage() as outage):
                self.tally.reboots += 1
                starts = [reading[0] for reading in self.site.readings]
                reading = self.site.readings[bisect_right(starts, now_ms) - 1]
                self._boot(now_ms, reading[1:], outage.set_ms, outage.down_ms)
            case ("set", Outage()):
                self._act(self.lamps.tick(self._moment(now_ms)), now_ms)
            case (float() as lux, float() as rate):
                self._act(self.lamps.observe(_sensed(now_ms, lux, rate), self._moment(now_ms)), now_ms)
            case list() as lamps:
                self._check(lamps, now_ms)

    def _boot(self, now_ms: int, reading: Sequence[float], set_ms: int, down_ms: int = 0) -> None:
        """Begin anew with the stored documents; all lamps and sensors are read once."""
        self.lamps, self._down, self._set_ms = self._begun(), False, set_ms
        self._now_ms = now_ms
        now = self._moment(now_ms)
        for kind, body in self._documents:
            problems, effects = self.lamps.in_force(kind, body, now)
            assert not problems, problems
            self._act(effects, now_ms)
        if self.weakening == "replay" and down_ms:
            self._replay(down_ms, now_ms)
        read: list[Measured] = _sensed(now_ms, *reading)
        read += [
            Row(now_ms, self.device_of[lamp], ("level",), (level,)) for lamp, level in self.levels.items()
        ]
        effects = self.lamps.observe(read, now)
        if self.weakening == "skip" and down_ms:
            for state in self.lamps.states.values():
                state.phase = Phase.PROVED
            while sends := [effect for effect in effects if isinstance(effect, Send)]:
                effects = [more for send in sends for more in self.lamps.sent(send, "", now)]
        self._act(effects, now_ms)

    def _replay(self, down_ms: int, now_ms: int) -> None:
        """Do what a cabinet would that makes up for what it missed."""
        for lamp, (times, levels) in self.oracle.due.items():
            for index in range(bisect_right(times, down_ms), bisect_right(times, now_ms)):
                self._took(lamp, levels[index], now_ms)

    @property
    def _documents(self) -> list[tuple[str, str]]:
        site = self.site
        return [
            ("lamp_plan", written(site.plan)),
            ("lamp_overrides", written(Overrides(overrides=site.overrides))),
            ("lamp_conditions", written(Conditions(conditions=site.conditions))),
        ]

    @property
    def _due_ms(self) -> float:
        return FROM_MS + self.lamps.next_s(self._moment(self._now_ms)) * 1000

    def _moment(self, now_ms: int) -> Moment:
        """Before the clock is set it is an hour late."""
        mono_ns = (now_ms - FROM_MS) * 1_000_000
        if now_ms < self._set_ms:
            return Moment(mono_ns, now_ms - 3_600_000, ClockState.UNSET, 0)
        return Moment(mono_ns, now_ms, ClockState.SYNCHRONISED, 1)

    def _act(self, effects: Sequence[LampEffect], now_ms: int) -> None:
        """Do what is asked, at once, and let it be read back."""
        now = self._moment(now_ms)
        waiting = list(effects)
        while waiting:
            sends = [effect for effect in waiting if isinstance(effect, Send)]
            waiting = []
            for send in sends:
                for lamp in send.lamps:
                    self._took(lamp, send.level, now_ms)
                waiting += self.lamps.sent(send, "", now)
                rows = [Row(now_ms, self.device_of[lamp], ("level",), (send.level,)) for lamp in send.lamps]
                waiting += self.lamps.observe(rows, now)

    def _took(self, lamp: str, level: int, now_ms: int) -> None:
        self.tally.commands += 1
        due, _ = self.oracle.at(lamp, now_ms)
        self.tally.doubled += level == self.levels[lamp] or level != due
        self.levels[lamp] = level

    def _check(self, lamps: Sequence[str], now_ms: int) -> None:
        due, since_ms = self.oracle.at(lamps[0], now_ms)
        if since_ms > now_ms - LAG_S * 1000 or self._down:
            self.tally.superseded += len(lamps)  # the later one is looked at in its time
            return
        self.tally.checked += len(lamps)
        self.tally.missed += sum(self.levels[lamp] != due for lamp in lamps)


def _sensed(now_ms: int, lux: float, rate: float) -> list[Measured]:
    return [
        Row(now_ms, "lux", ("illuminance",), (lux,)),
        Row(now_ms, "traffic", ("rate",), (rate,)),
    ]


def played(days: int, reboots: int, seed: int = SEED, weakening: Weakening = "") -> Tally:
    """Play so many days of all cabinets with so many reboots among them."""
    tally = Tally()
    for number, place in enumerate(PLACES):
        share = reboots // len(PLACES) + (number < reboots % len(PLACES))
        Run(Site(place, days, share, seed), tally, weakening).run()
        progress(f"{place[0]}: {tally.commands} commands, {tally.missed} missed, {tally.doubled} doubled")
    return tally


def main() -> int:
    """Play the year, print the table and the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--reboots", type=int, default=200)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--weaken", choices=["", "replay", "skip"], default="")
    given = parser.parse_args()
    began_s = time.process_time()
    tally = played(given.days, given.reboots, given.seed, given.weaken)
    figures = {"cpu_s": round(time.process_time() - began_s, 1), **vars(tally)}
    print("\n".join(f"{name:16}{value:>12}" for name, value in figures.items()))
    conditions = {
        "lamps": LAMPS * len(PLACES),
        "days": given.days,
        "places": [place[0] for place in PLACES],
        "seed": given.seed,
        "weakened": given.weaken,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    print(json.dumps({"name": "lighting_year", "figures": figures, "conditions": conditions}))
    found = bool(tally.missed or tally.doubled)
    return int(found != bool(given.weaken))


if __name__ == "__main__":
    sys.exit(main())
