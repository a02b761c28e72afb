"""Malformed, oversized and hostile messages to both ends: ``python -m tests.faults.hostile``.

A real centre and a real uplink work on a real broker, while a stranger publishes to every topic that they
listen to: noise, harmed and forged batches, bombs, hellos and states that lie, acknowledgements that were
never given. Neither may fall, grow or lose what the gateway sends meanwhile; everything that the centre was
sent must be counted, as taken or by the reason for which it was not.
"""

import argparse
import asyncio
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
from collections.abc import Callable
from pathlib import Path

import aiomqtt
import httpx
import zstandard

from contract import batches, messages, topics
from contract.batches import Content, Header
from contract.limits import MESSAGE_BYTES_MAX
from contract.messages import Ack, EpochRange, Hello, LaneRange, State
from contract.samples import ClockState, Sample
from contract.topics import Lane
from gengfu.demo.processes import Child, die_with_parent
from simulators.mosquitto import HOST, Mosquitto
from tests.faults.stampede import DISTRICT, Fleet, centre

OURS, VICTIM = "gw-0000", "gw-9999"
EPOCH, BOOT = "e" * 32, "b" * 32
FORGED_ACKS_MAX = 2_000
FORGED_ACKS_SHARE = 0.05
EPOCHS_MAX = 12
"""Forged acknowledgements make the gateway begin a new epoch, but seldom; hellos cost less."""
IN_FLIGHT = 50
SETTLE_S_MAX = 60.0
RSS_GROWTH_MIB_MAX = 64.0
HARMLESS = frozenset({"hostile_messages", "hostile_rss_growth_mib", "hostile_epochs"})
COUNTED = re.compile(
    r"^gengfu_(batches|messages_rejected|hellos|states)_total(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE
)

Made = tuple[str, bytes]


class Stranger:
    """Makes hostile messages; what goes to the centre is for it to count."""

    def __init__(self, chance: random.Random) -> None:
        """``chance`` decides everything."""
        self._chance = chance
        self._forged = 0
        self.kinds: dict[str, Callable[[], Made]] = {
            "noise": self._noise,
            "cut": self._cut,
            "flipped": self._flipped,
            "bomb": self._bomb,
            "oversized": self._oversized,
            "nested": self._nested,
            "another_gateways": self._another_gateways,
            "unknown_epoch": self._unknown_epoch,
            "far_ahead": self._far_ahead,
            "lying_hello": self._lying_hello,
            "noisy_hello": self._noisy_hello,
            "noisy_state": self._noisy_state,
            "unknown_lane": self._unknown_lane,
            "noisy_ack": self._noisy_ack,
            "ack_of_another_epoch": self._ack_of_another_epoch,
            "ack_rolled_back": self._ack_rolled_back,
        }

    def message(self, epoch: str) -> tuple[str, str, bytes]:
        """Return a kind, a topic and a payload; ``epoch`` is that of our gateway now."""
        self._epoch = epoch
        if self._forged < FORGED_ACKS_MAX and self._chance.random() < FORGED_ACKS_SHARE:
            self._forged += 1
            return "forged_ack", *self._forged_ack()
        kind = self._chance.choice(list(self.kinds))
        return kind, *self.kinds[kind]()

    def _batch(self, **changes: object) -> bytes:
        told = {
            "district": DISTRICT,
            "gateway": VICTIM,
            "epoch": EPOCH,
            "lane": Lane.TELEMETRY,
            "sequence": 1,
            "content": Content.SAMPLES,
            "boot_id": BOOT,
            "created_ms": 1_800_000_000_000,
        } | changes
        header = Header(**told)  # type: ignore[arg-type]
        samples = [Sample(1_800_000_000_000 + i, "d", "p", i) for i in range(self._chance.randrange(1, 9))]
        return batches.message(header, batches.samples_payload(samples))

    def _up(self, data: bytes, lane: str = "telemetry", gateway: str = VICTIM) -> Made:
        return f"gengfu/1/{DISTRICT}/{gateway}/up/{lane}", data

    def _bytes(self, most: int = 2000) -> bytes:
        return self._chance.randbytes(self._chance.randrange(most))

    def _noise(self) -> Made:
        return self._up(self._bytes())

    def _cut(self) -> Made:
        data = self._batch()
        return self._up(data[: self._chance.randrange(len(data))])

    def _flipped(self) -> Made:
        data = bytearray(self._batch(sequence=self._chance.randrange(1, 5)))
        for _ in range(self._chance.randrange(1, 6)):
            data[self._chance.randrange(len(data))] ^= 1 << self._chance.randrange(8)
        return self._up(bytes(data), self._chance.choice(["telemetry", "events"]))

    def _bomb(self) -> Made:
        whole = self._batch(sequence=self._chance.randrange(1, 5))
        head = whole[: 5 + int.from_bytes(whole[3:5], "big")]
        size = self._chance.choice([5_000_000, 100_000_000])
        bomb = zstandard.ZstdCompressor(write_content_size=self._chance.random() < 0.5).compress(bytes(size))
        return self._up((head + b"\x01" + bomb)[:MESSAGE_BYTES_MAX])

    def _oversized(self) -> Made:
        return self._up(self._batch() + bytes(MESSAGE_BYTES_MAX + self._chance.randrange(1000)))

    def _nested(self) -> Made:
        deep = b"\x91" * 50_000 if self._chance.random() < 0.5 else b"[" * 50_000
        return self._chance.choice([self._up(deep), (topics.hello(DISTRICT, VICTIM), deep)])

    def _another_gateways(self) -> Made:
        return self._up(self._batch(gateway="gw-0001"))

    def _unknown_epoch(self) -> Made:
        epoch = self._chance.randbytes(16).hex()
        return self._up(self._batch(epoch=epoch, sequence=self._chance.randrange(1, 4)))

    def _far_ahead(self) -> Made:
        return self._up(self._batch(sequence=2 ** self._chance.randrange(3, 50)))

    def _lying_hello(self) -> Made:
        first = self._chance.randrange(1, 2**40)
        held = {"telemetry": LaneRange(first, self._chance.randrange(1, 2**40)), "events": LaneRange(1, 1)}
        gateway = self._chance.choice([VICTIM, "gw-0001", "x" * 64])
        hello = Hello(
            1,
            DISTRICT,
            gateway,
            BOOT,
            "s",
            1,
            ClockState.UNSET,
            [EpochRange(self._chance.choice([EPOCH, BOOT]), held)],
        )
        return topics.hello(DISTRICT, VICTIM), messages.encode(hello)

    def _noisy_hello(self) -> Made:
        text = json.dumps(
            {"version": self._chance.choice([1, 2, -1, 1e300, None]), "epochs": [[]] * 9}
        ).encode()
        return topics.hello(DISTRICT, VICTIM), self._chance.choice([text, self._bytes() or b"x"])

    def _noisy_state(self) -> Made:
        state = messages.encode(State(1, self._chance.random() < 0.5, BOOT))
        harmed = state[: self._chance.randrange(1, len(state))]
        return topics.state(DISTRICT, VICTIM), self._chance.choice([state, harmed, self._bytes() or b"x"])

    def _unknown_lane(self) -> Made:
        return self._up(self._batch(), self._chance.choice(["nonsense", "x" * 200, "hello", "遥测"]))

    def _ack(self, data: bytes) -> Made:
        return topics.ack(DISTRICT, OURS, self._chance.choice(list(Lane))), data

    def _noisy_ack(self) -> Made:
        return self._ack(self._bytes())

    def _ack_of_another_epoch(self) -> Made:
        return self._ack(messages.encode(Ack(1, EPOCH, self._chance.randrange(2**40), "a" * 32)))

    def _ack_rolled_back(self) -> Made:
        return self._ack(messages.encode(Ack(1, self._epoch, 0)))

    def _forged_ack(self) -> Made:
        upto = self._chance.choice([1, 5, 2**40])
        return self._ack(messages.encode(Ack(1, self._epoch, upto, self._chance.randbytes(16).hex())))


