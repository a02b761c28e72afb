"""A gateway comes back soon, but not again and again, and not in step with others."""

from random import Random

from edge.uplink.back_off import BackOff


def test_each_failure_doubles_the_wait_up_to_the_longest_and_a_connection_makes_it_short_again() -> None:
    """1, 2, 4 … 60 s on average, however often it fails."""
    back_off = BackOff(1, 60, Random(1))
    for average_s in (1, 2, 4, 8, 16, 32, *[60] * 2000):
        waits = [back_off.wait_s() for _ in range(20)]
        assert 0.5 * average_s <= min(waits) < max(waits) <= 1.5 * average_s
        back_off.ended(failed=True)
    back_off.ended(failed=False)
    assert back_off.wait_s() <= 1.5
