"""Recorder and buffer in a process whose disk is full, read-only or broken: nothing is lost uncounted."""

import errno
from collections import Counter
from pathlib import Path

import pytest

from contract import batches
from contract.batches import Batch
from contract.events import AlarmCleared, Gap
from contract.topics import Lane
from edge.buffer.losses import SAMPLES_LET_GO, SAMPLES_UNSTORED, UNCLEAN_END
from tests.edge.buffer.test_store import opened
from tests.faults.failing_disk import FailingDisk
from tests.faults.keeping import START_MS
from tests.faults.keeping_process import KeepingProcess

KIB = 1024
BALLAST = 256 * KIB
REFUSALS = [errno.ENOSPC, errno.EROFS, errno.EIO]


def decoded(folder: Path) -> tuple[list[Batch], int]:
    """Return every batch that is held, and how many samples are known to be let go and not told yet."""
    buffer = opened(folder)
    assert buffer.quarantined is None
    assert buffer.owed == []
    lanes = buffer.ranges()[0].lanes
    stored = [
        buffer.read(lane, sequence)
        for lane in Lane
        for sequence in range(lanes[lane].first, lanes[lane].next)
    ]
    let_go = sum(loss.count or 0 for loss in buffer._owed)
    buffer.close()
    return [batches.decode(each.message) for each in stored if each], let_go


def account(folder: Path) -> tuple[Counter[str], int, int]:
    """Return what gaps and tombstones tell by reason, and how many samples and alarms are held."""
    held, let_go = decoded(folder)
    told: Counter[str] = Counter({SAMPLES_LET_GO: let_go})
    samples: set[int] = set()
    alarms = 0
    for batch in held:
        assert not samples & {sample.time_ms for sample in batch.samples}
        samples |= {sample.time_ms for sample in batch.samples}
        alarms += sum(isinstance(event, AlarmCleared) for event in batch.events)
        for event in batch.events:
            if isinstance(event, Gap):
                told[event.reason] += event.count or 0
        if batch.tombstone:
            told["tombstones"] += batch.tombstone.count
    return told, len(samples), alarms


@pytest.mark.parametrize("number", REFUSALS)
def test_a_disk_that_refuses_from_the_start_costs_what_does_not_fit_into_memory(
    tmp_path: Path, number: int
) -> None:
    """It is opened as soon as it can be; what was dropped until then is told, to the sample."""
    disk = FailingDisk(tmp_path, "state")
    disk.refuse(number)
    with KeepingProcess(disk) as keeping:
        assert not keeping.do("open")["open"]
        keeping.do("samples 2700")
        keeping.do("events 3")
        for _ in range(3):
            assert not keeping.do("flush")["kept"]
        disk.work()
        assert keeping.do("flush") == {"kept": True, "ballast": False, "pending": 0, "events": 0}
        assert keeping.do("close") == {"clean": True}
    assert keeping.told.count("does not work") == 1
    assert keeping.told.count("works again") == 1
    assert account(disk.folder) == (Counter({SAMPLES_UNSTORED: 700}), 2000, 3)


@pytest.mark.parametrize("number", REFUSALS)
def test_a_disk_that_refuses_at_work_loses_nothing_uncounted_and_keeps_nothing_twice(
    tmp_path: Path, number: int
) -> None:
    """Also where it begins between two batches of one flush."""
    disk = FailingDisk(tmp_path, "state")
    with KeepingProcess(disk, BALLAST) as keeping:
        assert keeping.do("open") == {"open": True, "ballast": True}
        keeping.do("samples 1200")
        assert keeping.do("flush")["kept"]
        disk.refuse(number)
        for _ in range(3):
            keeping.do("samples 1100")
            keeping.do("events 1")
            assert not keeping.do("flush")["kept"]
        disk.work()
        assert keeping.do("flush")["kept"]
        assert keeping.do("close") == {"clean": True}
    assert account(disk.folder) == (Counter({SAMPLES_UNSTORED: 1300}), 3200, 3)


def test_a_buffer_that_was_opened_on_a_read_only_disk_is_written_when_it_can_be(tmp_path: Path) -> None:
    """After a kill its log is there, and SQLite opens such a file for reading only, for good."""
    disk = FailingDisk(tmp_path, "state")
    first = KeepingProcess(disk)
    first.do("open")
    first.do("samples 10")
    first.do("flush")
    first.kill()
    disk.refuse(errno.EROFS)
    with KeepingProcess(disk, 0, "--begun", "10") as keeping:
        keeping.do("open")
        keeping.do("samples 10")
        assert not keeping.do("flush")["kept"]
        disk.work()
        assert keeping.do("flush")["kept"]
        assert keeping.do("close") == {"clean": True}
    assert account(disk.folder)[1] == 20


