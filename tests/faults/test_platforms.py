"""Cases reach platforms that misbehave while the centre is killed; controls are found out."""

import pytest

from tests.faults.platforms import CONTROLS, control, played
from tests.faults.platforms_world import Moment

pytestmark = pytest.mark.timeout(300)


def test_no_case_is_lost_or_filed_twice_and_what_cannot_be_known_waits_for_a_person() -> None:
    """Killed where a platform has nothing yet, and where it has not answered yet; a person then decides."""
    told = played(60, [Moment.NOTED, Moment.TAKEN], seed=3)
    assert told.harm == 0
    assert (told.cases, told.kills, told.moments) == (60, 2, 2)
    assert told.ambiguous == told.ambiguous_listed > 0


@pytest.mark.parametrize("weakened", CONTROLS)
def test_a_centre_that_leaves_something_out_is_found_out(weakened: str) -> None:
    """It is killed at the moment at which that does harm."""
    assert control(weakened, seed=3) > 0
