"""A centre that sends its cases to three platforms that misbehave: every part is a real process or thread.

A gateway's real uplink brings alarms over a real broker. The platforms are simulated, over HTTP: one takes
an idempotency key and tells of its cases, one can be asked, one can do neither. ``WEAKENED`` centres are the
controls.
"""

import asyncio
import random
import sqlite3
import time
from pathlib import Path
from typing import Any

import httpx

from contract import batches
from contract.batches import Content
from contract.events import AlarmRaised, Event, Priority
from contract.messages import DeviceEntry
from contract.topics import Lane
from edge.buffer.batch import Append
from edge.buffer.keeper import Inline
from edge.buffer.store import Buffer
from edge.clock import SystemClock
from edge.run import fresh_id
from edge.settings import Broker
from edge.uplink.mqtt import Uplink
from edge.uplink.session import Limits, Session
from gengfu.demo.processes import Child, die_with_parent
from simulators.mosquitto import Mosquitto
from simulators.servers import HOST, free_port

DISTRICT, GATEWAY = "city", "gw-1"
KEY, QUESTION, NEITHER = "key", "question", "neither"
PLATFORMS = (KEY, QUESTION, NEITHER)
WEAKENED = ("", "sends_blindly", "done_before_sent")
PER_BATCH = 20
HANG_S = 1.5
SETTLE_S = 1.0
"""A question is asked so long after a send: the platforms keep a case before they hang."""
FAULTS = {
    "timeout": 0.02,
    "500": 0.03,
    "500-kept": 0.03,
    "429": 0.02,
    "429-bare": 0.02,
    "garbage": 0.03,
    "half": 0.03,
    "drip": 0.01,
    "redirect": 0.01,
    "conflict": 0.03,
}
CALLBACK_FAULTS = {"lost": 0.1, "repeated": 0.1, "reordered": 0.1}
READY_S_MAX = 300.0
"""Where others keep the machine busy, a start takes a while."""
SECRET = "0123456789abcdef0123456789abcdef"
LIMITS = Limits(32, 1024 * 1024, 5, 30)

_CENTRE = """schema = 1
district = "{district}"
data_folder = "centre"
[broker]
host = "{host}"
port = {broker_port}
reconnect_min_s = 0.1
reconnect_max_s = 0.5
[http]
port = {http_port}
[limits]
repeat_interval_s = 0.2
"""
_PLATFORM = """[[platforms]]
name = "{name}"
url = "{url}/api"
mapping_file = "{name}.toml"
cases = [{{ problem = "for_{name}" }}]
timeout_s = 0.5
concurrency_max = 16
retry_min_s = 0.2
retry_max_s = 2
retry_after_max_s = 2
attempts_max = 100000
reconcile_interval_s = 2
reconcile_cases_max = 20
{secret}
"""
_CLASS = """[[case_classes]]
problem = "for_{name}"
code = "01020{index}"
title = {{ en = "For {name}", zh = "发往 {name}" }}
deadline_h = 24
"""
_STAGES = """[stages]
collected = ["collected"]
filed = ["filed"]
dispatched = ["dispatched"]
in_hand = ["processing"]
reported = ["done"]
verified = ["closed"]
"""
_STATUS = """id = "eventId"
case = "ref"
number = "number"
stage = "stage"
time = "timeMs"
"""
_MAPPINGS = {
    KEY: f"""schema = 1
[key]
[messages.opened]
path = "/cases"
[callbacks]
authentication = {{ kind = "hmac" }}
[callbacks.status]
{_STATUS}[poll]
interval_s = 1
request = {{ method = "GET", path = "/events?since={{cursor}}" }}
[poll.status]
{_STATUS}{_STAGES}""",
    QUESTION: f"""schema = 1
[messages.opened]
path = "/cases"
[look_up]
number = "found[0].number"
found = "found"
absent_statuses = []
settle_s = {SETTLE_S}
request = {{ method = "GET", path = "/lookup?ref={{key}}" }}
{_STAGES}""",
    NEITHER: f"""schema = 1
[messages.opened]
path = "/cases"
{_STAGES}""",
}


class Street:
    """A gateway that reports alarms: its buffer and uplink are real, in this process."""

    def __init__(self, folder: Path, port: int) -> None:
        """Prepare; ``run`` connects."""
        self._buffer = Buffer(folder / "buffer.db", DISTRICT, GATEWAY, fresh_id(), fresh_id)
        [held] = self._buffer.ranges()
        chance = random.Random(1)
        self._uplink = Uplink(
            Broker(host=HOST, port=port, reconnect_min_s=0.1, reconnect_max_s=0.5),
            Session(held.epoch, held.lanes, LIMITS, chance),
            self._buffer,
            Inline(),
            SystemClock(),
            chance,
            software="platforms",
            devices=[DeviceEntry("meter", "none", "line")],
        )
        self.raised = 0

    async def run(self) -> None:
        """Send what there is, until cancelled."""
        await self._uplink.run()

    def alarm(self, count: int) -> None:
        """Raise so many alarms, each of a problem of its own, for the platforms in turn."""
        now_ms = time.time_ns() // 1_000_000
        events: list[Event] = []
        for _ in range(count):
            self.raised += 1
            events.append(
                AlarmRaised(
                    id=f"{self.raised:032x}",
                    time_ms=now_ms,
                    rule="burst",
                    device=f"meter-{self.raised}",
                    point="pressure",
                    problem=f"for_{PLATFORMS[self.raised % len(PLATFORMS)]}",
                    priority=Priority.HIGH,
                    message="Pressure is too low",
                    part="",
                    value=96.5,
                    limit=140.0,
                )
            )
        for first in range(0, count, PER_BATCH):
            some = events[first : first + PER_BATCH]
            payload = batches.events_payload(some)
            append = Append(
                Lane.EVENTS, Content.EVENTS, payload, now_ms, now_ms, now_ms, len(some), live=True
            )
            for stored in self._buffer.append([append]):
                self._uplink.stored(stored)

    @property
    def waiting(self) -> int:
        """How many batches the centre has not acknowledged."""
        return sum(lane.next - lane.first for held in self._buffer.ranges() for lane in held.lanes.values())


