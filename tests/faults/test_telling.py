"""Telling that is killed in the middle tells everybody once, and knows what it does not know."""

from tests.faults.telling import played


def test_a_kill_in_the_middle_of_sending_costs_no_message_and_doubles_none_but_the_highest() -> None:
    """Each incident to each person by exactly one message."""
    told = played(3, seed=5)
    assert (told.untold, told.told_twice) == (0, 0)
    assert (told.highest_missing, told.doubled, told.lost) == (0, 0, 0)


def test_a_centre_that_sends_again_whatever_was_interrupted_doubles() -> None:
    """The control."""
    assert played(6, seed=5, weaken="again").doubled > 0
