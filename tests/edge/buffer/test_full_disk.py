"""Recorder and buffer in a process whose disk is full, read-only or broken: nothing is lost uncounted."""

import errno
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from contract import batches
from contract.batches import Batch
from contract.events import AlarmCleared, Gap
from contract.topics import Lane
from edge.buffer.losses import SAMPLES_LET_GO, SAMPLES_UNSTORED, UNCLEAN_END
from tests.edge.buffer.test_store import opened
from tests.faults.failing_disk import FailingDisk

ROOT = Path(__file__).parents[3]
KIB = 1024
BALLAST = 256 * KIB
REFUSALS = [errno.ENOSPC, errno.EROFS, errno.EIO]


class Keeping:
    """The process."""

    def __init__(self, disk: FailingDisk, ballast_bytes: int = 0) -> None:
        """Start it; ``told`` is its log after it has ended."""
        self.told = ""
        command = [sys.executable, "-m", "tests.faults.keeping", str(disk.folder), str(ballast_bytes)]
        self.process = subprocess.Popen(
            command,
            env=disk.environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        """It is started already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """End it."""
        if kind is not None:
            self.process.kill()
        self.told = self.process.communicate(timeout=30)[1]
        assert kind is not None or self.process.returncode == 0, self.told

    def do(self, line: str) -> dict[str, Any]:
        """Say a line; return the answer."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, self.process.communicate(timeout=30)[1]
        found: dict[str, Any] = json.loads(answer)
        return found


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
    with Keeping(disk) as keeping:
        assert not keeping.do("open")["open"]
        keeping.do("samples 2700")
        keeping.do("events 3")
        for _ in range(3):
            assert not keeping.do("flush")["kept"]
        disk.work()
        assert keeping.do("flush") == {"kept": True, "ballast": False, "pending": 0}
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
    with Keeping(disk, BALLAST) as keeping:
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


def test_what_waits_in_memory_at_the_end_is_told_by_the_next_start(tmp_path: Path) -> None:
    """A stop on a disk that takes nothing is no clean end."""
    disk = FailingDisk(tmp_path, "state")
    with Keeping(disk) as keeping:
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
    with Keeping(disk, BALLAST) as keeping:
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
        with Keeping(disk, ballast) as keeping:
            keeping.do("open")
            keeping.do("samples 10")
            assert keeping.do("flush")["kept"]
            disk.hold(sum(file.stat().st_size for file in disk.folder.iterdir()))
            for _ in range(10):
                keeping.do("events 100")
                kept[ballast] = keeping.do("flush")["kept"]
            keeping.do("close")
    assert kept == {0: False, BALLAST: True}
