"""The storm of `bench.storm`: what gateways send, when the centre shows it, and what it says in the end."""

import asyncio
import contextlib
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import httpx

from bench import storm_city
from bench.baselines.running import Running, memory_kib
from bench.storm_city import City
from contract import batches, messages, topics
from contract.batches import Content, Header
from contract.events import AlarmRaised, Event, Priority
from contract.messages import Ack, EpochRange, Hello, LaneRange, State
from contract.samples import ClockState
from contract.topics import Lane
from simulators.mosquitto import Mosquitto

DISTRICT = "bench"
TICK_S = 0.1
POLL_S = 0.25
SETTLE_S_MAX = 120.0
TOLD_LATER_S = 5.0
"""What is to be told at the very end has so long to be sent."""
CONNECTIONS = 8


@dataclass
class Gateway:
    """A gateway's events lane: what is numbered and what the centre acknowledged."""

    name: str
    epoch: str
    boot: str
    sequence: int = 0
    acked: int = 0

    def batch(self, events: list[Event], now_ms: int) -> bytes:
        """Return the next batch."""
        self.sequence += 1
        header = Header(
            DISTRICT,
            self.name,
            self.epoch,
            Lane.EVENTS,
            self.sequence,
            Content.EVENTS,
            self.boot,
            now_ms,
        )
        return batches.message(header, batches.events_payload(events))


@dataclass
class Seen:
    """What was sent, and what of it was seen."""

    sent_s: dict[str, float] = field(default_factory=dict)
    """When the batch of an alarm was given to the broker's client."""
    latency_s: list[float] = field(default_factory=list)
    events: int = 0
    incidents: list[dict[str, Any]] = field(default_factory=list)
    """All of them in the end, those that went over to others included."""
    alarms_of: dict[str, list[str]] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    """What the centre says that it sent."""
    rss_kib: list[int] = field(default_factory=list)
    waits_s: float = 0.0


