"""Lamps' nights in the state: each once, whatever is repeated, told in parts, or found late."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.lamps import nights as kept
from collector.lamps.nights import Key, Span
from collector.service import Collector
from collector.tables import events, lamp_nights
from contract.events import LampNight
from contract.topics import Lane
from tests.collector.lamps.making import HOUR_MS, night, nightly, noon_ms
from tests.collector.making import (
    SQLITE_ONLY,
    Clock,
    given,
    happened,
    projected,
    rows,
    settings,
    standing,
    up,
)
from tests.collector.test_redo import of_later, upgraded

pytestmark = pytest.mark.usefixtures("both_engines")


def read(collector: Collector, span: Span | None = None, limit: int = 1000) -> list[tuple[str, LampNight]]:
    """Read all records, ``limit`` at a time."""
    found: list[tuple[str, LampNight]] = []
    after: Key | None = None
    while True:
        some = collector.state.read_now(
            partial(kept.read, span=span or Span(), after=after, limit=limit, changes=True)
        )
        found += some
        if not some:
            return found
        after = kept.key(some[-1])


def projected_now(collector: Collector) -> list[tuple[Any, ...]]:
    """Bring projections to the end and return the table."""
    asyncio.run(projected(collector))
    return rows(collector.state, lamp_nights)


def test_a_record_is_kept_as_it_was_told_and_once(tmp_path: Path) -> None:
    """Also after the projection began anew; it is no event beside."""
    record = night(1, "lamp-1", "2026-11-05", failures=["lamp_failure"])
    with standing(settings(tmp_path), Clock()) as collector:
        given(collector, [nightly(1, record), nightly(2, record)])
        before = projected_now(collector)
        assert read(collector) == [("gw-1", record)]
        assert rows(collector.state, events) == []
        asyncio.run(collector.alarms.rewind())
        assert projected_now(collector) == before


def test_a_night_told_in_two_parts_is_one_and_a_replay_changes_nothing(tmp_path: Path) -> None:
    """The gateway was restarted at ten; each part is of the time that it saw itself."""
    first = night(
        1, "lamp-1", "2026-11-05", time_ms=noon_ms("2026-11-05") + 10 * HOUR_MS, lit_s=18_000, should_s=18_000
    )
    second = night(2, "lamp-1", "2026-11-05", lit_s=0, dark_s=17_000, should_s=18_000)
    with standing(settings(tmp_path), Clock()) as collector:
        given(collector, [nightly(1, first), nightly(2, second)])
        before = projected_now(collector)
        [(_, whole)] = read(collector)
        assert (whole.should_s, whole.lit_s, whole.dark_s, whole.energy_wh) == (36_000, 18_000, 17_000, 1400)
        given(collector, [nightly(3, second), nightly(4, first)])
        assert projected_now(collector) == before
        asyncio.run(collector.alarms.rewind())
        assert projected_now(collector) == before


def test_a_part_that_is_told_again_takes_its_own_place(tmp_path: Path) -> None:
    """So far when the gateway stopped, whole at noon: the later stands, in whatever order they come."""
    so_far = night(1, "lamp-1", "2026-11-05", time_ms=noon_ms("2026-11-05") + 10 * HOUR_MS, should_s=7_000)
    whole = night(1, "lamp-1", "2026-11-05")
    other = night(2, "lamp-1", "2026-11-05", should_s=500, time_ms=noon_ms("2026-11-05") + 3 * HOUR_MS)
    for number, order in enumerate([(so_far, other, whole), (whole, so_far, other), (other, whole, so_far)]):
        with standing(settings(tmp_path / str(number)), Clock()) as collector:
            for sequence, record in enumerate(order, 1):
                given(collector, [nightly(sequence, record)])
            asyncio.run(projected(collector))
            [(_, found)] = read(collector)
            assert (found.should_s, found.id) == (36_500, whole.id)


def test_a_part_that_is_decoded_late_makes_the_same_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it had come in its turn."""
    parts = [
        night(1, "lamp-1", "2026-11-05", time_ms=noon_ms("2026-11-05") + 10 * HOUR_MS, plan=2, lit_s=10),
        night(2, "lamp-1", "2026-11-05", plan=4, lit_s=20),
    ]
    at_ms = parts[1].time_ms
    with (
        standing(settings(tmp_path / "late"), Clock()) as late,
        standing(settings(tmp_path / "sound"), Clock()) as sound,
    ):
        given(sound, [nightly(1, parts[0], at_ms=at_ms), nightly(2, parts[1], at_ms=at_ms)])
        given(
            late,
            [
                up(of_later(happened(1, parts[0])), lane=Lane.EVENTS, at_ms=at_ms),
                nightly(2, parts[1], at_ms=at_ms),
            ],
        )
        asyncio.run(projected(late))
        assert [record.lit_s for _, record in read(late)] == [20]
        upgraded(monkeypatch)
        asyncio.run(late.alarms.redo())
        asyncio.run(projected(sound))
        assert read(late) == read(sound)
        assert read(late)[0][1].lit_s == 30


