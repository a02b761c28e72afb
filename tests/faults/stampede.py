"""A thousand gateways lose their broker and connect again, in turns: ``python -m tests.faults.stampede``.

The uplinks are real, each with its session and buffer, all in one process; so are the broker, which is killed
and started again, and the centre, which gives the turns. Connections are counted by the broker's own log.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from contract import batches
from contract.batches import Content
from contract.messages import DeviceEntry
from contract.samples import Sample
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
from simulators.mosquitto import Mosquitto
from simulators.servers import HOST

DISTRICT = "stampede"
LIMITS = Limits(32, 1024 * 1024, 10, 120)
KEEPALIVE_S = 60
POLL_S = 0.05
ALL_BACK_MAX_S = 300.0
STARTED_PER_S = 100
"""Beforehand they are started one after the other."""
BROKER_AWAY_S = 2.0

CENTRE = """schema = 1
district = "{district}"
data_folder = "centre"
[broker]
host = "127.0.0.1"
port = {port}
reconnect_max_s = 1
[http]
port = 0
[limits]
gateways_max = {gateways}
connections_per_s_max = {per_s}
[[case_classes]]
problem = "none"
code = "010201"
title = {{ en = "none", zh = "无" }}
deadline_h = 4
"""

_CONNECTED = re.compile(r"^(\d+): New client connected from .* as gengfu-stampede-gw-", re.MULTILINE)


TICK_S = 0.02
STALL_S = 0.05
"""From here on a late tick counts: the machine kept all gateways from their turns at once."""


@dataclass(frozen=True)
class Told:
    """Connections in the busiest second, in all, and when the centre had answered everybody."""

    peak_per_s: int
    connections: int
    all_back_s: float
    missing: int
    stalled_s: float
    """How much of one second, at most, this process was kept from the processor."""

    def held(self, per_s: float) -> bool:
        """No second had more than it may, apart from those who were kept waiting together in one process."""
        return self.peak_per_s <= per_s * (1 + self.stalled_s)


class Stalls:
    """How long a process with a thousand gateways in it stood still: in the field they would not."""

    def __init__(self) -> None:
        """Nothing is seen before ``watching``."""
        self._late: list[tuple[float, float]] = []

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look at the event loop's lateness meanwhile."""
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            due_s = time.monotonic() + TICK_S
            await asyncio.sleep(TICK_S)
            now_s = time.monotonic()
            if now_s - due_s > STALL_S:
                self._late.append((now_s, now_s - due_s))

    @property
    def worst_s(self) -> float:
        """The most that fell within a second."""
        return max(
            (sum(late for at, late in self._late if end - 1 < at <= end) for end, _ in self._late),
            default=0.0,
        )