class Storm:
    """The storm, the gateways' side of it and the eyes of an operator."""

    def __init__(self, folder: Path, city: City, minutes: float, per_minute: int) -> None:
        """Nothing runs yet."""
        self.folder, self.city, self.minutes, self.per_minute = folder, city, minutes, per_minute
        chance = random.Random(city.seed + 1)
        self.gateways = {
            name: Gateway(name, f"{chance.getrandbits(128):032x}", f"{chance.getrandbits(128):032x}")
            for name in city.devices
        }
        self.seen = Seen()
        self._clients: list[aiomqtt.Client] = []

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.minutes * 60

    async def blow(self, broker: Mosquitto, centre: Running) -> None:
        """Let it begin, watch, and wait until everything was taken."""
        async with contextlib.AsyncExitStack() as stack:
            for number in range(CONNECTIONS):
                client = aiomqtt.Client(
                    "127.0.0.1",
                    broker.port,
                    protocol=aiomqtt.ProtocolVersion.V5,
                    identifier=f"gateways-{number}",
                    max_inflight_messages=1000,
                )
                self._clients.append(await stack.enter_async_context(client))
            await self._greet()
            async with httpx.AsyncClient(base_url=centre.told["url"], timeout=30) as http:
                watching = [
                    asyncio.create_task(self._hear_acks()),
                    asyncio.create_task(self._watch_alarms(http)),
                    asyncio.create_task(self._measure(centre.pid)),
                ]
                try:
                    await self._send()
                    await self._settle(watching)
                    await asyncio.sleep(TOLD_LATER_S)
                    await self._read(http)
                finally:
                    for task in watching:
                        task.cancel()
                    await asyncio.gather(*watching, return_exceptions=True)

    def _client(self, gateway: str) -> aiomqtt.Client:
        return self._clients[hash(gateway) % CONNECTIONS]

    async def _greet(self) -> None:
        await self._clients[0].subscribe(topics.ack(DISTRICT, "+", Lane.EVENTS), qos=1)
        for gateway in self.gateways.values():
            lanes = {"telemetry": LaneRange(1, 1), "events": LaneRange(1, 1)}
            hello = Hello(
                1,
                DISTRICT,
                gateway.name,
                gateway.boot,
                "0.1.0",
                _now_ms(),
                ClockState.SYNCHRONISED,
                [EpochRange(gateway.epoch, lanes)],
                self.city.devices[gateway.name],
            )
            await self._publish(topics.hello(DISTRICT, gateway.name), messages.encode(hello), gateway.name)
            await self._say(gateway, online=True)
        await asyncio.sleep(2)

    async def _say(self, gateway: Gateway, *, online: bool) -> None:
        state = messages.encode(State(1, online, gateway.boot))
        await self._publish(topics.state(DISTRICT, gateway.name), state, gateway.name, retain=True)

    async def _publish(self, topic: str, data: bytes, gateway: str, *, retain: bool = False) -> None:
        await self._client(gateway).publish(topic, data, qos=1, retain=retain, timeout=60)

    async def _send(self) -> None:
        """Send at the pace that is wanted, whatever the centre does."""
        begun_s, due, dark, lone = time.monotonic(), 0.0, False, _Lone(self.city, self.seconds)
        while (since_s := time.monotonic() - begun_s) < self.seconds:
            wanted = since_s * self.per_minute / 60
            count = int(wanted - due)
            due += count
            group: dict[str, list[Event]] = defaultdict(list)
            for sensor in [*self.city.drawn(since_s, count), *lone.due(since_s)]:
                if dark and sensor.gateway in self.city.power_cut:
                    due -= 1  # it says nothing: somebody else does
                else:
                    group[sensor.gateway].append(self.city.toggled(sensor, _now_ms()))
            if not dark and since_s >= storm_city.POWER_CUT_AT_S:
                dark = True
                for name in self.city.power_cut:
                    await self._say(self.gateways[name], online=False)
            await self._send_group(group)
            left_s = begun_s + since_s + TICK_S - time.monotonic()
            self.seen.waits_s = max(self.seen.waits_s, -left_s)
            await asyncio.sleep(max(0.0, left_s))

    async def _send_group(self, group: dict[str, list[Event]]) -> None:
        now_s = time.monotonic()
        publishing = []
        for name, events in group.items():
            self.seen.events += len(events)
            for event in events:
                if isinstance(event, AlarmRaised):
                    self.seen.sent_s[event.id] = now_s
            data = self.gateways[name].batch(events, _now_ms())
            publishing.append(self._publish(topics.up(DISTRICT, name, Lane.EVENTS), data, name))
        await asyncio.gather(*publishing)

    async def _hear_acks(self) -> None:
        async for message in self._clients[0].messages:
            if isinstance(message.payload, bytes):
                gateway = self.gateways[str(message.topic).split("/")[3]]
                gateway.acked = max(gateway.acked, messages.decode(message.payload, Ack).upto)

    async def _watch_alarms(self, http: httpx.AsyncClient) -> None:
        """Ask for the newest alarms as a wall screen does, and note which are new."""
        seen: set[str] = set()
        while True:
            cursor, known = "", False
            while not known:
                page = (await http.get("/api/v1/alarms", params={"limit": 200, "cursor": cursor})).json()
                now_s = time.monotonic()
                for alarm in page["items"]:
                    if alarm["id"] in seen:
                        known = True
                        continue
                    seen.add(alarm["id"])
                    if (sent_s := self.seen.sent_s.get(alarm["id"])) is not None:
                        self.seen.latency_s.append(now_s - sent_s)
                cursor = page["next"] or ""
                known = known or not cursor
            await asyncio.sleep(POLL_S)

    async def _measure(self, pid: int) -> None:
        while True:
            self.seen.rss_kib.append(memory_kib(pid)[0])
            await asyncio.sleep(1)

    async def _settle(self, watching: list["asyncio.Task[None]"]) -> None:
        """Wait until all is acknowledged and every alarm was seen."""
        until_s = time.monotonic() + SETTLE_S_MAX
        while time.monotonic() < until_s:
            unacked = sum(each.sequence - each.acked for each in self.gateways.values())
            if not unacked and len(self.seen.latency_s) == len(self.seen.sent_s):
                break
            for task in watching:
                if task.done():
                    task.result()
            await asyncio.sleep(POLL_S)

    async def _read(self, http: httpx.AsyncClient) -> None:
        """Read what there is in the end."""
        self.seen.incidents = await _pages(http, "/api/v1/incidents", merged=True)
        self.seen.messages = await _pages(http, "/api/v1/messages")
        for incident in self.seen.incidents:
            if not incident["merged_into"]:
                members = await _pages(http, f"/api/v1/incidents/{incident['id']}/alarms")
                self.seen.alarms_of[incident["id"]] = [each["alarm_id"] for each in members]
        for incident in self.seen.incidents:
            told = await _pages(http, "/api/v1/messages", incident=incident["id"])
            incident["messages"] = [each["id"] for each in told]


async def _pages(http: httpx.AsyncClient, path: str, **query: str | bool) -> list[dict[str, Any]]:
    found, cursor = list[dict[str, Any]](), ""
    while True:
        asked: dict[str, str | bool | int] = {**query, "limit": 1000, "cursor": cursor}
        page = (await http.get(path, params=asked)).raise_for_status().json()
        found += page["items"]
        cursor = page["next"] or ""
        if not cursor:
            return found


class _Lone:
    """When alarms come that have nothing to do with the storm: a few high ones, and those of the highest."""

    def __init__(self, city: City, seconds: float) -> None:
        self._city = city
        count = max(2, round(storm_city.HIGHEST_PER_MINUTE * seconds / 60))
        times = [(seconds * 0.95 * (n + 0.5) / count, n, Priority.HIGHEST) for n in range(count)]
        high = [(seconds * 0.1 * (n + 1), n, Priority.HIGH) for n in range(storm_city.LONE_HIGH)]
        self._due = sorted(times + high)

    def due(self, since_s: float) -> Iterator[storm_city.Sensor]:
        """Yield those that are due; one that is active still returns to normal first."""
        while self._due and self._due[0][0] <= since_s:
            _, number, priority = self._due.pop(0)
            sensor = self._city.lone(number, priority)
            if sensor.alarm_id:
                yield sensor
            yield sensor


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
