"""The series: every sample as it was, and a replay that overwrites."""

import asyncio
import math
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import update

from collector.journal import head
from collector.series import reading as series_reading
from collector.series.reading import Reading
from collector.series.tables import blocks, cursor, undecodable
from collector.series.tables import newest as newest_table
from collector.series.tables import series as series_table
from collector.service import Collector
from contract import batches
from contract.samples import ClockState, Quality, Sample, Value
from tests.collector.making import (
    NOW_MS,
    Clock,
    given,
    header,
    projected,
    rows,
    settings,
    standing,
    telemetry,
    tombstone,
    up,
)


def history(
    collector: Collector, from_ms: int = 0, to_ms: int = 10**15, point: str = "pressure"
) -> list[Sample]:
    """Return the stored samples of a point of the one device."""
    key = ("gw-1", "meter", point)
    return collector.store.read_now(
        lambda connection: series_reading.history(connection, key, from_ms=from_ms, to_ms=to_ms, limit=1000)
    )


def newest(collector: Collector) -> list[Reading]:
    """Return the newest sample of each series."""
    return collector.store.read_now(
        lambda connection: series_reading.newest(
            connection, gateway="", device="", after=None, limit=100, now_ms=NOW_MS
        )
    )


@pytest.mark.parametrize(
    "value",
    [None, True, False, 0, 1, -(2**53), 1.0, 0.1 + 0.2, 1e300, math.inf, math.nan, "", "开", "1"],
)
def test_every_type_comes_back_as_it_was(value: Value, tmp_path: Path) -> None:
    """1, 1.0, True and "1" are four different values."""
    sample = Sample(
        NOW_MS, "meter", "pressure", value, Quality.UNCERTAIN, "out_of_range", ClockState.HOLDOVER
    )
    with standing(settings(tmp_path), Clock()) as collector:
        given(collector, [up(telemetry(1, [sample]))])
        asyncio.run(projected(collector))
        [stored] = history(collector)
        assert repr(stored) == repr(sample)


def test_a_replay_from_the_beginning_leaves_identical_tables(tmp_path: Path) -> None:
    """Also where later batches wrote the same times again."""
    with standing(settings(tmp_path), Clock()) as collector:
        again = [Sample(NOW_MS + 1, "meter", "pressure", 99.5), Sample(NOW_MS + 2, "meter", "flow", 1)]
        given(collector, [up(telemetry(number)) for number in (1, 2, 3)])
        given(collector, [up(telemetry(4, again)), up(tombstone(5, 3))])
        asyncio.run(projected(collector))
        tables = [series_table, blocks, newest_table, cursor]
        before = [rows(collector.store, table) for table in tables]
        assert [sample.value for sample in history(collector)] == [99.5, 2, 3]
        asyncio.run(collector.series.rewind())
        asyncio.run(projected(collector))
        assert [rows(collector.store, table) for table in tables] == before


def test_the_newest_value_of_each_series_is_by_time(tmp_path: Path) -> None:
    """A backfilled batch does not hide what came earlier and is newer."""
    with standing(settings(tmp_path), Clock()) as collector:
        late = [Sample(NOW_MS - 9_000, "meter", "pressure", 1.5), Sample(NOW_MS, "relay", "door", True)]
        given(collector, [up(telemetry(1)), up(telemetry(2, late, backfill=True))])
        asyncio.run(projected(collector))
        found = {(reading.device, reading.point): reading.sample.value for reading in newest(collector)}
        assert found == {("meter", "pressure"): 1, ("relay", "door"): True}
        assert [sample.time_ms for sample in history(collector, NOW_MS - 9_000, NOW_MS)] == [NOW_MS - 9_000]


def test_a_sample_from_the_future_hides_no_other(tmp_path: Path) -> None:
    """A clock that was wrong for a moment would else show its last value for ever."""
    year_2099_ms = 4_070_908_800_000
    with standing(settings(tmp_path), Clock()) as collector:
        wrong = [Sample(year_2099_ms, device, "flow", 9.0) for device in ("meter", "other")]
        right = [Sample(NOW_MS + 1_000, "meter", "flow", 2.0)]
        given(collector, [up(telemetry(1, wrong)), up(telemetry(2, right))])
        asyncio.run(projected(collector))
        found = {reading.device: reading.sample.value for reading in newest(collector)}
        assert found == {"meter": 2.0, "other": 9.0}


