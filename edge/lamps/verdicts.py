"""What a lamp's readings say of it, against what it should be doing. Pure.

Each finding is True (the failure shows), False (the contrary shows) or None: nothing can be told, as of a
lamp that is not lit. Only the contrary ends a failure, so the day's darkness ends none.
"""

from collections.abc import Iterator
from typing import NamedTuple

from edge.lamps.fixtures import Fixture
from edge.lamps.settings import Lighting

LEVEL_JUDGED_MIN = 10
"""The power of lamps that are dimmed further says little: drivers differ most there."""
OFF_LEVEL_MAX = 1.0


class Seen(NamedTuple):
    """What a lamp and what belongs to it read now; None where there is no good value."""

    output: float | None = None
    actual: float | None = None
    power_w: float | None = None
    voltage_v: float | None = None
    failure: bool | None = None
    dimming_failure: bool | None = None
    relay_failure: bool | None = None
    cycling_failure: bool | None = None


class Finding(NamedTuple):
    """Whether one failure shows; ``told`` is for people, ``value`` and ``limit`` are what decided."""

    problem: str
    shows: bool | None
    told: str = ""
    value: float | None = None
    limit: float | None = None


class Range(NamedTuple):
    """What a lamp may draw at its level, in W."""

    nothing_w: float
    low_w: float
    high_w: float


LAMP_FAILURE, UNEXPECTED_ON = "lamp_failure", "lamp_unexpected_on"
POWER_TOO_LOW, POWER_TOO_HIGH = "lamp_power_too_low", "lamp_power_too_high"
DIMMING_FAILURE, RELAY_FAILURE = "dimming_failure", "relay_failure"
CYCLING_FAILURE, LEAKAGE_DETECTED = "cycling_failure", "leakage_detected"
FORGOTTEN = frozenset({CYCLING_FAILURE, LEAKAGE_DETECTED})
"""Failures that only the lamp's device can tell, which forgets them with its supply."""
SWITCHING_ERROR_ON, SWITCHING_ERROR_OFF = "switching_error_on", "switching_error_off"
VOLTAGE_TOO_LOW, VOLTAGE_TOO_HIGH = "supply_voltage_too_low", "supply_voltage_too_high"


def matches(fixture: Fixture, value: float, level: int, tolerance: float) -> bool:
    """Say whether what is read is the level, or, of a switch, on or off as it says."""
    if fixture.is_switch:
        return bool(value) == (level > 0)
    if level == 0:
        return value <= OFF_LEVEL_MAX
    return abs(value - level) <= tolerance and value > 0


def power_range(fixture: Fixture, level: float, limits: Lighting) -> Range | None:
    """Return what may be drawn at the level; None where nobody said what the lamp is rated at."""
    if fixture.rated_power_w is None:
        return None
    rated_w = fixture.rated_power_w
    expected_w = rated_w * level / 100
    return Range(
        rated_w * limits.power_off_percent / 100,
        expected_w * limits.power_low_percent / 100,
        expected_w * limits.power_high_percent / 100 + rated_w * limits.power_base_percent / 100,
    )


def findings(
    fixture: Fixture, level: int, due_percent: float, seen: Seen, limits: Lighting
) -> Iterator[Finding]:
    """Yield what shows of a lamp at ``level``; ``due_percent`` of its rated power is what it should draw."""
    allowed = power_range(fixture, due_percent, limits)
    draws = None if allowed is None or seen.power_w is None else seen.power_w > allowed.nothing_w
    if fixture.is_switch:
        burns = bool(level) and (draws if draws is not None else bool(seen.actual))
        yield from _of_switch(fixture, level, due_percent, seen, draws)
    else:
        burns = _burns_right(fixture, level, seen, allowed, limits)
        yield from _of_dimmed(fixture, level, seen, draws, burns, limits)
    if level and seen.cycling_failure is not None:
        told = f"{fixture.name} goes out and comes on again by itself, as its controller says"
        yield Finding(CYCLING_FAILURE, seen.cycling_failure or (False if burns else None), told)
    if allowed is not None and seen.power_w is not None and due_percent >= LEVEL_JUDGED_MIN:
        yield from _of_power(fixture, seen.power_w, allowed, due_percent)
    yield from _of_voltage(fixture, seen.voltage_v, limits)


def leakage(fixture: Fixture, says: bool | None, burns: bool | None) -> Finding:
    """Return what shows of leakage: whatever a lamp is commanded, but it is gone only where current flows."""
    told = f"current leaks at {fixture.name}: beware of touching the pole"
    return Finding(LEAKAGE_DETECTED, says or (False if says is False and burns else None), told)


