"""Who is told of an incident at a moment, in which steps, and why. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from collector.telling.facts import RANKS
from collector.telling.people import WEEKDAYS, Directory, Hours, OnCall, Person
from contract.events import Priority

EARTH_RADIUS_KM = 6371.0
FALLBACK = "fallback"
QUIET_LINKS_MAX = 16


@dataclass(frozen=True, slots=True)
class Asked:
    """What decides who is told: place, class and priority of an incident."""

    area: str
    problem: str
    priority: Priority
    position: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Who is told together; ``level`` counts from 1, ``distances_km`` are None where unknown."""

    level: int
    people: tuple[str, ...]
    distances_km: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Chosen:
    """The table that is for it, its steps, and why not those before it."""

    table: str
    steps: tuple[Step, ...]
    escalate_after_s: float | None
    passed_over: tuple[tuple[str, str], ...] = ()


def chosen(directory: Directory, asked: Asked, now_ms: int, zone: tzinfo) -> Chosen:
    """Return the first table that is for this at this time, or the fallback; never without people."""
    local = at(now_ms, zone)
    passed: list[tuple[str, str]] = []
    for table in directory.on_call:
        why_not = _why_not(table, asked, local)
        if not why_not:
            steps = tuple(_steps(directory, table, asked))
            return Chosen(table.name, steps, table.escalate_after_s, tuple(passed))
        passed.append((table.name, why_not))
    step = Step(1, tuple(directory.fallback), (None,) * len(directory.fallback))
    return Chosen(FALLBACK, (step,), None, tuple(passed))


def at(now_ms: int, zone: tzinfo) -> datetime:
    """Return local time."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone)


def within(hours: Hours, local: datetime) -> bool:
    """Say whether a moment lies in these hours; a night belongs to the day on which it begins."""
    clock, today = local.time(), WEEKDAYS[local.weekday()]
    yesterday = WEEKDAYS[(local.weekday() - 1) % 7]
    if hours.begins < hours.ends:
        return hours.begins <= clock < hours.ends and today in hours.weekdays
    return (clock >= hours.begins and today in hours.weekdays) or (
        clock < hours.ends and yesterday in hours.weekdays
    )


def quiet_until_ms(person: Person, now_ms: int, zone: tzinfo) -> int:
    """Return when the quiet hours end in which somebody is now; ``now_ms`` where they are in none."""
    until = local = at(now_ms, zone)
    for _ in range(QUIET_LINKS_MAX):  # hours may follow each other without a pause
        inside = [hours for hours in person.quiet_hours if within(hours, until)]
        if not inside:
            break
        until = max(_end(hours, until) for hours in inside)
    return now_ms if until is local else math.ceil(until.timestamp() * 1000)


def _end(hours: Hours, local: datetime) -> datetime:
    end = local.replace(hour=hours.ends.hour, minute=hours.ends.minute, second=0, microsecond=0, fold=0)
    return end if end > local else end + timedelta(days=1)


def _why_not(table: OnCall, asked: Asked, local: datetime) -> str:
    """Return why a table is not for this; empty: it is."""
    if RANKS[asked.priority] < RANKS[table.priority]:
        return f"is for {table.priority_min} and above"
    if table.classes and asked.problem not in table.classes:
        return "is for other classes"
    if table.areas and not any(lies_in(asked.area, area) for area in table.areas):
        return "is for other areas"
    if table.dates and not any(each.from_ <= local.date() <= each.to for each in table.dates):
        return "is for other dates"
    if table.hours and not any(within(hours, local) for hours in table.hours):
        return "is for other hours"
    return ""


def lies_in(area: str, of: str) -> bool:
    """Say whether an area is another, or by its code a part of it: grid codes of places begin alike."""
    return area == of or (of.isdigit() and area.startswith(of))


def _steps(directory: Directory, table: OnCall, asked: Asked) -> list[Step]:
    steps = []
    for number, level in enumerate(table.levels, 1):
        people = [directory.by_name[name] for name in dict.fromkeys(level)]
        ordered = sorted(people, key=lambda person: _distance_key(person, asked)) if table.nearest else people
        size = table.nearest or len(ordered)
        for begin in range(0, len(ordered), size):
            some = ordered[begin : begin + size]
            names = tuple(person.name for person in some)
            steps.append(Step(number, names, tuple(distance_km(person, asked.position) for person in some)))
    return steps


def _distance_key(person: Person, asked: Asked) -> tuple[float, bool]:
    """Order by distance; whoever has none comes by area: their own before elsewhere."""
    distance = distance_km(person, asked.position)
    elsewhere = not any(lies_in(asked.area, area) for area in person.areas)
    return (math.inf if distance is None else distance), elsewhere


def distance_km(person: Person, position: Sequence[float] | None) -> float | None:
    """Return the great-circle distance; None where either place is unknown."""
    if person.position is None or position is None:
        return None
    (lon_1, lat_1), (lon_2, lat_2) = (map(math.radians, place) for place in (person.position, position))
    half = (
        math.sin((lat_2 - lat_1) / 2) ** 2
        + math.cos(lat_1) * math.cos(lat_2) * math.sin((lon_2 - lon_1) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, half)))
