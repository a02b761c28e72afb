"""A site for desired documents: a real broker, a real centre with a key, real gateways that pin it."""

import asyncio
import contextlib
import json
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec

from collector import key_file
from contract import messages, topics
from contract.desired import DesiredKind, Outcome
from contract.events import DesiredReport
from contract.limits import VERSION
from contract.messages import EpochRange, Hello, LaneRange
from contract.samples import ClockState
from contract.signing import SigningKey
from edge.remote.ledger import FILE_NAME, Ledger
from edge.remote.memory import Memory, Since
from simulators.servers import HOST
from tests.faults import plain_site
from tests.faults.plain_site import DESIRED

DISTRICT = "forged"
POLL_S = 0.1
IN_FORCE_S_MAX = 60.0

_CLASS = """[[case_classes]]
problem = "none"
code = "010201"
title = { en = "none", zh = "无" }
deadline_h = 4
"""

_GATEWAY = """[centre]
public_keys = ["{key}"]
report_interval_s = {interval_s}
[buffer]
stop_drain_s = 0
[[lines]]
kind = "tcp"
name = "nowhere"
host = "127.0.0.1"
port = 9
[[devices]]
name = "meter"
line = "nowhere"
profile = "qdy30a"
interval_s = 60
"""


class Site(plain_site.Site):
    """Everything by name; ``gateways`` are what each leaves out of its checks, empty for a sound one."""

    def __init__(self, folder: Path, gateways: Mapping[str, str], *, report_interval_s: float = 1) -> None:
        """Write settings and make the key; ``running`` starts it all."""
        super().__init__(folder, DISTRICT, DESIRED + _CLASS)
        self.gateways = dict(gateways)
        self.key: SigningKey = key_file.make(folder / "centre")
        settings = _GATEWAY.format(key=self.key.public.line, interval_s=report_interval_s)
        for name, without in self.gateways.items():
            entry = ["tests.faults.trusting_gateway", "--without", without] if without else ["gengfu.main"]
            self.settings_file(name).write_text(self.gateway_settings(name, settings))
            self.add(name, [*entry, "edge", "run"])
            _remembering(folder / name)

    def client(self, name: str) -> aiomqtt.Client:
        """Return a client of the broker."""
        return aiomqtt.Client(HOST, self.broker.port, protocol=aiomqtt.ProtocolVersion.V5, identifier=name)

    async def known(self) -> None:
        """Wait until the centre has heard all gateways."""
        async with asyncio.timeout(IN_FORCE_S_MAX):
            while not set(self.gateways) <= set(await asyncio.to_thread(self.heard_ms)):
                await asyncio.sleep(POLL_S)

    async def push(self, kind: str, bodies: Mapping[str, object]) -> dict[str, int]:
        """Push bodies by gateway; return the sequences."""
        documents = {gateway: json.dumps(body) for gateway, body in bodies.items()}
        return await asyncio.to_thread(self.pushed, kind, documents)

    async def states(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return where the newest document of each gateway stands."""
        return await asyncio.to_thread(self.standings, kind)

    async def in_force(
        self, kind: str, sequences: Mapping[str, int], limit_s: float = IN_FORCE_S_MAX
    ) -> set[str]:
        """Wait until these are in force; return the gateways in which they are not, when the time is over."""
        until_s = time.monotonic() + limit_s
        while True:
            states = await self.states(kind)
            missing = {
                gateway
                for gateway, sequence in sequences.items()
                if states[gateway]["sequence"] < sequence or states[gateway]["state"] != "in_force"
            }
            if not missing or time.monotonic() > until_s:
                return missing
            await asyncio.sleep(POLL_S)

    async def holding(self, kind: str, sequences: Mapping[str, int]) -> None:
        """Wait until the centre has heard that these are in force; TimeoutError where it does not."""
        async with asyncio.timeout(IN_FORCE_S_MAX):
            states = await self.states(kind)
            while any(states[gateway]["in_force"] != sequences[gateway] for gateway in sequences):
                await asyncio.sleep(POLL_S)
                states = await self.states(kind)

    def reports(self, gateway: str) -> list[DesiredReport]:
        """Return what the centre was told of a gateway's documents."""
        query = "SELECT event FROM events WHERE gateway = ? AND kind = 'desired_report' ORDER BY id"
        return [msgspec.json.decode(text, type=DesiredReport) for (text,) in self._rows(query, gateway)]

    def genuine(self, gateway: str) -> set[str]:
        """Return the digests of all documents that the centre signed for a gateway."""
        return {text for (text,) in self._rows("SELECT digest FROM desired WHERE gateway = ?", gateway)}

    def _rows(self, query: str, gateway: str) -> list[tuple[Any, ...]]:
        path = self.folder / "centre" / "collector.db"
        with contextlib.closing(sqlite3.connect(path, timeout=10)) as connection:
            return connection.execute(query, (gateway,)).fetchall()


def _remembering(state: Path) -> None:
    """Let a gateway have remembered commands since yesterday: a new one takes none for five minutes."""
    state.mkdir()
    yesterday_ms = time.time_ns() // 1_000_000 - 86_400_000
    Ledger(state / FILE_NAME).add([Since(0, yesterday_ms)], Memory())


def taken(reports: list[DesiredReport]) -> Counter[str]:
    """Return how often each document was taken, by digest."""
    return Counter(
        report.digest
        for report in reports
        if report.outcome in (Outcome.STORED, Outcome.IN_FORCE) and report.refusal is None
    )


def counted(reports: list[DesiredReport]) -> Counter[str]:
    """Return how many messages were not taken, by reason."""
    found = Counter[str]()
    for report in reports:
        if report.refusal is not None:
            found[str(report.refusal)] += report.count
    return found


async def say_hello(client: aiomqtt.Client, gateway: str) -> None:
    """Let a gateway that has no process be known to the centre."""
    lanes = {"telemetry": LaneRange(1, 1), "events": LaneRange(1, 1)}
    hello = Hello(
        VERSION,
        DISTRICT,
        gateway,
        "b" * 32,
        "campaign",
        1,
        ClockState.SYNCHRONISED,
        [EpochRange("e" * 32, lanes)],
    )
    await client.publish(topics.hello(DISTRICT, gateway), messages.encode(hello), qos=1)


@contextlib.asynccontextmanager
async def overheard(site: Site, heard: dict[tuple[str, str], list[bytes]]) -> AsyncIterator[Counter[str]]:
    """Listen to all documents that are published; give how many came for each gateway.

    Genuine ones, each once, are gathered in ``heard``; they are those that the centre's table has.
    """
    seen = Counter[str]()

    async def listen(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            _, _, _, gateway, _, kind = str(message.topic).split("/", 5)
            if message.payload:
                seen[gateway] += 1
            if message.properties and dict(getattr(message.properties, "UserProperty", [])).get("forged"):
                continue
            known = heard.setdefault((gateway, kind), [])
            if kind in list(DesiredKind) and message.payload and message.payload not in known:
                known.append(message.payload)

    async with site.client("listener") as client:
        await client.subscribe(f"gengfu/1/{DISTRICT}/+/desired/+", qos=1)
        listening = asyncio.create_task(listen(client))
        try:
            yield seen
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