def test_parts_beyond_all_measure_are_kept_as_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What restarts every few minutes is looked at elsewhere; nothing is lost, nothing grows without end."""
    monkeypatch.setattr(kept, "PARTS_MAX", 3)
    with standing(settings(tmp_path), Clock()) as collector:
        given(
            collector,
            [nightly(number, night(number, "lamp-1", "2026-11-05", lit_s=1)) for number in range(1, 6)],
        )
        asyncio.run(projected(collector))
        [(_, whole)] = read(collector)
        assert whole.lit_s == 3
        assert [row[2] for row in rows(collector.state, events)] == [f"{4:032x}", f"{5:032x}"]


@pytest.mark.parametrize("day", ["2026-13-01", "2026-02-30", "0000-01-01", "9999-12-31", "0001-01-01"])
def test_a_night_that_is_none_harms_nobody(day: str, tmp_path: Path) -> None:
    """The contract knows digits only; it stays an event, and no report stumbles over it."""
    record = msgspec.structs.replace(night(1, "lamp-1", "2026-11-05"), night=day)
    with standing(settings(tmp_path), Clock()) as collector:
        given(collector, [nightly(1, record)])
        assert projected_now(collector) == []
        assert len(rows(collector.state, events)) == 1


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_slices_join_without_a_gap_in_the_order_of_the_index(limit: int, tmp_path: Path) -> None:
    """Gateways with lamps of the same name, and one whose nights lie outside."""
    told = {
        "gw-1": [("lamp-1", "2026-11-04"), ("lamp-2", "2026-11-04"), ("lamp-1", "2026-11-05")],
        "gw-2": [("lamp-1", "2026-10-31"), ("lamp-1", "2026-12-01")],
        "gw-3": [("lamp-1", "2026-11-30"), ("lamp-1", "2026-11-01")],
    }
    with standing(settings(tmp_path), Clock()) as collector:
        for gateway, entries in told.items():
            records = [night(number, *entry) for number, entry in enumerate(entries)]
            given(collector, [nightly(1, *records, gateway=gateway)])
        asyncio.run(projected(collector))
        found = read(collector, Span("2026-11-01", "2026-11-30"), limit)
        assert [(gateway, record.night, record.lamp) for gateway, record in found] == [
            ("gw-1", "2026-11-04", "lamp-1"),
            ("gw-1", "2026-11-04", "lamp-2"),
            ("gw-1", "2026-11-05", "lamp-1"),
            ("gw-3", "2026-11-01", "lamp-1"),
            ("gw-3", "2026-11-30", "lamp-1"),
        ]
        assert len(read(collector, Span(gateway="gw-1", lamp="lamp-1"), limit)) == 2
        assert collector.state.read_now(kept.signs)["gw-2"] == ("2026-10-31", "2026-12-01")


@SQLITE_ONLY
def test_a_slice_of_a_night_reads_no_other_nights(tmp_path: Path) -> None:
    """SQLite's own plan: the index of gateway, night and lamp, within bounds, without sorting."""
    with standing(settings(tmp_path), Clock()) as collector:
        query = (
            "EXPLAIN QUERY PLAN SELECT record FROM lamp_nights WHERE gateway = 'a' AND night BETWEEN 'b' AND "
            "'c' AND (night, lamp) > ('b', 'd') ORDER BY night, lamp LIMIT 5"
        )
        plan = collector.state.read_now(lambda connection: connection.exec_driver_sql(query).all())
        [step] = [row[-1] for row in plan]
        assert "lamp_nights" in step
        assert "gateway=? AND night" in step


def test_old_nights_go_by_when_they_were_received(tmp_path: Path) -> None:
    """A clock that was wrong keeps nothing for ever."""
    clock = Clock(now_ms=noon_ms("2026-11-06"))
    with standing(settings(tmp_path, limits="lamp_nights_retention_days = 10"), clock) as collector:
        given(
            collector,
            [
                nightly(1, night(1, "lamp-1", "2099-01-01"), at_ms=clock.now_ms - 11 * 24 * HOUR_MS),
                nightly(2, night(2, "lamp-1", "2026-11-05"), at_ms=clock.now_ms - 9 * 24 * HOUR_MS),
            ],
        )
        asyncio.run(projected(collector))
        asyncio.run(collector.housekeeping.round())
        assert [record.night for _, record in read(collector)] == ["2026-11-05"]
