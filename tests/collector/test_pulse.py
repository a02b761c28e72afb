"""What feeds the watchdog of a centre: intake and journal go on."""

import asyncio
import math
import signal
import subprocess
import sys
import threading
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from collector.database import Database
from collector.ingest import Ingest
from collector.pulse import HANG_S, Pulse, stuck
from collector.settings import Limits
from tests.collector.making import Clock, telemetry, up
from tests.collector.test_ingest import WAIT_S, ran
from tests.edge.test_progress import told, until


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_what_is_at_it_for_too_long_is_stuck_and_what_rests_never_is(
    taking_s: float, looking_s: float, now_s: float
) -> None:
    """Each for itself."""
    found = stuck(taking_since_s=taking_s, looking_since_s=looking_s, now_s=now_s)
    assert ("intake" in found) == (now_s - taking_s > HANG_S)
    assert ("journal" in found) == (now_s - looking_s > HANG_S)
    assert stuck(taking_since_s=math.inf, looking_since_s=math.inf, now_s=now_s) == []


def test_a_journal_that_never_comes_back_is_stuck_and_one_that_rests_is_not(tmp_path: Path) -> None:
    """A commit and a look hang together on the one writing thread; when it goes on, all is well."""

    async def scenario(ingest: Ingest, database: Database, clock: Clock) -> None:
        pulse = Pulse(database, ingest, monotonic_s=lambda: clock.monotonic_s)
        await ingest.offer(up(telemetry(1)))
        await ingest.acks.take(1)
        while ingest.taking_since_s != math.inf:
            await asyncio.sleep(0.005)
        clock.monotonic_s += 10 * HANG_S
        assert pulse.stuck() == []  # hours without a message are no hang
        gate = threading.Event()
        database._write_thread.submit(gate.wait, WAIT_S)
        feeling = asyncio.create_task(pulse.run())
        await ingest.offer(up(telemetry(2)))
        while pulse._looking_since_s == math.inf:
            await asyncio.sleep(0.005)
        assert pulse.stuck() == []
        clock.monotonic_s += HANG_S + 1
        assert pulse.stuck() == ["intake", "journal"]
        gate.set()
        while pulse.stuck():
            await asyncio.sleep(0.005)
        feeling.cancel()

    ran(tmp_path, scenario, Limits())


def test_a_disk_that_is_full_for_hours_is_no_hang(tmp_path: Path) -> None:
    """Each refusal is an answer: starting again would make no room."""

    async def scenario(ingest: Ingest, database: Database, clock: Clock) -> None:
        connection = database._connection.connection.driver_connection
        assert connection is not None
        connection.execute("PRAGMA max_page_count = 1")
        pulse = Pulse(database, ingest, monotonic_s=lambda: clock.monotonic_s)
        for number in range(1, 100):
            await ingest.offer(up(telemetry(number)))
        refused_s = -math.inf
        for _ in range(2):  # each refusal a while after the one before
            while not ingest.failing or ingest.taking_since_s <= refused_s:
                await asyncio.sleep(0.005)
            refused_s = ingest.taking_since_s
            clock.monotonic_s += HANG_S - 1
            assert pulse.stuck() == []

    ran(tmp_path, scenario, Limits())


def test_a_real_centre_without_its_broker_is_ready_feeds_the_watchdog_and_tells_of_its_end(
    tmp_path: Path,
) -> None:
    """An absent broker is told; it is no reason to be started again."""
    settings = tmp_path / "collector.toml"
    settings.write_text(
        'schema = 1\ndistrict = "north"\n[broker]\nhost = "127.0.0.1"\nport = 9\n[http]\nport = 0\n'
    )
    with told(tmp_path) as (manager, environment):
        centre = subprocess.Popen(
            [sys.executable, "-m", "gengfu.main", "collector", "run", "--settings", settings],
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        try:
            assert set(until(manager, b"READY=1")) <= {b"READY=1", b"WATCHDOG=1"}
            assert [manager.recv(4096) for _ in range(4)] == [b"WATCHDOG=1"] * 4
            centre.send_signal(signal.SIGTERM)
            assert set(until(manager, b"STOPPING=1")[:-1]) <= {b"WATCHDOG=1"}
            assert centre.wait(30) == 0
        finally:
            centre.kill()
            centre.wait()
