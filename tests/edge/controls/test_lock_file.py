"""Maintenance locks on disk: they hold whatever became of the buffer; in doubt everything is locked."""

import asyncio
import errno
from pathlib import Path

import pytest

from edge.buffer.keeper import Inline
from edge.controls import lock_file
from edge.controls.lock_file import KeepingLocks, LocksUnreadableError
from simulators.virtual_loop import run_virtually
from tests.edge.controls.bench import OUT, SPRAY, Bench

LOCKS = {OUT: ("wang", 1_800_000_000_000)}


def test_locks_come_back_as_they_were_kept(tmp_path: Path) -> None:
    """Who and when; without a file nothing is locked, and none is made."""
    lock_file.write(tmp_path, {})
    assert list(tmp_path.iterdir()) == []
    assert lock_file.read(tmp_path) == {}
    lock_file.write(tmp_path, LOCKS)
    assert lock_file.read(tmp_path) == LOCKS
    lock_file.write(tmp_path, {})
    assert lock_file.read(tmp_path) == {}
    assert [path.name for path in tmp_path.iterdir()] == [lock_file.FILE_NAME]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'{"relay/out": 1}',
        b"\xff" * 100,
        b'{"relay/out": ["some\xffbody", 1]}',
        b'{"relay/out":' * 10_000,
    ],
)
def test_a_file_that_nobody_can_read_locks_everything(data: bytes, tmp_path: Path) -> None:
    """It is taken off here, output by output."""
    (tmp_path / lock_file.FILE_NAME).write_bytes(data)
    with pytest.raises(LocksUnreadableError):
        lock_file.read(tmp_path)
    bench = Bench(SPRAY, SPRAY | {"name": "second", "output": "relay/other"})
    bench.do(bench.engine.desk.recall_locks(None, bench.now))
    bench.step(60, value=200.0)
    assert not bench.on()
    assert set(bench.engine.desk.locks) == {"relay/out", "relay/other"}
    assert bench.said(bench.engine.unlock(OUT, "wang", bench.now)) == ""
    bench.step(5)
    assert bench.on()
    assert not bench.on("relay/other")


def test_the_file_locks_although_the_buffer_knows_nothing() -> None:
    """A buffer that could not be opened, or was set aside."""
    bench = Bench()
    bench.do(bench.engine.desk.recall_locks(LOCKS, bench.now))
    bench.do(bench.engine.recall({}, bench.now))
    bench.step(60, value=200.0)
    assert not bench.on()


def test_a_disk_that_refuses_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it has taken what is locked then."""
    locks: dict[str, tuple[str, int]] = {}
    refusals = [OSError(errno.ENOSPC, "full"), OSError(errno.EIO, "broken")]
    usual = lock_file.write

    def write(folder: Path, now: lock_file.Locks) -> None:
        if refusals:
            raise refusals.pop()
        usual(folder, now)

    async def live() -> None:
        keeping = KeepingLocks(tmp_path, Inline(), lambda: dict(locks))
        running = asyncio.create_task(keeping.run())
        locks.update(LOCKS)
        keeping.changed()
        await asyncio.sleep(1)
        assert lock_file.read(tmp_path) == {}
        await asyncio.sleep(10)
        assert lock_file.read(tmp_path) == LOCKS
        running.cancel()

    monkeypatch.setattr(lock_file, "write", write)
    run_virtually(live())
