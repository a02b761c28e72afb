"""Thousands of steps of weather, faults, restarts and people break no rule; weakened rules are found out."""

import pytest

from tests.faults import controls_machine
from tests.faults.controls import found_by_machine, walk, with_weakened
from tests.faults.controls_machine import Controls
from tests.faults.controls_weakened import WEAKENED

STEPS = 5_000
FOUND_IN = {"left_and_given_up": 9, "joins_at_any_time": 5, "tried_without_patience": 4}
"""Worlds to begin with; where one does not show it any more, the others are played as well."""


@pytest.mark.parametrize("seed", [11, 12])
def test_nothing_runs_too_long_unsafely_against_precedence_or_off_the_record(seed: int) -> None:
    """And something did run."""
    told = walk(STEPS, seed)
    assert told.first == {}
    assert told.starts > 50
    assert told.restarts > 5
    assert told.refused > 5


def test_whatever_is_chosen_to_happen_nothing_is_wrong_and_something_ran() -> None:
    """Hypothesis chooses, by the same seed each time."""
    controls_machine.run(150)
    assert Controls.starts > 50


@pytest.mark.parametrize("name", ["lock_ignored_by_the_centre", "end_not_recorded"])
def test_the_machine_finds_rules_that_are_weaker(name: str) -> None:
    """The control of the machine: it ends where something is wrong."""
    *_, expected = WEAKENED[name]
    assert expected in found_by_machine(name, 1_000)


@pytest.mark.parametrize("name", WEAKENED)
def test_rules_that_are_weaker_are_found_out(name: str) -> None:
    """The control: each is missing one thing, and that one is named."""
    *_, expected = WEAKENED[name]
    assert with_weakened(name, 4 * STEPS, FOUND_IN.get(name, 0))[expected]
