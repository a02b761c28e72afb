"""A storm: ``python -m bench.storm``; 10,000 alarm events a minute through a real broker and a real centre.

120 gateways of twelve areas send what they would: two areas stand under water and 500 sensors come and go,
two mains burst, a line goes silent, 160 sensors chatter, a power cut takes eight gateways, and now and then
there is an alarm of the highest priority that has nothing to do with it. Their batches are those of real
gateways, each event committed at once, in sequence, acknowledged.

``notifications_per_10min`` counts what operators are to be told in 10 minutes, beside the highest priority:
incidents that were open, and had something active, ``group_wait_s`` after they began. ``top_priority_lost``:
alarms of the highest priority that are no incident by themselves. ``incidents_told_twice``: happenings of the
city, and alarms, that were told as more than one incident. ``sample_to_alarm_p95_s``: from publishing a batch
to its alarm on ``/api/v1/alarms``, asked four times a second. ``rss_mib``: the centre's memory at its most;
``rss_growth_mib``: by how much it grew in the second half.

``--ungrouped`` is the control: without rules what is told must be far too much.
"""

import argparse
import asyncio
import contextlib
import json
import platform
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

import aiomqtt
import httpx

from bench import storm_city
from bench.baselines.running import Running, child, cpu_s, end, memory_kib
from bench.storm_city import City
from bench.telling import progress
from contract import batches, messages, topics
from contract.batches import Content, Header
from contract.events import AlarmRaised, Event, Priority
from contract.messages import Ack, EpochRange, Hello, LaneRange, State
from contract.samples import ClockState
from contract.topics import Lane
from gengfu.demo.processes import die_with_parent
from simulators.mosquitto import Mosquitto

