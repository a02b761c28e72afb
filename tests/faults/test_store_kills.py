"""A store that is killed has everything in the end, and once; one that is believed has not."""

import pytest

from tests.faults.store_kills import played


def test_a_store_killed_at_any_moment_has_everything_in_the_end_and_once() -> None:
    """What is settled is on its disk, whatever restarts it went through that nobody saw."""
    told = played(4, seed=3)
    assert told.rewinds >= 1
    assert told.sent > told.samples
    assert (told.lost, told.doubled) == (0, 0)


@pytest.mark.parametrize("weaken", ["204", "settle"])
def test_a_store_that_is_believed_too_early_loses(weaken: str) -> None:
    """The controls: 204 taken for a promise, and a second for long enough."""
    told = played(3, seed=3, weaken=weaken)
    assert told.lost > 0
    assert told.doubled == 0
