"""Fixed windows in step with the site's clock, and every window against a plain definition."""

from fractions import Fraction
from itertools import pairwise
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from contract.samples import ClockState
from edge.clock import Moment
from edge.rules.fixed_window import FixedWindow
from edge.rules.steady import Steady
from edge.rules.window import Window
from tests.edge.rules.rigs import START_MS, Rig, short

Statistic = Literal["mean", "min", "max"]
STATISTICS = st.sampled_from(["mean", "min", "max"])
NUMBERS = st.one_of(st.floats(-1e4, 1e4), st.sampled_from([3e38, -3e38, 0.1, 1e-300, 5.0]))
STEPS = st.lists(st.tuples(st.integers(1, 40), NUMBERS), min_size=1, max_size=120)


def figure(statistic: Statistic, values: list[float]) -> float:
    """Return the figure by its definition; the mean is exact and rounded once."""
    if statistic == "mean":
        return float(sum(map(Fraction, values)) / len(values))
    return min(values) if statistic == "min" else max(values)


@given(STEPS, STATISTICS)
def test_a_moving_window_is_its_definition_to_the_last_bit(
    steps: list[tuple[int, float]], statistic: Statistic
) -> None:
    """Holes begin it anew, and no value that has left it leaves a rounding error."""
    window, at_s = Window(60, 30, statistic), 0.0
    seen: list[tuple[float, float]] = []
    for step_s, value in steps:
        at_s += step_s
        if seen and at_s - seen[-1][0] > 30:
            seen = []
        seen.append((at_s, value))
        window.add(value, at_s)
        within = [number for when_s, number in seen if when_s > at_s - 60]
        expected = figure(statistic, within) if at_s - seen[0][0] >= 60 else None
        assert window.value(at_s) == expected


@given(STEPS, STATISTICS, st.sampled_from([0, 7 * 60 + 13]))
def test_a_fixed_window_is_its_definition(
    steps: list[tuple[int, float]], statistic: Statistic, offset_min: int
) -> None:
    """The values of each five minutes of local time, where good ones cover three quarters of them."""
    window = FixedWindow(300, 30, statistic, coverage_percent=75, utc_offset_min=offset_min)
    at_s, seen, found = 0.0, list[tuple[float, float]](), dict[int, float | None]()
    for step_s, value in steps:
        at_s += step_s
        result = window.value_at(_moment(at_s))
        index = _local_ms(at_s, offset_min) // 300_000
        if seen and _local_ms(seen[-1][0], offset_min) // 300_000 < index:
            found[index - 1] = result
            assert result == _expected(seen, index - 1, statistic, offset_min)
        window.take(value, _moment(at_s))
        seen.append((at_s, value))


def _moment(at_s: float) -> Moment:
    return Moment(round(at_s * 1e9), START_MS + round(at_s * 1000))


def _local_ms(at_s: float, offset_min: int) -> int:
    return START_MS + round(at_s * 1000) + offset_min * 60_000


def _expected(
    seen: list[tuple[float, float]], index: int, statistic: Statistic, offset_min: int
) -> float | None:
    begins_s = (index * 300_000 - START_MS - offset_min * 60_000) / 1000
    ends_s = begins_s + 300
    inside = [value for at_s, value in seen if begins_s <= at_s < ends_s]
    covered_s, times = 0.0, [at_s for at_s, _ in seen] + [ends_s]
    for earlier_s, later_s in pairwise(times):
        if later_s - earlier_s <= 30:
            covered_s += max(0.0, later_s - max(earlier_s, begins_s))
    return figure(statistic, inside) if inside and covered_s >= 225 else None


