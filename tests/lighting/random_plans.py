"""Plans and conditions by chance, from a seed: every kind of period, control, rule and date."""

import datetime as dt
from random import Random
from typing import Any

from lighting.plan import WEEKDAYS, Plan
from tests.lighting.minute_oracle import MINUTE_MS, ONE_DAY, Told

POINTS = ("lux/illuminance", "lux/second", "inputs/switch-1")
CONDITIONS = ("fog", "event")
EDGY = (dt.time(12), dt.time(12, 1), dt.time(11, 59), dt.time(0), dt.time(23, 59), dt.time(2), dt.time(3))
OPERATIONS = ("set", "max", "min", "add", "sub", "mul")
EDGY_DAYS = ("--02-28", "--02-29", "--03-01", "--12-31", "--01-01", "--12-30", "--01-02")


def random_plan(
    chance: Random, time_zone: str, latitude_deg: float, longitude_deg: float, around: dt.date
) -> Plan:
    """Return a plan of three programs and one calendar, whose dates lie about ``around``."""
    programs = [_program(chance, f"p{number}") for number in range(3)]
    rules = [_rule(chance, around) for _ in range(chance.choice((0, 1, 2, 3, 5)))]
    return Plan.model_validate(
        {
            "schema": 1,
            "name": "by-chance",
            "time_zone": time_zone,
            "place": {"latitude_deg": latitude_deg, "longitude_deg": longitude_deg},
            "conditions": list(CONDITIONS),
            "programs": programs,
            "calendars": [{"id": "calendar", "rules": rules, "default_program": "p0"}],
            "cabinets": [{"gateway": "cabinet", "lamps": ["lamp"]}],
            "assignments": [{"calendar": "calendar", "addresses": ["cabinet/*"]}],
        }
    )


def random_facts(chance: Random, from_ms: int, until_ms: int) -> list[Told]:
    """Return conditions that begin and end about the span, at whole minutes."""
    told = []
    span_min = (until_ms - from_ms) // MINUTE_MS
    for _ in range(chance.choice((0, 0, 1, 2, 4))):
        start_ms = from_ms + chance.randrange(-span_min // 2, span_min) * MINUTE_MS
        if chance.random() < 0.5:  # when other things happen as well
            start_ms -= start_ms % (15 * MINUTE_MS)
        length_min = chance.choice((1, 30, 240, 720, 1440, span_min))
        told.append((chance.choice(CONDITIONS), start_ms, start_ms + length_min * MINUTE_MS))
    return told


def _time(chance: Random) -> dt.time:
    match chance.randrange(5):
        case 0:
            return chance.choice(EDGY)
        case 1 | 2:  # when clocks are put forward and back
            return dt.time(chance.choice((0, 1, 1, 2, 2, 2, 3, 23)), chance.randrange(60))
        case 3:
            return dt.time(chance.choice((17, 18, 19, 20, 21, 4, 5, 6, 7)), chance.choice((0, 15, 30, 45)))
        case _:
            return dt.time(chance.randrange(24), chance.randrange(60), chance.choice((0, 0, 0, 1, 59)))


def _program(chance: Random, name: str) -> dict[str, Any]:
    times = {_time(chance) for _ in range(chance.choice((1, 1, 2, 3, 5, 8)))} - {dt.time(11, 59, 59)}
    ordered = sorted(times, key=lambda time: ((time.hour - 12) % 24, time)) or [dt.time(12)]
    events = {
        (chance.choice(("sunset", "sunrise")), chance.choice((0, 0, -20, 15, chance.randint(-240, 240))))
        for _ in range(chance.choice((0, 0, 1, 2, 4)))
    }
    return {
        "id": name,
        "active_periods": [_period(chance) for _ in range(chance.choice((0, 1, 1, 1, 2, 3)))],
        "fixed_time_controls": [
            {"start_time": time, "level": chance.choice((0, 100, chance.randint(0, 100)))} for time in ordered
        ],
        "astro_clock_time_controls": [
            {
                "solar_event_type": event,
                "offset_min": offset_min,
                "operation": chance.choice(OPERATIONS),
                "level": chance.choice((0, 50, 100, chance.randint(0, 100))),
            }
            for event, offset_min in sorted(events)
        ],
    }


def _period(chance: Random) -> dict[str, Any]:
    kind = chance.choice(
        ("absolute", "absolute", "astro_clock", "astro_clock", "astro_and_sensor", "sensor", "value")
    )
    sun = {
        "sunset_offset_min": chance.choice((0, -30, 10, chance.randint(-240, 240))),
        "sunrise_offset_min": chance.choice((0, -30, 10, chance.randint(-240, 240))),
    }
    level = chance.choice((5.0, 20.0))
    sensor = {"sensor": chance.choice(POINTS), "on_level": level, "off_level": level + 15}
    times = {"start_time": _time(chance), "end_time": _time(chance)}
    parts: dict[str, dict[str, Any]] = {
        "absolute": times,
        "astro_clock": sun,
        "sensor": sensor,
        "astro_and_sensor": sun
        | sensor
        | {
            "pc_active_before_sunset_min": chance.choice((0, 45, chance.randint(0, 240))),
            "pc_active_before_sunrise_min": chance.choice((0, 45, chance.randint(0, 240))),
        },
        "value": {
            "reference": chance.choice(POINTS),
            "operator": chance.choice(("eq", "ne", "ge", "gt", "le", "lt")),
            "state": chance.choice((0.0, 1.0)),
        },
    }
    return {"kind": kind, **parts[kind]}


def _rule(chance: Random, around: dt.date) -> dict[str, Any]:
    rule: dict[str, Any] = {"program": chance.choice(("p0", "p1", "p2"))}
    near = [around + ONE_DAY * chance.randint(-3, 4) for _ in range(2)]
    far = [around + ONE_DAY * chance.randint(-200, 200) for _ in range(2)]
    match chance.randrange(6):
        case 0:
            first, last = sorted(chance.choice((near, far)))
            rule |= {"start_date": first, "end_date": last}
        case 1:
            rule[chance.choice(("start_date", "end_date"))] = chance.choice(near)
        case 2:
            first, last = chance.choice((near, far))
            rule |= {"start_date": f"--{first:%m-%d}", "end_date": f"--{last:%m-%d}"}
        case 3:
            rule |= {"start_date": chance.choice(EDGY_DAYS), "end_date": chance.choice(EDGY_DAYS)}
        case 4:
            rule[chance.choice(("start_date", "end_date"))] = chance.choice(
                (*EDGY_DAYS, f"--{near[0]:%m-%d}")
            )
        case _:
            pass
    if chance.random() < 0.35:
        rule["days"] = chance.sample(WEEKDAYS, chance.randint(1, 5))
    if chance.random() < 0.4:
        rule["condition"] = chance.choice(CONDITIONS)
    return rule
