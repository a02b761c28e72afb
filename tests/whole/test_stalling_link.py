"""A link that stalls for a while is the same link afterwards: the real uplink, on virtual time."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any, cast

import aiomqtt
import pytest

from contract import messages, topics
from contract.messages import Ack, Watch
from contract.samples import Sample
from contract.topics import Lane
from edge.uplink.mqtt import Uplink
from simulators.virtual_loop import run_virtually
from tests.edge.virtual_gateway import LoopClock
from tests.whole.lossy_world import Client, SimulatedUplink, World

CONNECT_TIMEOUT_S = 10.0
"""The client's own, for whatever is published without another."""
STALLS_FOR_S = 15.0


class StallingClient(Client):
    """A client over a link that takes nothing for a while."""

    flows = asyncio.Event()

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False, **more: Any) -> None:
        """Hand over once the link takes something; as aiomqtt, give up after the timeout."""
        try:
            async with asyncio.timeout(more.get("timeout") or CONNECT_TIMEOUT_S):
                await self.flows.wait()
        except TimeoutError as late:
            raise aiomqtt.MqttError("Operation timed out") from late
        await super().publish(topic, payload, retain=retain, **more)


async def watched(world: World) -> None:
    """Somebody watches, and something is measured."""
    assert world.client
    watch = messages.encode(Watch(1, 300.0))
    world.client.inbox.put_nowait((topics.watch("north", "gw-1"), watch))
    await asyncio.sleep(1)
    world.uplink.measured([Sample(1, "d", "p", 1.0)], LoopClock().now())


async def asked_for_what_is_gone(world: World) -> None:
    """The centre's acknowledgement lies before what is held: the gateway says hello."""
    world.uplink.session.lanes[Lane.TELEMETRY].first = 9
    assert world.client
    early = messages.encode(Ack(1, world.uplink.session.epoch, 3, "d" * 32))
    world.client.inbox.put_nowait((topics.ack("north", "gw-1", Lane.TELEMETRY), early))


@pytest.mark.parametrize("says", [watched, asked_for_what_is_gone])
def test_what_is_said_while_a_link_stalls_does_not_end_it(monkeypatch: pytest.MonkeyPatch, says: Any) -> None:
    """A mobile link pauses for a quarter of a minute, and nothing has to be connected anew."""

    def client(uplink: Uplink, _: bytes) -> aiomqtt.Client:
        return cast("aiomqtt.Client", StallingClient(uplink.world))  # type: ignore[attr-defined]

    async def whole() -> None:
        StallingClient.flows = asyncio.Event()
        StallingClient.flows.set()
        await world.start()
        await asyncio.sleep(20)
        StallingClient.flows.clear()
        await says(world)
        await asyncio.sleep(STALLS_FOR_S)
        StallingClient.flows.set()
        await asyncio.sleep(20)
        assert (world.uplink.connections, world.uplink.last_error) == (1, "")
        await world.stop()

    monkeypatch.setattr(SimulatedUplink, "_client", client)
    world = World(Path(tempfile.mkdtemp()), 1)
    try:
        run_virtually(whole())
    finally:
        world.close()
