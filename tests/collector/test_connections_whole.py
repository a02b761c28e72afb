"""Who was connected when, with a real broker that publishes a real will."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest

from collector.service import Collector, World, running
from collector.settings import Loaded
from collector.tables import connections, listening
from contract import messages, topics
from contract.messages import State
from simulators.mosquitto import Mosquitto
from tests.collector.making import BOOT, rows, settings
from tests.collector.test_whole import until

pytestmark = pytest.mark.xdist_group("broker")
TOPIC = topics.state("north", "gw-1")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker of this test's own."""
    mosquitto = Mosquitto(tmp_path / "broker")
    mosquitto.start()
    yield mosquitto
    mosquitto.kill()


def said(online: bool) -> bytes:
    """Return the state as a gateway tells it."""
    return messages.encode(State(1, online, BOOT))


def intervals(collector: Collector) -> list[bool]:
    """Return of each interval whether it is over."""
    return [row[3] is not None for row in rows(collector.state, connections)]


async def connected_once(loaded: Loaded, client: aiomqtt.Client) -> bool:
    """Connect a gateway, restart the centre meanwhile, and let the gateway die without a word."""
    async with client:
        await client.publish(TOPIC, said(online=True), qos=1, retain=True)
        async with running(loaded, World.real()) as collector:
            await until(lambda: intervals(collector) == [False])
            await until(lambda: len(rows(collector.state, listening)) == 1)
        async with running(loaded, World.real()) as collector:
            await until(lambda: collector.link.connected and collector.metrics.states._value.get() > 0)
            assert intervals(collector) == [False]
            await until(lambda: len(rows(collector.state, listening)) == 2)
            wire = client._client.socket()
            assert isinstance(wire, socket.socket)
            wire.shutdown(socket.SHUT_RDWR)
            await until(lambda: intervals(collector) == [True])
            return True


def test_a_will_ends_what_a_state_began_and_a_restart_of_the_centre_does_neither(
    broker: Mosquitto, tmp_path: Path
) -> None:
    """One interval, though its state is delivered again, retained, to each centre that subscribes."""

    async def scenario() -> None:
        will = aiomqtt.Will(TOPIC, said(online=False), qos=1, retain=True)
        client = aiomqtt.Client(
            "127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5, identifier="gw-1", will=will
        )
        reached = False
        with contextlib.suppress(aiomqtt.MqttError):  # its end, once the wire is cut
            reached = await connected_once(settings(tmp_path, port=broker.port), client)
        if client._disconnected.done():
            client._disconnected.exception()  # else asyncio prints that it was never retrieved
        assert reached

    asyncio.run(scenario())
