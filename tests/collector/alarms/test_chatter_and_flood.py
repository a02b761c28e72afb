"""Chattering sources and floods, as pure decisions."""

from hypothesis import given
from hypothesis import strategies as st

from collector.alarms.chatter import Chatter
from collector.alarms.flood import Flood, summary

CHATTER = Chatter(3, 60_000, 300_000)
FLOOD = Flood(10, 5, 600_000)


@given(st.lists(st.integers(0, 400_000), min_size=1, max_size=30))
def test_a_source_chatters_when_three_activations_lie_within_a_minute(times: list[int]) -> None:
    """What is remembered is enough to say so, and no more than three."""
    remembered: list[int] = []
    happened = sorted(times)
    for index, at_ms in enumerate(happened):
        remembered, chatters = CHATTER.activated(remembered, at_ms)
        recent = [time for time in happened[: index + 1] if at_ms - time < 60_000]
        assert chatters is (len(recent) >= 3)
        assert len(remembered) <= 3


def test_a_clock_that_went_back_makes_nothing_chatter() -> None:
    """What was later is forgotten."""
    assert CHATTER.activated([900_000, 950_000], 1_000) == ([1_000], False)


def test_chattering_is_over_after_the_quiet_time_and_not_before() -> None:
    """To the millisecond."""
    assert not CHATTER.is_over(0, 299_999)
    assert CHATTER.is_over(0, 300_000)


@given(st.lists(st.integers(0, 20), max_size=60))
def test_a_flood_begins_above_ten_and_ends_below_five(counts: list[int]) -> None:
    """Between them it stays what it is."""
    flooded = False
    for count in counts:
        after = FLOOD.lasts(flooded, count)
        if count > 10:
            assert after
        elif count < 5:
            assert not after
        else:
            assert after is flooded
        flooded = after


def test_a_summary_names_the_most_frequent_ten() -> None:
    """Problems and areas, with their counts."""
    told = summary(
        [("burst", "a", 3), ("stale", "a", 2), ("burst", "b", 4), *((f"p{n}", "c", 1) for n in range(20))]
    )
    assert list(told["problems"].items())[:2] == [("burst", 7), ("stale", 2)]
    assert told["areas"] == {"c": 20, "a": 5, "b": 4}
    assert len(told["problems"]) == 10
