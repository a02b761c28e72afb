"""A hundred gateways that lose their broker come back one after the other; without turns they would not."""

import pytest

from tests.faults.stampede import stampede


@pytest.mark.parametrize(("per_s", "held"), [(40, True), (10_000, False)])
def test_gateways_come_back_as_fast_as_the_centre_allows(per_s: float, held: bool) -> None:
    """All of them, with what they measured; a limit that limits nothing is the control."""
    told = stampede(100, per_s)
    assert told.missing == 0
    assert told.connections == 100
    assert told.held(40) is held
