"""The demo's broker: what waits in it is counted, and then it is killed and wiped."""

import asyncio
import contextlib
import time
from pathlib import Path

import aiomqtt

from contract import batches
from contract.errors import ContractError
from gengfu.demo.processes import die_with_parent
from simulators.mosquitto import Mosquitto

WAITING_MIN = 3
"""So many batches wait in it before it is killed."""
WAITING_TIMEOUT_S = 20.0
WATCHING_TIMEOUT_S = 10.0
RECONNECT_S = 0.2


class Broker:
    """A real broker, and a client that sees what it takes."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is all it has."""
        self._mosquitto = Mosquitto(folder, in_child=die_with_parent)
        self.up = False
        self.kills = self.queued_at_kill = self.killed_ms = 0
        self._waiting: set[tuple[str, str, str, int]] = set()
        self._counting = False
        self._watcher: asyncio.Task[None] | None = None
        self._watching = asyncio.Event()

    @property
    def port(self) -> int:
        """Where it listens, on loopback."""
        return self._mosquitto.port

    @property
    def waiting(self) -> int:
        """How many batches it has accepted since ``count``, which nobody has fetched."""
        return len(self._waiting)

    @property
    def fallen(self) -> str:
        """Say that it ended though nobody asked it to; nothing while all is well."""
        if self.up and self._mosquitto.pid is None:
            return f"the broker ended by itself; see {self._mosquitto.log}"
        return ""

    async def start(self) -> None:
        """Start it, also after it was lost; BrokerError if it does not."""
        await asyncio.to_thread(self._mosquitto.start)
        self._waiting.clear()
        self.up = True

    async def watch(self) -> None:
        """See from now on what it takes; at most 10 s pass until then."""
        self._watcher = asyncio.create_task(self._watch())
        with contextlib.suppress(TimeoutError):  # a client dropped while it connects complains at the end
            async with asyncio.timeout(WATCHING_TIMEOUT_S):
                await self._watching.wait()

    def count(self) -> None:
        """The centre goes away: what is taken from now on waits."""
        self._waiting.clear()
        self._counting = True

    async def some_wait(self) -> None:
        """Wait until some batches do, 20 s at most."""
        deadline = time.monotonic() + WAITING_TIMEOUT_S
        while self.waiting < WAITING_MIN and time.monotonic() < deadline:
            await asyncio.sleep(0.1)

    def lose(self, now_ms: int) -> None:
        """Kill it and take all that it has."""
        self.queued_at_kill = self.waiting
        self.up = self._counting = False
        self._mosquitto.kill()
        self._mosquitto.wipe()
        self.killed_ms = now_ms
        self.kills += 1

    async def unwatch(self) -> None:
        """End the client's connection, which is to be before the broker ends."""
        if self._watcher:
            self._watcher.cancel()
            await asyncio.wait((self._watcher,))

    async def stop(self) -> None:
        """End it, whatever state it is in."""
        self.up = False
        await asyncio.to_thread(self._mosquitto.stop)

    async def _watch(self) -> None:
        """Count what it has taken: it accepted that, and hands it on to us."""
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                async with aiomqtt.Client(
                    "127.0.0.1", self.port, protocol=aiomqtt.ProtocolVersion.V5
                ) as client:
                    await client.subscribe("gengfu/1/demo/+/up/+", qos=1)
                    self._watching.set()
                    async for message in client.messages:
                        self._take(message.payload)
            await asyncio.sleep(RECONNECT_S)

    def _take(self, payload: object) -> None:
        with contextlib.suppress(ContractError):
            if self._counting and isinstance(payload, bytes):
                header = batches.read_header(payload)
                self._waiting.add((header.gateway, header.epoch, header.lane, header.sequence))
