"""What a plan must satisfy beyond its form. Every mistake is told by file, line, key and remedy."""

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lighting import nights
from lighting.addresses import AddressError, Addresses, Lamp, expanded
from lighting.plan import (
    AbsoluteActivePeriod,
    AstroAndSensorActivePeriod,
    CalendarRule,
    ControlProgram,
    FixedTimeControl,
    Place,
    Plan,
    SensorActivePeriod,
)
from lighting.reach import unreachable
from lighting.sun import NoSunEventError, sun_after
from toml_files import TomlFile, TomlFileError, as_toml

Key = tuple[str | int, ...]

LAMPS_IN_PLAN_MAX = 200_000
SOLSTICES = (dt.date(2026, 6, 21), dt.date(2026, 12, 21))
LATITUDE_SPARE_DEG = 0.05
"""The sun's longest and shortest days differ a little from year to year."""
OF_THE_HOST = ("localtime", "posixrules", "Factory", "right/", "posix/")
"""Names in a host's folder of zones that mean something else on another one, or count leap seconds."""


class Mistake(NamedTuple):
    """One mistake, at a key of the plan."""

    key: Key
    what: str
    remedy: str


def load(path: Path) -> Plan:
    """Return the plan of a file; TomlFileError lists every mistake with file, line, key and remedy."""
    return parsed(TomlFile.read(path))


def parsed(file: TomlFile) -> Plan:
    """Return the plan of a file that was read; TomlFileError as ``load``."""
    plan = file.parse(Plan)
    if found := [file.problem(it.key, it.what, it.remedy) for it in mistakes(plan)]:
        raise TomlFileError(found)
    return plan


def as_file(plan: Plan) -> str:
    """Return a plan as the text of its file, which reads back equal."""
    return as_toml(plan.model_dump(by_alias=True, exclude_defaults=True))


def mistakes(plan: Plan) -> list[Mistake]:
    """Return all mistakes of a plan whose form is right; the same for a file and for what a gateway gets."""
    found = [
        *_twice(plan),
        *_zone(plan),
        *_overrides(plan),
        *_programs(plan),
        *_calendars(plan),
        *_lamps(plan),
    ]
    return found or [*_places(plan), *_assignments(plan), *_reach(plan)]


def _twice(plan: Plan) -> Iterator[Mistake]:
    for table, key, names in (
        ("programs", "id", [it.id for it in plan.programs]),
        ("calendars", "id", [it.id for it in plan.calendars]),
        ("groups", "id", [it.id for it in plan.groups]),
        ("cabinets", "gateway", [it.gateway for it in plan.cabinets]),
        ("conditions", "", plan.conditions),
    ):
        first: dict[str, int] = {}
        for index, name in enumerate(names):
            if first.setdefault(name, index) != index:
                at: Key = (table, index, key) if key else (table, index)
                yield Mistake(at, f"{name!r} is taken by {table}[{first[name]}]", "give another")


def _overrides(plan: Plan) -> Iterator[Mistake]:
    given = plan.overrides
    if given.default_s > given.longest_s:
        what = f"{given.default_s:g} s is longer than longest_s, {given.longest_s:g}"
        yield Mistake(("overrides", "default_s"), what, "make it shorter, or the other longer")


def _zone(plan: Plan) -> Iterator[Mistake]:
    try:
        nights.zone(plan.time_zone)
        known = not plan.time_zone.startswith(OF_THE_HOST)
    except (KeyError, ValueError, OSError):
        known = False
    if not known:
        what = f"{plan.time_zone!r} is no time zone"
        yield Mistake(("time_zone",), what, "write a name of the IANA database, such as Asia/Shanghai")


def _programs(plan: Plan) -> Iterator[Mistake]:
    for index, program in enumerate(plan.programs):
        where: Key = ("programs", index)
        yield from _fixed(program.fixed_time_controls, (*where, "fixed_time_controls"))
        yield from _periods(program, (*where, "active_periods"))
        seen: dict[tuple[str, int], int] = {}
        for place, control in enumerate(program.astro_clock_time_controls):
            event = (control.solar_event_type, control.offset_min)
            if seen.setdefault(event, place) != place:
                what = f"astro_clock_time_controls[{seen[event]}] is at the same moment"
                yield Mistake((*where, "astro_clock_time_controls", place), what, "remove one of them")


