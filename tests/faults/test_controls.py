"""Thousands of steps of weather, faults, restarts and people break no rule; weakened rules are found out."""

import pytest

from tests.faults.controls import WEAKENED, walk, with_weakened

STEPS = 5_000


@pytest.mark.parametrize("seed", [11, 12])
def test_nothing_runs_too_long_unsafely_against_precedence_or_off_the_record(seed: int) -> None:
    """And something did run."""
    told = walk(STEPS, seed)
    assert told.first == {}
    assert told.starts > 50
    assert told.restarts > 5
    assert told.refused > 5


@pytest.mark.parametrize("name", WEAKENED)
def test_rules_that_are_weaker_are_found_out(name: str) -> None:
    """The control: each is missing one thing, and that one is named."""
    *_, expected = WEAKENED[name]
    assert with_weakened(name, 4 * STEPS)[expected]
