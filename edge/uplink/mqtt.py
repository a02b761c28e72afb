"""The MQTT 5 link of a gateway: it and its client alone touch MQTT here. Session says what, this does it."""

import asyncio
import contextlib
import logging
import math
import sqlite3
from collections.abc import Sequence
from random import Random

import aiomqtt

from contract import batches, messages, topics
from contract.errors import ContractError
from contract.messages import Ack, DeviceEntry, Watch
from contract.samples import ClockState, Measured
from contract.topics import Kind, Lane
from edge.buffer.batch import Stored
from edge.buffer.keeper import Keeper
from edge.buffer.store import Buffer
from edge.clock import Clock, Moment
from edge.desired.documents import Documents
from edge.identity.trust import LinkTls
from edge.remote.desk import Desk
from edge.settings import Broker
from edge.telling import Told, first_of
from edge.uplink.back_off import BackOff
from edge.uplink.budget import Allowance, Plan
from edge.uplink.client import Client
from edge.uplink.greeting import Greeting
from edge.uplink.kept_turns import KeptTurns
from edge.uplink.live import Live
from edge.uplink.metering import Meter
from edge.uplink.reading import Reader
from edge.uplink.renumberings import Renumberings
from edge.uplink.session import Session
from edge.uplink.spending import Spending
from edge.waiting import Wake, ended, heed_cancellation

_log = logging.getLogger(__name__)

LOOK_INTERVAL_S = 30.0
"""The link looks so often at least whether something is due."""
LOOK_LATER_S = 0.01
"""Later than due, so that it is due then."""
LIVE_POINTS_MAX = 10_000
ERROR_CHARACTERS_MAX = 600
"""Of a lost link's reason, which ends with what to do."""
OPEN_LOOK_S = 1.0
"""So often at least whether the buffer is open."""
CLOCK_LOOK_S = 1.0
CLOSE_TIMEOUT_S = 3.0
CANCEL_AGAIN_S = 10.0
"""A connection that was told to end and has not said goodbye by then is told again."""
PUBLISH_TIMEOUT_S = 120.0
"""A whole window has to pass over a slow link before what is said last is confirmed, or even handed over;
a dead one is found sooner, by keepalive."""


