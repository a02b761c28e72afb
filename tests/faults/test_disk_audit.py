"""The audit of failing disks counts samples, also where what gave way ends within a reading."""

import pytest

from contract import batches
from contract.batches import Content, Header, Tombstone
from contract.events import Gap
from contract.samples import Quality, Sample
from contract.topics import Lane
from edge.buffer.losses import SAMPLES_LET_GO
from tests.faults.disk_audit import Arrived, arrived, judged, unkept

POINTS = ("counter", "level", "noise_1", "noise_2")
ASKED_MS = [100, 200, 300]


def reading(at_ms: int, points: tuple[str, ...] = POINTS) -> list[Sample]:
    """Return what is there of a reading that went well."""
    return [Sample(at_ms, "meter", point, 1) for point in points]


def failed(at_ms: int) -> list[Sample]:
    """Return what is there of a reading that failed."""
    return [Sample(at_ms, "meter", point, None, Quality.BAD, "timeout") for point in POINTS]


def missing(*kept: list[Sample]) -> list[int]:
    """Return what is missing of three readings."""
    return unkept(ASKED_MS, [sample for each in kept for sample in each], len(POINTS))


@pytest.mark.parametrize(("told", "unaccounted"), [(5, 2), (6, 1), (7, 0), (8, 1)])
def test_what_gives_way_within_a_reading_is_held_against_its_count_to_the_sample(
    told: int, unaccounted: int
) -> None:
    """Of two readings one sample is there, the last of the second: seven are missing, and to be counted."""
    kept = [reading(201, POINTS[-1:]), reading(301)]
    found = Arrived([*kept[0], *kept[1]], tombstones=[Tombstone(100, 201, told, "buffer full")])
    assert judged(missing(*kept), found, slack_ms=1)[:2] == (unaccounted, 0)


def test_nothing_is_missing_where_each_reading_is_there() -> None:
    """Stamped at once, or a while after."""
    assert missing(reading(100), reading(299), reading(320)) == []


def test_a_reading_that_is_stamped_after_the_next_was_asked_is_its_own() -> None:
    """A command came between, and the output was read back: both are stamped after both."""
    assert missing(reading(205), reading(206), reading(301)) == []


def test_a_failed_reading_is_there_also_where_the_device_came_late_to_it() -> None:
    """It was stamped when its time was over, before the second answer; what was dropped is still missing."""
    assert missing(reading(101), failed(150), reading(301)) == []
    assert missing(reading(101), failed(250), reading(301)) == []
    assert missing(reading(101), reading(301)) == [200] * len(POINTS)


def test_samples_that_are_there_twice_do_not_stand_for_others() -> None:
    """They are told, and what is missing before and behind them is missing all the same."""
    twice = [*reading(201), *reading(201)]
    assert Arrived(twice).samples_twice == len(POINTS)
    assert missing(twice) == [100] * len(POINTS) + [300] * len(POINTS)


def message(lane: Lane, sequence: int, content: Content, payload: bytes) -> bytes:
    """Return a batch as a gateway sends it."""
    header = Header("north", "gw-1", "e" * 32, lane, sequence, content, "b" * 32, 400)
    return batches.message(header, payload)


def test_a_tombstone_that_is_there_and_told_to_be_let_go_too_is_found_and_named() -> None:
    """Its samples are counted twice; of the batch behind it the gap alone tells."""
    tombstone = batches.tombstone_payload(Tombstone(100, 199, 8, "buffer full"))
    gap = Gap("a" * 32, 400, "gateway", SAMPLES_LET_GO, 100, 299, 5, 6, 12)
    sent = [
        message(Lane.TELEMETRY, 5, Content.TOMBSTONE, tombstone),
        message(Lane.EVENTS, 1, Content.EVENTS, batches.events_payload([gap])),
    ]
    found = arrived(sent)
    unaccounted, unknown, why = judged([100] * 8 + [200] * 4, found)
    assert (unaccounted, unknown, found.let_go_and_there) == (8, 0, 8)
    assert "there all the same: 8" in why
    assert found.told == [
        "tombstone 5: 8, from 100 to 199",
        f"gap of 400: 12, batches 5 to 6, from 100 to 299: {SAMPLES_LET_GO}",
    ]