class Fleet:
    """The uplinks of so many gateways, each with a batch to send, so that it hears of its turn again."""

    def __init__(self, folder: Path, port: int, gateways: int) -> None:
        """Make them; ``run`` starts them."""
        self.fallen = 0
        """Uplinks that ended by themselves."""
        self._uplinks: list[Uplink] = []
        self._sessions: list[Session] = []
        self._buffers: list[Buffer] = []
        clock = SystemClock()
        for number in range(gateways):
            name = f"gw-{number:04}"
            buffer = Buffer(folder / name / "buffer.db", DISTRICT, name, fresh_id(), fresh_id)
            [held] = buffer.ranges()
            chance = random.Random(number)
            session = Session(held.epoch, held.lanes, LIMITS, chance)
            self._sessions.append(session)
            self._buffers.append(buffer)
            self._uplinks.append(
                Uplink(
                    Broker(host=HOST, port=port, keepalive_s=KEEPALIVE_S),
                    session,
                    buffer,
                    Inline(),
                    clock,
                    chance,
                    software="stampede",
                    devices=[DeviceEntry("meter", "none", "line")],
                )
            )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run them, started one after the other."""
        tasks = []
        for uplink in self._uplinks:
            tasks.append(asyncio.create_task(uplink.run()))
            await asyncio.sleep(1 / STARTED_PER_S)
        try:
            yield
        finally:
            self.fallen += sum(task.done() for task in tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def missing(self) -> int:
        """How many the centre has not answered on their present connection."""
        return sum(
            not (each.connected and each.drained and all(lane.reconciled for lane in each.lanes.values()))
            for each in self._sessions
        )

    @property
    def epochs(self) -> list[str]:
        """The epochs of their buffers now."""
        return [session.epoch for session in self._sessions]

    def measure(self, value: float = 1.5) -> None:
        """Give each a batch to send."""
        now_ms = time.time_ns() // 1_000_000
        payload = batches.samples_payload([Sample(now_ms, "meter", "energy", value)])
        for buffer, uplink in zip(self._buffers, self._uplinks, strict=True):
            append = Append(Lane.TELEMETRY, Content.SAMPLES, payload, now_ms, now_ms, now_ms, 1)
            for stored in buffer.append([append]):
                uplink.stored(stored)

    def say_live(self, value: float) -> None:
        """Let each have measured something, which it says only while somebody watches."""
        sample = Sample(time.time_ns() // 1_000_000, "meter", "energy", value)
        for uplink in self._uplinks:
            uplink.measured([sample], SystemClock().now())

    async def all_there(self, limit_s: float) -> int:
        """Wait for everybody; return how many are missing when the time is over."""
        until_s = time.monotonic() + limit_s
        while self.missing and time.monotonic() < until_s:
            await asyncio.sleep(POLL_S)
        return self.missing


async def play(folder: Path, broker: Mosquitto, gateways: int) -> Told:
    """Connect everybody, take the broker away and give it back, wait for everybody."""
    fleet = Fleet(folder, broker.port, gateways)
    async with fleet.running():
        if missing := await fleet.all_there(ALL_BACK_MAX_S):
            sys.exit(f"{missing} of {gateways} gateways did not even connect once")
        fleet.measure()
        if missing := await fleet.all_there(ALL_BACK_MAX_S):
            sys.exit(f"{missing} batches were not acknowledged")
        await asyncio.to_thread(broker.kill)
        before = broker.log.read_text(errors="replace")
        while fleet.missing < gateways:
            await asyncio.sleep(POLL_S)
        await asyncio.sleep(BROKER_AWAY_S)
        await asyncio.to_thread(broker.start)
        began_s = time.monotonic()
        stalls = Stalls()
        async with stalls.watching():
            missing = await fleet.all_there(ALL_BACK_MAX_S)
        all_back_s = time.monotonic() - began_s
    seconds = Counter(_CONNECTED.findall(broker.log.read_text(errors="replace")[len(before) :]))
    return Told(max(seconds.values(), default=0), seconds.total(), all_back_s, missing, stalls.worst_s)


@contextlib.contextmanager
def centre(folder: Path, port: int, gateways: int, per_s: float) -> Iterator[tuple[str, Child]]:
    """Run a real centre; give its URL and the process."""
    settings = folder / "centre.toml"
    settings.write_text(CENTRE.format(district=DISTRICT, port=port, gateways=gateways, per_s=per_s))
    child = Child(
        "centre", ["gengfu.main", "collector", "run", "--settings", str(settings)], folder / "centre.log"
    )
    url = child.start()["url"]
    try:
        yield url, child
    finally:
        child.end()


def stampede(gateways: int, per_s: float) -> Told:
    """Play it with a broker and a centre of its own."""
    with tempfile.TemporaryDirectory(prefix="gengfu-stampede-") as name:
        folder = Path(name)
        broker = Mosquitto(folder / "broker", in_child=die_with_parent)
        broker.start()
        try:
            with centre(folder, broker.port, gateways, per_s):
                return asyncio.run(play(folder, broker, gateways))
        finally:
            broker.stop()


def main() -> None:
    """Play it and print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateways", type=int, default=1000)
    parser.add_argument("--per-second", type=float, default=50, help="The centre's connections_per_s_max.")
    given = parser.parse_args()
    logging.getLogger("edge").setLevel(logging.ERROR)
    told = stampede(given.gateways, given.per_second)
    print(f"{told.connections} connections, {told.peak_per_s} in the busiest second", end="")
    print(f" ({told.stalled_s:.2f} s of which this machine kept them all waiting); ", end="")
    print(f"all back after {told.all_back_s:.1f} s" if not told.missing else f"{told.missing} missing")
    figures = {
        "reconnect_peak_per_s": told.peak_per_s,
        "reconnect_all_back_s": round(told.all_back_s, 1),
        "reconnect_missing": told.missing,
        "reconnect_stalled_s": round(told.stalled_s, 2),
    }
    conditions = {"gateways": given.gateways, "connections_per_s_max": given.per_second}
    print(json.dumps({"name": "stampede", "figures": figures, "conditions": conditions}))
    if told.missing or not told.held(given.per_second):
        sys.exit(1)


if __name__ == "__main__":
    main()
