"""Housekeeping: everything stays within its limits, and nothing waits long for it."""

import asyncio
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Column, Connection, insert, select, update

from collector import checking, housekeeping, journal, old_rows
from collector.cases.outgoing import Kind, Posting, post
from collector.incidents.tables import incidents
from collector.journal import head
from collector.platforms import queue
from collector.platforms.tables import platform_statuses
from collector.series import blocks as series_blocks
from collector.series import projection as series
from collector.series.tables import blocks, newest
from collector.service import Collector
from collector.settings import Limits
from collector.tables import alarms, cases, commands, events, gaps, outbox
from contract.events import Gap
from contract.samples import Sample
from contract.topics import Lane
from tests.collector.making import (
    NOW_MS,
    SQLITE_ONLY,
    Clock,
    cleared,
    given,
    greeting,
    happened,
    hello,
    projected,
    raised,
    rows,
    settings,
    standing,
    telemetry,
    up,
)

pytestmark = pytest.mark.usefixtures("both_engines")

DAY_MS = 86_400_000


def test_a_small_journal_never_stands_in_its_own_way(tmp_path: Path) -> None:
    """However much arrives at once, a transaction fits as soon as what is in the journal is projected."""
    limits = "journal_bytes_max = 1048576\ncommit_bytes_max = 524288"
    noise = Random(1)
    big = [Sample(NOW_MS + number, "meter", "noise", noise.random()) for number in range(9_000)]  # 66 KiB

    async def scenario(collector: Collector) -> None:
        taking = asyncio.create_task(collector.ingest.run())
        async with asyncio.timeout(20):
            for sequence in range(1, 41):
                await collector.ingest.offer(up(telemetry(sequence, big)))
            while collector.state.read_now(head).last_id < 40:
                await projected(collector)
                await collector.housekeeping.round()
                await asyncio.sleep(0.01)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        assert collector.state.read_now(head).bytes <= 1_048_576

    with standing(settings(tmp_path, limits=limits), Clock()) as collector:
        asyncio.run(scenario(collector))


def test_a_journal_that_is_smaller_than_two_transactions_is_a_mistake() -> None:
    """It would be full for ever with nothing in it."""
    with pytest.raises(ValueError, match="raise journal_bytes_max or lower commit_bytes_max"):
        Limits(journal_bytes_max=8 * 1024**2, commit_bytes_max=8 * 1024**2)


def test_a_large_journal_is_dropped_in_small_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step is bounded by bytes as well; what is not projected stays."""
    with standing(settings(tmp_path), Clock()) as collector:
        given(collector, [up(telemetry(number)) for number in range(1, 21)])
        size = len(telemetry(20))
        monkeypatch.setattr(journal, "PRUNE_BYTES_MAX", 5 * size)
        steps = []
        while dropped := collector.state.write_now(
            lambda db: journal.prune(db, passed=18, bytes_max=0, before_ms=0)
        ):
            steps.append(len(dropped))
        assert sum(steps) == 18
        assert max(steps) <= 6
        assert collector.state.read_now(head).batches == 2


def test_old_samples_are_dropped_in_small_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step goes on where the one before stopped, in the middle of a series if need be."""
    monkeypatch.setattr(series_blocks, "BLOCK_SAMPLES_MAX", 1)
    old = [Sample(number, device, "flow", number) for device in ("a", "b", "c") for number in range(50)]
    with standing(settings(tmp_path), Clock()) as collector:
        given(collector, [up(telemetry(1, [*old, Sample(NOW_MS, "b", "flow", 1)]))])
        asyncio.run(projected(collector))
        after, more, left = 0, True, [151]
        while more:
            step = partial(series.drop_older, before_ms=1_000, after_series=after, blocks_max=40)
            after, more = collector.store.write_now(step)
            left.append(len(rows(collector.store, blocks)))
        assert (after, left) == (0, [151, 111, 71, 31, 1])
        assert [row[1] for row in rows(collector.store, newest)] == [NOW_MS]


