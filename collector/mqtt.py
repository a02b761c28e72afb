"""The MQTT 5 session with the broker: the only module here that touches MQTT.

Two things that aiomqtt does not do are done here. It would discard what its queue cannot hold, so a message
is confirmed to the broker (PUBACK) only once the ingest queue has taken it, and Receive Maximum bounds what
is under way. And it does not connect again, so this does, for as long as it takes.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any, cast

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from collector.ingest import Ingest
from collector.intake import Received
from collector.live import Live
from collector.metrics import Metrics
from collector.publishing import Publisher
from collector.settings import Broker
from collector.tls_files import BrokerTls
from contract.limits import MESSAGE_BYTES_MAX
from contract.topics import ROOT, client_id

_log = logging.getLogger(__name__)

LANES_AT_ONCE_MAX = 32
PACKET_BYTES_MAX = 2 * MESSAGE_BYTES_MAX
"""The broker drops larger ones; between this and the contract's limit they are refused and counted."""

UNCONFIRMED_MAX = 100
"""Messages of QoS 0 are taken only while fewer than so many wait: Receive Maximum does not bound them."""


class _Inbox(asyncio.Queue[aiomqtt.Message]):
    """What has arrived and the ingest has no room for yet; live values are handed on before it."""

    def __init__(self, live: Live, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self._live = live

    def put_nowait(self, item: aiomqtt.Message) -> None:
        """Take a message, unless nobody would miss it: gateways send nothing that matters with QoS 0."""
        if self._live.arrived(str(item.topic), item.payload) and not item.qos:
            return
        if item.qos or self.qsize() < UNCONFIRMED_MAX:
            super().put_nowait(item)


class Client(aiomqtt.Client):
    """Its loss shows where it is used; of the future that tells of it, too, nobody may hear."""

    def _on_disconnect(self, *args: Any) -> None:
        super()._on_disconnect(*args)
        if self._disconnected.done():
            self._disconnected.exception()  # else asyncio prints that it was never retrieved


class Link:
    """Keeps the session, feeds the ingest, sends its acknowledgements and what gateways are to hold or do."""

    def __init__(
        self,
        broker: Broker,
        district: str,
        ingest: Ingest,
        metrics: Metrics,
        live: Live,
        publishers: Sequence[Publisher],
        *,
        random: Random,
        now_ms: Callable[[], int],
        tls: BrokerTls | None = None,
    ) -> None:
        """Prepare; ``run`` connects, over ``tls`` where it is given."""
        self.connected = False
        self.last_error = "not connected yet"
        self._broker, self._district = broker, district
        self._ingest, self._metrics, self._live = ingest, metrics, live
        self._publishers = publishers
        self._random, self._now_ms, self._tls = random, now_ms, tls
        self._current: aiomqtt.Client | None = None

    @property
    def waiting(self) -> int:
        """How many messages have arrived that the ingest has no room for; bounded by Receive Maximum."""
        return len(self._current.messages) if self._current else 0

    async def run(self) -> None:
        """Connect, and connect again after every loss, until cancelled."""
        failures = 0
        while True:
            try:
                await self._session()
            except* (aiomqtt.MqttError, OSError, TimeoutError, UnicodeError) as lost:  # Unicode: no host name
                self.last_error = str(_first(lost)) or type(_first(lost)).__name__
                _log.warning("broker %s:%s: %s", self._broker.host, self._broker.port, self.last_error)
            finally:
                failures = 0 if self.connected else failures + 1
                self.connected, self._current = False, None
                self._metrics.broker_connected.set(0)
            await asyncio.sleep(self._back_off_s(failures))

    async def _session(self) -> None:
        async with self._client() as client:
            topics = [f"{ROOT}/{self._district}/+/{tail}" for tail in ("hello", "up/+", "state")]
            granted = await client.subscribe(
                [*((topic, 1) for topic in topics), (f"{ROOT}/{self._district}/+/live", 0)]
            )
            for topic, code in zip(topics, granted, strict=False):
                if getattr(code, "value", code) != 1:  # taken for granted, we would hear nothing for ever
                    raise aiomqtt.MqttError(f"the broker refuses to subscribe us to {topic}: {code}")
            self.connected, self._current = True, client
            self._metrics.broker_connected.set(1)
            self._metrics.broker_connections.inc()
            _log.info("connected to broker %s:%s", self._broker.host, self._broker.port)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive(client))
                tasks.create_task(self._acknowledge(client))
                tasks.create_task(self._ask(client))
                for publisher in self._publishers:
                    tasks.create_task(self._publish(client, publisher))

    def _client(self) -> aiomqtt.Client:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._broker.session_expiry_s
        properties.ReceiveMaximum = self._broker.receive_maximum
        properties.MaximumPacketSize = PACKET_BYTES_MAX
        client = Client(
            self._broker.host,
            self._broker.port,
            identifier=self._broker.client_id or f"gengfu-collector-{self._district}",
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            keepalive=self._broker.keepalive_s,
            timeout=self._broker.connect_timeout_s,
            properties=properties,
            tls_context=self._tls.context() if self._tls else None,  # files that were renewed count at once
            max_inflight_messages=2 * LANES_AT_ONCE_MAX,
            logger=_log.getChild("client"),
            queue_type=cast("type[asyncio.Queue[aiomqtt.Message]]", partial(_Inbox, self._live)),
        )
        client.pending_calls_threshold = 2 * LANES_AT_ONCE_MAX
        client._client.manual_ack_set(True)  # aiomqtt 2.x has no public way
        return client

    async def _receive(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            await self._ingest.offer(
                Received(str(message.topic), message.payload, self._now_ms(), message.retain)
            )
            client._client.ack(message.mid, message.qos)
        raise aiomqtt.MqttError("the connection ended")

    async def _acknowledge(self, client: aiomqtt.Client) -> None:
        while True:
            waiting = await self._ingest.acks.take(LANES_AT_ONCE_MAX)
            async with asyncio.TaskGroup() as tasks:
                for ack in waiting:
                    tasks.create_task(client.publish(ack.topic, ack.payload, qos=1))
            self._metrics.acknowledgements.inc(len(waiting))

    async def _ask(self, client: aiomqtt.Client) -> None:
        """Ask gateways for live values as long as somebody listens."""
        while True:
            for topic, payload in await self._live.due():
                await client.publish(topic, payload, qos=0)

    async def _publish(self, client: aiomqtt.Client, publisher: Publisher) -> None:
        """Publish what is due: documents, which a gateway that is away gets when it comes, or commands."""
        while True:
            due = await publisher.take()
            async with asyncio.TaskGroup() as tasks:
                for each in due:
                    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
                    if each.expiry_s is not None:
                        properties.MessageExpiryInterval = each.expiry_s
                    tasks.create_task(
                        client.publish(
                            each.topic, each.payload, qos=1, retain=each.retain, properties=properties
                        )
                    )
            await publisher.sent(due)

    def _back_off_s(self, failures: int) -> float:
        wait_s = min(self._broker.reconnect_min_s * 2.0 ** min(failures, 16), self._broker.reconnect_max_s)
        return wait_s * (0.5 + self._random.random() / 2)


async def take_over(broker: Broker, tls: ssl.SSLContext, district: str, gateway: str) -> None:
    """Connect as a gateway and say goodbye: the session that it had is cut. OSError where that fails."""
    client = Client(
        broker.host,
        broker.port,
        identifier=client_id(district, gateway),
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=True,
        timeout=broker.connect_timeout_s,
        tls_context=tls,
        logger=_log.getChild("client"),
    )
    try:
        async with client:
            pass
    except aiomqtt.MqttError as error:
        raise ConnectionError(str(error)) from error


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first plain exception of nested groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
