"""No event poisons its batch."""

import msgspec
import pytest

from contract import batches
from contract.events import AlarmCleared, Event, Gap, LampNight
from edge.sound_events import sound
from tests.collector.making import happened

NIGHT = LampNight("a" * 32, 5, "lamp", "ctl", "2026-11-01", 1, [], [], [], 0, 0, 0, 0, 0, 0)
CLEARED = AlarmCleared("b" * 32, 5, "rule", "device", "point")


@pytest.mark.parametrize(
    "event",
    [
        msgspec.structs.replace(NIGHT, energy_wh=4.29e9),
        msgspec.structs.replace(NIGHT, should_s=-1),
        msgspec.structs.replace(NIGHT, night="tonight"),
        msgspec.structs.replace(CLEARED, id="mine"),
        msgspec.structs.replace(CLEARED, value="\ud800"),
        msgspec.structs.replace(CLEARED, value=2**80),
        msgspec.structs.replace(CLEARED, time_ms=-5),
    ],
)
def test_what_breaks_the_contract_is_told_as_a_gap_and_its_batch_can_be_decoded(event: Event) -> None:
    """The others of the batch arrive as they are."""
    told = sound(event)
    assert isinstance(told, Gap)
    assert told.count == 1
    assert type(event).__name__ in told.reason
    found = batches.decode(happened(1, CLEARED, told, NIGHT)).events
    assert found == [CLEARED, told, NIGHT]


def test_what_is_sound_goes_as_it_is() -> None:
    """The very same."""
    assert sound(NIGHT) is NIGHT