class City:
    """Broker, platforms and centre."""

    def __init__(self, folder: Path, seed: int, weakened: str = "") -> None:
        """Nothing runs yet."""
        self.folder, self.kills = folder, 0
        self.broker = Mosquitto(folder / "broker", in_child=die_with_parent)
        self.url = f"http://{HOST}:{free_port()}"
        self.urls: dict[str, str] = {}
        self._seed = seed
        self._platforms: dict[str, Child] = {}
        entry = ("tests.faults.weak_centre", weakened) if weakened else ("gengfu.main",)
        settings = str(folder / "centre.toml")
        self._centre = Child(
            "centre", [*entry, "collector", "run", "--settings", settings], folder / "centre.log"
        )
        self._http = httpx.Client(timeout=30, trust_env=False)

    def start(self) -> None:
        """Start everything."""
        self.broker.start()
        secret = self.folder / "secret"
        secret.write_text(SECRET)
        secret.chmod(0o600)
        for name in PLATFORMS:
            more = {
                KEY: [
                    *("--stage-s", "1", "--last", "dispatched", "--callback-secret", str(secret)),
                    *("--callback", f"{self.url}/api/v1/platforms/{KEY}/callback"),
                    *_options("--callback-fault", CALLBACK_FAULTS),
                ],
                QUESTION: ["--no-key", "--look-up"],
                NEITHER: ["--no-key"],
            }[name]
            arguments = ["gengfu.main", "sim", "platform", "--seed", str(self._seed), "--hang-s", str(HANG_S)]
            child = Child(
                name, [*arguments, *_options("--fault", FAULTS), *more], self.folder / f"{name}.log"
            )
            self._platforms[name] = child
            child.spawn()
            self.urls[name] = child.ready(READY_S_MAX)["url"]
        self._write()
        self.spawn_centre()
        self.await_centre()

    def spawn_centre(self) -> None:
        """Start the centre: on the thread that lives on, for it ends with the one that started it."""
        self._centre.spawn()

    def await_centre(self) -> None:
        """Wait until it is ready."""
        self._centre.ready(READY_S_MAX)

    def kill_centre(self) -> None:
        """SIGKILL it."""
        assert not self._centre.fallen, self._centre.fallen
        self._centre.kill()
        self.kills += 1

    def close(self) -> None:
        """End everything."""
        self._http.close()
        self._centre.end()
        for child in self._platforms.values():
            child.end()
        self.broker.stop()

    def messages(self) -> dict[str, dict[str, int]]:
        """Return how many messages of each state each platform has, as the centre says."""
        items = self._get(f"{self.url}/api/v1/platforms")["items"]
        return {each["name"]: each["messages"] for each in items}

    def waiting(self) -> list[dict[str, Any]]:
        """Return the whole list that waits for a person."""
        found, cursor = [], ""
        while True:
            page = self._get(f"{self.url}/api/v1/platforms/waiting", limit=1000, cursor=cursor)
            found += page["items"]
            if not page["next"]:
                return found
            cursor = page["next"]

    def resolve(self, message: int, decision: str, number: str = "") -> None:
        """Be the person who decides."""
        answer = self._http.post(
            f"{self.url}/api/v1/platforms/waiting/{message}/resolve",
            json={"decision": decision, "number": number},
        )
        answer.raise_for_status()

    def kept(self, platform: str) -> list[dict[str, Any]]:
        """Return the cases that a platform has."""
        found: list[dict[str, Any]] = self._get(f"{self.urls[platform]}/api/cases")
        return found

    def unclear(self, platform: str) -> set[str]:
        """Return the ids of cases of which a platform answered so that nobody can know."""
        return set(self._get(f"{self.urls[platform]}/api/unclear"))

    def figures(self, platform: str) -> dict[str, int]:
        """Return what a platform counted."""
        told: dict[str, int] = self._get(f"{self.urls[platform]}/api/figures")
        return told

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the centre's database."""
        connection = sqlite3.connect(f"file:{self.folder / 'centre' / 'collector.db'}?mode=ro", uri=True)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def _get(self, url: str, **query: str | int) -> Any:
        answer = self._http.get(url, params=query)
        answer.raise_for_status()
        return answer.json()

    def _write(self) -> None:
        port = int(self.url.rpartition(":")[2])
        text = _CENTRE.format(district=DISTRICT, host=HOST, broker_port=self.broker.port, http_port=port)
        for index, name in enumerate(PLATFORMS, 1):
            secret = 'callback_secret_file = "secret"' if name == KEY else ""
            text += _PLATFORM.format(name=name, url=self.urls[name], secret=secret)
            text += _CLASS.format(name=name, index=index)
            (self.folder / f"{name}.toml").write_text(_MAPPINGS[name])
        (self.folder / "centre.toml").write_text(text)


def _options(option: str, chances: dict[str, float]) -> list[str]:
    return [part for name, chance in chances.items() for part in (option, f"{name}={chance}")]


async def until(condition: Any, limit_s: float, what: str) -> None:
    """Wait until something is so; SystemExit says what was not."""
    end_s = time.monotonic() + limit_s
    while not await asyncio.to_thread(condition):
        if time.monotonic() > end_s:
            raise SystemExit(f"after {limit_s:.0f} s: {what}")
        await asyncio.sleep(0.2)
