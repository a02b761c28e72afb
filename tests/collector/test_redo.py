"""A batch that was journalled before anybody here could decode it is stored once somebody can."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from collector import checking
from collector.alarms.projection import AlarmProjection
from collector.projections import Redone
from collector.series import reading as series_reading
from collector.series.tables import undecodable
from collector.service import Collector, redo
from collector.tables import alarms, cases, cursors, dead_letters, journal
from contract import batches
from contract.topics import Lane
from tests.collector.making import (
    NOW_MS,
    Clock,
    cleared,
    happened,
    projected,
    raised,
    rows,
    settings,
    standing,
    taken,
    telemetry,
    typed,
    up,
)

LATER = b"\x07"
"""A packing of a later version: it stands before one of ours."""


def of_later(message: bytes) -> bytes:
    """Return the batch as a later version packs it."""
    length = int.from_bytes(message[3:5], "big") + 5
    return message[:length] + LATER + message[length:]


def upgraded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this version know the packing."""
    before = batches._unpacked

    def unpacked(payload: bytes) -> bytes:
        return before(payload[1:] if payload[:1] == LATER else payload)

    monkeypatch.setattr(batches, "_unpacked", unpacked)


def values(collector: Collector) -> list[Any]:
    """Return what is stored."""
    key = ("gw-1", "meter", "pressure")
    found = collector.store.read_now(
        lambda db: series_reading.history(db, key, from_ms=0, to_ms=10**15, limit=99)
    )
    return [sample.value for sample in found]


def redone(collector: Collector) -> list[Redone]:
    """Try again, series and alarms."""
    return [asyncio.run(each.redo()) for each in (collector.series, collector.alarms)]


def fill(collector: Collector) -> None:
    """Journal and project three batches of each lane, of which the second cannot be decoded."""
    for number in (1, 2, 3):
        pair = telemetry(number), happened(number, raised(number))
        if number == 2:
            pair = of_later(pair[0]), of_later(pair[1])
        taken(collector.state, up(pair[0]), up(pair[1], lane=Lane.EVENTS))
    asyncio.run(projected(collector))


def test_what_could_not_be_decoded_is_stored_after_an_upgrade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It outlives its neighbours in the journal; found late, an alarm is backfill."""
    loaded = settings(tmp_path, limits="journal_bytes_max = 1048576\ncommit_bytes_max = 524288")
    with standing(loaded, Clock()) as collector:
        fill(collector)
        assert values(collector) == [1, 3]
        assert redone(collector) == [Redone(undecodable=1), Redone(undecodable=1)]
        noise = [up(bytes([number])) for number in range(5)]
        taken(collector.state, *noise)
        monkeypatch.setattr("collector.housekeeping.JOURNAL_FILL", 0.0)
        asyncio.run(collector.housekeeping.round())
        assert [(row[3], row[4]) for row in rows(collector.state, journal)] == [
            ("telemetry", 2),
            ("events", 2),
        ]
        assert checking.check(loaded.data_folder, lambda *_: None).findings == []
        upgraded(monkeypatch)
        assert redone(collector) == [Redone(decoded=1), Redone(decoded=1)]
        assert checking.check(loaded.data_folder, lambda *_: None).findings == []
        assert values(collector) == [1, 2, 3]
        assert {row[2][-1]: row[16] for row in rows(collector.state, alarms)} == {"1": 0, "2": 1, "3": 0}
        assert rows(collector.store, undecodable) == []
        assert len(rows(collector.state, dead_letters)) == len(noise)
        assert redone(collector) == [Redone(), Redone()]
        asyncio.run(collector.housekeeping.round())
        assert rows(collector.state, journal) == []


@pytest.mark.parametrize("projected_before", [True, False])
def test_an_alarm_found_late_makes_no_case_if_what_follows_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, projected_before: bool
) -> None:
    """Its end may wait to be decoded, too, or not be projected yet."""
    monkeypatch.setattr("collector.alarms.projection.REDONE_AT_ONCE_MAX", 1)
    with standing(settings(tmp_path), Clock()) as collector:
        begins, ends = happened(1, raised(1)), happened(2, cleared(1))
        taken(collector.state, up(of_later(begins), lane=Lane.EVENTS))
        if projected_before:
            ends = of_later(ends)
            taken(collector.state, up(ends, lane=Lane.EVENTS))
        asyncio.run(projected(collector))
        if not projected_before:
            taken(collector.state, up(ends, lane=Lane.EVENTS))
        upgraded(monkeypatch)
        asyncio.run(collector.alarms.redo())
        asyncio.run(projected(collector))
        [alarm] = rows(collector.state, alarms)
        assert alarm[alarms.c.keys().index("cleared_ms")] is not None
        assert alarm[alarms.c.keys().index("waits")] == 0
        assert rows(collector.state, cases) == []


@pytest.mark.parametrize(("decodes", "sent_from"), [(True, 0), (False, 3)])
def test_a_redo_that_is_cut_short_keeps_nothing_from_a_series_store(
    decodes: bool, sent_from: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is sent the journal again before anything counts as decoded; and only if anything does."""
    table = '[[series_stores]]\nname = "archive"\nkind = "influxdb"\nurl = "http://127.0.0.1:1"\n'
    loaded = settings(tmp_path, tables=table)
    with standing(loaded, Clock()) as collector:
        taken(collector.state, up(telemetry(1)), up(of_later(telemetry(2))), up(telemetry(3)))
        asyncio.run(collector.series.advance())
        collector.state.write_now(
            lambda db: db.execute(
                cursors.update().where(cursors.c.projection == "store-archive"), {"journal_id": 3}
            )
        )

    async def cut(_: AlarmProjection) -> Redone:
        raise KeyboardInterrupt

    monkeypatch.setattr(AlarmProjection, "redo", cut)
    if decodes:
        upgraded(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(redo(loaded, Clock().world()))
    with standing(loaded, Clock()) as collector:
        assert asyncio.run(collector.series_stores[0].position()) == sent_from
        assert len(values(collector)) == 2 + decodes


def test_nothing_waits_to_be_decoded_longer_than_the_journal_keeps_anything(tmp_path: Path) -> None:
    """By age it goes like all others; the next try says so, and is the last."""
    clock = Clock()
    with standing(settings(tmp_path), clock) as collector:
        fill(collector)
        clock.now_ms = NOW_MS + 91 * 86_400_000
        asyncio.run(collector.housekeeping.round())
        assert rows(collector.state, journal) == []
        assert redone(collector) == [Redone(gone=1), Redone(gone=1)]
        assert redone(collector) == [Redone(), Redone()]


def test_the_command_tells_what_became_of_them(tmp_path: Path) -> None:
    """As an operator types it; while a centre works there it is refused."""
    loaded = settings(tmp_path)
    with standing(loaded, Clock()) as collector:
        fill(collector)

    redo = "redo", "--settings", str(tmp_path / "collector.toml")
    told = json.loads(typed(*redo, "--json").stdout)
    assert told == {name: {"decoded": 0, "undecodable": 1, "gone": 0} for name in ("series", "alarms")}
    assert "still undecodable 1" in typed(*redo).stdout