def test_what_happened_long_ago_is_dropped_but_for_what_belongs_to_a_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events, gaps, and alarms that are over, with their incident; in several transactions where many are."""
    monkeypatch.setattr(old_rows, "ROWS_AT_ONCE_MAX", 3)
    clock = Clock()
    power = [
        Gap(f"{90 + number:032x}", NOW_MS, "gateway", "power cut", NOW_MS, NOW_MS) for number in range(7)
    ]
    noise = {"problem": "noise", "device": "ear"}
    over = [event for number in range(7) for event in (raised(number, **noise), cleared(number))]
    limits = "events_retention_days = 1\njournal_retention_days = 1"
    with standing(settings(tmp_path, limits=limits), clock) as collector:
        batch = happened(1, *power, *over, raised(20), cleared(20), raised(21, problem="noise"))
        given(collector, [up(batch, lane=Lane.EVENTS)])
        asyncio.run(projected(collector))
        asyncio.run(collector.housekeeping.round())
        assert [len(rows(collector.state, table)) for table in (events, gaps, alarms)] == [7, 7, 9]
        clock.now_ms += 2 * DAY_MS
        asyncio.run(collector.rooms.incident_keeping.look())
        asyncio.run(collector.housekeeping.round())
        assert [len(rows(collector.state, table)) for table in (events, gaps, alarms)] == [0, 0, 9]
        clock.now_ms += 2 * DAY_MS
        asyncio.run(collector.housekeeping.round())
        assert [len(rows(collector.state, table)) for table in (events, gaps, alarms)] == [0, 0, 2]


def column(collector: Collector, of: Column[Any]) -> list[Any]:
    """Return a column in the order of its table."""
    query = select(of).order_by(of.table.c.row)
    return collector.state.read_now(lambda db: list(db.scalars(query)))


def test_what_platforms_were_told_of_a_case_is_dropped_once_it_has_been_closed_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first message and the last stay, and what was not taken yet; in small steps.

    While the case is open a platform may speak of it by the key of any message.
    """
    monkeypatch.setattr(old_rows, "ROWS_AT_ONCE_MAX", 3)
    clock = Clock()
    with standing(settings(tmp_path, limits="outbox_retention_days = 1"), clock) as collector:
        given(collector, [up(happened(1, raised(1)), lane=Lane.EVENTS)])
        asyncio.run(projected(collector))
        (case_id,) = column(collector, cases.c.id)

        def tell(connection: Connection) -> None:
            for _ in range(9):
                post(connection, case_id, Kind.CHANGED, NOW_MS)
            taken = outbox.c.n.not_in([4, 10])
            connection.execute(update(outbox).where(taken).values(state=Posting.DONE.value))

        def wait(days: int) -> None:
            clock.now_ms += days * DAY_MS
            for _ in range(5):
                asyncio.run(collector.housekeeping.round())

        collector.state.write_now(tell)
        wait(2)
        assert len(rows(collector.state, outbox)) == 10
        key = column(collector, outbox.c.key)[4]
        assert collector.state.read_now(lambda db: queue.case_by(db, "city", key, "")) == case_id
        now_ms = clock.now_ms
        collector.state.write_now(lambda db: db.execute(update(cases).values(closed_ms=now_ms)))
        wait(1)
        assert len(rows(collector.state, outbox)) == 10
        wait(1)
        assert column(collector, outbox.c.n) == [1, 4, 10]
        collector.state.write_now(lambda db: post(db, case_id, Kind.CHANGED, NOW_MS))
        assert column(collector, outbox.c.key)[-1] == f"{case_id}-11"


def test_what_platforms_told_is_dropped_once_its_case_has_been_closed_for_long(tmp_path: Path) -> None:
    """Of an open case all of it stays: an old event that comes again is to be known."""
    clock = Clock()
    loaded = settings(tmp_path, limits="platform_statuses_retention_days = 1")
    with standing(loaded, clock) as collector:
        batch = happened(1, raised(1), raised(2, part="", device="other"))
        given(collector, [up(batch, lane=Lane.EVENTS)])
        asyncio.run(projected(collector))
        closed, open_ = column(collector, cases.c.id)

        def tell(connection: Connection) -> None:
            for number, case_id in enumerate([closed, open_]):
                said = {"platform": "city", "event_id": f"e{number}", "case_id": case_id, "stage": "filed"}
                said |= {"code": "1", "source": "poll", "outcome": "applied", "reason": ""}
                connection.execute(insert(platform_statuses).values(**said, received_ms=NOW_MS))
            connection.execute(update(cases).where(cases.c.id == closed).values(closed_ms=NOW_MS))

        collector.state.write_now(tell)
        asyncio.run(collector.housekeeping.round())
        assert len(rows(collector.state, platform_statuses)) == 2
        clock.now_ms += 2 * DAY_MS
        asyncio.run(collector.housekeeping.round())
        assert column(collector, platform_statuses.c.case_id) == [open_]


