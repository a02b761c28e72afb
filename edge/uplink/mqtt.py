"""The MQTT 5 link of a gateway: the only module here that touches MQTT. Session says what, this does it."""

import asyncio
import contextlib
import logging
import math
import sqlite3
from collections.abc import Sequence
from random import Random
from typing import Any

import aiomqtt
import msgspec

from contract import batches, messages, topics
from contract.errors import ContractError
from contract.limits import VERSION
from contract.messages import Ack, DeviceEntry, Hello, State, Turn, Watch
from contract.samples import ClockState, Measured
from contract.topics import Kind, Lane
from edge.buffer.keeper import Keeper
from edge.buffer.store import Buffer, Stored
from edge.clock import Clock
from edge.settings import Broker
from edge.telling import Told
from edge.uplink.budget import Allowance, Plan, Use
from edge.uplink.live import Live
from edge.uplink.metering import Meter, carried
from edge.uplink.reading import Reader
from edge.uplink.renumberings import Renumberings
from edge.uplink.session import Session
from edge.uplink.turns import Turns
from edge.waiting import Wake, ended

_log = logging.getLogger(__name__)

LOOK_INTERVAL_S = 30.0
"""The link looks so often at least whether something is due."""
KEEPALIVE_LOOK_S_MAX = 5.0
LOOK_LATER_S = 0.01
"""Later than due, so that it is due then."""
LIVE_POINTS_MAX = 10_000
OPEN_LOOK_S = 1.0
"""So often at least whether the buffer is open."""
CLOCK_LOOK_S = 1.0
CLOSE_TIMEOUT_S = 3.0
CANCEL_AGAIN_S = 10.0
"""A connection that was told to end and has not said goodbye by then is told again."""
PUBACK_TIMEOUT_S = 120.0
"""A whole window has to pass over a slow link before its last batch is confirmed; a dead one is found sooner,
by keepalive."""
INCOMING_MESSAGES_MAX = 1_000
UNCONFIRMED_MAX = 1_000
"""So many publications may wait for their PUBACK, if the broker allows (``max_inflight_messages``):
on a long way round this bounds what a link carries."""
RECEIVE_MAXIMUM_UNSAID = 65_535


