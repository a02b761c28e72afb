"""The MQTT client of a gateway: looks seldom after itself, heeds what a broker takes, meters its sockets."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import aiomqtt

from contract import topics
from edge.clock import Clock
from edge.settings import Broker
from edge.uplink.metering import Meter, carried

_log = logging.getLogger(__name__)

KEEPALIVE_LOOK_S_MAX = 5.0
INCOMING_MESSAGES_MAX = 1_000
UNCONFIRMED_MAX = 1_000
"""So many publications may wait for their PUBACK, if the broker allows (``max_inflight_messages``):
on a long way round this bounds what a link carries."""
RECEIVE_MAXIMUM_UNSAID = 65_535

OnSigned = Callable[[str, bytes, bool], None]
"""Takes the last level of the topic, the payload, and whether the broker had retained it."""


class _Inbox(asyncio.Queue[aiomqtt.Message]):
    """What has arrived; what is signed is handed on before it: a flood of that displaces nothing else."""

    def __init__(self, signed: Mapping[str, OnSigned], maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self._signed = dict(signed)

    def put_nowait(self, item: aiomqtt.Message) -> None:
        """Take a message."""
        topic = str(item.topic)
        for begins, taken in self._signed.items():
            if topic.startswith(begins):
                taken(topic.removeprefix(begins), item.payload, item.retain)
                return
        super().put_nowait(item)


class Client(aiomqtt.Client):
    """Looks after its keepalive when needed, not each second: a wake-up costs as much as some polls."""

    def __init__(
        self,
        broker: Broker,
        names: tuple[str, str],
        offline: bytes,
        meter: Meter,
        clock: Clock,
        signed: Mapping[str, OnSigned],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``names`` are district and gateway, ``offline`` is the will; entering it connects.

        ``signed`` takes what is signed, by what its topics begin with.
        """
        inbox = partial(_Inbox, signed)
        super().__init__(
            broker.host,
            broker.port,
            tls_context=tls,
            identifier=topics.client_id(*names),
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=True,  # acknowledgements are repeated on hello; an old queue of them is of no use
            keepalive=broker.keepalive_s,
            timeout=broker.connect_timeout_s,
            will=aiomqtt.Will(topics.state(*names), offline, qos=1, retain=True),
            max_queued_incoming_messages=INCOMING_MESSAGES_MAX,
            queue_type=cast("type[asyncio.Queue[aiomqtt.Message]]", inbox),
            logger=_log,
        )
        self._meter, self._clock = meter, clock
        self._keepalive_look_s = min(KEEPALIVE_LOOK_S_MAX, broker.keepalive_s / 6)
        self.pending_calls_threshold = 2 * UNCONFIRMED_MAX

    def _on_connect(
        self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None
    ) -> None:
        """Take what the broker says that it takes at once: paho would not heed it."""
        broker_max = getattr(properties, "ReceiveMaximum", RECEIVE_MAXIMUM_UNSAID)
        # Nothing is in flight yet.
        self._client._max_inflight_messages = min(UNCONFIRMED_MAX, broker_max)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(self, *args: Any) -> None:
        super()._on_disconnect(*args)
        if self._disconnected.done():
            self._disconnected.exception()  # else asyncio prints that it was never retrieved

    async def _misc_loop(self) -> None:
        while self._client.loop_misc() == 0:
            await asyncio.sleep(self._keepalive_look_s)

    # Paho calls these where it likes, also on the thread that connects.
    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:
        self._loop.call_soon_threadsafe(self._meter.opened, sock)
        super()._on_socket_open(client, userdata, sock)

    def _on_socket_close(self, client: Any, userdata: Any, sock: Any) -> None:
        self._loop.call_soon_threadsafe(self._meter.closed, carried(sock), self._clock.now())
        super()._on_socket_close(client, userdata, sock)
