"""Commands late, doubled, forged or interrupted, for a short while; weakened gateways are found out."""

import pytest

from tests.faults.commands import played
from tests.faults.commands_world import WEAKENED


def test_exactly_the_valid_commands_are_executed_once_and_every_other_is_recorded() -> None:
    """The power fails some ten times in between."""
    figures, campaign = played(900, seed=3)
    assert figures == dict.fromkeys(figures, 0)
    assert campaign.conditions["interrupted"]
    assert campaign.conditions["valid"] > 200
    assert campaign.conditions["refused"] > 400
    assert campaign.kinds["loss"]


@pytest.mark.parametrize("weakened", [name for name in WEAKENED if name])
def test_a_gateway_that_leaves_something_out_is_found_out(weakened: str) -> None:
    """The account would not see what it does not count."""
    figures, _ = played(900, seed=3, weakened=weakened)
    assert figures["wrongly_executed"] + figures["executed_twice"]