@given(
    st.lists(st.tuples(st.integers(1, 40), st.sampled_from([1.0, 1.1, 1.2, 1.4, 2.0])), max_size=150),
    st.sampled_from([0.0, 0.2, 0.5]),
)
def test_flat_is_its_definition(steps: list[tuple[int, float]], flat_by: float) -> None:
    """Some value of at least two minutes ago, and all since it, lie within the band without a hole."""
    steady, at_s, seen = Steady(flat_by, 120, 30), 0.0, list[tuple[float, float]]()
    for step_s, value in steps:
        at_s += step_s
        if seen and at_s - seen[-1][0] > 30:
            seen = []
        seen.append((at_s, value))
        steady.add(value, at_s)
        expected = False
        for number, (since_s, _) in enumerate(seen):
            band = [each for _, each in seen[number:]]
            within = max(band) - min(band) <= flat_by + 1e-9
            expected = expected or (within and at_s - since_s >= 120)
        assert steady.flat is expected


def test_a_quarter_of_an_hour_is_decided_when_it_is_over() -> None:
    """By the clock on the wall, also when no further sample comes; START_MS is on the hour."""
    rig = Rig({"high": 10.0, "mean_s": 900.0, "aligned": True})
    rig.feed((at_s, 11.0) for at_s in range(5, 880, 20))
    rig.tick(899.5)
    assert rig.told == []
    rig.tick(900)
    assert short(rig.told) == [(900, "raised", "high")]


def test_a_window_that_good_values_hardly_cover_decides_nothing() -> None:
    """Ten of fifteen minutes are too few; and its alarm is not cleared by the next, which has none at all."""
    rig = Rig({"high": 10.0, "mean_s": 900.0, "aligned": True})
    rig.feed((at_s, 11.0) for at_s in range(300, 900, 20))
    rig.tick(900)
    assert rig.told == []
    rig.feed((at_s, 11.0) for at_s in range(900, 1800, 20))
    rig.tick(1800)
    rig.feed((at_s, 0.0) for at_s in range(1800, 1900, 20))
    rig.tick(2700)
    assert short(rig.told) == [(1800, "raised", "high")]


def test_without_a_time_there_are_no_fixed_windows() -> None:
    """A clock that was never set has no hour; from the first whole one after it is set they count."""
    rig = Rig({"high": 10.0, "mean_s": 300.0, "aligned": True})
    rig.clock = ClockState.UNSET
    rig.feed((at_s, 11.0) for at_s in range(0, 700, 20))
    rig.clock, rig.era, rig.start_ms = ClockState.SYNCHRONISED, 1, START_MS + 86_400_000 * 200
    rig.feed((at_s, 11.0) for at_s in range(700, 1000, 20))
    assert rig.told == []
    rig.feed((at_s, 11.0) for at_s in range(1000, 1300, 20))
    assert short(rig.told) == [(1200, "raised", "high")]


def test_an_hour_begins_by_local_time() -> None:
    """In Nepal (UTC+05:45) the hour is over a quarter after ours."""
    rig = Rig({"high": 10.0, "mean_s": 3600.0, "aligned": True}, utc_offset_min=345)
    rig.feed((at_s, 11.0) for at_s in range(0, 5000, 20))
    # 08:00 UTC is 13:45 there: the first whole hour is 14:00 to 15:00
    assert short(rig.told) == [(4500, "raised", "high")]


def test_two_values_of_one_moment_are_two_values() -> None:
    """As on virtual time, where a line takes none: the band is left all the same, and nothing falls."""
    for first, second in ((5.0, 9.0), (9.0, 5.0)):
        steady = Steady(1.0, 60, 30)
        steady.add(first, 0)
        steady.add(second, 0)
        assert steady.moved
        steady.add(second, 10)
        assert steady.since_s == 0


def test_a_window_before_a_gap_says_nothing_of_now() -> None:
    """What was the mean two windows ago is not the mean of the last one."""
    window = FixedWindow(300, 30, "mean", coverage_percent=75, utc_offset_min=0)
    for at_s in range(0, 300, 10):
        window.take(5.0, _moment(at_s))
    assert window.value_at(_moment(900)) is None