def test_after_a_kill_the_gap_begins_with_the_oldest_that_waited_however_late_an_event_came(
    tmp_path: Path,
) -> None:
    """Events are committed at once, while telemetry that is older waits for its time."""
    disk = FailingDisk(tmp_path, "state")
    keeping = KeepingProcess(disk)
    keeping.do("open")
    keeping.do("samples 10")
    keeping.do("flush")
    keeping.do("samples 30")
    keeping.do("events 1")
    assert keeping.do("flush events") == {"kept": True, "ballast": False, "pending": 30, "events": 0}
    keeping.kill()
    [loss] = opened(disk.folder).owed
    assert (loss.reason, loss.from_ms) == (UNCLEAN_END, START_MS + 10)


def test_what_was_measured_before_the_disk_took_anything_lies_in_the_gap_too(tmp_path: Path) -> None:
    """A run begins when it begins to measure, not when its buffer could be opened."""
    disk = FailingDisk(tmp_path, "state")
    opened(disk.folder).close()
    disk.refuse(errno.EROFS)
    keeping = KeepingProcess(disk, 0, "--begun", "100")
    keeping.do("open")
    keeping.do("samples 30")
    disk.work()
    assert keeping.do("open")["open"]
    keeping.kill()
    [loss] = opened(disk.folder).owed
    assert (loss.reason, loss.from_ms) == (UNCLEAN_END, START_MS + 100)


def test_what_waits_in_memory_at_the_end_is_told_by_the_next_start(tmp_path: Path) -> None:
    """A stop on a disk that takes nothing is no clean end."""
    disk = FailingDisk(tmp_path, "state")
    with KeepingProcess(disk) as keeping:
        keeping.do("open")
        keeping.do("samples 10")
        assert keeping.do("flush")["kept"]
        disk.refuse(errno.EIO)
        keeping.do("samples 10")
        assert keeping.do("close") == {"clean": False}
    [loss] = opened(disk.folder).owed
    assert (loss.reason, loss.count) == (UNCLEAN_END, None)


def test_on_a_full_disk_the_ballast_pays_for_alarms_and_new_telemetry_takes_the_place_of_old(
    tmp_path: Path,
) -> None:
    """A disk of 1.5 MiB under a buffer that may have 256: telemetry goes round in it, all alarms stay."""
    disk = FailingDisk(tmp_path, "state")
    disk.folder.mkdir()
    disk.hold(1536 * KIB)
    with KeepingProcess(disk, BALLAST) as keeping:
        assert keeping.do("open") == {"open": True, "ballast": True}
        taken, alarms, full_after = 0, 0, 0
        for turn in range(300):
            taken += 1000
            keeping.do("samples 1000")
            keeping.do("events 2")
            alarms += 2
            answer = keeping.do("flush")
            assert answer["kept"], (turn, answer)
            full_after = full_after or (0 if answer["ballast"] else turn)
        assert 20 < full_after < 200
        disk.work()
        assert keeping.do("flush")["kept"]
        keeping.do("samples 1")
        assert keeping.do("flush")["ballast"]
        assert keeping.do("close") == {"clean": True}
    assert keeping.told.count("the disk of") == 1
    told, samples, kept_alarms = account(disk.folder)
    assert set(told) <= {"tombstones", SAMPLES_UNSTORED, SAMPLES_LET_GO}
    assert kept_alarms == alarms
    assert samples + sum(told.values()) == taken + 1
    assert samples > 50_000


def test_without_ballast_a_disk_that_others_have_filled_takes_no_alarm(tmp_path: Path) -> None:
    """The control: with it, the same alarms are on disk."""
    kept = {}
    for ballast in (0, BALLAST):
        disk = FailingDisk(tmp_path, f"state-{ballast}")
        disk.folder.mkdir()
        with KeepingProcess(disk, ballast) as keeping:
            keeping.do("open")
            keeping.do("samples 10")
            assert keeping.do("flush")["kept"]
            disk.hold(sum(file.stat().st_size for file in disk.folder.iterdir()))
            for _ in range(10):
                keeping.do("events 100")
                kept[ballast] = keeping.do("flush")["kept"]
            keeping.do("close")
    assert kept == {0: False, BALLAST: True}
