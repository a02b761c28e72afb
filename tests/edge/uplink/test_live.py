"""What a gateway says live: only while somebody watches, newest only, no more often than it may."""

import math

from contract import batches
from contract.limits import LIVE_SAMPLES_MAX
from contract.samples import Row, Sample
from edge.uplink.live import Live


def sample(time_ms: int, point: str = "p") -> Sample:
    """Return a sample of a device."""
    return Sample(time_ms, "d", point, float(time_ms))


def test_nothing_is_said_or_kept_while_nobody_watches() -> None:
    """Nor after the time is over for which somebody did."""
    live = Live(1.0, 100)
    watched = [live.is_watched]
    assert not live.measured([sample(1)], 0)
    live.watched(60, 10)
    watched.append(live.is_watched)
    assert live.take(10) == []
    assert live.measured([sample(2)], 11)
    assert not live.measured([sample(3)], 71)
    watched.append(live.is_watched)
    assert watched == [False, True, False]
    live.watched(60, 80)
    assert live.take(80) == []


def test_the_newest_is_said_once_and_no_more_often_than_the_interval() -> None:
    """What changed twice meanwhile is said as it is now."""
    live = Live(1.0, 100)
    live.watched(60, 0)
    live.measured([sample(1)], 0)
    assert live.take(0) == [sample(1)]
    live.measured([sample(2)], 0.2)
    live.measured([Row(3, "d", ("p", "q"), (3.0, 3.0))], 0.4)
    assert live.idle_s(0.4) == 0.6
    assert live.take(0.9) == []
    assert live.take(1.0) == [sample(3), Sample(3, "d", "q", 3.0)]
    assert live.take(5) == []
    assert live.idle_s(5) == math.inf


def test_many_points_are_said_in_turn_and_too_many_are_left_out() -> None:
    """A message is bounded, and so is what waits."""
    live = Live(0.0, LIVE_SAMPLES_MAX + 10)
    live.watched(60, 0)
    live.measured([sample(1, f"p{number}") for number in range(2 * LIVE_SAMPLES_MAX)], 0)
    first, second = live.take(0), live.take(0)
    assert (len(first), len(second)) == (LIVE_SAMPLES_MAX, 10)
    assert not {each.point for each in first} & {each.point for each in second}


def test_a_live_message_carries_samples_and_nothing_else_passes_for_one() -> None:
    """Its reader gets what was measured."""
    assert batches.live_samples(batches.live_message([sample(5)])) == [sample(5)]
