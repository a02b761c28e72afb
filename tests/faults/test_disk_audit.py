"""The audit of failing disks counts samples, also where what gave way ends within a reading."""

import pytest

from contract.batches import Tombstone
from contract.samples import Quality, Sample
from tests.faults.disk_audit import Arrived, judged, unkept

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
