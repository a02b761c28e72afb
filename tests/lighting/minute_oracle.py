"""What lamps should do, found the long way: minute by minute, by what clocks on the wall show.

It keeps what has passed within the night, and knows nothing of moments, edges or steps. A control takes force
at the first minute at which the clock shows its time or later; a time shown twice counts the first time, one
that clocks skip when they skip it. Only sunset and sunrise come from ``lighting.sun``, which has a test of
its own.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from lighting.plan import Calendar, CalendarRule, ControlProgram, Place, Plan
from lighting.sun import sun_after

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
ONE_DAY = dt.timedelta(days=1)

Told = tuple[str, int, int]
"""A condition that holds, from when until when."""
GateKey = tuple[Any, ...]


class Due(NamedTuple):
    """What is due in a minute: ``level``, if there are ``gates`` only while one is open; else 0."""

    level: int
    gates: frozenset[GateKey]
    dark: bool

    def level_where(self, opened: Mapping[GateKey, bool | None]) -> int:
        """Return the level; where nothing is known of any gate, the sun decides."""
        if not self.gates:
            return self.level
        known = {opened[gate] for gate in self.gates if opened[gate] is not None}
        if not known:
            return self.level if self.dark else 0
        return self.level if True in known else 0


def walk(
    plan: Plan, calendar_id: str, place: Place, first: dt.date, nights: int, told: Sequence[Told]
) -> Iterator[tuple[int, Due]]:
    """Yield every minute of so many nights, and what is due in it."""
    zone = ZoneInfo(plan.time_zone)
    [calendar] = [it for it in plan.calendars if it.id == calendar_id]
    programs = {program.id: program for program in plan.programs}
    now_ms, night, last = noon_ms(first, zone), first, first + ONE_DAY * nights
    former = in_force(calendar, night - ONE_DAY, holding_at(told, now_ms - MINUTE_MS))
    while night < last:
        noon_after = dt.datetime.combine(night + ONE_DAY, dt.time(12))
        carried = programs[former].fixed_time_controls[-1].level
        watched = {key: Watched(program, night, place, now_ms) for key, program in programs.items()}
        due, was = None, (frozenset[str](), "")
        while (local := local_at(now_ms, zone)) < noon_after:
            moved = False
            seen = max(local, local_at(now_ms - 1000, zone))  # the last second before clocks are put back
            for each in watched.values():
                moved |= each.look(now_ms, seen)
            holding = holding_at(told, now_ms)
            former = was[1] if was[1] and was[0] == holding else in_force(calendar, night, holding)
            if moved or due is None or was != (holding, former):
                due = watched[former].due(carried)
            was = (holding, former)
            yield now_ms, due
            now_ms += MINUTE_MS
        night = (local - dt.timedelta(hours=12)).date()  # the next one, unless a zone skips a whole day


def noon_ms(day: dt.date, zone: ZoneInfo) -> int:
    """Return the first minute at which clocks show noon of the day or later."""
    noon = dt.datetime.combine(day, dt.time(12))
    now_ms = round(noon.replace(tzinfo=dt.UTC).timestamp()) * 1000 - 30 * HOUR_MS
    while local_at(now_ms, zone) < noon:
        now_ms += HOUR_MS
    now_ms -= HOUR_MS
    while local_at(now_ms, zone) < noon:
        now_ms += MINUTE_MS
    return now_ms


def in_force(calendar: Calendar, night: dt.date, holding: frozenset[str]) -> str:
    """Return the program of the first rule that applies to the night, else the default."""
    rule = rule_in_force(calendar, night, holding)
    return calendar.default_program if rule is None else rule.program


def rule_in_force(calendar: Calendar, night: dt.date, holding: frozenset[str]) -> CalendarRule | None:
    """Return the first rule that applies to the night while these conditions hold."""
    for rule in calendar.rules:
        if on_night(rule, night) and (rule.condition is None or rule.condition in holding):
            return rule
    return None


def on_night(rule: CalendarRule, night: dt.date) -> bool:
    """Say whether the night is one of the rule's: both ends included."""
    if rule.days and night.strftime("%a").lower() not in rule.days:
        return False
    given = [day for day in (rule.start_date, rule.end_date) if day is not None]
    if any(isinstance(day, dt.date) for day in given):
        start = rule.start_date if isinstance(rule.start_date, dt.date) else dt.date.min
        end = rule.end_date if isinstance(rule.end_date, dt.date) else dt.date.max
        return start <= night <= end
    first, last = str(rule.start_date or "--01-01"), str(rule.end_date or "--12-31")
    wraps = first > last
    return any(
        _day(year, first, 1) <= night <= _day(year + wraps, last, -1) for year in (night.year - 1, night.year)
    )


def _day(year: int, text: str, otherwise: int) -> dt.date:
    """Return the day in that year; where it has no 29 February, the day after (1) or before (-1)."""
    month, day = int(text[2:4]), int(text[5:])
    try:
        return dt.date(year, month, day)
    except ValueError:
        return dt.date(year, 3, 1) if otherwise == 1 else dt.date(year, 2, 28)


