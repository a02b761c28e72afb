"""Blocks in the store: however batches overlap, reading gives each time once, and the later batch wins."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import settings as drawing
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, select, update

from collector import journal
from collector.series import blocks as series_blocks
from collector.series import projection as series
from collector.series import reading as series_reading
from collector.series.tables import blocks, newest
from collector.service import Collector
from contract.samples import ClockState, Quality, Sample, Value
from tests.collector.making import (
    NOW_MS,
    OTHER_EPOCH,
    Clock,
    given,
    projected,
    rows,
    settings,
    standing,
    telemetry,
    up,
)

POINTS = ("flow", "level")
SMALL = {
    "BLOCK_SAMPLES_MAX": 6,
    "BLOCK_SPAN_MS_MAX": 12,
    "OVERLAP_BLOCKS_MAX": 2,
    "FRAGMENT_BYTES_MAX": 40,
}
DAY_MS = series_blocks.BLOCK_SPAN_MS_MAX

some_values: st.SearchStrategy[Value] = (
    st.integers(-50, 50).map(lambda number: number / 10)
    | st.integers(-3, 3)
    | st.floats(allow_nan=False)
    | st.sampled_from([None, True, "开"])
)


@st.composite
def batch_samples(draw: st.DrawFn) -> list[Sample]:
    """Draw samples of two points within a minute that all batches share."""
    samples = []
    for point in draw(st.sampled_from([POINTS, POINTS[:1], POINTS[1:]])):
        for offset in sorted(draw(st.sets(st.integers(0, 60), min_size=1, max_size=12))):
            state = draw(
                st.sampled_from(
                    [
                        (Quality.GOOD, "", ClockState.SYNCHRONISED),
                        (Quality.GOOD, "", ClockState.SYNCHRONISED),
                        (Quality.BAD, "timeout", ClockState.HOLDOVER),
                    ]
                )
            )
            samples.append(Sample(NOW_MS + offset, "meter", point, draw(some_values), *state))
    return samples


steps = st.lists(
    batch_samples() | st.sampled_from(["again", "project", "compact", "rewind"]), min_size=1, max_size=10
)


@contextmanager
def small_blocks() -> Iterator[None]:
    """Make blocks so small that a few samples need several."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items():
            patch.setattr(series_blocks, name, value)
        yield


def compact(collector: Collector, fragments: int = 1000) -> None:
    """Compact every series, as if each had so many fragments."""
    collector.store.write_now(lambda db: db.execute(update(newest).values(fragments=fragments)))
    while collector.store.write_now(series.compact):
        pass


def history(collector: Collector, point: str = "flow", *, limit: int = 100_000, **span: int) -> list[Sample]:
    """Return what is stored of a point."""
    read = partial(series_reading.history, key=("gw-1", "meter", point), limit=limit)
    return collector.store.read_now(partial(read, **{"from_ms": 0, "to_ms": 10**15} | span))


def latest(collector: Collector) -> dict[str, Sample]:
    """Return the newest sample of each point."""
    read = partial(series_reading.newest, gateway="", device="", after=None, limit=100, now_ms=NOW_MS)
    return {reading.point: reading.sample for reading in collector.store.read_now(read)}


def test_what_is_read_is_what_came_last_for_each_time(tmp_path: Path) -> None:
    """Batches overlap, come again, are replayed and compacted, in slices of any size."""
    numbers = itertools.count(1)

    @drawing(max_examples=150, deadline=None)
    @drawn(steps=steps, batches_max=st.integers(1, 4), page=st.integers(1, 7), from_ms=st.integers(0, 60))
    def try_it(steps: list[Any], batches_max: int, page: int, from_ms: int) -> None:
        collector.series._batches_max = batches_max
        collector.store.write_now(empty)
        wanted = carried_out(collector, steps, numbers)
        for point, by_time in wanted.items():
            expected = [by_time[time_ms] for time_ms in sorted(by_time)]
            assert repr(history(collector, point)) == repr(expected)
            later = [sample for sample in expected if sample.time_ms >= NOW_MS + from_ms]
            assert repr(history(collector, point, from_ms=NOW_MS + from_ms, limit=page)) == repr(later[:page])
        tops = {point: wanted[point][max(wanted[point])] for point in sorted(wanted)}
        assert repr(latest(collector)) == repr(tops)
        assert_apart(collector)

    with small_blocks(), standing(settings(tmp_path), Clock()) as collector:
        try_it()