class Uplink:
    """Keeps a connection, sends what the session names, deletes what the centre acknowledges."""

    def __init__(
        self,
        broker: Broker,
        session: Session,
        buffer: Buffer,
        keeper: Keeper,
        clock: Clock,
        random: Random,
        *,
        software: str,
        devices: list[DeviceEntry],
        plan: Plan | None = None,
        delete_on_puback: bool = False,
        synchronise_wait_s: float = 0,
        documents: Documents | None = None,
        desk: Desk | None = None,
        tls: LinkTls | None = None,
    ) -> None:
        """``plan`` is the monthly budget; ``delete_on_puback`` is for showing what is lost that way.

        The first connection gives an unset clock ``synchronise_wait_s`` to be synchronised over the same
        link: what was measured without it is then sent with its right times. ``documents`` gets what the
        centre wants to hold, ``desk`` its commands. ``tls`` is how the broker is known, and we to it.
        """
        self._broker, self._session, self._buffer, self._tls = broker, session, buffer, tls
        self._keeper, self._clock = keeper, clock
        self._back_off = BackOff(broker.reconnect_min_s, broker.reconnect_max_s, random)
        self._documents, self._desk = documents, desk
        in_force = (lambda: documents.in_force) if documents else dict[str, int]
        self._greeting = Greeting(buffer, keeper, software, devices, in_force)
        self._delete_on_puback, self._synchronise_wait_s = delete_on_puback, synchronise_wait_s
        self._names = (buffer.district, buffer.gateway)
        self._wake = Wake()
        self._live = Live(broker.live_interval_s, LIVE_POINTS_MAX)
        self._turns = KeptTurns(buffer, keeper, clock.now().s)
        self._renumberings = Renumberings()
        self._reader = Reader(buffer, keeper, clock)
        self._lock = asyncio.Lock()
        """Held while an acknowledgement is checked: nobody knows whether the epoch still stands."""
        self._life = 0
        self.connections = 0
        self.heard_s: float | None = None
        """When the centre has acknowledged something last, by the monotonic clock."""
        self.connected_since_ms: int | None = None
        self.down_since_s: float | None = clock.s()
        self.last_error, self.last_error_ms = "", 0
        self.meter = Meter(Allowance(plan or Plan(), clock.now()), broker.packet_extra_bytes)
        self.spending = Spending(self.meter, session, buffer, keeper, clock)
        self._told = Told(f"broker {broker.host}:{broker.port}")

    def stored(self, batch: Stored) -> None:
        """A batch was committed: send it as soon as the window allows."""
        self._session.appended(batch.lane, batch.sequence)
        self._reader.committed(batch)
        self._wake.set()

    def leaves_at_once(self, lane: Lane) -> bool:
        """Say whether what is committed now is sent without a wait."""
        return self._session.leaves_at_once(lane) and self.spending.may_send(lane)

    @property
    def session(self) -> Session:
        """Where both lanes stand."""
        return self._session

    def measured(self, measured: Sequence[Measured], now: Moment) -> None:
        """Something was measured: it is sent live if somebody watches."""
        if self._live.is_watched and self._live.measured(measured, now.s) and self._session.connected:
            self._wake.set()

    @property
    def drained(self) -> bool:
        """Say whether the centre has everything that is on disk, and the buffer knows it."""
        return self._session.drained and not self._lock.locked()

    async def run(self) -> None:
        """Connect, and connect again after every loss, until cancelled."""
        await self._opened()
        await self.spending.recall()
        await self._turns.recall()
        await asyncio.sleep(self._turns.wait_s(self._clock.now().s, 0.0))  # all may have started together
        while True:
            await self._opened()
            before, refused = self.connections, False
            # A task of its own: one that fails while it is cancelled would hide from us that we are to end.
            connection = asyncio.create_task(self._connection())
            try:
                await asyncio.wait({connection})
                connection.result()
            except* (aiomqtt.MqttError, OSError, TimeoutError, ValueError) as lost:  # control goes on
                self._told.failed(first_of(lost))
                told = first_of(lost)[:ERROR_CHARACTERS_MAX]
                self.last_error, self.last_error_ms = told, self._clock.now().wall_ms
            except* sqlite3.OperationalError as refusal:
                refused = True
                _log.error("the buffer %s refuses: %s", self._buffer.path, refusal.exceptions[0])
            finally:
                await ended(connection, CANCEL_AGAIN_S)
                self._session.disconnect()
                self.connected_since_ms = None
                if self.down_since_s is None:
                    self.down_since_s = self._clock.s()
            now_s = self._clock.now().s
            if self.connections > before:
                self._turns.lost(now_s)
            self._back_off.ended(failed=refused or self.connections == before)
            await asyncio.sleep(self._turns.wait_s(now_s, self._back_off.wait_s()))

    async def _opened(self) -> None:
        """Wait for the buffer: without it there is no epoch to say hello with."""
        while not self._buffer.is_open:
            await asyncio.sleep(OPEN_LOOK_S)

    async def _connection(self) -> None:
        offline = self._greeting.state(online=False)
        async with self._client(offline) as client:
            heard = [(topics.ack(*self._names, lane), 1) for lane in Lane]
            heard += [(topics.desired(*self._names, "+"), 1), (topics.cmd(*self._names, "+"), 1)]
            await client.subscribe([*heard, (topics.watch(*self._names), 0)])
            online = self._greeting.state(online=True)
            await client.publish(topics.state(*self._names), online, qos=1, retain=True)
            heed_cancellation()
            self.connections += 1
            self.connected_since_ms, self.down_since_s = self._clock.now().wall_ms, None
            self._told.works()
            await self._restart()  # a lost connection may have left a renumbering half told
            await self._clock_set()
            self._session.connect()
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._receive(client))
                    tasks.create_task(self._send(client, tasks))
            except asyncio.CancelledError:
                # A stopping gateway says so itself; its will is for the other cases.
                with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
                    async with asyncio.timeout(CLOSE_TIMEOUT_S):
                        await client.publish(topics.state(*self._names), offline, qos=1, retain=True)
                raise

    def _client(self, offline: bytes) -> aiomqtt.Client:
        signed = {
            topics.desired(*self._names, ""): self._desired,
            topics.cmd(*self._names, ""): self._command,
        }
        tls = self._tls.context() if self._tls else None
        return Client(self._broker, self._names, offline, self.meter, self._clock, signed, tls)

    def _desired(self, kind: str, message: bytes, retained: bool) -> None:
        if self._documents:
            self._documents.offer(kind, message, retained=retained)

    def _command(self, name: str, message: bytes, _retained: bool) -> None:
        if self._desk:
            self._desk.offer(name, message)

    async def _receive(self, client: aiomqtt.Client) -> None:
        async for received in client.messages:
            try:
                topic = topics.parse(str(received.topic))
                payload = received.payload
                if topic.kind is Kind.ACK and isinstance(payload, bytes):
                    ack = messages.decode(payload, Ack)
                    self.heard_s = self._clock.now().s
                    await self._acknowledged(Lane(topic.name), ack)
                elif topic.kind is Kind.WATCH and isinstance(payload, bytes):
                    self._live.watched(messages.decode(payload, Watch).for_s, self._clock.now().s)
            except ContractError as error:
                _log.warning("ignored a message on %s: %s", str(received.topic)[:80], error)
            self._wake.set()
        raise aiomqtt.MqttError("the connection ended")

    async def _acknowledged(self, lane: Lane, ack: Ack) -> None:
        async with self._lock:
            if self._buffer.life != self._life:
                return  # the epoch may be another; nothing of this one is known here yet
            if ack.turn is not None:
                await self._turns.given(ack.turn)
            upto = self._session.acknowledged(lane, ack, self._clock.now().s)
            if upto is None:
                return
            try:
                if await self._keeper.run(self._buffer.acknowledge, lane, upto, ack.digest):
                    return
            except sqlite3.OperationalError as error:  # deleting can wait: acknowledgements are cumulative
                _log.error("the buffer %s refuses: %s", self._buffer.path, error)
                return
            if not self._renumberings.may(self._clock.now().s):
                now_s = self._clock.now().s
                [held] = await self._keeper.run(self._buffer.ranges)
                self._session.doubt(held.lanes, now_s, self._renumberings.wait_s(now_s))
                return
            _log.warning(
                "the centre has another batch %d of lane %s: this buffer is a copy or was rolled back; "
                "everything it holds goes into a new epoch",
                upto,
                lane,
            )
            await self._keeper.run(self._buffer.renumber)
            await self._restart()

    async def _clock_set(self) -> None:
        """Wait for the first synchronisation, once and not for ever."""
        until_s = self._clock.now().s + self._synchronise_wait_s
        self._synchronise_wait_s = 0.0
        while (now := self._clock.now()).clock is ClockState.UNSET and now.s < until_s:
            await asyncio.sleep(CLOCK_LOOK_S)

    async def _restart(self) -> None:
        life = self._buffer.life
        [held] = await self._keeper.run(self._buffer.ranges)
        self._life = life
        self._reader.forget()  # what was renumbered is not sent by its old number
        self._session.restart(held.epoch, held.lanes)

    async def _send(self, client: aiomqtt.Client, tasks: asyncio.TaskGroup) -> None:
        while True:
            now_s = self._clock.now().s
            self._session.tick(now_s)
            if self._session.hello_due(now_s):
                hello = await self._greeting.hello(self._clock.now())
                self.meter.handed(len(hello))
                topic = topics.hello(*self._names)
                await client.publish(topic, hello, qos=1, retain=True, timeout=PUBLISH_TIMEOUT_S)
                heed_cancellation()
                self.meter.arrived(len(hello), self._clock.now())
            await self._send_live(client)
            while (stored := await self._next()) is not None:
                await self._send_live(client)
                tasks.create_task(self._publish(client, stored))
                await asyncio.sleep(0)
            await self.spending.keep(everything=False)
            idle_s = min(self._session.idle_s(self._clock.now().s), self.spending.wait_s() or math.inf)
            idle_s = min(idle_s, self._live.idle_s(self._clock.now().s))
            await self._wake.wait(min(LOOK_INTERVAL_S, idle_s + LOOK_LATER_S))

    async def _send_live(self, client: aiomqtt.Client) -> None:
        """What is new goes ahead of the backlog: only what is under way already is before it."""
        if samples := self._live.take(self._clock.now().s):
            try:
                message = batches.live_message(samples)
                await client.publish(topics.live(*self._names), message, qos=0, timeout=PUBLISH_TIMEOUT_S)
                heed_cancellation()
            except ContractError as error:
                _log.warning("live values cannot be sent: %s", error)

    async def _next(self) -> Stored | None:
        """Return what is to be sent now, if anything, and count it as sent."""
        async with self._lock:
            if self._buffer.life != self._life:
                await self._restart()  # the buffer was opened anew: take it as it is
            due = self._session.next_to_send(self.spending.may_send)
            if due is None:
                return None
            stored = await self._reader.find(*due, self._last_to_read(*due))
            if stored is None:
                # Let go meanwhile. What is under way is answered first: the hello then begins behind it.
                if not self._session.lanes[due[0]].under_way:
                    await self._restart()
                return None
            if not self.spending.admits(stored):
                return None
            octets = len(stored.message)
            self._reader.left(stored)
            self._session.sent(*due, octets, self._clock.now().s)
            self.meter.handed(octets)
            return stored

    def _last_to_read(self, lane: Lane, sequence: int) -> int:
        """Return up to where to read ahead: what is read is settled, so nothing that may wait for long."""
        may_wait = self.spending.has_budget or self._clock.now().clock is ClockState.UNSET
        return sequence if may_wait else self._session.lanes[lane].last

    async def _publish(self, client: aiomqtt.Client, stored: Stored) -> None:
        topic = topics.up(*self._names, stored.lane)
        try:
            await client.publish(topic, stored.message, qos=1, timeout=PUBLISH_TIMEOUT_S)
        finally:
            self.meter.arrived(len(stored.message), self._clock.now())
        if self._delete_on_puback:
            await self._keeper.run(self._buffer.forget, stored.lane, stored.sequence)