def _fixed(controls: Sequence[FixedTimeControl], where: Key) -> Iterator[Mistake]:
    odd = {index: told for index, control in enumerate(controls) if (told := _odd(control.start_time))}
    for index, control in enumerate(controls):
        key = (*where, index, "start_time")
        if index in odd:
            yield Mistake(key, odd[index], "write hours, minutes and seconds only")
        elif (
            index
            and index - 1 not in odd
            and nights.since_noon(control.start_time) <= nights.since_noon(controls[index - 1].start_time)
        ):
            before = controls[index - 1].start_time
            what = f"{control.start_time} does not come after {before}: a night runs from noon to noon"
            yield Mistake(key, what, "put the times in the order of the night: 12:00 … 23:59, 00:00 … 11:59")


def _periods(program: ControlProgram, where: Key) -> Iterator[Mistake]:
    spans: list[tuple[int, int, int]] = []
    for index, period in enumerate(program.active_periods):
        if isinstance(period, SensorActivePeriod | AstroAndSensorActivePeriod):
            if period.off_level <= period.on_level:
                what = f"off_level {period.off_level:g} is not above on_level {period.on_level:g}"
                yield Mistake((*where, index, "off_level"), what, "leave a gap, or the lamps flicker at dusk")
        elif isinstance(period, AbsoluteActivePeriod):
            for key, time in (("start_time", period.start_time), ("end_time", period.end_time)):
                if odd := _odd(time):
                    yield Mistake((*where, index, key), odd, "write hours, minutes and seconds only")
            for start, end in _stretches(period):
                for other, from_s, until_s in spans:
                    if start < until_s and from_s < end and other != index:
                        what = f"overlaps active_periods[{other}]"
                        yield Mistake(
                            (*where, index), what, "join the two, or let one end where the other begins"
                        )
                        break
                spans.append((index, start, end))


def _stretches(period: AbsoluteActivePeriod) -> list[tuple[int, int]]:
    """Return the period as seconds since noon."""
    start, end = ((_seconds(time) - 43_200) % 86_400 for time in (period.start_time, period.end_time))
    if start < end:
        return [(start, end)]
    return [(0, 86_400)] if start == end else [(0, end), (start, 86_400)]


def _seconds(time: dt.time) -> int:
    return time.hour * 3600 + time.minute * 60 + time.second


def _odd(time: dt.time) -> str:
    if time.tzinfo:
        return f"{time} has a zone; times are local"
    return f"{time} has parts of a second" if time.microsecond else ""


def _calendars(plan: Plan) -> Iterator[Mistake]:
    programs = {program.id for program in plan.programs}
    for index, calendar in enumerate(plan.calendars):
        where: Key = ("calendars", index)
        if calendar.default_program not in programs:
            what = f"there is no program {calendar.default_program!r}"
            yield Mistake((*where, "default_program"), what, f"write one of {', '.join(sorted(programs))}")
        for place, rule in enumerate(calendar.rules):
            key = (*where, "rules", place)
            if rule.program not in programs:
                what = f"there is no program {rule.program!r}"
                yield Mistake((*key, "program"), what, f"write one of {', '.join(sorted(programs))}")
            if rule.condition is not None and rule.condition not in plan.conditions:
                what = f"there is no condition {rule.condition!r}"
                yield Mistake(
                    (*key, "condition"), what, "name it in conditions = […] at the head of the plan"
                )
            yield from _dates(rule, key)


def _dates(rule: CalendarRule, key: Key) -> Iterator[Mistake]:
    start, end = rule.start_date, rule.end_date
    with_year = [isinstance(day, dt.date) for day in (start, end) if day is not None]
    if len(set(with_year)) > 1:
        yield Mistake((*key, "end_date"), "one date has a year and the other has none", "write both alike")
    elif isinstance(start, dt.date) and isinstance(end, dt.date) and end < start:
        yield Mistake((*key, "end_date"), f"{end} is before {start}", "exchange them")
    if len(set(rule.days)) < len(rule.days):
        yield Mistake((*key, "days"), "a day stands there twice", "remove one")