def empty(connection: Connection) -> None:
    """Forget all samples, as if retention had dropped them."""
    for table in (blocks, newest):
        connection.execute(delete(table))


def carried_out(
    collector: Collector, steps: list[Any], numbers: Iterator[int]
) -> dict[str, dict[int, Sample]]:
    """Do what the steps say; return the samples by point and time as a plain dictionary has them then."""
    wanted: dict[str, dict[int, Sample]] = {}
    sent: list[list[Sample]] = []
    for step in [*steps, "project"]:
        match step:
            case "project":
                asyncio.run(projected(collector))
            case "rewind":
                asyncio.run(collector.series.rewind())
            case "compact":
                compact(collector)
            case "again" if not sent:
                continue
            case _:
                sent.append(sent[-2:][0] if step == "again" else step)
                given(collector, [up(telemetry(next(numbers), sent[-1]))])
                for sample in sent[-1]:
                    wanted.setdefault(sample.point, {})[sample.time_ms] = sample
    prune = partial(journal.prune, passed=10**9, bytes_max=0, before_ms=0)
    while collector.state.write_now(prune):
        pass
    return wanted


def assert_apart(collector: Collector) -> None:
    """Fail where two blocks of a series overlap or a block is larger than it may be."""
    for before, block in itertools.pairwise(rows(collector.store, blocks)):
        series_id, first_ms, last_ms, samples, _ = block
        assert first_ms <= last_ms <= first_ms + series_blocks.BLOCK_SPAN_MS_MAX
        assert samples <= series_blocks.BLOCK_SAMPLES_MAX
        assert before[0] != series_id or before[2] < first_ms


def test_a_renumbered_buffer_that_sends_everything_again_doubles_nothing(tmp_path: Path) -> None:
    """The same payloads under another epoch and other sequences, in other slices than the first time."""
    starts = range(NOW_MS, NOW_MS + 70, 10)
    payloads = [[Sample(start + at, "meter", "flow", at) for at in range(10)] for start in starts]
    with standing(settings(tmp_path, limits="projection_batches_max = 3"), Clock()) as collector:
        given(collector, [up(telemetry(number, each)) for number, each in enumerate(payloads, 1)])
        asyncio.run(projected(collector))
        before = history(collector)
        again = enumerate(payloads[2:], 1)
        given(collector, [up(telemetry(number, each, epoch=OTHER_EPOCH)) for number, each in again])
        asyncio.run(projected(collector))
        assert history(collector) == before
        assert sum(row[3] for row in rows(collector.store, blocks)) == len(before) == 70


def test_what_comes_again_after_a_restart_is_merged_as_well(tmp_path: Path) -> None:
    """How far a series reaches is known from the store, not only from what this process has written."""
    with standing(settings(tmp_path), Clock()) as collector:
        given(collector, [up(telemetry(1, [Sample(NOW_MS + at, "meter", "flow", at) for at in range(10)]))])
        asyncio.run(projected(collector))
    with standing(settings(tmp_path), Clock()) as collector:
        given(collector, [up(telemetry(2, [Sample(NOW_MS + at, "meter", "flow", -1) for at in (2, 20)]))])
        asyncio.run(projected(collector))
        assert [sample.value for sample in history(collector)] == [0, 1, -1, *range(3, 10), -1]