DISTRICT = "bench"
TICK_S = 0.1
POLL_S = 0.25
LOOK_S = 1.0
GROUP_WAIT_S = 30.0
"""Alertmanager's default."""
SETTLE_S_MAX = 120.0
CONNECTIONS = 8
NOTIFICATIONS_MAX, P95_S_MAX, RSS_MIB_MAX = 10, 2.0, 400
SETTINGS = """schema = 1
district = "bench"
data_folder = "centre"
parts_file = "parts.csv"
[broker]
host = "127.0.0.1"
port = %d
[http]
port = 0
[[case_classes]]
problem = "pipe_burst"
code = "020501"
title = { en = "Water main burst", zh = "自来水管破裂" }
deadline_h = 2
[[case_classes]]
problem = "ponding"
code = "020502"
title = { en = "Water on the road", zh = "道路积水" }
deadline_h = 4
[[case_classes]]
problem = "gas_leak"
code = "020503"
title = { en = "Gas leak", zh = "燃气泄漏" }
deadline_h = 1
"""


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
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Incidents that operators are told of."""
    told_alarms: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
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
                    asyncio.create_task(self._watch_incidents(http)),
                    asyncio.create_task(self._measure(centre.pid)),
                ]
                try:
                    await self._send()
                    await self._settle(http, watching)
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
                if not (dark and sensor.gateway in self.city.power_cut):
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

    async def _watch_incidents(self, http: httpx.AsyncClient) -> None:
        """Tell of each incident once it was open for long enough; the highest priority at once."""
        while True:
            for incident in await self._open(http):
                waited_s = time.time() - incident["opened_ms"] / 1000
                due = incident["priority"] == Priority.HIGHEST or waited_s >= GROUP_WAIT_S
                if due and incident["active"] and incident["id"] not in self.seen.told:
                    self.seen.told[incident["id"]] = incident
            await asyncio.sleep(LOOK_S)

    async def _open(self, http: httpx.AsyncClient) -> list[dict[str, Any]]:
        found, cursor = [], ""
        while True:
            query: dict[str, str | int | bool] = {"open": True, "limit": 1000, "cursor": cursor}
            page = (await http.get("/api/v1/incidents", params=query)).json()
            found += page["items"]
            cursor = page["next"] or ""
            if not cursor:
                return found

    async def _measure(self, pid: int) -> None:
        while True:
            self.seen.rss_kib.append(memory_kib(pid)[0])
            await asyncio.sleep(1)

    async def _settle(self, http: httpx.AsyncClient, watching: list["asyncio.Task[None]"]) -> None:
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
        for incident_id in self.seen.told:
            cursor = ""
            while True:
                path = f"/api/v1/incidents/{incident_id}/alarms"
                page = (await http.get(path, params={"limit": 1000, "cursor": cursor})).json()
                self.seen.told_alarms[incident_id] += [each["alarm_id"] for each in page["items"]]
                cursor = page["next"] or ""
                if not cursor:
                    break


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


def told_twice(seen: Seen, city: City) -> int:
    """Count happenings, and alarms, that were told as more than one incident, each time too many."""
    of_happening: dict[str, set[str]] = defaultdict(set)
    of_alarm: Counter[str] = Counter()
    for incident_id, alarm_ids in seen.told_alarms.items():
        of_alarm.update(alarm_ids)
        for alarm_id in alarm_ids:
            sensor = city.raised.get(alarm_id)
            if sensor and sensor.happening not in (Priority.HIGHEST, Priority.HIGH):
                of_happening[sensor.happening].add(incident_id)
    happenings = sum(len(ids) - 1 for ids in of_happening.values())
    return happenings + sum(count - 1 for count in of_alarm.values())


def top_lost(seen: Seen, city: City) -> int:
    """Count the alarms of the highest priority that were not told by themselves."""
    alone = {ids[0] for ids in seen.told_alarms.values() if len(ids) == 1}
    highest = {each for each, sensor in city.raised.items() if sensor.priority is Priority.HIGHEST}
    return len(highest - alone)


def figures_of(storm: Storm, centre_cpu_s: float) -> dict[str, float | None]:
    """Return what is to be shown."""
    seen, city = storm.seen, storm.city
    others = [each for each in seen.told.values() if each["priority"] != Priority.HIGHEST]
    rss = [kib / 1024 for kib in seen.rss_kib]
    middle = rss[len(rss) // 2]
    p95 = quantiles(seen.latency_s, n=20)[-1] if len(seen.latency_s) > 1 else None
    return {
        "events": seen.events,
        "events_per_minute": round(seen.events / storm.minutes),
        "alarms_raised": len(seen.sent_s),
        "alarms_not_seen": len(seen.sent_s) - len(seen.latency_s),
        "batches": sum(each.sequence for each in storm.gateways.values()),
        "batches_not_acknowledged": sum(each.sequence - each.acked for each in storm.gateways.values()),
        "notifications_per_10min": round(len(others) * 10 / max(10, storm.minutes), 1),
        "top_priority_told": len(seen.told) - len(others),
        "top_priority_lost": top_lost(seen, city),
        "incidents_told_twice": told_twice(seen, city),
        "sample_to_alarm_p50_s": round(quantiles(seen.latency_s, n=2)[0], 3) if p95 else None,
        "sample_to_alarm_p95_s": round(p95, 3) if p95 else None,
        "sample_to_alarm_max_s": round(max(seen.latency_s, default=0), 3),
        "rss_mib": round(max(rss), 1),
        "rss_growth_mib": round(rss[-1] - middle, 1),
        "centre_cpu_s": round(centre_cpu_s, 1),
        "sender_late_max_s": round(seen.waits_s, 2),
    }


def verdict(figures: dict[str, float | None], *, ungrouped: bool) -> Iterator[str]:
    """Yield what is not as it must be."""
    if ungrouped:
        if (figures["notifications_per_10min"] or 0) <= NOTIFICATIONS_MAX:
            yield "without rules as little was told: the rules show nothing"
        return
    if figures["batches_not_acknowledged"] or figures["alarms_not_seen"]:
        yield f"{figures['batches_not_acknowledged']} batches and {figures['alarms_not_seen']} alarms missing"
    if (figures["notifications_per_10min"] or 0) > NOTIFICATIONS_MAX:
        yield f"{figures['notifications_per_10min']} notifications in 10 minutes"
    for name in ("top_priority_lost", "incidents_told_twice"):
        if figures[name]:
            yield f"{name} is {figures[name]}"
    if (figures["sample_to_alarm_p95_s"] or 99) > P95_S_MAX:
        yield f"an alarm was seen after {figures['sample_to_alarm_p95_s']} s"
    if (figures["rss_mib"] or 9999) > RSS_MIB_MAX:
        yield f"the centre took {figures['rss_mib']} MiB"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main() -> None:
    """Measure, print a table, end with one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--per-minute", type=int, default=10_000, help="Events.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--ungrouped", action="store_true", help="The control: no rule brings alarms together."
    )
    given = parser.parse_args()
    city = City(given.seed)
    with tempfile.TemporaryDirectory(prefix="gengfu-storm-") as name:
        folder = Path(name)
        broker = Mosquitto(folder / "broker", in_child=die_with_parent)
        broker.start()
        settings = SETTINGS % broker.port + ("" if given.ungrouped else storm_city.RULES)
        (folder / "centre.toml").write_text(settings)
        (folder / "parts.csv").write_text(city.parts_file())
        storm = Storm(folder, city, given.minutes, given.per_minute)
        arguments = ("gengfu.main", "collector", "run", "--settings", str(folder / "centre.toml"))
        try:
            with child("centre", folder, *arguments) as centre:
                progress(f"{given.per_minute:,} events a minute for {given.minutes:g} minutes")
                asyncio.run(storm.blow(broker, centre))
                centre_cpu_s = cpu_s(centre.pid)
                end(centre)
        finally:
            broker.stop()
    figures = figures_of(storm, centre_cpu_s)
    for key, value in figures.items():
        print(f"{key:<32}{value!s:>14}")
    for incident in storm.seen.told.values():
        progress(f"told: {incident['priority']}: {incident['title']['en']}")
    conditions = {
        "minutes": given.minutes,
        "per_minute": given.per_minute,
        "seed": given.seed,
        "ungrouped": given.ungrouped,
        "gateways": len(city.devices),
        "sensors": sum(map(len, city.sensors.values())),
        "group_wait_s": GROUP_WAIT_S,
        "python": platform.python_version(),
    }
    print(json.dumps({"name": "storm", "figures": figures, "conditions": conditions}))
    if failures := list(verdict(figures, ungrouped=given.ungrouped)):
        sys.exit("; ".join(failures))


if __name__ == "__main__":
    main()
