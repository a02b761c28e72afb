"""Compiled timelines against an oracle that walks every minute by the clocks on the wall."""

import datetime as dt
from collections.abc import Callable
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from lighting import compiling, nights
from lighting.compiling import Compiler, Fact
from lighting.plan import CalendarRule
from tests.lighting import oracle
from tests.lighting.minute_oracle import noon_ms
from tests.lighting.oracle import PLACES, Tally, compare, compare_stretch
from tests.lighting.random_plans import random_plan


@pytest.mark.parametrize("place", PLACES)
def test_every_minute_is_as_the_clock_on_the_wall_says(place: str) -> None:
    """Every change of clocks, leap day and turn of the year of 20 years, and 200 nights by chance."""
    tally = compare(place)
    assert (tally.mismatches, tally.exceptions) == (0, 0), "\n".join(tally.told)
    assert tally.minutes >= 20 * 7 * 1440 + 200 * 1440


def test_a_zone_may_skip_a_whole_day() -> None:
    """Samoa went from 29 to 31 December 2011: the night of the 30th is only a morning."""
    tally = Tally()
    for seed in range(60):
        compare_stretch(tally, seed, ("Pacific/Apia", -13.83, -171.77), dt.date(2011, 12, 28), 4)
    assert (tally.mismatches, tally.exceptions) == (0, 0), "\n".join(tally.told)


def second_of_two(local: dt.datetime, where: ZoneInfo) -> dt.datetime:
    """Take the second time that clocks show it."""
    return local.replace(tzinfo=where, fold=1).astimezone(dt.UTC).replace(tzinfo=None)


def as_if_not_skipped(local: dt.datetime, where: ZoneInfo) -> dt.datetime:
    """Take a skipped time an hour late, as the library does by itself."""
    return local.replace(tzinfo=where, fold=0).astimezone(dt.UTC).replace(tzinfo=None)


def without_the_last_night(real: Callable[..., bool]) -> Callable[..., bool]:
    """End before the end date."""

    def applies(rule: CalendarRule, night: dt.date) -> bool:
        end = rule.end_date
        last = night == end if isinstance(end, dt.date) else f"--{night:%m-%d}" == end
        return real(rule, night) and not last

    return applies


def without_wrap(real: Callable[..., bool]) -> Callable[..., bool]:
    """Take a season over new year for one that never comes."""

    def applies(rule: CalendarRule, night: dt.date) -> bool:
        start, end = rule.start_date, rule.end_date
        return real(rule, night) and not (isinstance(start, str) and isinstance(end, str) and start > end)

    return applies


def by_the_morning(real: Callable[..., bool]) -> Callable[..., bool]:
    """Take a night's date from its morning."""
    return lambda rule, night: real(rule, night + nights.DAY)


def from_midnight(night: dt.date, time: dt.time, where: ZoneInfo) -> int:
    """Leave the morning's times on the evening's date."""
    moment = nights.moment_of(dt.datetime.combine(night, time), where)
    return round(moment.replace(tzinfo=dt.UTC).timestamp() * 1000)


def nothing_carried(*_: object) -> int:
    """Forget the night before."""
    return 100


def one_span(real: Callable[..., Any]) -> Callable[..., Any]:
    """Do not divide a period that goes through noon."""

    def spans(night: Any, period: Any) -> Any:
        found = list(real(night, period))
        return found if len(found) != 2 or period.kind != "absolute" else found[1:]

    return spans


def deaf(real: Callable[..., Any]) -> Callable[..., Any]:
    """Hear no sensor before the sunset."""
    return lambda night, period: [span for span in real(night, period) if span.until_ms != night.sunset_ms]


def first_astro(real: Callable[..., Any]) -> Callable[..., Any]:
    """Apply no effect of the sun."""

    def state(night: Any, time_ms: int, carried: int) -> Any:
        night.astro = []
        return real(night, time_ms, carried)

    return state


ProgramNight = compiling._ProgramNight
BROKEN: dict[str, tuple[Any, str, Any]] = {
    "the second of two equal times": (nights, "moment_of", second_of_two),
    "a skipped time an hour late": (nights, "moment_of", as_if_not_skipped),
    "an end date that is not included": (
        CalendarRule,
        "applies",
        without_the_last_night(CalendarRule.applies),
    ),
    "no season over new year": (CalendarRule, "applies", without_wrap(CalendarRule.applies)),
    "a night named by its morning": (CalendarRule, "applies", by_the_morning(CalendarRule.applies)),
    "the level before is forgotten": (Compiler, "_carried", nothing_carried),
    "days from midnight": (nights, "at_ms", from_midnight),
    "a period through noon in one": (ProgramNight, "_spans", one_span(ProgramNight._spans)),
    "no sensor before sunset": (ProgramNight, "_spans", deaf(ProgramNight._spans)),
    "no effect of the sun": (ProgramNight, "state", first_astro(ProgramNight.state)),
}


@pytest.mark.parametrize("weakness", BROKEN)
def test_the_oracle_sees_a_broken_compiler(weakness: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with each weakness in turn it finds minutes that differ."""
    monkeypatch.setattr(*BROKEN[weakness])
    tally = compare("Berlin", years=range(2023, 2027), at_random=40)
    assert tally.mismatches > 0


def test_a_condition_that_ends_late_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control for conditions: told of half an hour longer than they hold."""
    late = lambda *given: Fact(given[0], given[1], given[2] + 1_800_000)  # noqa: E731
    monkeypatch.setattr(oracle, "Fact", late)
    assert compare("Lhasa", years=range(2024, 2025), at_random=60).mismatches > 0


def test_a_span_of_nothing_is_refused() -> None:
    """A timeline has at least one step; a span that ends where it begins has none."""
    day = dt.date(2026, 6, 1)
    plan = random_plan(Random(1), "Asia/Shanghai", 30, 104, day)
    now_ms = noon_ms(day, ZoneInfo("Asia/Shanghai"))
    for until_ms in (now_ms, now_ms - 1):
        with pytest.raises(ValueError, match="ends before it begins"):
            Compiler(plan).timeline("calendar", plan.place, now_ms, until_ms)
    assert len(Compiler(plan).timeline("calendar", plan.place, now_ms, now_ms + 1).steps) == 1
