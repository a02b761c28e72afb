"""From a plan to TALQ."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from lighting.addresses import Addresses
from lighting.plan import (
    WEEKDAYS,
    ActivePeriod,
    AstroAndSensorActivePeriod,
    Calendar,
    CalendarRule,
    ControlProgram,
    Plan,
    SensorActivePeriod,
    ValueActivePeriod,
)
from lighting.talq.names import ASTRO, BEYOND_RULES, DAY_OFFSET, EXTENSION, PERIODS, PROGRAM_TYPE

Json = dict[str, Any]


def exported(plan: Plan, owner_cms: str = "gengfu") -> Json:
    """Return a sound plan as TALQ's objects; ``owner_cms`` is the address of the CMS that owns them."""
    owner = {"ownerCMS": owner_cms}
    addresses = Addresses(plan)
    beyond = json.loads(plan.model_dump_json(include=set(BEYOND_RULES), exclude_defaults=True))
    beyond |= {"schema": plan.schema_version, "time_zone": plan.time_zone}
    rules = [row for calendar in plan.calendars for row in _conditional(calendar)]
    return {
        "services": [{"name": "ControlService", "dayOffset": DAY_OFFSET}],
        "controlPrograms": [_program(program) | owner for program in plan.programs],
        "calendars": [_calendar(calendar) | owner for calendar in plan.calendars],
        "groups": [
            {"address": it.id, "members": _references(it.members, addresses), "purpose": "calendar"} | owner
            for it in plan.groups
        ],
        "assignCommands": [
            {
                "addresses": _references(it.addresses, addresses),
                "entity": {"resource": "calendars", "address": it.calendar},
            }
            for it in plan.assignments
        ],
        EXTENSION: beyond | ({"rules": rules} if rules else {}),
    }


def _program(program: ControlProgram) -> Json:
    return {
        "type": PROGRAM_TYPE,
        "id": program.id,
        "activePeriods": [_period(period) for period in program.active_periods],
        "fixedTimeControls": [
            {"startTime": it.start_time.isoformat(), "command": _command(it.level)}
            for it in program.fixed_time_controls
        ],
        "astroClockTimeControls": [
            {name: getattr(it, ours) for name, ours in ASTRO.items()}
            | {"operation": it.operation.capitalize(), "command": _command(it.level)}
            for it in program.astro_clock_time_controls
        ],
    }


def _command(level: int) -> Json:
    return {"state": {"name": "LevelState", "value": level}}


def _period(period: ActivePeriod) -> Json:
    [(name, same)] = [(name, same) for name, (kind, same) in PERIODS.items() if kind == period.kind]
    found: Json = {"name": name}
    for theirs, ours in same.items():
        value = getattr(period, ours)
        found[theirs] = value.isoformat() if ours.endswith("_time") else value
    if isinstance(period, SensorActivePeriod | AstroAndSensorActivePeriod):
        found["sensor"] = {"sensorAddresses": [period.sensor]}
    elif isinstance(period, ValueActivePeriod):
        found["reference"] = {"resource": "devices", "address": period.reference}
        found["operator"] = period.operator.upper()
        found["state"] = {"name": "FloatState", "value": period.state}
    return found


def _calendar(calendar: Calendar) -> Json:
    rules = [row for rule in calendar.rules if rule.condition is None for row in _rule(rule)]
    return {"id": calendar.id, "rules": rules, "defaultProgram": calendar.default_program}


def _rule(rule: CalendarRule) -> Iterator[Json]:
    """Yield the rule; as two where it goes over new year, which TALQ does not speak of."""
    start, end = rule.start_date, rule.end_date
    spans = [(start, end)]
    if isinstance(start, str) and isinstance(end, str) and start > end:
        spans = [(start, "--12-31"), ("--01-01", end)]
    for first, last in spans:
        found: Json = {"program": rule.program}
        if first is not None:
            found["startDate"] = str(first)
        if last is not None:
            found["endDate"] = str(last)
        if rule.days:
            days = [{"start": WEEKDAYS.index(day) + 1} for day in rule.days]
            found["condition"] = {"type": "ccDay", "days": days}
        yield found


def _conditional(calendar: Calendar) -> Iterator[Json]:
    """Yield the rules that ask for a condition; ``at`` counts the calendar's TALQ rules before them."""
    at = 0
    for rule in calendar.rules:
        if rule.condition is None:
            at += len(list(_rule(rule)))
        else:
            told = json.loads(rule.model_dump_json(exclude_defaults=True))
            yield {"calendar": calendar.id, "at": at, "rule": told}


def _references(texts: Sequence[str], addresses: Addresses) -> list[Json]:
    """Return references: a gateway is a device, its lamps are functions of it (``device/function``)."""
    found: list[Json] = []
    for text in texts:
        if "/" not in text:
            found.append({"resource": "groups", "address": text})
        elif text.endswith("/*"):
            found.append({"resource": "devices", "address": text.removesuffix("/*")})
        else:
            found += [{"resource": "devices", "address": str(lamp)} for lamp in addresses.lamps(text)]
    return found