@SQLITE_ONLY
def test_a_gap_stays_as_long_as_the_batches_behind_it(tmp_path: Path) -> None:
    """Else a sound journal would be called damaged."""
    clock = Clock()
    loaded = settings(tmp_path, limits="events_retention_days = 1\njournal_retention_days = 5")
    with standing(loaded, clock) as collector:
        given(collector, [up(telemetry(1)), hello(greeting(4, 5)), up(telemetry(4))])
        asyncio.run(projected(collector))
        for days, gaps_left in ((2, 1), (6, 0)):
            clock.now_ms = NOW_MS + days * DAY_MS
            asyncio.run(collector.housekeeping.round())
            assert len(rows(collector.state, gaps)) == gaps_left
            assert checking.check(loaded.data_folder, lambda *_: None).findings == []


def test_an_alarm_stays_as_long_as_the_journal_has_it(tmp_path: Path) -> None:
    """Else it would be news when the journal is projected anew."""
    clock = Clock()
    loaded = settings(tmp_path, limits="events_retention_days = 1\njournal_retention_days = 5")
    with standing(loaded, clock) as collector:
        batch = happened(1, raised(1, problem="noise"), cleared(1), raised(2, problem="noise"))
        given(collector, [up(batch, lane=Lane.EVENTS)])
        asyncio.run(projected(collector))
        collector.state.write_now(lambda db: db.execute(update(incidents).values(closed_ms=NOW_MS)))
        for days, left in ((2, 2), (6, 1)):
            clock.now_ms = NOW_MS + days * DAY_MS
            asyncio.run(collector.housekeeping.round())
            assert len(rows(collector.state, alarms)) == left
            asyncio.run(collector.alarms.rewind())
            asyncio.run(projected(collector))
            assert (len(rows(collector.state, alarms)), len(rows(collector.state, incidents))) == (left, 1)


def test_a_command_that_may_be_answered_stays(tmp_path: Path) -> None:
    """However long it is valid."""
    clock = Clock()
    with standing(settings(tmp_path, limits="events_retention_days = 1"), clock) as collector:
        told: dict[str, Any] = {
            "gateway": "gw-1",
            "jws": b"",
            "digest": "",
            "kind": "switch",
            "target": "lamp",
        }
        told |= {"who": "li", "issued_ms": NOW_MS, "expires_ms": NOW_MS + 9 * DAY_MS, "refusal": ""}
        told |= {"reason": "", "read_back": "null"}
        given_ = [
            told | {"id": f"{number:032x}", "sequence": number, "state": state}
            for number, state in enumerate(("waiting", "published", "done", "expired"))
        ]
        collector.state.write_now(lambda db: db.execute(insert(commands), given_))
        clock.now_ms += 2 * DAY_MS
        asyncio.run(collector.housekeeping.round())
        assert column(collector, commands.c.state) == ["waiting", "published"]


@SQLITE_ONLY
def test_no_round_reads_a_whole_table(tmp_path: Path) -> None:
    """What is old is found by an index, so that commits never wait for a scan of years of events."""
    with standing(settings(tmp_path), Clock()) as collector:
        for old in housekeeping._old(NOW_MS, NOW_MS):
            compiled = {"literal_binds": True}
            statement = old.query().compile(collector.state._writer, compile_kwargs=compiled)
            with collector.state._reader.connect() as db:
                plan = db.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}").all()
            looks = [row[3] for row in plan if "SUBQUERY" not in row[3]]
            newest = f"SEARCH {old.key[0].table.name}_1"  # by its row, the end of the table
            assert all(("USING" in look and "INDEX" in look) or look == newest for look in looks), plan
            assert any("_ms<?" in look for look in looks), plan  # not by a flag that most rows have