def _burns_right(fixture: Fixture, level: int, seen: Seen, allowed: Range | None, limits: Lighting) -> bool:
    """Say whether it is proved to burn as it should."""
    if level == 0:
        return False
    if allowed is not None and seen.power_w is not None:
        return max(allowed.low_w, allowed.nothing_w) <= seen.power_w <= allowed.high_w
    return seen.actual is not None and matches(fixture, seen.actual, level, limits.level_tolerance)


def _of_dimmed(
    fixture: Fixture, level: int, seen: Seen, draws: bool | None, burns: bool, limits: Lighting
) -> Iterator[Finding]:
    if level:
        lit = draws if draws is not None else (None if seen.actual is None else seen.actual > 0)
        dark = lit is False or seen.failure is True
        told = f"{fixture.name} is commanded to {level} % and is dark{_drawing(seen)}"
        yield Finding(LAMP_FAILURE, True if dark else (False if burns else None), told, seen.power_w)
        if seen.actual is None or seen.actual == 0:
            return
        wrong = not matches(fixture, seen.actual, level, limits.level_tolerance)
        told = f"{fixture.name} is commanded to {level} % and gives {seen.actual:g} %"
        yield Finding(DIMMING_FAILURE, wrong or seen.dimming_failure is True, told, seen.actual, level)
        yield Finding(UNEXPECTED_ON, None)
    elif seen.actual is not None or draws is not None:
        lit = bool(draws) or (seen.actual is not None and seen.actual > OFF_LEVEL_MAX)
        told = f"{fixture.name} is commanded off and burns{_drawing(seen)}"
        more = "; its controller says that its relay fails" if seen.relay_failure else ""
        yield Finding(UNEXPECTED_ON, lit, told + more, seen.power_w)
        if seen.relay_failure is not None and not lit:  # what is seen to burn has its name
            yield _of_relay(fixture, seen.relay_failure)
    elif seen.relay_failure is not None:
        yield _of_relay(fixture, seen.relay_failure)


def _of_switch(fixture: Fixture, level: int, due: float, seen: Seen, draws: bool | None) -> Iterator[Finding]:
    on, word = level > 0, "on" if level else "off"
    differs = None
    if seen.actual is not None:
        differs = bool(seen.actual) != on
        told = f"the contactor of {fixture.name} was switched {word} and does not show it"
        yield Finding(SWITCHING_ERROR_ON if on else SWITCHING_ERROR_OFF, differs, told)
    contradicts = seen.output is not None and bool(seen.output) != on
    told = f"{fixture.name} was switched {word} and does not read back so"
    if not contradicts and draws is not None and due >= LEVEL_JUDGED_MIN * on:
        closed = fixture.actual is not None and not differs
        if on and closed:
            dark = f"{fixture.name} is switched on, its contactor is closed, and it is dark{_drawing(seen)}"
            yield Finding(LAMP_FAILURE, not draws, dark, seen.power_w)
        elif not differs:
            contradicts = draws != on
            told = f"{fixture.name} is switched {word}{_drawing(seen)}"
    if seen.relay_failure and not contradicts:
        yield _of_relay(fixture, fails=True)
        return
    known = seen.output is not None or draws is not None
    yield Finding(RELAY_FAILURE, contradicts if known else None, told, seen.power_w)


def _of_relay(fixture: Fixture, fails: bool) -> Finding:
    return Finding(RELAY_FAILURE, fails, f"the relay of {fixture.name} fails, as its controller says")


def _of_power(fixture: Fixture, power_w: float, allowed: Range, due: float) -> Iterator[Finding]:
    right = allowed.low_w <= power_w <= allowed.high_w
    low, high = allowed.nothing_w < power_w < allowed.low_w, power_w > allowed.high_w
    told = f"{fixture.name} draws {power_w:.4g} W at {due:.3g} %"
    yield Finding(POWER_TOO_LOW, low or (None if not right else False), told, power_w, allowed.low_w)
    yield Finding(POWER_TOO_HIGH, high or (None if not right else False), told, power_w, allowed.high_w)


def _of_voltage(fixture: Fixture, voltage_v: float | None, limits: Lighting) -> Iterator[Finding]:
    if voltage_v is None:
        return
    told = f"the supply of {fixture.name} has {voltage_v:.4g} V"
    if (low_v := limits.voltage_low_v) is not None:
        yield Finding(VOLTAGE_TOO_LOW, voltage_v < low_v, told, voltage_v, low_v)
    if (high_v := limits.voltage_high_v) is not None:
        yield Finding(VOLTAGE_TOO_HIGH, voltage_v > high_v, told, voltage_v, high_v)


def _drawing(seen: Seen) -> str:
    return "" if seen.power_w is None else f": it draws {seen.power_w:.4g} W"
