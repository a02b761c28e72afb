"""Malformed, oversized and hostile messages to both ends: ``python -m tests.faults.hostile``.

A real centre and a real uplink work on a real broker, while a stranger publishes to every topic that they
listen to: noise, harmed and forged batches, bombs, hellos and states that lie, acknowledgements that were
never given, live values that nobody measured, and wishes to watch. Neither may fall, grow or lose what the
gateway sends meanwhile; everything that the centre was sent must be counted, as taken or by the reason for
which it was not. Two listen to the gateway's live values all the while, one of whom never reads; whoever
comes after must hear it.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import random
import re
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import httpx

from contract import batches
from gengfu.demo.processes import Child, die_with_parent
from simulators.mosquitto import Mosquitto
from simulators.servers import HOST
from tests.faults.stampede import DISTRICT, Fleet, centre
from tests.faults.stranger import OURS, Stranger

EPOCHS_MAX = 12
"""Forged acknowledgements make the gateway begin a new epoch, but seldom; hellos cost less."""
IN_FLIGHT = 50
SETTLE_S_MAX = 60.0
RECOVERY_S_MAX = 600.0
"""A buffer that was made to begin new epochs may do so again after 480 s at most, and says hello then."""
RSS_GROWTH_MIB_MAX = 64.0
LAST_VALUE = 0.5
HARMLESS = frozenset({"hostile_messages", "hostile_rss_growth_mib", "hostile_epochs", "hostile_live_heard"})
COUNTED = re.compile(
    r"^gengfu_(batches|messages_rejected|hellos|states|live_messages)_total(?:\{[^}]*\})? ([0-9.e+]+)$",
    re.MULTILINE,
)


def rss_mib(pid: int) -> float:
    """Return what a process has resident."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


