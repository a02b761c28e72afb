"""The trend of a point around its alarm: what is drawn, and what is left open."""

import re

from hypothesis import given
from hypothesis import strategies as st

from collector.console.trend import COLUMNS, HEIGHT, LEFT, RIGHT, WIDTH, Span, trend
from contract.samples import Quality, Sample, Value

SPAN = Span(0, 1_000_000, 400_000, 600_000)


def sample(at_ms: int, value: Value, quality: Quality = Quality.GOOD) -> Sample:
    """Return a sample of some point."""
    return Sample(at_ms, "main", "pressure", value, quality)


def points(chart: str) -> list[list[tuple[float, float]]]:
    """Return the places of each line that is drawn."""
    lines = re.findall(r'polyline points="([^"]*)"', chart)
    return [[(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())] for line in lines]


def test_without_a_good_number_there_is_no_chart() -> None:
    """A failed read is no zero, and a text has no height."""
    bad = [sample(1, None, Quality.BAD), sample(2, "open"), sample(3, 5.0, Quality.STALE)]
    assert trend(bad, SPAN, 140.0, 480) == ""


def test_a_hole_in_the_values_is_left_open() -> None:
    """Nobody knows what was there."""
    early = [sample(at_ms, 200.0) for at_ms in range(0, 200_000, 10_000)]
    late = [sample(at_ms, 100.0) for at_ms in range(500_000, 700_000, 10_000)]
    first, second = points(trend([*early, *late], SPAN, None, 480))
    assert max(x for x, _ in first) < min(x for x, _ in second)


def test_the_least_and_the_greatest_value_are_drawn_however_many_there_are() -> None:
    """One value in a hundred thousand is what the alarm was about."""
    values = [sample(10 * n, 100.0) for n in range(100_000)]
    values[54_321] = sample(543_210, 7.0)
    [line] = points(trend(values, SPAN, None, 480))
    assert len(line) <= 4 * (COLUMNS + 1)
    assert len({y for _, y in line}) == 2


def test_times_are_local_and_have_their_seconds_where_the_whole_is_short() -> None:
    """China is eight hours ahead."""
    assert ">08:00:00<" in trend([sample(0, 1.0)], SPAN, None, 480)
    assert ">01-01 08:00<" in trend([sample(0, 1.0)], Span(0, 7_200_000, 1, None), None, 480)


@given(
    st.lists(st.tuples(st.integers(-10, 1_000_010), st.floats(-1e12, 1e12)), min_size=1, max_size=50),
    st.none() | st.floats(-1e12, 1e12),
)
def test_everything_lies_within_the_picture(drawn: list[tuple[int, float]], limit: float | None) -> None:
    """Whatever the values, and if all are the same."""
    chart = trend([sample(at_ms, value) for at_ms, value in sorted(drawn)], SPAN, limit, 480)
    for x, y in (place for line in points(chart) for place in line):
        assert LEFT <= x <= WIDTH - RIGHT
        assert 0 <= y <= HEIGHT