def test_a_batch_that_cannot_be_decoded_is_noted_and_passed(tmp_path: Path) -> None:
    """What follows it is stored, and a replay notes it once."""
    broken = batches.message(header(2), b"\x00nonsense")
    with standing(settings(tmp_path), Clock()) as collector:
        given(collector, [up(telemetry(1)), up(broken), up(telemetry(3))])
        asyncio.run(projected(collector))
        assert [sample.value for sample in history(collector)] == [1, 3]
        [(journal_id, _)] = rows(collector.store, undecodable)
        assert journal_id == 2
        asyncio.run(collector.series.rewind())
        asyncio.run(projected(collector))
        assert len(rows(collector.store, undecodable)) == 1


def test_a_store_that_is_ahead_of_a_restored_journal_starts_again(tmp_path: Path) -> None:
    """Ids are given anew after a restore; a cursor beyond the end would skip what comes under them."""
    loaded = settings(tmp_path)
    with standing(loaded, Clock()) as collector:
        given(collector, [up(telemetry(number)) for number in (1, 2, 3)])
        asyncio.run(projected(collector))
    (tmp_path / "data" / "collector.db").unlink()  # an empty one in its place is the oldest of backups
    with standing(loaded, Clock()) as collector:
        given(collector, [up(telemetry(1, [Sample(NOW_MS + 500, "meter", "pressure", 7)]))])
        asyncio.run(projected(collector))
        assert [sample.value for sample in history(collector)] == [1, 2, 3, 7]


def test_a_cursor_of_the_same_journal_that_is_ahead_of_it_starts_again(tmp_path: Path) -> None:
    """The same journal, restored from a backup of an hour ago."""
    loaded = settings(tmp_path)
    with standing(loaded, Clock()) as collector:
        given(collector, [up(telemetry(1))])
        collector.store.write_now(lambda connection: connection.execute(update(cursor).values(journal_id=50)))
    with standing(loaded, Clock()) as collector:
        asyncio.run(projected(collector))
        assert [sample.value for sample in history(collector)] == [1]


def test_ids_given_in_a_transaction_that_failed_are_forgotten(tmp_path: Path) -> None:
    """The next try gives them again, instead of writing samples of a series that is not there."""
    with standing(settings(tmp_path), Clock()) as collector:
        given(collector, [up(telemetry(1))])
        connection = collector.store._connection
        connection.connection.driver_connection.execute("PRAGMA max_page_count = 1")  # type: ignore[union-attr]
        noise = Random(1)
        big = [Sample(NOW_MS + at, "meter", "note", noise.randbytes(200).hex()) for at in range(200)]
        given(collector, [up(telemetry(2, big))])
        with pytest.raises(Exception, match="full"):
            asyncio.run(projected(collector))
        connection.connection.driver_connection.execute("PRAGMA max_page_count = 1000000")  # type: ignore[union-attr]
        asyncio.run(projected(collector))
        assert len(history(collector, point="note")) == 200
        assert len(history(collector)) == 1


def test_samples_older_than_their_retention_are_dropped(tmp_path: Path) -> None:
    """Housekeeping drops from the series what is too old, and from the journal only what is projected."""
    limits = "series_retention_days = 2\njournal_retention_days = 1"
    clock = Clock()
    with standing(settings(tmp_path, limits=limits), clock) as collector:
        given(collector, [up(telemetry(1))])
        clock.now_ms += 3 * 86_400_000
        asyncio.run(collector.housekeeping.round())
        assert collector.state.read_now(head).batches == 1
        asyncio.run(projected(collector))
        asyncio.run(collector.housekeeping.round())
        assert history(collector) == []
        assert collector.state.read_now(head).batches == 0