def test_a_batch_that_lies_over_many_blocks_is_merged_in_parts(tmp_path: Path) -> None:
    """No more than OVERLAP_BLOCKS_MAX blocks are opened at once, and none is forgotten."""
    with standing(settings(tmp_path, limits="projection_batches_max = 1"), Clock()) as collector:
        for number in range(1, 151):
            given(collector, [up(telemetry(number, [Sample(NOW_MS + 2 * number, "meter", "flow", number)]))])
        asyncio.run(projected(collector))
        assert len(rows(collector.store, blocks)) == 150 > 4 * series_blocks.OVERLAP_BLOCKS_MAX
        over = [Sample(NOW_MS + at, "meter", "flow", -at) for at in range(3, 300, 3)]
        given(collector, [up(telemetry(151, over))])
        asyncio.run(projected(collector))
        values = {2 * number: number for number in range(1, 151)} | {at: -at for at in range(3, 300, 3)}
        assert [sample.value for sample in history(collector)] == [values[at] for at in sorted(values)]
        assert_apart(collector)


def test_small_blocks_become_few_and_nothing_that_can_be_read_changes(tmp_path: Path) -> None:
    """A batch a transaction leaves a block each; housekeeping merges them once there are enough."""
    with standing(settings(tmp_path, limits="projection_batches_max = 1"), Clock()) as collector:
        for number in range(1, 201):
            value = None if number % 50 == 0 else number / 4
            samples = [Sample(NOW_MS + number * 60_000, "meter", "flow", value)]
            given(collector, [up(telemetry(number, samples))])
        asyncio.run(projected(collector))
        before, stored = history(collector), rows(collector.store, blocks)
        assert len(stored) == 200
        asyncio.run(collector.housekeeping.round())
        merged = rows(collector.store, blocks)
        assert len(merged) == 1
        assert sum(len(row[4]) for row in merged) < 0.2 * sum(len(row[4]) for row in stored)
        assert history(collector) == before
        assert [row[3] for row in rows(collector.store, newest)] == [0]
        assert not collector.store.write_now(series.compact)


def test_a_series_with_few_small_blocks_is_left_alone(tmp_path: Path) -> None:
    """Writing all of it anew for each batch would wear the disk."""
    with standing(settings(tmp_path, limits="projection_batches_max = 1"), Clock()) as collector:
        given(collector, [up(telemetry(number)) for number in range(1, 64)])
        asyncio.run(projected(collector))
        asyncio.run(collector.housekeeping.round())
        assert len(rows(collector.store, blocks)) == 63


def test_a_block_of_a_good_size_is_not_written_again(tmp_path: Path) -> None:
    """Neither one that a day lies behind: retention drops blocks as they are."""
    day = [Sample(NOW_MS + 86_400_000 * number, "meter", "flow", number) for number in range(3)]
    with standing(settings(tmp_path, limits="projection_batches_max = 1"), Clock()) as collector:
        for number, sample in enumerate(day, 1):
            given(collector, [up(telemetry(number, [sample]))])
        many = [Sample(NOW_MS + 10**9 + at * at, "meter", "flow", at * 7 % 911 / 10) for at in range(5_000)]
        given(collector, [up(telemetry(4, many))])
        asyncio.run(projected(collector))
        before = rows(collector.store, blocks)
        assert max(len(row[4]) for row in before) <= series_blocks.BLOCK_BYTES_MAX
        compact(collector)
        after = rows(collector.store, blocks)
        assert len(after) == len(before) - 1  # two days in a row just fit
        assert history(collector) == [*day, *many]


