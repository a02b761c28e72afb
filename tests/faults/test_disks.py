"""A few stories of failing disks, and the controls that show what the audit would say."""

from pathlib import Path

import pytest

from tests.faults.disk_audit import Verdict
from tests.faults.disks import Play, forgetful, ours, without_ballast


def verdict(folder: Path, play: Play, seeds: range) -> Verdict:
    """Return what all of them come to."""
    whole = Verdict()
    for seed in seeds:
        whole += play(folder, seed)
    return whole


def test_what_a_failing_disk_did_not_take_is_counted_to_the_sample_and_no_alarm_is_dropped(
    tmp_path: Path,
) -> None:
    """Whatever refuses, fills, stops or is killed; much must have been dropped for it to say anything."""
    whole = verdict(tmp_path, ours, range(8))
    assert not whole.faults, whole.hurt
    assert whole.dropped > 2_000
    assert whole.kills > 3


@pytest.mark.parametrize(
    ("play", "seeds", "fault"),
    [(forgetful, range(3), "unaccounted"), (without_ballast, range(11, 15), "alarms_dropped")],
)
def test_the_audit_finds_what_is_forgotten_and_alarms_without_room(
    tmp_path: Path, play: Play, seeds: range, fault: str
) -> None:
    """The controls."""
    assert verdict(tmp_path, play, seeds).faults.keys() == {fault}
