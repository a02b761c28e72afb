"""The whole centre against a real broker: nothing acknowledged is lost, whatever happens to the broker."""

import asyncio
import contextlib
import gc
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import aiomqtt
import httpx
import pytest

from collector.journal import head
from collector.mqtt import UNCONFIRMED_MAX, Client
from collector.series import reading as series_reading
from collector.service import Collector, World, running
from collector.settings import load
from collector.tables import cases, gaps, journal
from contract import batches, messages, topics
from contract.messages import Ack
from contract.samples import Sample
from contract.topics import Lane
from simulators.mosquitto import Mosquitto
from tests.collector.making import EPOCH, NOW_MS, greeting, happened, raised, rows, settings, telemetry

pytestmark = pytest.mark.xdist_group("broker")
WAIT_S = 20.0
CONNECT, SUBSCRIBE = 1, 8


class Gateway:
    """The least that a gateway is: it holds batches, and hears acknowledgements."""

    def __init__(self, client: aiomqtt.Client) -> None:
        """``acks`` are those of the telemetry lane, in the order they came."""
        self.client = client
        self.acks: list[Ack] = []

    async def say_hello(self, first: int, following: int) -> None:
        """Say what is held, retained."""
        await self.client.publish(
            topics.hello("north", "gw-1"), greeting(first, following), qos=1, retain=True
        )

    async def send(self, *sequences: int) -> None:
        """Publish batches of one sample each."""
        for sequence in sequences:
            await self.client.publish(topics.up("north", "gw-1", Lane.TELEMETRY), telemetry(sequence), qos=1)

    async def listen(self) -> None:
        """Collect acknowledgements until the connection ends."""
        with contextlib.suppress(aiomqtt.MqttError):
            async for message in self.client.messages:
                assert isinstance(message.payload, bytes)
                self.acks.append(messages.decode(message.payload, Ack))

    async def acknowledged(self, upto: int) -> Ack:
        """Wait until everything up to ``upto`` is acknowledged."""
        await until(lambda: bool(self.acks) and self.acks[-1].upto >= upto)
        return self.acks[-1]


@contextlib.asynccontextmanager
async def gateway(port: int) -> AsyncIterator[Gateway]:
    """Connect a gateway."""
    client = aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, identifier="gw-1")
    with contextlib.suppress(aiomqtt.MqttError):  # the broker may be killed under it
        async with client:
            await client.subscribe(topics.ack("north", "gw-1", Lane.TELEMETRY), qos=1)
            speaker = Gateway(client)
            listening = asyncio.create_task(speaker.listen())
            try:
                yield speaker
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
    if client._disconnected.done():
        client._disconnected.exception()  # else asyncio prints that it was never retrieved


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so; fail after a bound."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker of this test's own."""
    mosquitto = Mosquitto(tmp_path / "broker")
    mosquitto.start()
    yield mosquitto
    mosquitto.kill()


def stored(collector: Collector) -> list[object]:
    """Return the values of the one series."""
    key = ("gw-1", "meter", "pressure")
    samples = collector.store.read_now(
        lambda db: series_reading.history(db, key, from_ms=0, to_ms=10**15, limit=1000)
    )
    return [sample.value for sample in samples]


def test_batches_are_acknowledged_once_committed_and_holes_are_told_at_once(
    broker: Mosquitto, tmp_path: Path
) -> None:
    """The acknowledgement carries the digest of the last batch; an alarm is a case a moment later."""

    async def scenario() -> None:
        async with running(settings(tmp_path, port=broker.port), World.real()) as collector:
            await until(lambda: collector.link.connected)
            async with gateway(broker.port) as speaker:
                await speaker.say_hello(1, 1)
                await speaker.send(*range(1, 11))
                assert await speaker.acknowledged(10) == Ack(1, EPOCH, 10, batches.digest(telemetry(10)))
                assert collector.state.read_now(head).batches == 10

                heard = len(speaker.acks)
                await speaker.send(12)
                await until(lambda: len(speaker.acks) > heard)
                assert speaker.acks[-1].upto == 10
                await speaker.send(11, 12)
                await speaker.acknowledged(12)

                data = happened(1, raised(1))
                await speaker.client.publish(topics.up("north", "gw-1", Lane.EVENTS), data, qos=1)
                await until(lambda: len(rows(collector.state, cases)) == 1)
                await until(lambda: len(stored(collector)) == 12)
                [point] = (await asked(collector, "/api/v1/points")).json()["items"]
                assert point["value"] == 12
                assert (await asked(collector, "/healthz")).status_code == 200

    asyncio.run(scenario())