async def counted(url: str) -> int:
    """Return how many messages the centre has counted."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{url}/metrics")).text
    return round(sum(float(value) for _, value in COUNTED.findall(text)))


class Ear:
    """Somebody who listens to the live values of our gateway."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        """``listening`` begins."""
        self._client, self._url = client, url
        self.values: set[float] = set()
        """What our gateway measured; not what was invented."""
        self.is_lost = False

    @contextlib.asynccontextmanager
    async def listening(self, *, reads: bool) -> AsyncIterator[None]:
        """Listen; without ``reads`` whatever comes waits on its way."""
        async with self._client.stream("GET", f"{self._url}/api/v1/gateways/{OURS}/live") as response:
            response.raise_for_status()
            reading = asyncio.create_task(self._read(response)) if reads else None
            try:
                yield
            finally:
                if reading:
                    self.is_lost = reading.done()
                    reading.cancel()
                    await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, response: httpx.Response) -> None:
        async for line in response.aiter_lines():
            if line.startswith("data:") and '"meter"' in line:
                items = json.loads(line.removeprefix("data:"))["items"]
                self.values |= {item["value"] for item in items if item["device"] == "meter"}


@contextlib.asynccontextmanager
async def ears(url: str) -> AsyncIterator[list[Ear]]:
    """Give two who listen to our gateway: one reads whatever comes, the other nothing."""
    async with httpx.AsyncClient(timeout=None) as client:  # silence is for the figures to tell
        reader, sleeper = Ear(client, url), Ear(client, url)
        async with reader.listening(reads=True), sleeper.listening(reads=False):
            yield [reader, sleeper]


async def heard_last(url: str, fleet: Fleet) -> bool:
    """Say whether somebody who begins to listen now hears our gateway."""
    async with ears(url) as [reader, _]:
        until_s = time.monotonic() + SETTLE_S_MAX
        while LAST_VALUE not in reader.values and time.monotonic() < until_s:
            fleet.say_live(LAST_VALUE)
            await asyncio.sleep(0.1)
    return LAST_VALUE in reader.values


async def bombard(
    client: aiomqtt.Client, stranger: Stranger, fleet: Fleet, total: int
) -> tuple[Counter[str], list[float], set[str]]:
    """Publish so many messages; return them by kind, what our gateway measured, and its epochs."""
    kinds, values, epochs = Counter[str](), list[float](), set[str]()
    for begin in range(0, total, IN_FLIGHT):
        if begin % (IN_FLIGHT * 10) == 0:
            values.append(float(begin))
            fleet.measure(float(begin))
        fleet.say_live(float(begin))
        epochs |= set(fleet.epochs)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(IN_FLIGHT, total - begin)):
                kind, topic, payload = stranger.message(fleet.epochs[0])
                kinds[kind] += 1
                tasks.create_task(client.publish(topic, payload, qos=1))
    return kinds, values, epochs


def connection(port: int, name: str) -> aiomqtt.Client:
    """Return a client of the broker."""
    return aiomqtt.Client(HOST, port, protocol=aiomqtt.ProtocolVersion.V5, identifier=name)


async def play(folder: Path, port: int, url: str, child: Child, total: int, seed: int) -> dict[str, float]:
    """Let the stranger publish while one gateway works; return the figures."""
    stranger, fleet = Stranger(random.Random(seed)), Fleet(folder, port, 1)
    seen = Counter[str]()

    async def watch(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            seen[str(message.topic).split("/")[4]] += 1

    async with connection(port, "watcher") as watcher:
        for tail in ("hello", "up/+", "state", "live"):
            await watcher.subscribe(f"gengfu/1/{DISTRICT}/+/{tail}", qos=1)
        watching = asyncio.create_task(watch(watcher))
        async with fleet.running():
            if await fleet.all_there(SETTLE_S_MAX):
                sys.exit("the gateway did not connect")
            pid = child.pid or 0
            rss = rss_mib(pid), rss_mib(os.getpid())
            async with connection(port, "stranger") as client, ears(url) as listening:
                client.pending_calls_threshold = 2 * IN_FLIGHT
                kinds, values, epochs = await bombard(client, stranger, fleet, total)
            began_s = time.monotonic()
            missing = await fleet.all_there(RECOVERY_S_MAX)
            print(f"the gateway was back after {time.monotonic() - began_s:.0f} s")
            heard = await heard_last(url, fleet)
        until_s = time.monotonic() + SETTLE_S_MAX
        while (told := await counted(url)) != seen.total() and time.monotonic() < until_s:
            await asyncio.sleep(0.2)
        growth = max(rss_mib(pid) - rss[0], rss_mib(os.getpid()) - rss[1])
        watching.cancel()
    kept = kept_values(folder)
    for kind, count in sorted(kinds.items()):
        print(f"{kind:<24}{count:>8}")
    return {
        "hostile_messages": kinds.total(),
        "hostile_uncounted": seen.total() - told,
        "hostile_rss_growth_mib": round(growth, 1),
        "hostile_lost": sum(value not in kept for value in values),
        "hostile_doubled": sum(count - 1 for count in kept.values()),
        "hostile_unacknowledged": missing,
        "hostile_epochs": len(epochs),
        "hostile_crashes": fleet.fallen + int(bool(child.fallen)),
        "hostile_live_heard": sum(len(ear.values) for ear in listening),
        "hostile_live_lost": int(not heard) + sum(ear.is_lost for ear in listening),
    }


def kept_values(folder: Path) -> Counter[float]:
    """Return what the centre's journal holds of our gateway, by value; renumbered batches come again."""
    found: dict[tuple[int, str], float] = {}
    connection = sqlite3.connect(folder / "centre" / "collector.db")
    for (message,) in connection.execute("SELECT message FROM journal WHERE gateway = ?", (OURS,)):
        for sample in batches.decode(message).samples:
            found[sample.time_ms, sample.point] = float(sample.value or 0)
    connection.close()
    return Counter(found.values())


def main() -> None:
    """Play it, print what was counted, end with a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.getLogger("edge").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="gengfu-hostile-") as name:
        folder = Path(name)
        broker = Mosquitto(folder / "broker", in_child=die_with_parent)
        broker.start()
        try:
            with centre(folder, broker.port, 3, 50) as (url, child):
                figures = asyncio.run(play(folder, broker.port, url, child, given.messages, given.seed))
        finally:
            broker.stop()
    conditions = {"seed": given.seed}
    print(json.dumps({"name": "hostile", "figures": figures, "conditions": conditions}))
    harmed = {name for name, value in figures.items() if value and name not in HARMLESS}
    if figures["hostile_epochs"] > EPOCHS_MAX:
        harmed.add("hostile_epochs")
    if harmed or figures["hostile_rss_growth_mib"] > RSS_GROWTH_MIB_MAX:
        sys.exit(1)


if __name__ == "__main__":
    main()