def _lamps(plan: Plan) -> Iterator[Mistake]:
    left = LAMPS_IN_PLAN_MAX
    for index, cabinet in enumerate(plan.cabinets):
        seen: set[str] = set()
        for place, text in enumerate(cabinet.lamps):
            key: Key = ("cabinets", index, "lamps", place)
            try:
                names = expanded(text)
            except AddressError as error:
                yield Mistake(key, str(error), error.remedy)
                continue
            if again := next((name for name in names if name in seen), None):
                yield Mistake(key, f"{again!r} stands there twice", "remove one")
            seen.update(names)
            left -= len(names)
            if left < 0:
                yield Mistake(
                    key, f"more than {LAMPS_IN_PLAN_MAX} lamps up to here", "make a plan for each district"
                )
                return


def _places(plan: Plan) -> Iterator[Mistake]:
    zone = nights.zone(plan.time_zone)
    found: list[tuple[Key, Place]] = [(("place",), plan.place)]
    found += [(("cabinets", i, "place"), it.place) for i, it in enumerate(plan.cabinets) if it.place]
    for key, place in found:
        for day in SOLSTICES:
            noon_ms = nights.begins_ms(day, zone)
            latitude_deg = place.latitude_deg + math.copysign(LATITUDE_SPARE_DEG, place.latitude_deg)
            try:
                sunset_ms, _ = sun_after(latitude_deg, place.longitude_deg, noon_ms)
                _, sunrise_ms = sun_after(latitude_deg, place.longitude_deg, noon_ms - 86_400_000)
            except NoSunEventError:
                what = f"the sun does not set, or not rise, at {place.latitude_deg:g} degrees about {day}"
                yield Mistake(key, what, "lamp plans need a sunset and a sunrise every day")
                break
            if not (sunrise_ms <= noon_ms < sunset_ms <= noon_ms + 86_400_000):
                what = f"the sun is not up at noon of {plan.time_zone} on {day}"
                yield Mistake(key, what, "check time_zone and longitude_deg (east is positive)")
                break


def _assignments(plan: Plan) -> Iterator[Mistake]:
    addresses = Addresses(plan)
    calendars = {calendar.id for calendar in plan.calendars}
    for index, group in enumerate(plan.groups):
        for place, member in enumerate(group.members):
            try:
                addresses.lamps(member, (group.id,))
            except AddressError as error:
                if error.group is None:  # else it is told there
                    yield Mistake(("groups", index, "members", place), str(error), error.remedy)
    taken: dict[Lamp, int] = {}
    broken = False
    for index, assignment in enumerate(plan.assignments):
        if assignment.calendar not in calendars:
            what = f"there is no calendar {assignment.calendar!r}"
            remedy = f"write one of {', '.join(sorted(calendars))}"
            yield Mistake(("assignments", index, "calendar"), what, remedy)
        for place, text in enumerate(assignment.addresses):
            key = ("assignments", index, "addresses", place)
            try:
                lamps = addresses.lamps(text)
            except AddressError as error:
                broken = True
                if error.group is None:
                    yield Mistake(key, str(error), error.remedy)
                continue
            twice = next((lamp for lamp in lamps if taken.get(lamp, index) != index), None)
            if twice:
                what = f"{twice} follows a calendar already, by assignments[{taken[twice]}]"
                yield Mistake(key, what, "let every lamp follow one")
            taken |= dict.fromkeys(lamps, index)
    left = [] if broken else [lamp for lamp in addresses.all() if lamp not in taken]
    if left:
        more = f" and {len(left) - 1} more follow" if len(left) > 1 else " follows"
        cabinet = [it.gateway for it in plan.cabinets].index(left[0].gateway)
        what = f"{left[0]}{more} no calendar"
        yield Mistake(("cabinets", cabinet, "lamps"), what, "name it, or a group of it, in [[assignments]]")


def _reach(plan: Plan) -> Iterator[Mistake]:
    for index, calendar in enumerate(plan.calendars):
        for rule, what, remedy in unreachable(calendar):
            yield Mistake(("calendars", index, "rules", rule), what, remedy)
