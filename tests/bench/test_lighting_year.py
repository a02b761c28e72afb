"""The year of the lamps in short: nothing missed or doubled, and the count sees it where it is otherwise."""

import pytest

from bench import lighting_year


def test_no_switch_point_is_missed_or_doubled() -> None:
    """Twenty days of 1,000 lamps with 40 reboots."""
    tally = lighting_year.played(20, 40)
    assert tally.reboots == 40
    assert tally.commands > 60_000
    assert tally.checked > 60_000
    assert (tally.missed, tally.doubled) == (0, 0)


@pytest.mark.parametrize("weakening", ["replay", "skip"])
def test_a_cabinet_that_replays_or_skips_is_found_out(weakening: lighting_year.Weakening) -> None:
    """The controls: what was missed is made up for, or what is due is not applied."""
    tally = lighting_year.played(20, 40, weakening=weakening)
    assert (tally.doubled if weakening == "replay" else tally.missed) > 0
