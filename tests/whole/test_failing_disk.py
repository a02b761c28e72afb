"""A disk that refuses to be written costs neither the connection nor the gateway."""

import asyncio
import errno
import signal
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest

from contract.events import AlarmCleared, ControlAction, ControlChanged
from edge.buffer.errors import BufferClosedError
from edge.buffer.store import Buffer
from edge.gateway import Gateway
from edge.settings import EXAMPLE
from simulators.virtual_loop import run_virtually
from tests.edge.buffer.test_opening import PAGE, spoil
from tests.edge.buffer.test_store import opened
from tests.edge.test_run import SETTINGS
from tests.edge.virtual_gateway import START_MS, VirtualSite
from tests.faults.failing_disk import FailingDisk
from tests.whole.lossy_world import World

ROOT = Path(__file__).parents[2]
CABINET = ROOT / "tests" / "scenarios" / "dusty_morning.toml"
MINUTE_S = 60.0


def test_an_acknowledgement_that_cannot_be_put_on_disk_ends_nothing() -> None:
    """The uplink goes on, and what it could not delete goes with the next acknowledgement."""

    async def live() -> None:
        await world.start()
        await asyncio.sleep(10)
        await world.many()
        world.buffer._db.execute("PRAGMA query_only = ON")
        await asyncio.sleep(10)
        assert world.centre.seen == world.owed
        assert not world.running.done()
        world.buffer._db.execute("PRAGMA query_only = OFF")
        await world.telemetry()
        await asyncio.sleep(10)
        [held] = world.buffer.ranges()
        assert held.lanes["telemetry"].first == held.lanes["telemetry"].next == 14
        assert world.uplink.connections == 1
        await world.stop()

    world = World(Path(tempfile.mkdtemp()), 1)
    try:
        run_virtually(live())
    finally:
        world.close()


def test_a_renumbering_that_cannot_be_put_on_disk_is_tried_again() -> None:
    """Until it is done nothing is deleted and nothing is sent in the old epoch."""

    async def live() -> None:
        await world.start()
        await world.telemetry()
        await asyncio.sleep(10)
        await world.copy_card()
        await world.many()
        await asyncio.sleep(10)
        await world.roll_back_card()
        world.buffer._db.execute("PRAGMA query_only = ON")
        await asyncio.sleep(60)
        assert not world.running.done()
        world.buffer._db.execute("PRAGMA query_only = OFF")
        await world.telemetry()
        await asyncio.sleep(120)
        assert world.uplink.drained
        assert world.owed <= world.centre.seen
        await world.stop()

    world = World(Path(tempfile.mkdtemp()), 1)
    try:
        run_virtually(live())
    finally:
        world.close()