class _Client(aiomqtt.Client):
    """Looks after its keepalive when needed, not each second: a wake-up costs as much as some polls."""

    keepalive_look_s = 1.0
    meter: Meter
    clock: Clock
    unconfirmed_max = 20

    def _on_connect(
        self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None
    ) -> None:
        """Take what the broker says that it takes at once: paho would not heed it."""
        broker_max = getattr(properties, "ReceiveMaximum", RECEIVE_MAXIMUM_UNSAID)
        self._client._max_inflight_messages = min(
            self.unconfirmed_max, broker_max
        )  # nothing is in flight yet
        super()._on_connect(client, userdata, flags, reason_code, properties)

    async def _misc_loop(self) -> None:
        while self._client.loop_misc() == 0:
            await asyncio.sleep(self.keepalive_look_s)

    # Paho calls these where it likes, also on the thread that connects.
    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:
        self._loop.call_soon_threadsafe(self.meter.opened, sock)
        super()._on_socket_open(client, userdata, sock)

    def _on_socket_close(self, client: Any, userdata: Any, sock: Any) -> None:
        self._loop.call_soon_threadsafe(self.meter.closed, carried(sock), self.clock.now())
        super()._on_socket_close(client, userdata, sock)


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
    ) -> None:
        """``plan`` is the monthly budget; ``delete_on_puback`` is for showing what is lost that way.

        The first connection gives an unset clock ``synchronise_wait_s`` to be synchronised over the same
        link: what was measured without it is then sent with its right times.
        """
        self._broker, self._session, self._buffer = broker, session, buffer
        self._keeper, self._clock, self._random = keeper, clock, random
        self._software, self._devices = software, devices
        self._delete_on_puback, self._synchronise_wait_s = delete_on_puback, synchronise_wait_s
        self._names = (buffer.district, buffer.gateway)
        self._wake = Wake()
        self._live = Live(broker.live_interval_s, LIVE_POINTS_MAX)
        self._turns = Turns(None, clock.now().s)
        self._renumberings = Renumberings()
        self._reader = Reader(buffer, keeper, clock)
        self._lock = asyncio.Lock()
        """Held while an acknowledgement is checked: nobody knows whether the epoch still stands."""
        self._life = 0
        self.connections = 0
        self.connected_since_ms: int | None = None
        self.last_error, self.last_error_ms = "", 0
        self.meter = Meter(Allowance(plan or Plan(), clock.now()), broker.packet_extra_bytes)
        self._held_octets = 1
        """The size of the batch that the budget keeps waiting, as far as it is known."""
        self._told = Told(f"broker {broker.host}:{broker.port}")

    def stored(self, batch: Stored) -> None:
        """A batch was committed: send it as soon as the window allows."""
        self._session.appended(batch.lane, batch.sequence)
        self._reader.committed(batch)
        self._wake.set()

    def leaves_at_once(self, lane: Lane) -> bool:
        """Say whether what is committed now is sent without a wait."""
        return self._session.leaves_at_once(lane) and self._may_send(lane)

    @property
    def session(self) -> Session:
        """Where both lanes stand."""
        return self._session

    def measured(self, measured: Sequence[Measured]) -> None:
        """Something was measured: it is sent live if somebody watches."""
        if self._live.measured(measured, self._clock.now().s) and self._session.connected:
            self._wake.set()

    @property
    def drained(self) -> bool:
        """Say whether the centre has everything that is on disk."""
        return self._session.drained

    async def run(self) -> None:
        """Connect, and connect again after every loss, until cancelled."""
        failures = 0
        await self._opened()
        await self._recall_use()
        await self._recall_turn()
        while True:
            await self._opened()
            before, refused = self.connections, False
            # A task of its own: one that fails while it is cancelled would hide from us that we are to end.
            connection = asyncio.create_task(self._connection())
            try:
                await asyncio.wait({connection})
                connection.result()
            except* (aiomqtt.MqttError, OSError, TimeoutError) as lost:
                self._told.failed(_first(lost))
                self.last_error, self.last_error_ms = _first(lost)[:200], self._clock.now().wall_ms
            except* sqlite3.OperationalError as refusal:
                refused = True
                _log.error("the buffer %s refuses: %s", self._buffer.path, refusal.exceptions[0])
            finally:
                await ended(connection, CANCEL_AGAIN_S)
                self._session.disconnect()
                self.connected_since_ms = None
            now_s = self._clock.now().s
            if self.connections > before:
                self._turns.lost(now_s)
            failures = 0 if self.connections > before and not refused else failures + 1
            await asyncio.sleep(self._turns.wait_s(now_s, self._back_off_s(failures)))

    async def _opened(self) -> None:
        """Wait for the buffer: without it there is no epoch to say hello with."""
        while not self._buffer.is_open:
            await asyncio.sleep(OPEN_LOOK_S)

    async def _recall_turn(self) -> None:
        """Wait for the turn that a former run was given: all gateways may have started together."""
        try:
            self._turns.turn = await self._keeper.run(self._buffer.turn)
        except (sqlite3.Error, msgspec.MsgspecError) as error:
            _log.error("the buffer %s does not tell the turn: %s", self._buffer.path, error)
        await asyncio.sleep(self._turns.wait_s(self._clock.now().s, 0.0))

    async def _recall_use(self) -> None:
        """Take up what a former run counted of the month's bytes."""
        try:
            if kept := await self._keeper.run(self._buffer.link_use):
                self.meter.allowance.recall(msgspec.convert(kept, Use), self._clock.now())
        except (sqlite3.Error, msgspec.ValidationError, ValueError) as error:
            _log.error("the buffer %s does not tell the month's bytes: %s", self._buffer.path, error)

    async def keep_use(self, *, everything: bool = True) -> None:
        """Keep the count of the month's bytes; without ``everything`` only if it is time to."""
        now = self._clock.now()
        self.meter.count(now)
        use = self.meter.taken(now) if everything else self.meter.unsaved(now)
        if use is not None:
            try:
                await self._keeper.run(self._buffer.keep_link_use, msgspec.to_builtins(use))
            except sqlite3.Error as error:  # it is tried again with the next
                _log.error("the buffer %s refuses: %s", self._buffer.path, error)

    async def _connection(self) -> None:
        offline = messages.encode(State(VERSION, online=False, boot_id=self._buffer.boot_id))
        async with self._client(offline) as client:
            heard = [(topics.ack(*self._names, lane), 1) for lane in Lane]
            await client.subscribe([*heard, (topics.watch(*self._names), 0)])
            online = messages.encode(State(VERSION, online=True, boot_id=self._buffer.boot_id))
            await client.publish(topics.state(*self._names), online, qos=1, retain=True)
            self.connections += 1
            self.connected_since_ms = self._clock.now().wall_ms
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
        client = _Client(
            self._broker.host,
            self._broker.port,
            identifier=f"gengfu-{'-'.join(self._names)}",
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=True,  # acknowledgements are repeated on hello; an old queue of them is of no use
            keepalive=self._broker.keepalive_s,
            timeout=self._broker.connect_timeout_s,
            will=aiomqtt.Will(topics.state(*self._names), offline, qos=1, retain=True),
            max_queued_incoming_messages=INCOMING_MESSAGES_MAX,
            logger=_log.getChild("client"),
        )
        client.meter, client.clock = self.meter, self._clock
        client.unconfirmed_max = UNCONFIRMED_MAX
        client.pending_calls_threshold = 2 * UNCONFIRMED_MAX
        client.keepalive_look_s = min(KEEPALIVE_LOOK_S_MAX, self._broker.keepalive_s / 6)
        return client

    async def _receive(self, client: aiomqtt.Client) -> None:
        async for received in client.messages:
            try:
                topic = topics.parse(str(received.topic))
                payload = received.payload
                if topic.kind is Kind.ACK and isinstance(payload, bytes):
                    await self._acknowledged(Lane(topic.name), messages.decode(payload, Ack))
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
            if ack.turn is not None and ack.turn != self._turns.turn:
                self._turns.turn = ack.turn
                await self._keep_turn(ack.turn)
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
                self._session.doubt()
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

    async def _keep_turn(self, turn: Turn) -> None:
        try:
            await self._keeper.run(self._buffer.keep_turn, turn)
        except sqlite3.OperationalError as error:  # it holds as long as this process runs
            _log.error("the buffer %s refuses: %s", self._buffer.path, error)

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
                hello = messages.encode(await self._hello())
                self.meter.handed(len(hello))
                await client.publish(topics.hello(*self._names), hello, qos=1, retain=True)
                self.meter.arrived(len(hello), self._clock.now())
            await self._send_live(client)
            while (stored := await self._next()) is not None:
                await self._send_live(client)
                tasks.create_task(self._publish(client, stored))
                await asyncio.sleep(0)
            await self.keep_use(everything=False)
            idle_s = min(self._session.idle_s(self._clock.now().s), self._budget_wait_s() or math.inf)
            idle_s = min(idle_s, self._live.idle_s(self._clock.now().s))
            await self._wake.wait(min(LOOK_INTERVAL_S, idle_s + LOOK_LATER_S))

    async def _send_live(self, client: aiomqtt.Client) -> None:
        """What is new goes ahead of the backlog: only what is under way already is before it."""
        if samples := self._live.take(self._clock.now().s):
            try:
                await client.publish(topics.live(*self._names), batches.live_message(samples), qos=0)
            except ContractError as error:
                _log.warning("live values cannot be sent: %s", error)

    async def _next(self) -> Stored | None:
        """Return what is to be sent now, if anything, and count it as sent."""
        async with self._lock:
            if self._buffer.life != self._life:
                await self._restart()  # the buffer was opened anew: take it as it is
            due = self._session.next_to_send(self._may_send)
            if due is None:
                return None
            stored = await self._reader.find(*due, self._session.lanes[due[0]].last)
            if stored is None:
                await self._restart()  # deleted meanwhile: take the buffer as it is
                return None
            octets = len(stored.message)
            if stored.lane is Lane.TELEMETRY:
                self._held_octets = octets
                if not self._may_send(stored.lane):
                    return None
                self._held_octets = 1
            self._reader.left(stored)
            self._session.sent(*due, octets, self._clock.now().s)
            self.meter.handed(octets)
            return stored

    def _may_send(self, lane: Lane) -> bool:
        """Say whether the month's budget has room; alarms do not ask."""
        return lane is Lane.EVENTS or self._budget_wait_s() <= 0

    @property
    def budget_holds(self) -> bool:
        """Say whether telemetry waits for the month's budget only."""
        lane = self._session.lanes[Lane.TELEMETRY]
        return lane.sent < lane.last and not self._may_send(Lane.TELEMETRY)

    def _budget_wait_s(self) -> float:
        unanswered = len(self._session.lanes[Lane.TELEMETRY].under_way)
        return self.meter.wait_s(self._held_octets, unanswered, self._clock.now())

    async def _publish(self, client: aiomqtt.Client, stored: Stored) -> None:
        topic = topics.up(*self._names, stored.lane)
        try:
            await client.publish(topic, stored.message, qos=1, timeout=PUBACK_TIMEOUT_S)
        finally:
            self.meter.arrived(len(stored.message), self._clock.now())
        if self._delete_on_puback:
            await self._keeper.run(self._buffer.forget, stored.lane, stored.sequence)

    async def _hello(self) -> Hello:
        now = self._clock.now()
        return Hello(
            VERSION,
            *self._names,
            self._buffer.boot_id,
            self._software,
            now.wall_ms,
            now.clock,
            await self._keeper.run(self._buffer.ranges) + await self._keeper.run(self._buffer.former),
            self._devices,
        )

    def _back_off_s(self, failures: int) -> float:
        longest = self._broker.reconnect_max_s
        wait_s = min(self._broker.reconnect_min_s * 2.0 ** min(failures, 16), longest)
        return wait_s * (0.5 + self._random.random())


def _first(group: BaseExceptionGroup[BaseException]) -> str:
    """Return what the first plain exception of nested groups says."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