class Watched:
    """One program in one night: what has passed of it."""

    def __init__(self, program: ControlProgram, night: dt.date, place: Place, noon_ms: int) -> None:
        """Lay out everything that is to pass, by the clock on the wall and by the sun."""
        self.program, self.passed = program, set[str]()
        self._events = dict(
            zip(
                ("sunset", "sunrise"),
                sun_after(place.latitude_deg, place.longitude_deg, noon_ms),
                strict=True,
            )
        )
        clock: list[tuple[dt.datetime, str]] = []
        sun: list[tuple[int, str]] = [(at_ms, event) for event, at_ms in self._events.items()]
        self._moved: dict[str, int] = {}

        def by_clock(time: dt.time, key: str) -> None:
            clock.append((dt.datetime.combine(night if time.hour >= 12 else night + ONE_DAY, time), key))

        def by_sun(event: str, offset_min: int, key: str) -> None:
            self._moved[key] = self._events[event] + offset_min * MINUTE_MS
            sun.append((self._moved[key], key))

        for index, fixed in enumerate(program.fixed_time_controls):
            by_clock(fixed.start_time, f"fixed {index}")
        for index, astro in enumerate(program.astro_clock_time_controls):
            by_sun(astro.solar_event_type, astro.offset_min, f"astro {index}")
        for index, period in enumerate(program.active_periods):
            if period.kind == "absolute":
                by_clock(period.start_time, f"start {index}")
                by_clock(period.end_time, f"end {index}")
            elif period.kind in ("astro_clock", "astro_and_sensor"):
                by_sun("sunset", period.sunset_offset_min, f"set {index}")
                by_sun("sunrise", period.sunrise_offset_min, f"rise {index}")
            if period.kind == "astro_and_sensor":
                before_min = period.sunset_offset_min - period.pc_active_before_sunset_min
                by_sun("sunset", before_min, f"heard {index}")
                before_min = period.sunrise_offset_min - period.pc_active_before_sunrise_min
                by_sun("sunrise", before_min, f"again {index}")
        self._clock, self._sun = sorted(clock, reverse=True), sorted(sun, reverse=True)

    def look(self, now_ms: int, local: dt.datetime) -> bool:
        """Look at the clock and at the sun; return whether anything has passed since."""
        before = len(self.passed)
        while self._clock and self._clock[-1][0] <= local:
            self.passed.add(self._clock.pop()[1])
        while self._sun and self._sun[-1][0] <= now_ms:
            self.passed.add(self._sun.pop()[1])
        return len(self.passed) != before

    def due(self, carried: int) -> Due:
        """Return what is due by what has passed; ``carried`` is what the former night left."""
        level = carried
        for index, fixed in enumerate(self.program.fixed_time_controls):
            if f"fixed {index}" in self.passed:
                level = fixed.level
        latest = None
        for index, astro in enumerate(self.program.astro_clock_time_controls):
            key = f"astro {index}"
            if key in self.passed and (latest is None or self._moved[key] >= latest[0]):
                latest = (self._moved[key], astro)
        if latest is not None:
            level = _EFFECTS[latest[1].operation](level, latest[1].level)
            level = 0 if level < 0 else 100 if level > 100 else level
        active = [gate for index in range(len(self.program.active_periods)) for gate in self._active(index)]
        if not self.program.active_periods:
            active = [()]
        if not active or level == 0:
            return Due(0, frozenset(), dark=False)
        if () in active:
            return Due(level, frozenset(), dark=False)
        return Due(level, frozenset(active), "sunset" in self.passed and "sunrise" not in self.passed)

    def _active(self, index: int) -> Iterator[GateKey]:
        """Yield () where the period is active, or the gate that decides; nothing where it is not."""
        period, passed = self.program.active_periods[index], self.passed
        match period.kind:
            case "absolute":
                started, ended = f"start {index}" in passed, f"end {index}" in passed
                order = [(time.hour < 12, time) for time in (period.start_time, period.end_time)]
                through_noon = order[0] > order[1]
                if (
                    period.start_time == period.end_time
                    or (started and not ended)
                    or (through_noon and (started or not ended))
                ):
                    yield ()
            case "astro_clock":
                if f"set {index}" in passed and f"rise {index}" not in passed:
                    yield ()
            case "sensor":
                yield (period.sensor, period.on_level, period.off_level)
            case "value":
                yield (period.reference, period.operator, period.state)
            case "astro_and_sensor":
                gate = (period.sensor, period.on_level, period.off_level)
                if f"set {index}" not in passed:
                    if f"heard {index}" in passed:
                        yield gate
                elif f"rise {index}" not in passed:
                    yield gate if f"again {index}" in passed else ()


_EFFECTS: dict[str, Callable[[int, int], int]] = {
    "set": lambda level, by: by,
    "max": max,
    "min": min,
    "add": lambda level, by: level + by,
    "sub": lambda level, by: level - by,
    "mul": lambda level, by: int(level / 100 * by + 0.5 + 1e-9),
}


def holding_at(told: Sequence[Told], now_ms: int) -> frozenset[str]:
    """Return the conditions that hold."""
    return frozenset(condition for condition, from_ms, until_ms in told if from_ms <= now_ms < until_ms)


def local_at(now_ms: int, zone: ZoneInfo) -> dt.datetime:
    """Return what clocks show, to the second."""
    return dt.datetime.fromtimestamp(now_ms // 1000, zone).replace(tzinfo=None, fold=0)
