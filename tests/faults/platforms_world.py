"""A centre that sends its cases to three platforms that misbehave: every part is a real process or thread.

A gateway's real uplink brings alarms over a real broker. The platforms are simulated, over HTTP: one takes
an idempotency key and tells of its cases, one can be asked, one can do neither. They and the gateway live in
this process, the centre and the broker in their own.
"""

import asyncio
import random
import sqlite3
import time
from enum import StrEnum
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
from edge.settings import Broker
from edge.uplink.mqtt import Uplink
from edge.uplink.session import Limits, Session
from edge.wiring import fresh_id
from gengfu.demo.processes import Child, die_with_parent
from simulators.city_callbacks import Telling
from simulators.city_platform import Abilities, CasePlatform, Faults, PlatformServer
from simulators.mosquitto import Mosquitto
from simulators.servers import HOST, free_port

DISTRICT, GATEWAY = "city", "gw-1"
KEY, QUESTION, NEITHER = "key", "question", "neither"
PLATFORMS = (KEY, QUESTION, NEITHER)
LAST = "dispatched"
"""The last stage of which the platform with a key tells."""
PER_BATCH = 20
TIMEOUT_S, HANG_S = 0.5, 1.5
HELD_S = 60.0
"""In a life that ends at a moment, platforms do not answer for so long, and the centre has the patience."""
SETTLE_S = 3.0
"""A question is asked so long after a send: the platforms keep a case before they hang."""
FAULTS = Faults(
    timeout=0.02,
    timeout_lost=0.02,
    error_500=0.03,
    error_500_kept=0.03,
    error_429=0.02,
    error_429_bare=0.02,
    garbage=0.03,
    half_body=0.03,
    drip=0.01,
    redirect=0.01,
    conflict=0.03,
)
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
timeout_s = {timeout_s}
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


class Moment(StrEnum):
    """When the centre is killed."""

    ANY = "any"
    NOTED = "noted"
    """A message is written down as being sent, and its platform has not taken it."""
    TAKEN = "taken"
    """Its platform has taken it, and has not answered."""


MISDEEDS = {
    Moment.ANY: (FAULTS, HANG_S, TIMEOUT_S),
    Moment.NOTED: (Faults(timeout_lost=1), HELD_S, HELD_S),
    Moment.TAKEN: (Faults(timeout=1), HELD_S, HELD_S),
}
"""What platforms do in a life that is to end so, how long they hang, how long the centre waits for them."""


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
        now_ms = _now_ms()
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
        self._seed = seed
        self._platforms: dict[str, CasePlatform] = {}
        self._servers: dict[str, PlatformServer] = {}
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
        callback = f"{self.url}/api/v1/platforms/{KEY}/callback"
        telling = Telling(callback, SECRET, 1, LAST, **CALLBACK_FAULTS)
        for name in PLATFORMS:
            platform = CasePlatform(
                FAULTS,
                seed=self._seed,
                now_ms=_now_ms,
                abilities=Abilities(key=name == KEY, look_up=name == QUESTION),
                telling=telling if name == KEY else None,
            )
            self._platforms[name] = platform
            self._servers[name] = PlatformServer(platform).__enter__()

    def spawn_centre(self, until: Moment = Moment.ANY) -> None:
        """Start the centre, for a life that is to end so.

        It ends with the thread that started it, so that has to be one that lives on.
        """
        self._lead_up_to(until)
        self._centre.spawn()

    def _lead_up_to(self, moment: Moment) -> None:
        faults, hang_s, timeout_s = MISDEEDS[moment]
        for platform in self._platforms.values():
            platform.faults, platform.hang_s = faults, hang_s
        self._write(timeout_s)

    def caught(self, moment: Moment) -> bool:
        """Say whether this is the moment, at each platform."""
        kept = {each["case"]["id"] for name in PLATFORMS for each in self.kept(name)}
        under_way = self.rows(
            "SELECT case_id, platform, state FROM outbox WHERE n = 1 AND state IN ('sending', 'done')"
        )
        if moment is Moment.TAKEN:
            caught = {name for case_id, name, state in under_way if state == "sending" and case_id in kept}
        else:
            caught = {name for case_id, name, _ in under_way if case_id not in kept}
        return caught == set(PLATFORMS)

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
        for server in self._servers.values():
            server.__exit__(None, None, None)
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
        return list(self._platforms[platform].cases.values())

    def unclear(self, platform: str) -> set[str]:
        """Return the ids of cases of which a platform answered so that nobody can know."""
        return set(self._platforms[platform].unclear)

    def figures(self, platform: str) -> dict[str, int]:
        """Return what a platform counted."""
        told: dict[str, int] = self._get(f"{self._servers[platform].url}/api/figures")
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

    def _write(self, timeout_s: float) -> None:
        port = int(self.url.rpartition(":")[2])
        text = _CENTRE.format(district=DISTRICT, host=HOST, broker_port=self.broker.port, http_port=port)
        for index, name in enumerate(PLATFORMS, 1):
            secret = 'callback_secret_file = "secret"' if name == KEY else ""
            url = self._servers[name].url
            text += _PLATFORM.format(name=name, url=url, secret=secret, timeout_s=timeout_s)
            text += _CLASS.format(name=name, index=index)
            (self.folder / f"{name}.toml").write_text(_MAPPINGS[name])
        (self.folder / "centre.toml").write_text(text)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def until(condition: Any, limit_s: float, what: str) -> None:
    """Wait until something is so; SystemExit says what was not."""
    end_s = time.monotonic() + limit_s
    while not await asyncio.to_thread(condition):
        if time.monotonic() > end_s:
            raise SystemExit(f"after {limit_s:.0f} s: {what}")
        await asyncio.sleep(0.2)