def started(settings: Path, disk: FailingDisk) -> "subprocess.Popen[str]":
    """Start a gateway on that disk."""
    command = [sys.executable, "-m", "gengfu.main", "edge", "run", "--settings", str(settings)]
    return subprocess.Popen(
        command, env=disk.environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("new", [True, False])
def test_a_gateway_starts_on_a_disk_that_refuses_and_keeps_all_it_measured(
    tmp_path: Path, number: int, new: bool
) -> None:
    """With a buffer of a former run or without: it is told once, and the disk gets it all in the end."""
    disk = FailingDisk(tmp_path, "state")
    settings = tmp_path / "edge.toml"
    text = SETTINGS.format(port=tmp_path / "no-such-port")
    settings.write_text(text.replace("[buffer]", "[buffer]\nflush_interval_s = 0.1"))
    if not new:
        opened(disk.folder).close()
    disk.refuse(number)
    process = started(settings, disk)
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline() == '{"ready": true}\n'
    told = ""
    while "buffer.db does not work" not in told:
        line = process.stderr.readline()
        assert line, told
        told += line
    disk.work()
    while "buffer.db works again" not in told:
        line = process.stderr.readline()
        assert line, told
        told += line
    process.send_signal(signal.SIGTERM)
    told += process.communicate(timeout=30)[1]
    assert process.returncode == 0, told
    assert "Traceback" not in told
    assert told.count("buffer.db does not work") == 1
    buffer = opened(disk.folder)
    assert buffer.ranges()[0].lanes["telemetry"].next > 1
    assert buffer.owed == []


def test_control_runs_on_a_disk_that_refuses_and_what_it_did_arrives_later(tmp_path: Path) -> None:
    """The spray starts and stops in time although nothing can be kept for 40 minutes; then all of it is."""
    site = VirtualSite(EXAMPLE, CABINET, tmp_path)
    (tmp_path / "buffer.db").mkdir()  # nothing can be opened there
    valve: list[bool] = []

    async def refuse(site: VirtualSite, gateway: Gateway) -> None:
        for _ in range(40 * 60):
            await asyncio.sleep(1)
            valve.append(site.valve)
        assert not site.stored
        (tmp_path / "buffer.db").rmdir()
        await asyncio.sleep(MINUTE_S)

    site.run(refuse)
    history = [event for event in site.events() if isinstance(event, ControlChanged)]
    assert history[0].action is ControlAction.STARTED
    assert 11 < (history[0].time_ms - START_MS) / 60_000 < 14
    assert any(valve)
    times = sorted({sample.time_ms for sample in site.samples() if sample.device == "station"})
    assert times[0] < START_MS + 10_000
    assert max(later - earlier for earlier, later in pairwise(times)) < 10_000


def test_what_a_former_run_remembered_is_taken_up_when_the_disk_is_back(tmp_path: Path) -> None:
    """An alarm that was active then and is not now is cleared by the id under which the centre knows it."""
    site = VirtualSite(EXAMPLE, CABINET, tmp_path)
    name = site.settings.alarms[0]
    key, old = f"{name.name}/{name.points[0]}", "a" * 32
    before = Buffer(tmp_path / "buffer.db", "north", "site-1", site.ids(), site.ids)
    before.append([], {"alarms": {"gone/" + name.points[0]: old, key: "b" * 32}})
    before.close()
    (tmp_path / "buffer.db").rename(tmp_path / "elsewhere")
    (tmp_path / "buffer.db").mkdir()

    async def refuse(site: VirtualSite, gateway: Gateway) -> None:
        await asyncio.sleep(MINUTE_S)
        assert gateway.engine.remembered()["alarms"] == {}
        (tmp_path / "buffer.db").rmdir()
        (tmp_path / "elsewhere").rename(tmp_path / "buffer.db")
        await asyncio.sleep(MINUTE_S)
        assert gateway.engine.remembered()["alarms"].get(key, "b" * 32) == "b" * 32

    site.run(refuse)
    cleared = [event.id for event in site.events() if isinstance(event, AlarmCleared)]
    assert old in cleared


def test_a_buffer_that_turns_out_corrupt_at_work_goes_on_in_a_new_epoch_on_the_same_connection() -> None:
    """What could be read of it arrives, and what comes after; nothing waits for what is gone."""

    async def live() -> None:
        await world.start()
        await world.telemetry()
        await asyncio.sleep(10)
        world.centre_up = False
        for _ in range(8):
            await world.many()
        await asyncio.sleep(5)
        buffer, epoch = world.buffer, world.buffer.epoch
        buffer._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        spoil(buffer.path, buffer.path.stat().st_size - 4 * PAGE, 2 * PAGE)
        buffer._db.execute("PRAGMA shrink_memory")
        with pytest.raises(BufferClosedError):
            await world.keeper.run(world.held)
        await world.keeper.run(buffer.open)
        assert buffer.epoch != epoch
        held = await world.keeper.run(world.held)
        assert 40 < len(held) < 96
        world.owed &= held | world.centre.seen
        await world.many()
        await world.restart_centre()
        await asyncio.sleep(120)
        assert world.owed <= world.centre.seen
        assert world.uplink.drained
        assert world.uplink.connections == 1
        await world.stop()

    world = World(Path(tempfile.mkdtemp()), 1)
    try:
        run_virtually(live())
    finally:
        world.close()
