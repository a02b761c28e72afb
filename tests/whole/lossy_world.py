"""A gateway's real uplink, session and buffer, and the centre's real intake, on virtual time.

Between them stands a broker that loses, doubles, delays and forgets. No sockets, no threads: a keeper that
behaves like the buffer's thread, and a client that behaves like the broker's.
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Self, cast

import aiomqtt

from collector.intake import Answer, Received
from collector.marks import RepeatLimiter
from contract import batches, messages, topics
from contract.batches import Content
from contract.messages import EpochRange
from contract.samples import Sample
from contract.topics import Lane
from edge.buffer.batch import Append
from edge.buffer.store import Buffer
from edge.settings import Broker
from edge.uplink.mqtt import Uplink
from edge.uplink.session import Limits, Session
from tests.edge.virtual_gateway import LoopClock
from tests.whole.centre import SAMPLES_PER_BATCH, START_MS, Centre, serial_of
from tests.whole.threadlike import ThreadLike

CUT_AFTER_HELLO_S = 0.2


class Client:
    """What the uplink takes for its MQTT client."""

    def __init__(self, world: "World") -> None:
        """Not connected yet."""
        self._world = world
        self.inbox: asyncio.Queue[tuple[str, bytes] | None] = asyncio.Queue()
        self.lost = False

    async def __aenter__(self) -> Self:
        await asyncio.sleep(0.05)
        if not self._world.link_up:
            raise aiomqtt.MqttError("no broker")
        self._world.client = self
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()

    async def subscribe(self, *_: object, **__: object) -> None:
        """Acknowledgements come in any case."""

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False, **_: object) -> None:
        """Hand over to the broker, and wait for its PUBACK."""
        if self.lost:
            raise aiomqtt.MqttError("not connected")
        self._world.from_gateway(topic, payload, retain=retain)
        try:
            await asyncio.sleep(self._world.random.uniform(0.0, 0.3))
        except asyncio.CancelledError:
            if self._world.random.random() >= self._world.swallows:
                raise
            return  # the PUBACK came in the same moment: wait_for of Python 3.11 hides the cancellation
        if self.lost:
            raise aiomqtt.MqttError("lost before PUBACK")

    @property
    def messages(self) -> Self:
        """What the broker delivers, until the connection ends."""
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> aiomqtt.Message:
        if (received := await self.inbox.get()) is None:
            raise aiomqtt.MqttError("lost")
        topic, payload = received
        return aiomqtt.Message(topic, payload, 1, retain=False, mid=1, properties=None)

    def cut(self) -> None:
        """End the connection."""
        self.lost = True
        self.inbox.put_nowait(None)
        if self._world.client is self:
            self._world.client = None


class SimulatedUplink(Uplink):
    """The real uplink on a simulated client."""

    world: "World"

    def _client(self, offline: bytes) -> aiomqtt.Client:
        return cast("aiomqtt.Client", Client(self.world))


class World:
    """Everything together; ``do`` makes things happen by name."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Begin with an empty buffer, an empty centre and a link that works perfectly."""
        self.random = Random(seed)
        self.folder = folder
        self.centre = Centre()
        self.link_up = True
        self.centre_up = True
        self.client: Client | None = None
        self.loses, self.doubles, self.delay_s = 0.0, 0.0, 0.05
        self.swallows = 0.2
        self._cuts_hello = False
        self.owed: set[int] = set()
        """Serials that were committed at the gateway and not lost together with a card."""
        self.let_go: set[int] = set()
        """Serials that retention has let go altogether."""
        self.rolled_back = False
        self.drained = False
        self.left: list[EpochRange] = []
        self.in_journal: Counter[int] = Counter()
        self.unnamed: set[int] = set()
        """Serials that the card knows of and a centre had, and that in the end are nowhere, nor in a gap."""
        self.parted = False
        """Whether the last centre saw that another buffer numbered alike what had been delivered."""
        self.published: Counter[str] = Counter()
        self._forms: dict[tuple[str, str, int, str], bytes] = {}
        self._serial = 0
        self._ids = 0
        self.calls_to_cut = 0
        """The connection is cut in the middle of this call to the buffer, counted from now; 0: in none."""
        self._retained: dict[str, bytes] = {}
        self._arriving: list[Received] = []
        self._broker_life = 0
        self._last_arrival_s = 0.0
        self._limiter = RepeatLimiter[tuple[str, str]](1.0, 100)
        self._known: set[int] = set()
        """Serials that this card ever knew of."""
        self._card: tuple[bytes, frozenset[int]] | None = None
        self._backup: bytes | None = None

    def do(self, what: str) -> asyncio.Task[None]:
        """Begin one of the acts below."""
        act: Coroutine[Any, Any, None] = getattr(self, what)()
        return asyncio.create_task(act)

    # The gateway

    async def start(self) -> None:
        """Open the buffer and run the uplink."""
        self.buffer = Buffer(
            self.folder / "buffer.db", "north", "gw-1", self.new_id(), self.new_id, backfill_after_s=20
        )
        self.keeper = ThreadLike(self.random, self._keeper_works)
        [held] = self.buffer.ranges()
        session = Session(held.epoch, held.lanes, Limits(8, 100_000, 10, 120), self.random)
        self.uplink = SimulatedUplink(
            Broker(host="127.0.0.1"),
            session,
            self.buffer,
            self.keeper,
            LoopClock(),
            self.random,
            software="test",
            devices=[],
        )
        self.uplink.world = self
        self.running = asyncio.create_task(self.uplink.run())

    async def stop(self) -> None:
        """Stop the uplink and close the buffer."""
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running
        await self.keeper.close()
        self.buffer.close()

    async def restart_gateway(self) -> None:
        """Stop and start."""
        await self.stop()
        await self.start()

    async def telemetry(self) -> None:
        """Commit a batch of samples and tell the uplink."""
        await self._commit(Lane.TELEMETRY)

    async def event(self) -> None:
        """Commit a batch of the events lane."""
        await self._commit(Lane.EVENTS)

    async def many(self) -> None:
        """Commit more than the window holds."""
        for _ in range(12):
            await self._commit(Lane.TELEMETRY)

    async def squeeze(self) -> None:
        """Replace some of the oldest by tombstones; of many of these, let the oldest go."""
        await self.keeper.run(self._keep_within, 0.6)

    async def press(self) -> None:
        """Let a tenth give way: tombstones are enough, until there are too many of them."""
        await self.keeper.run(self._keep_within, 0.9)

    async def crush(self) -> None:
        """Let nearly everything go."""
        await self.keeper.run(self._keep_within, 0.1)

    async def copy_card(self) -> None:
        """Keep an image of the card as it is now."""
        await self.stop()
        self._card = ((self.folder / "buffer.db").read_bytes(), frozenset(self._known))
        await self.start()

    async def roll_back_card(self) -> None:
        """Put the image back; what was committed since, and had not arrived, is lost with the card."""
        if self._card is None:
            return
        await self.stop()
        image, known = self._card
        for suffix in ("-wal", "-shm"):
            (self.folder / f"buffer.db{suffix}").unlink(missing_ok=True)
        (self.folder / "buffer.db").write_bytes(image)
        self.owed = {each for each in self.owed if each in known or each in self.centre.seen}
        self._known = set(known)
        self.rolled_back = True
        await self.start()

    # The link

    async def cut(self) -> None:
        """Lose the connection; it can be made again at once."""
        if self.client:
            self.client.cut()

    async def cut_at_work(self) -> None:
        """Lose the connection in the middle of one of the next things that are done with the buffer."""
        self.calls_to_cut = self.random.randrange(1, 12)

    async def cut_at_hello(self) -> None:
        """Lose the connection, and the next one when its hello is answered and still waits for its PUBACK."""
        self._cuts_hello = True
        await self.cut()

    async def away(self) -> None:
        """Lose the broker for a minute."""
        self.link_up = False
        await self.cut()
        await asyncio.sleep(60)
        self.link_up = True

    async def wipe_broker(self) -> None:
        """The broker restarts without its memory: what it has confirmed and not delivered is lost."""
        self._broker_life += 1
        self._retained.clear()
        await self.cut()

    async def bad_link(self) -> None:
        """From now on: loss, doubling, reordering."""
        self.loses, self.doubles, self.delay_s = 0.2, 0.2, 2.0

    async def good_link(self) -> None:
        """From now on: in order, once."""
        self.loses, self.doubles, self.delay_s = 0.0, 0.0, 0.05

    # The centre

    async def restart_centre(self) -> None:
        """Ten seconds without a centre; the broker then delivers what it retains."""
        self.centre_up = False
        self._arriving.clear()
        await asyncio.sleep(10)
        self._centre_is_back()

    async def wipe_centre(self) -> None:
        """A new, empty centre."""
        self._arriving.clear()
        self.centre.wipe()
        self._centre_is_back()

    async def back_up_centre(self) -> None:
        """Keep a backup."""
        self._backup = self.centre.image()

    async def restore_centre(self) -> None:
        """Go back to the backup."""
        if self._backup is not None:
            self._arriving.clear()
            self.centre.restore(self._backup)
            self._centre_is_back()

    def from_gateway(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """The broker has it: it may lose, double or delay it."""
        kind = str(topics.parse(topic).kind)
        self.published[kind] += 1
        if kind == "up":
            self._left_in_one_form(payload)
        if kind == "hello" and self._cuts_hello and self.client:
            self._cuts_hello = False
            asyncio.get_running_loop().call_later(CUT_AFTER_HELLO_S, self.client.cut)
        if retain:
            self._retained[topic] = payload
        self._carry(lambda: self._to_centre(topic, payload))

    def _left_in_one_form(self, payload: bytes) -> None:
        """What has left once leaves in the very same bytes ever after; only a tombstone takes its place."""
        header = batches.read_header(payload)
        known = self._forms.setdefault((header.epoch, header.lane, header.sequence, header.content), payload)
        if known != payload and not self.rolled_back:
            raise AssertionError(f"{header.lane} {header.sequence} has left in two forms")

    def new_id(self) -> str:
        """Return the next id."""
        self._ids += 1
        return f"{self._ids:032x}"

    def close(self) -> None:
        """Let go of what is held."""
        self.centre.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _keeper_works(self) -> None:
        self.calls_to_cut -= 1
        if self.calls_to_cut == 0 and self.client:
            self.client.cut()

    def _keep_within(self, share: float) -> None:
        before = self.held()
        self.buffer.keep_within(round(self.buffer.octets * share))
        gone = before - self.held()
        self.let_go |= gone
        self.owed -= gone - self.centre.seen
        if self.owed_by_gateway < len(gone) * SAMPLES_PER_BATCH:
            raise AssertionError("what is let go is not counted")

    @property
    def owed_by_gateway(self) -> int:
        """How many samples the buffer knows to have let go and has not told."""
        return sum(loss.count or 0 for loss in self.buffer._owed)

    def held(self) -> set[int]:
        """Return the serials of all batches on disk; call it on the keeper."""
        [held] = self.buffer.ranges()
        found = [
            self.buffer.read(lane, sequence)
            for lane in Lane
            for sequence in range(held.lanes[lane].first, held.lanes[lane].next)
        ]
        return {serial_of(batches.decode(stored.message)) for stored in found if stored}

    async def _commit(self, lane: Lane) -> None:
        self._serial += 1
        serial, keeper, uplink = self._serial, self.keeper, self.uplink
        times = [START_MS + serial * SAMPLES_PER_BATCH + index for index in range(SAMPLES_PER_BATCH)]
        payload = batches.samples_payload([Sample(at, "d", "p", self.random.random()) for at in times])
        now_ms, live = LoopClock().now().wall_ms, uplink.leaves_at_once(lane)
        item = Append(lane, Content.SAMPLES, payload, now_ms, times[0], times[-1], len(times), live=live)
        self.owed.add(serial)
        try:
            stored = await keeper.run(self.buffer.append, [item])
        except Exception:  # the buffer was closed meanwhile: nothing was promised
            self.owed.discard(serial)
            return
        self._known.add(serial)
        for batch in stored:
            uplink.stored(batch)

    def look(self) -> None:
        """Say what is in the journal in the end, what is neither there nor named, and what is said of it."""
        self.in_journal = self.centre.held()
        self.unnamed = self.centre.unnamed() & self._known
        self.parted = self.centre.parted()

    def _carry(self, arrive: Callable[[], None]) -> None:
        if self.random.random() < self.loses:
            return
        life, loop = self._broker_life, asyncio.get_running_loop()

        def unless_forgotten() -> None:
            if life == self._broker_life:
                arrive()

        for _ in range(2 if self.random.random() < self.doubles else 1):
            if self.loses:
                loop.call_later(self.random.uniform(0, self.delay_s), unless_forgotten)
            else:  # in order: the loop itself does not keep the order of what is due at one time
                self._last_arrival_s = max(self._last_arrival_s + 1e-6, loop.time() + self.delay_s)
                loop.call_at(self._last_arrival_s, unless_forgotten)

    def _to_centre(self, topic: str, payload: bytes) -> None:
        if not self.centre_up:
            return
        if not self._arriving:
            asyncio.get_running_loop().call_later(0.02, self._commit_group)
        now_ms = START_MS + round(asyncio.get_running_loop().time() * 1000)
        self._arriving.append(Received(topic, payload, now_ms))

    def _commit_group(self) -> None:
        group, self._arriving = self._arriving, []
        if not group or not self.centre_up:
            return
        now_s = asyncio.get_running_loop().time()
        for answer in self.centre.take(group):
            if not answer.repeats or self._limiter.passes((answer.key.gateway, str(answer.key.lane)), now_s):
                self._answer(answer)

    def _answer(self, answer: Answer) -> None:
        topic = topics.ack("north", answer.key.gateway, answer.key.lane)
        payload = messages.encode(answer.ack)

        def arrive() -> None:
            if self.client:
                self.client.inbox.put_nowait((topic, payload))

        self._carry(arrive)

    def _centre_is_back(self) -> None:
        self.centre_up = True
        for topic, payload in self._retained.items():
            self._to_centre(topic, payload)
