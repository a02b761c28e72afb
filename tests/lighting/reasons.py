"""Whether the cause that a step tells is one that happened at its moment, and could bring what it brought."""

import datetime as dt
import re
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from lighting.plan import Plan
from lighting.sun import sun_after
from lighting.timeline import CauseKind, Step
from tests.lighting.minute_oracle import (
    MINUTE_MS,
    ONE_DAY,
    Told,
    holding_at,
    local_at,
    noon_ms,
    rule_in_force,
)

_SUN = re.compile(r"(sunset|sunrise)([+-][0-9]+)?")


def placed(step: Step, plan: Plan, told: Sequence[Told]) -> bool:
    """Say whether a step's night, rule and program are those that hold when it begins."""
    calendar = plan.calendars[0]
    night = (local_at(step.start_ms, ZoneInfo(plan.time_zone)) - dt.timedelta(hours=12)).date()
    rule = rule_in_force(calendar, night, holding_at(told, step.start_ms))
    index, program = None, calendar.default_program
    if rule is not None:
        index, program = calendar.rules.index(rule), rule.program
    return (step.night, step.rule, step.program) == (night, index, program)


def explained(step: Step, plan: Plan, told: Sequence[Told]) -> bool:
    """Say so of a step that is not the first of its timeline."""
    zone, calendar = ZoneInfo(plan.time_zone), plan.calendars[0]
    rule = rule_in_force(calendar, step.night, holding_at(told, step.start_ms))
    kind, detail = step.cause
    before = rule_in_force(calendar, step.night, holding_at(told, step.start_ms - 1))
    match kind:
        case CauseKind.CONDITION_BEGINS:
            return rule is not None and rule is not before and rule.condition == detail
        case CauseKind.CONDITION_ENDS:
            return before is not None and rule is not before and before.condition == detail
        case CauseKind.NIGHT_BEGINS:
            return _passes(step, dt.time(12), zone)
    if found := _SUN.fullmatch(detail):
        place = plan.place
        events = sun_after(place.latitude_deg, place.longitude_deg, noon_ms(step.night, zone))
        return step.start_ms == events[found[1] == "sunrise"] + int(found[2] or 0) * MINUTE_MS
    return kind is not CauseKind.SUN and _passes(step, dt.time.fromisoformat(detail), zone)


def _passes(step: Step, time: dt.time, zone: ZoneInfo) -> bool:
    """Say whether clocks show the time, or skip it, at the step's moment and within its night."""
    wanted = dt.datetime.combine(step.night if time.hour >= 12 else step.night + ONE_DAY, time)
    return local_at(step.start_ms - 1, zone) < wanted <= local_at(step.start_ms, zone)