def rss_mib(pid: int) -> float:
    """Return what a process has resident."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


async def counted(url: str) -> int:
    """Return how many messages the centre has counted."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{url}/metrics")).text
    return round(sum(float(value) for _, value in COUNTED.findall(text)))


async def play(folder: Path, port: int, url: str, child: Child, total: int, seed: int) -> dict[str, float]:
    """Let the stranger publish while one gateway works; return the figures."""
    chance = random.Random(seed)
    stranger, fleet = Stranger(chance), Fleet(folder, port, 1)
    seen = Counter[str]()

    async def watch(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            seen[str(message.topic).split("/")[4]] += 1

    kinds, epochs = Counter[str](), set[str]()
    sent_values: list[float] = []
    async with aiomqtt.Client(
        HOST, port, protocol=aiomqtt.ProtocolVersion.V5, identifier="watcher"
    ) as watcher:
        for tail in ("hello", "up/+", "state"):
            await watcher.subscribe(f"gengfu/1/{DISTRICT}/+/{tail}", qos=1)
        watching = asyncio.create_task(watch(watcher))
        async with fleet.running():
            if await fleet.all_there(SETTLE_S_MAX):
                sys.exit("the gateway did not connect")
            pid = child.pid or 0
            rss = rss_mib(pid), rss_mib(os.getpid())
            async with aiomqtt.Client(
                HOST, port, protocol=aiomqtt.ProtocolVersion.V5, identifier="stranger"
            ) as client:
                client.pending_calls_threshold = 2 * IN_FLIGHT
                for begin in range(0, total, IN_FLIGHT):
                    if begin % (IN_FLIGHT * 10) == 0:
                        sent_values.append(float(begin))
                        fleet.measure(float(begin))
                    epochs |= set(fleet.epochs)
                    async with asyncio.TaskGroup() as tasks:
                        for _ in range(min(IN_FLIGHT, total - begin)):
                            kind, topic, payload = stranger.message(fleet.epochs[0])
                            kinds[kind] += 1
                            tasks.create_task(client.publish(topic, payload, qos=1))
            missing = await fleet.all_there(SETTLE_S_MAX)
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
        "hostile_lost": sum(value not in kept for value in sent_values),
        "hostile_doubled": sum(count - 1 for count in kept.values()),
        "hostile_unacknowledged": missing,
        "hostile_epochs": len(epochs),
        "hostile_crashes": fleet.fallen + int(bool(child.fallen)),
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
