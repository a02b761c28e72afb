"""The next nights of a plan, to be looked at: lamps that do the same are shown once.

The views are what programs read, of the command and of the centre's interface alike.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from lighting import nights
from lighting.addresses import Addresses, Lamp
from lighting.compiling import Compiler, Fact
from lighting.plan import Place, Plan
from lighting.timeline import Step, Timeline


class Night(NamedTuple):
    """One night of some lamps: when it begins and ends, and its steps; the first is due at its start."""

    night: dt.date
    begins_ms: int
    ends_ms: int
    steps: Sequence[Step]


class Shown(NamedTuple):
    """Lamps that do the same all the time, with what they do."""

    lamps: Sequence[Lamp]
    calendar: str
    place: Place
    nights: Sequence[Night]


class StepView(BaseModel):
    """From when on which level, in UTC milliseconds and local time; where ``sensors`` decide, that or off.

    ``rule`` is the index of the calendar's rule, null for its default program.
    """

    from_ms: int
    from_local: dt.datetime
    level: int
    sensors: list[str]
    program: str
    rule: int | None
    cause: str
    detail: str


class NightView(BaseModel):
    """One night of lamps that do the same; the first step is due at its noon."""

    night: dt.date
    steps: list[StepView]


class LampsView(BaseModel):
    """Lamps that do the same, and what they will do."""

    lamps: list[str]
    calendar: str
    nights: list[NightView]


def viewed(shown: Shown, zone: ZoneInfo) -> LampsView:
    """Return the view."""
    each = [
        NightView(night=night.night, steps=[_step(step, night, zone) for step in night.steps])
        for night in shown.nights
    ]
    return LampsView(lamps=[str(lamp) for lamp in shown.lamps], calendar=shown.calendar, nights=each)


def _step(step: Step, night: Night, zone: ZoneInfo) -> StepView:
    from_ms = max(step.start_ms, night.begins_ms)
    return StepView(
        from_ms=from_ms,
        from_local=dt.datetime.fromtimestamp(from_ms / 1000, zone),
        level=step.level,
        sensors=[gate.point for gate in step.gates],
        program=step.program,
        rule=step.rule,
        cause=step.cause.kind,
        detail=step.cause.detail,
    )


class TooManyNightsError(ValueError):
    """More is asked than is shown at once."""


def previewed(
    plan: Plan,
    first: dt.date,
    count: int,
    addresses: Iterable[str] = (),
    conditions: Iterable[str] = (),
    *,
    nights_max: int | None = None,
) -> list[Shown]:
    """Return ``count`` nights from ``first`` on, of all lamps or of some.

    ``conditions`` are taken to hold throughout. AddressError where an address means no lamp,
    TooManyNightsError where lamps that do the same have more nights than ``nights_max`` together.
    """
    compiler, known = Compiler(plan), Addresses(plan)
    wanted = dict.fromkeys(lamp for text in addresses for lamp in known.lamps(text)) or dict.fromkeys(
        known.all()
    )
    alike: dict[tuple[str, float, float], list[Lamp]] = {}
    calendars = known.calendars()
    for lamp in wanted:
        place = plan.place_of[lamp.gateway]
        key = (calendars[lamp], place.latitude_deg, place.longitude_deg)
        alike.setdefault(key, []).append(lamp)
    if nights_max is not None and len(alike) * count > nights_max:
        raise TooManyNightsError(
            f"{len(alike)} kinds of lamps for {count} nights are {len(alike) * count} nights to show, "
            f"{nights_max} at most"
        )
    from_ms = nights.begins_ms(first, compiler.zone)
    until_ms = nights.begins_ms(first + count * nights.DAY, compiler.zone)
    facts = [Fact(condition, from_ms, until_ms) for condition in conditions]
    shown = []
    for (calendar, *_), lamps in alike.items():
        place = plan.place_of[lamps[0].gateway]
        timeline = compiler.timeline(calendar, place, from_ms, until_ms, facts)
        each = [_night(timeline, first + n * nights.DAY, compiler.zone) for n in range(count)]
        shown.append(Shown(lamps, calendar, place, each))
    return shown


def _night(timeline: Timeline, night: dt.date, zone: ZoneInfo) -> Night:
    begins_ms, ends_ms = nights.begins_ms(night, zone), nights.begins_ms(night + nights.DAY, zone)
    within = [step for step in timeline.steps if begins_ms < step.start_ms < ends_ms]
    return Night(night, begins_ms, ends_ms, [timeline.at(begins_ms), *within])
