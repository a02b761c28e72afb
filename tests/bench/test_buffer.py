"""The bench of the buffer: its batches are what it says they are, and strace's report is read aright."""

import random
from pathlib import Path

import pytest

from bench import buffer
from bench.corpora import Cabinet, registers_once, worst
from contract.samples import how_many, spread


def test_a_batch_of_the_cabinet_is_small_on_the_wire() -> None:
    """Six bytes a sample at most, header and names included; noise, jitter and failed reads are in it."""
    cabinet = Cabinet(buffer.SEED)
    measured = [each for second in range(5) for each in cabinet.second(second)]
    samples = list(spread(measured))
    assert sum(map(how_many, measured)) == len(samples) == buffer.BATCH_SAMPLES
    assert {type(sample.value) for sample in samples} == {int, float, bool, str, type(None)}
    assert buffer.wire_bytes(measured, random.Random(1)) <= 6 * len(samples)


def test_in_the_worst_batches_no_name_comes_twice() -> None:
    """Else they were not the worst."""
    for measured in (worst(random.Random(1)), registers_once(random.Random(1))):
        samples = list(spread(measured))
        assert len({sample.point for sample in samples}) == len(samples) == buffer.BATCH_SAMPLES
        assert len({sample.device for sample in samples}) == 20


TRACE = """\
17 write(1</dev/pts/0>, ""..., 6) = 6
17 pwrite64(5</b/state/buffer.db-wal>, ""..., 32, 0) = 32
17 fdatasync(5</b/state/buffer.db-wal>) = 0
17 pwrite64(5</b/state/buffer.db-wal>, ""..., 24, 32) = 24
17 pwrite64(5</b/state/buffer.db-wal>, ""..., 4096, 56) = 4096
17 fdatasync(5</b/state/buffer.db-wal>) = 0
17 fdatasync(5</b/state/buffer.db-wal>) = 0
17 pwrite64(4</b/state/buffer.db>, ""..., 4096, 0) = 4096
17 fdatasync(4</b/state/buffer.db>) = 0
17 pwrite64(4</b/state/buffer.db>, ""..., 4096, 0) = -1 ENOSPC (No space left on device)
17 write(6</b/elsewhere>, ""..., 100) = 100
17 +++ exited with 0 +++
"""


def test_what_is_written_and_committed_is_told_from_the_trace() -> None:
    """The journal counts, its header is no commit, and neither is a checkpoint's sync."""
    assert buffer.counted(TRACE.splitlines(), Path("/b/state")) == (32 + 24 + 4096 + 4096, 1, 4)


def test_a_trace_that_would_count_short_is_refused() -> None:
    """Calls of two threads are told in two halves."""
    cut = ['17 pwrite64(5</b/state/buffer.db-wal>, ""..., 24, 32 <unfinished ...>']
    with pytest.raises(SystemExit, match="short"):
        buffer.counted(cut, Path("/b/state"))