async def asked(collector: Collector, path: str) -> httpx.Response:
    """Ask the interface over its socket."""
    async with httpx.AsyncClient(base_url=collector.url) as client:
        return await client.get(path)


def test_a_broker_killed_and_wiped_loses_nothing(broker: Mosquitto, tmp_path: Path) -> None:
    """Kill it with messages under way, twice; the gateway says hello and goes on from what it is told."""

    async def scenario() -> None:
        async with running(settings(tmp_path, port=broker.port), World.real()) as collector:
            upto = 0
            for last in (20, 40):
                async with gateway(broker.port) as speaker:
                    await speaker.say_hello(upto + 1, last)
                    upto = (await speaker.acknowledged(upto)).upto
                    await speaker.send(*range(upto + 1, upto + 11))
                    sending = asyncio.create_task(speaker.send(*range(upto + 11, last + 1)))
                    await speaker.acknowledged(upto + 1)
                    broker.kill()
                    broker.wipe()
                    sending.cancel()
                    await asyncio.gather(sending, return_exceptions=True)
                await until(lambda: not collector.link.connected)
                assert (await asked(collector, "/healthz")).status_code == 503
                upto = speaker.acks[-1].upto
                broker.start()
                await until(lambda: collector.link.connected)
            async with gateway(broker.port) as speaker:
                await speaker.say_hello(upto + 1, 61)
                upto = (await speaker.acknowledged(upto)).upto
                await speaker.send(*range(upto + 1, 61))
                await speaker.acknowledged(60)
            assert [row[4] for row in rows(collector.state, journal)] == list(range(1, 61))
            assert rows(collector.state, gaps) == []
            await until(lambda: stored(collector) == list(range(1, 61)))

    asyncio.run(scenario())


def test_a_centre_that_was_away_goes_on_where_it_was(broker: Mosquitto, tmp_path: Path) -> None:
    """The broker keeps what came meanwhile; marks and journal are those of before."""
    loaded = settings(tmp_path, port=broker.port)

    async def scenario() -> None:
        async with gateway(broker.port) as speaker:
            async with running(loaded, World.real()) as collector:
                await until(lambda: collector.link.connected)
                await speaker.send(1, 2, 3)
                await speaker.acknowledged(3)
            await speaker.send(4, 5)
            assert speaker.acks[-1].upto == 3
            async with running(loaded, World.real()) as collector:
                await speaker.acknowledged(5)
                await until(lambda: stored(collector) == [1, 2, 3, 4, 5])

    asyncio.run(scenario())


def test_a_full_ingest_queue_makes_the_broker_wait_and_loses_nothing(
    broker: Mosquitto, tmp_path: Path
) -> None:
    """While nothing can be committed, at most Receive Maximum messages wait beside the queue."""
    settings(tmp_path, port=broker.port, limits="ingest_queue_bytes_max = 524288")
    path = tmp_path / "collector.toml"
    path.write_text(path.read_text().replace("[broker]", "[broker]\nreceive_maximum = 5"))
    noise = Random(1)
    big = [Sample(NOW_MS + number, "meter", "noise", noise.random()) for number in range(9_000)]  # 66 KiB
    gate = threading.Event()

    async def scenario() -> None:
        async with running(load(path), World.real()) as collector:
            await until(lambda: collector.link.connected)
            stalled = collector.state._write_thread.submit(gate.wait, WAIT_S)
            async with gateway(broker.port) as speaker:
                topic = topics.up("north", "gw-1", Lane.TELEMETRY)
                for sequence in range(1, 31):
                    await speaker.client.publish(topic, telemetry(sequence, big), qos=1)
                await until(lambda: collector.link.waiting > 0)
                assert collector.link.waiting <= 5
                assert speaker.acks == []
                gate.set()
                await asyncio.wrap_future(stalled)
                await speaker.acknowledged(30)
            assert collector.state.read_now(head).batches == 30

    asyncio.run(scenario())


