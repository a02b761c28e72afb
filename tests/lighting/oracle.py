"""Compiled timelines against the minute oracle: ``python -m tests.lighting.oracle``.

Plans by chance at places on every kind of clock; every night about summer time's beginnings and ends, the end
of February and the turn of the year in 20 years, and as many by chance; every minute of them. Prints one line
a place and, as its last line, JSON. Exit status 1 where a minute differs or anything raises.
"""

import argparse
import datetime as dt
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from zoneinfo import ZoneInfo

from lighting.compiling import Compiler, Fact
from lighting.timeline import Step, Timeline
from tests.lighting.minute_oracle import MINUTE_MS, ONE_DAY, Due, GateKey, noon_ms, walk
from tests.lighting.random_plans import random_facts, random_plan
from tests.lighting.reasons import explained, placed

YEARS = range(2016, 2036)
RANDOM_NIGHTS = 200
PLANS_A_CHANGE = 6
"""Where clocks are put forward or back; elsewhere one plan a night."""
TOLD_MAX = 5

PLACES: dict[str, tuple[str, float, float]] = {
    "Kashgar": ("Asia/Shanghai", 39.47, 75.99),
    "Urumqi": ("Asia/Shanghai", 43.83, 87.62),
    "Lhasa": ("Asia/Shanghai", 29.65, 91.13),
    "Chongqing": ("Asia/Shanghai", 29.56, 106.55),
    "Xi'an": ("Asia/Shanghai", 34.34, 108.94),
    "Kunming": ("Asia/Shanghai", 25.04, 102.71),
    "Guangzhou": ("Asia/Shanghai", 23.13, 113.26),
    "Sanya": ("Asia/Shanghai", 18.25, 109.51),
    "Jinan": ("Asia/Shanghai", 36.65, 117.12),
    "Harbin": ("Asia/Shanghai", 45.80, 126.53),
    "Mohe": ("Asia/Shanghai", 53.48, 122.37),
    "Berlin": ("Europe/Berlin", 52.52, 13.40),
    "New York": ("America/New_York", 40.71, -74.01),
    "Sydney": ("Australia/Sydney", -33.87, 151.21),
    "Santiago": ("America/Santiago", -33.45, -70.67),
    "Lord Howe": ("Australia/Lord_Howe", -31.55, 159.08),
    "Jerusalem": ("Asia/Jerusalem", 31.77, 35.21),
    "Dublin": ("Europe/Dublin", 53.35, -6.26),
}


@dataclass
class Tally:
    """What was compared, and what was found."""

    minutes: int = 0
    timelines: int = 0
    mismatches: int = 0
    exceptions: int = 0
    told: list[str] = field(default_factory=list)

    def found(self, what: str) -> None:
        """Keep the first few."""
        if len(self.told) < TOLD_MAX:
            self.told.append(what)

    def add(self, other: "Tally") -> None:
        """Add a place's to all."""
        self.minutes += other.minutes
        self.timelines += other.timelines
        self.mismatches += other.mismatches
        self.exceptions += other.exceptions
        for what in other.told:
            self.found(what)


def stretches(
    zone: ZoneInfo, years: Sequence[int], at_random: int, chance: Random
) -> Iterator[tuple[dt.date, int]]:
    """Yield first night and how many: about changes of clocks, 29 February, new year; and by chance."""
    for year in years:
        yield dt.date(year, 12, 30), 3
        yield dt.date(year, 2, 27), 4
        days = [dt.date(year, 1, 1) + ONE_DAY * number for number in range(366)]
        offsets = [dt.datetime.combine(day, dt.time(12), zone).utcoffset() for day in days]
        for day, one, other in zip(days, offsets, offsets[1:], strict=False):
            if one != other:
                yield from ((day - ONE_DAY, 3) for _ in range(PLANS_A_CHANGE))
    for _ in range(at_random):
        yield dt.date(chance.choice(years), 1, 1) + ONE_DAY * chance.randrange(365), 1


def compare(name: str, years: Sequence[int] = YEARS, at_random: int = RANDOM_NIGHTS, seed: int = 0) -> Tally:
    """Return what comes of one place."""
    zone, tally = ZoneInfo(PLACES[name][0]), Tally()
    chance = Random(f"{name} {seed}")
    for first, nights in stretches(zone, years, at_random, chance):
        try:
            compare_stretch(tally, chance.random(), PLACES[name], first, nights)
        except Exception as error:
            tally.exceptions += 1
            tally.found(f"{name} {first}: {error!r}")
    return tally


