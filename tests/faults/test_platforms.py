"""Cases reach platforms that misbehave while the centre is killed; controls are found out."""

import pytest

from tests.faults.platforms import CONTROL_KILLS, played


def test_no_case_is_lost_or_filed_twice_and_what_cannot_be_known_waits_for_a_person() -> None:
    """One kill; the person then decides on the whole list."""
    told = played(60, 1, seed=3)
    assert told.harm == 0
    assert (told.cases, told.kills) == (60, 1)
    assert told.ambiguous == told.ambiguous_listed > 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("weakened", "harm"), [("sends_blindly", "duplicated"), ("done_before_sent", "lost")]
)
def test_a_centre_that_leaves_something_out_is_found_out(weakened: str, harm: str) -> None:
    """A kill has to fall in between, so there are several tries."""
    tries = (played(60, CONTROL_KILLS, seed=seed, weakened=weakened) for seed in (3, 4, 5, 6))
    assert any(getattr(told, harm) for told in tries)