def test_a_flood_of_qos_0_is_bounded_while_nothing_can_be_committed(
    broker: Mosquitto, tmp_path: Path
) -> None:
    """Receive Maximum does not hold such messages back; they are dropped, and QoS 1 is still taken."""
    gate = threading.Event()

    async def scenario() -> None:
        limits = "ingest_queue_bytes_max = 524288"
        async with running(settings(tmp_path, port=broker.port, limits=limits), World.real()) as collector:
            await until(lambda: collector.link.connected)
            stalled = collector.state._write_thread.submit(gate.wait, WAIT_S)
            async with gateway(broker.port) as speaker:
                topic = topics.up("north", "gw-1", Lane.TELEMETRY)
                for _ in range(500):
                    await speaker.client.publish(topic, bytes(100_000), qos=0)
                await speaker.send(1)
                await until(lambda: collector.link.waiting > UNCONFIRMED_MAX)
                assert collector.link.waiting == UNCONFIRMED_MAX + 1
                gate.set()
                await asyncio.wrap_future(stalled)
                await speaker.acknowledged(1)

    asyncio.run(scenario())


GRANTED, NOT_AUTHORISED = bytes([1, 1, 1, 0]), bytes([0x87, 1, 0x87, 0])


@contextlib.asynccontextmanager
async def odd_broker(granted: bytes, *, leaves_after: int = 0) -> AsyncIterator[int]:
    """Serve as a broker that answers connect and subscribe, and goes after one of them; yield the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            kind = 0
            while not leaves_after or kind != leaves_after:
                kind = (await reader.readexactly(1))[0] >> 4
                length = shift = 0
                while True:
                    digit = (await reader.readexactly(1))[0]
                    length |= (digit & 0x7F) << shift
                    shift += 7
                    if digit < 0x80:
                        break
                body = await reader.readexactly(length)
                if kind == CONNECT:
                    writer.write(bytes([0x20, 3, 0, 0, 0]))
                elif kind == SUBSCRIBE:
                    writer.write(bytes([0x90, 3 + len(granted), *body[:2], 0]) + granted)
                await writer.drain()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("leaves_after", [CONNECT, SUBSCRIBE])
def test_a_broker_that_goes_is_told_once_and_by_us(
    leaves_after: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever we wait for just then, the library's own account of the loss is heard, and not printed."""

    async def scenario() -> None:
        async with odd_broker(GRANTED, leaves_after=leaves_after) as port:
            settings(tmp_path, port=port)
            path = tmp_path / "collector.toml"
            path.write_text(path.read_text().replace("[broker]", "[broker]\nconnect_timeout_s = 0.2"))
            async with running(load(path), World.real()) as collector:
                await until(lambda: "not connected yet" not in collector.link.last_error)

    asyncio.run(scenario())
    gc.collect()
    assert "never retrieved" not in caplog.text
    assert "broker 127.0.0.1" in caplog.text


def test_a_centre_that_is_told_to_stop_ends_though_its_link_is_lost_just_then(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure that comes together with a cancellation takes its place: it is cancelled again."""
    asked = asyncio.Event()

    async def publish(*_: object, **__: object) -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise aiomqtt.MqttError("lost") from None

    async def scenario() -> None:
        async with asyncio.timeout(WAIT_S):
            async with running(settings(tmp_path, port=broker.port), World.real()) as collector:
                await until(lambda: collector.link.connected)
                async with gateway(broker.port) as speaker:
                    with monkeypatch.context() as patch:
                        patch.setattr(Client, "publish", publish)
                        await speaker.send(1)
                        await asked.wait()

    asyncio.run(scenario())


def test_a_refused_subscription_is_a_broken_link_and_told(tmp_path: Path) -> None:
    """Else the centre would be healthy and hear nothing for years."""

    async def scenario() -> None:
        async with (
            odd_broker(NOT_AUTHORISED) as port,
            running(settings(tmp_path, port=port), World.real()) as collector,
        ):
            await until(lambda: "refuses" in collector.link.last_error)
            answer = await asked(collector, "/healthz")
            assert answer.status_code == 503
            assert "refuses to subscribe us to gengfu/1/north/+/hello: Not authorized" in answer.text

    asyncio.run(scenario())


def test_a_host_name_that_is_none_is_told_and_tried_again(tmp_path: Path) -> None:
    """It is checked where it is looked up; the interface is served all the while."""
    loaded = settings(tmp_path)
    broker = loaded.settings.broker.model_copy(update={"host": "a..b"})
    loaded = replace(loaded, settings=loaded.settings.model_copy(update={"broker": broker}))

    async def scenario() -> None:
        async with running(loaded, World.real()) as collector:
            await until(lambda: "idna" in collector.link.last_error)
            assert (await asked(collector, "/healthz")).status_code == 503

    asyncio.run(scenario())
