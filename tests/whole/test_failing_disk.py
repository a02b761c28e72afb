"""A disk that refuses to be written costs neither the connection nor the gateway."""

import asyncio
import tempfile
from pathlib import Path

from simulators.virtual_loop import run_virtually
from tests.whole.lossy_world import World


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
