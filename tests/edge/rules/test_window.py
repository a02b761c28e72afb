"""What a rule looks at: the newest good value, or a mean that is truly covered."""

import math

from hypothesis import given
from hypothesis import strategies as st

from edge.rules.window import Window


def test_a_mean_needs_its_whole_span() -> None:
    """Five minutes of values, not four: a fresh start does not jump to conclusions."""
    window = Window(300, 30)
    for second in range(0, 300, 5):
        window.add(100, second)
        assert window.value(second) is None
    window.add(100, 300)
    assert window.value(300) == 100


def test_a_hole_longer_than_stale_starts_the_mean_anew() -> None:
    """Values from before the hole say nothing about now."""
    window = Window(60, 30)
    for second in range(0, 100, 5):
        window.add(10, second)
    assert window.value(100) == 10
    assert window.value(126) is None
    window.add(50, 130)
    assert window.value(130) is None


def test_without_a_span_the_newest_value_counts_until_it_is_stale() -> None:
    """Thirty seconds later nobody knows."""
    window = Window(0, 30)
    assert window.value(0) is None
    window.add(7, 0)
    window.add(8, 1)
    assert window.value(31) == 8
    assert window.value(31.5) is None


@given(st.lists(st.tuples(st.floats(0.1, 9), st.floats(-1e4, 1e4)), min_size=1, max_size=200))
def test_the_mean_is_that_of_the_values_within_the_span(steps: list[tuple[float, float]]) -> None:
    """Against the plain definition, over any uneven spacing."""
    window, now_s, seen = Window(30, 10), 0.0, []
    for step_s, value in steps:
        now_s += step_s
        window.add(value, now_s)
        seen.append((now_s, value))
        within = [number for at_s, number in seen if at_s > now_s - 30]
        expected = sum(within) / len(within) if now_s - seen[0][0] >= 30 else None
        found = window.value(now_s)
        assert (found is None) == (expected is None)
        assert found is None or expected is None or math.isclose(found, expected, abs_tol=1e-6)


def test_a_wild_value_leaves_nothing_behind() -> None:
    """One garbled float32 of 3e38 spoils the mean while it is in the window, and not for ever."""
    window = Window(60, 30)
    for at_s in range(200):
        window.add(3e38 if at_s == 50 else 150.0, at_s)
    assert window.value(199) == 150.0
