"""Forged acknowledgements stop a gateway only for as long as they come: the real uplink, on virtual time."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from contract import messages, topics
from contract.messages import Ack
from contract.topics import Lane
from edge.uplink.session import LaneState
from simulators.virtual_loop import run_virtually
from tests.whole.lossy_world import World

WITHIN_S = 45
"""Half a minute without a contradiction, and the way of a hello and what waits."""


def far_ahead(_held: LaneState) -> int:
    """Return a number that the gateway never had."""
    return 10**6


def by_turns(held: LaneState) -> int:
    """Return such a number while nothing is doubted, then that of the last batch that the gateway holds."""
    return held.last if held.last > held.acked and not held.reconciled else 10**6


async def forge(world: World, for_s: int, upto: Callable[[LaneState], int]) -> None:
    """Contradict what the gateway holds, twice a second."""
    for _ in range(2 * for_s):
        if world.client:
            session = world.uplink.session
            forged = messages.encode(Ack(1, session.epoch, upto(session.lanes[Lane.TELEMETRY]), "d" * 32))
            world.client.inbox.put_nowait((topics.ack("north", "gw-1", Lane.TELEMETRY), forged))
        await asyncio.sleep(0.5)


@pytest.mark.parametrize("upto", [far_ahead, by_turns])
@pytest.mark.parametrize("for_s", range(900, 2100, 240))
def test_once_forgeries_end_all_that_waits_arrives_within_a_minute(
    for_s: int, upto: Callable[[LaneState], int]
) -> None:
    """Whenever they end, whatever they lay claim to, and however rare hellos have become."""

    async def whole() -> None:
        await world.start()
        await asyncio.sleep(5)
        forging = asyncio.create_task(forge(world, for_s, upto))
        for _ in range(for_s // 20 - 1):
            await world.do("telemetry")
            await asyncio.sleep(20)
        await forging
        ended_s, hellos = asyncio.get_running_loop().time(), world.published["hello"]
        while await world.keeper.run(
            world.held
        ):  # an uplink may take a forgery for an answer, a disk does not
            await asyncio.sleep(1)
            assert asyncio.get_running_loop().time() - ended_s <= WITHIN_S
        assert hellos < 40
        await world.stop()

    world = World(Path(tempfile.mkdtemp()), for_s)
    try:
        run_virtually(whole())
    finally:
        world.close()