@pytest.mark.parametrize("damage", [lambda data: data[:-1] + b"?", lambda data: b"", lambda data: data[:9]])
def test_a_damaged_block_is_told_and_hides_no_other(
    damage: Callable[[bytes], bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does it stop compaction; rewinding the projection brings its samples back."""
    with standing(settings(tmp_path, limits="projection_batches_max = 1"), Clock()) as collector:
        given(collector, [up(telemetry(n, [Sample(NOW_MS + n, "meter", "flow", n)])) for n in range(1, 8)])
        asyncio.run(projected(collector))
        here = blocks.c.first_ms == NOW_MS + 3

        def spoil(db: Any) -> None:
            data = db.execute(select(blocks.c.data).where(here)).scalar_one()
            db.execute(update(blocks).where(here).values(data=damage(data)))

        collector.store.write_now(spoil)
        for _ in range(2):
            caplog.clear()
            assert [sample.value for sample in history(collector)] == [1, 2, 4, 5, 6, 7]
            assert f"1 samples from {NOW_MS + 3} to {NOW_MS + 3} ms cannot be read" in caplog.text
            compact(collector)
        asyncio.run(collector.series.rewind())
        asyncio.run(projected(collector))
        assert [sample.value for sample in history(collector)] == [1, 2, 3, 4, 5, 6, 7]


def test_a_block_under_a_row_that_is_not_its_own_is_damaged(tmp_path: Path) -> None:
    """Its times are part of it, so it cannot be taken for another."""
    with standing(settings(tmp_path), Clock()) as collector:
        given(collector, [up(telemetry(1, [Sample(NOW_MS, "meter", "flow", 1)]))])
        asyncio.run(projected(collector))
        collector.store.write_now(lambda db: db.execute(update(blocks).values(samples=2)))
        assert history(collector) == []


def test_a_batch_that_reaches_over_years_writes_few_blocks_anew(tmp_path: Path) -> None:
    """A clock that jumped: what lies between stays as it is, and what comes after is not merged into it."""
    days = [Sample(NOW_MS + DAY_MS * 2 * number, "meter", "flow", number) for number in range(200)]
    wide = [Sample(NOW_MS + 1, "meter", "flow", -1), Sample(NOW_MS + DAY_MS * 700, "meter", "flow", -2)]
    with standing(settings(tmp_path), Clock()) as collector:
        given(collector, [up(telemetry(1, days)), up(telemetry(2, wide))])
        asyncio.run(projected(collector))
        assert history(collector) == [days[0], wide[0], *days[1:], wide[1]]
        assert len(rows(collector.store, blocks)) == 201
        given(collector, [up(telemetry(3, [Sample(NOW_MS + DAY_MS * 500, "meter", "flow", 7)]))])
        asyncio.run(projected(collector))
        assert len(rows(collector.store, blocks)) == 202
        assert latest(collector)["flow"].value == -1


def test_a_series_that_retention_emptied_begins_again(tmp_path: Path) -> None:
    """Its newest value goes with its last block, and comes with the next."""
    with standing(settings(tmp_path), Clock()) as collector:
        given(collector, [up(telemetry(1, [Sample(NOW_MS, "meter", "flow", 1)]))])
        asyncio.run(projected(collector))
        drop = partial(series.drop_older, before_ms=NOW_MS + 1, after_series=0, blocks_max=10)
        assert collector.store.write_now(drop) == (0, False)
        assert latest(collector) == {}
        given(collector, [up(telemetry(2, [Sample(NOW_MS - 5, "meter", "flow", 2)]))])
        asyncio.run(projected(collector))
        assert latest(collector)["flow"].value == 2


def test_much_of_one_slice_is_written_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by samples, whatever a slice of the journal unpacks to."""
    monkeypatch.setattr(series, "SAMPLES_AT_ONCE_MAX", 3)
    with standing(settings(tmp_path), Clock()) as collector:
        given(collector, [up(telemetry(n, [Sample(NOW_MS + n, "meter", "flow", n)])) for n in range(1, 8)])
        asyncio.run(projected(collector))
        assert [row[3] for row in rows(collector.store, blocks)] == [3, 3, 1]
        assert [sample.value for sample in history(collector)] == [1, 2, 3, 4, 5, 6, 7]