def compare_stretch(
    tally: Tally, seed: float, where: tuple[str, float, float], first: dt.date, nights: int
) -> None:
    """Compile a plan of this seed for some nights, and compare it with the oracle in every minute."""
    chance = Random(seed)
    plan = random_plan(chance, *where, around=first + ONE_DAY)
    zone, place = ZoneInfo(plan.time_zone), plan.place
    from_ms, until_ms = noon_ms(first, zone), noon_ms(first + ONE_DAY * nights, zone)
    told = random_facts(chance, from_ms, until_ms)
    facts = [Fact(*each) for each in told]
    whole = Compiler(plan).timeline("calendar", place, from_ms, until_ms, facts)
    tally.timelines += 1
    shape_of(tally, whole, f"{where} {first} seed {seed}")
    for index, step in enumerate(whole.steps):
        if not placed(step, plan, told) or (index and not explained(step, plan, told)):
            tally.mismatches += 1
            tally.found(f"{where} {first} seed {seed}: {step} is not explained by its cause")
    gates = sorted({gate for step in whole.steps for gate in step.gates}, key=repr)
    opened: dict[GateKey, bool | None] = {tuple(gate): chance.choice((True, False, None)) for gate in gates}
    last: tuple[Due | None, Step | None] = (None, None)
    agreed = True
    for now_ms, due in walk(plan, "calendar", place, first, nights, told):
        step = whole.at(now_ms)
        if last != (due, step):
            agreed = agrees(step, due, opened)
            last = (due, step)
        tally.minutes += 1
        if not agreed:
            tally.mismatches += 1
            moment = dt.datetime.fromtimestamp(now_ms // 1000, zone)
            tally.found(f"{where} {moment} seed {seed}: {step} where {due} was due")
    cut_in_two(tally, Compiler(plan), whole, from_ms, facts, chance)


def agrees(step: Step, due: Due, opened: dict[GateKey, bool | None]) -> bool:
    """Say whether a step means what is due, in itself and with gates that are open, shut or unknown."""
    if Due(step.level, frozenset(step.gates), step.dark) != due:
        return False
    by_gate = {gate: opened.get(tuple(gate)) for gate in step.gates}
    return step.level_where(by_gate) == due.level_where({gate: opened.get(gate) for gate in due.gates})


def shape_of(tally: Tally, timeline: Timeline, where: str) -> None:
    """Steps rise in time, and each differs from the one before in what is due."""
    for one, other in zip(timeline.steps, timeline.steps[1:], strict=False):
        if one.start_ms >= other.start_ms or meaning(one) == meaning(other):
            tally.mismatches += 1
            tally.found(f"{where}: {other} after {one}")


def cut_in_two(
    tally: Tally, compiler: Compiler, whole: Timeline, from_ms: int, facts: Sequence[Fact], chance: Random
) -> None:
    """Compiled in two pieces, the nights are the same as compiled at once."""
    place = compiler.plan.place
    cut_ms = from_ms + chance.randrange(1, (whole.until_ms - from_ms) // MINUTE_MS) * MINUTE_MS
    cut_ms += chance.choice((0, 0, 1, 59_999))
    earlier = compiler.timeline("calendar", place, from_ms, cut_ms, facts)
    later = compiler.timeline("calendar", place, cut_ms, whole.until_ms, facts)
    if (
        earlier.steps != [step for step in whole.steps if step.start_ms < cut_ms]
        or later.steps[1:] != [step for step in whole.steps if step.start_ms > cut_ms]
        or meaning(later.at(cut_ms)) != meaning(whole.at(cut_ms))
    ):
        tally.mismatches += 1
        tally.found(f"cut at {cut_ms}: {earlier.steps} and {later.steps} where {whole.steps} was due")


def meaning(step: Step) -> tuple[int, tuple[object, ...], bool]:
    """Return what a step makes lamps do."""
    return step.level, step.gates, step.dark


def main() -> None:
    """Compare at all places, or at those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("places", nargs="*", metavar="PLACE", help=f"of {', '.join(PLACES)}; all if none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--nights", type=int, default=RANDOM_NIGHTS, help="by chance, a place")
    given = parser.parse_args()
    if unknown := set(given.places) - set(PLACES):
        parser.error(f"no place {', '.join(sorted(unknown))}")
    began_s, everything = time.process_time(), Tally()
    for name in given.places or PLACES:
        tally = compare(name, at_random=given.nights, seed=given.seed)
        everything.add(tally)
        print(
            f"{name:10} {tally.minutes:9} minutes, "
            f"{tally.mismatches} mismatches, {tally.exceptions} exceptions"
        )
    for what in everything.told:
        print(what, file=sys.stderr)
    figures = {
        "minutes": everything.minutes,
        "timelines": everything.timelines,
        "places": len(given.places or PLACES),
        "mismatches": everything.mismatches,
        "exceptions": everything.exceptions,
        "cpu_s": round(time.process_time() - began_s, 1),
    }
    conditions = {"seed": given.seed, "years": [YEARS[0], YEARS[-1]], "nights_by_chance": given.nights}
    print(json.dumps({"name": "lamp_oracle", "figures": figures, "conditions": conditions}))
    sys.exit(bool(everything.mismatches or everything.exceptions))


if __name__ == "__main__":
    main()
