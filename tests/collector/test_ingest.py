"""The ingest: acknowledgements only after commits, repetitions in moderation, a full disk waited for."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import event

from collector.database import Database
from collector.ingest import Ingest, Outgoing
from collector.metrics import Metrics
from collector.settings import Limits
from collector.tables import journal
from contract import messages
from contract.messages import Ack
from tests.collector.making import NOW_MS, SQLITE_ONLY, Clock, journal_database, rows, taken, telemetry, up

pytestmark = pytest.mark.usefixtures("both_engines")

WAIT_S = 10.0


def ran(
    folder: Path, scenario: Callable[[Ingest, Database, Clock], Awaitable[None]], limits: Limits
) -> Metrics:
    """Run a scenario beside an ingest and return what it counted."""
    metrics = Metrics()
    clock = Clock()

    async def main() -> None:
        with journal_database(folder) as database:
            ingest = Ingest(
                database,
                "north",
                limits,
                metrics,
                monotonic_s=lambda: clock.monotonic_s,
                committed=lambda: None,
            )
            task = asyncio.create_task(ingest.run())
            try:
                async with asyncio.timeout(WAIT_S):
                    await scenario(ingest, database, clock)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    return metrics


async def answered(ingest: Ingest) -> list[int]:
    """Return the marks of the acknowledgements that wait, after waiting for one."""
    return [mark(outgoing) for outgoing in await ingest.acks.take(100)]


def mark(outgoing: Outgoing) -> int:
    """Return what an acknowledgement says."""
    return messages.decode(outgoing.payload, Ack).upto


async def settled(metrics: Metrics, decision: str, count: int) -> None:
    """Wait until so many batches are decided that way."""
    while metrics.registry.get_sample_value("gengfu_batches_total", {"decision": decision}) != count:
        await asyncio.sleep(0.005)


def test_repetitions_are_limited_and_new_commits_are_not(tmp_path: Path) -> None:
    """Ten duplicates in a second get one answer; a new batch in the same second gets its own."""
    metrics_seen: list[Metrics] = []

    async def scenario(ingest: Ingest, database: Database, clock: Clock) -> None:
        metrics = ingest._metrics
        metrics_seen.append(metrics)
        await ingest.offer(up(telemetry(1)))
        assert await answered(ingest) == [1]
        for count in range(1, 11):
            await ingest.offer(up(telemetry(1)))
            await settled(metrics, "duplicate", count)
        assert await answered(ingest) == [1]
        await ingest.offer(up(telemetry(3)))
        await settled(metrics, "hole", 1)
        assert not ingest.acks._waiting
        await ingest.offer(up(telemetry(2)))
        assert await answered(ingest) == [2]
        clock.monotonic_s += 1
        await ingest.offer(up(telemetry(4)))
        assert await answered(ingest) == [2]

    ran(tmp_path, scenario, Limits())
    assert metrics_seen[0].registry.get_sample_value("gengfu_batches_total", {"decision": "taken"}) == 2


def test_a_hole_right_behind_new_batches_is_told_in_a_second_acknowledgement(tmp_path: Path) -> None:
    """Both go out although they are alike; a newer mark replaces them."""

    async def scenario(ingest: Ingest, database: Database, clock: Clock) -> None:
        gate = threading.Event()
        database._write_thread.submit(gate.wait, WAIT_S)  # so that all is one group
        await ingest.offer(up(b"no batch"))
        for number in (1, 2, 4):
            await ingest.offer(up(telemetry(number)))
        gate.set()
        await settled(ingest._metrics, "hole", 1)
        while not ingest.acks._waiting:
            await asyncio.sleep(0.005)
        assert await answered(ingest) == [2, 2]

    ran(tmp_path, scenario, Limits())


@SQLITE_ONLY
def test_a_full_disk_is_waited_for_and_nothing_is_acknowledged_meanwhile(tmp_path: Path) -> None:
    """Health says so, and when there is room again everything goes on."""

    async def scenario(ingest: Ingest, database: Database, clock: Clock) -> None:
        def pages(count: int) -> None:
            connection = database._connection.connection.driver_connection
            assert connection is not None
            connection.execute(f"PRAGMA max_page_count = {count}")

        pages(1)
        noise = telemetry(1, None)
        group = [telemetry(number) for number in range(2, 200)]
        await ingest.offer(up(noise))
        for data in group:
            await ingest.offer(up(data))
        while not ingest.failing:
            await asyncio.sleep(0.005)
        assert "full" in ingest.failing
        committed = len(rows(database, journal))
        while ingest.acks._waiting:
            assert max(await answered(ingest)) <= committed
        pages(1_000_000)
        while ingest.failing:
            await asyncio.sleep(0.005)
        while max(await answered(ingest)) < 199:
            pass
        assert len(rows(database, journal)) == 199

    ran(tmp_path, scenario, Limits())


def test_a_message_that_breaks_us_costs_only_itself(tmp_path: Path) -> None:
    """The rest of its group is taken, and it is counted."""

    async def scenario(ingest: Ingest, database: Database, clock: Clock) -> None:
        def broken(
            _connection: object, _cursor: object, statement: str, values: object, *_rest: object
        ) -> None:
            if statement.startswith("INSERT INTO marks") and "gw-bad" in str(values):
                raise ValueError("a bug of ours")

        event.listen(database._writer, "before_cursor_execute", broken)
        for name in ("gw-1", "gw-bad", "gw-2"):
            await ingest.offer(up(telemetry(1, gateway=name), gateway=name, at_ms=NOW_MS))
        await settled(ingest._metrics, "taken", 2)
        assert [row[1] for row in rows(database, journal)] == ["gw-1", "gw-2"]
        assert sorted(key.gateway for key in ingest.acks._waiting) == ["gw-1", "gw-2"]

    metrics = ran(tmp_path, scenario, Limits())
    assert metrics.registry.get_sample_value("gengfu_messages_rejected_total", {"reason": "internal"}) == 1


def test_a_full_queue_makes_who_feeds_it_wait(tmp_path: Path) -> None:
    """Bytes are what is counted, and one message always fits."""

    async def scenario(ingest: Ingest, database: Database, clock: Clock) -> None:
        fed = 0

        async def feed() -> None:
            nonlocal fed
            for _ in range(10):
                await ingest.offer(up(b"x" * 200_000))
                fed += 1

        gate = threading.Event()
        database._write_thread.submit(gate.wait, WAIT_S)
        feeding = asyncio.create_task(feed())
        while fed < 3:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0)
        assert fed <= 5
        assert ingest._queue_bytes <= 524_288
        gate.set()
        await feeding

    ran(tmp_path, scenario, Limits(ingest_queue_bytes_max=524_288))


@SQLITE_ONLY
def test_a_damaged_database_is_told_and_no_message_is_blamed(tmp_path: Path) -> None:
    """It is the store that fails, so the message waits, and health says why."""
    with journal_database(tmp_path) as database:
        taken(database, *(up(telemetry(number)) for number in range(1, 50)))
    path = tmp_path / "collector.db"

    async def scenario(ingest: Ingest, database: Database, clock: Clock) -> None:
        whole = path.read_bytes()
        path.write_bytes(whole[:8192] + bytes([0x55]) * (len(whole) - 8192))
        await ingest.offer(up(telemetry(50)))
        while "malformed" not in ingest.failing:
            await asyncio.sleep(0.005)
        assert not ingest.acks._waiting

    metrics = ran(tmp_path, scenario, Limits())
    assert metrics.registry.get_sample_value("gengfu_messages_rejected_total", {"reason": "internal"}) is None
