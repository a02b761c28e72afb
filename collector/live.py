"""Live values: what gateways say is newest, handed to whoever listens. Nothing of it is stored.

A gateway sends them only while it is asked to. Each listener has what changed since it looked last,
newest only, so that a slow one misses values in between and holds up nobody.
"""

import asyncio

from collector.metrics import Metrics
from contract import batches, topics
from contract.errors import ContractError
from contract.limits import VERSION
from contract.messages import Watch, encode
from contract.samples import Sample
from contract.topics import Kind

WATCH_FOR_S, RENEW_INTERVAL_S = 60.0, 20.0
LISTENERS_MAX = 100
POINTS_MAX = 10_000
"""Of one gateway, for one listener; points beyond are left out."""


class TooManyListenersError(Exception):
    """No further listener is taken."""


class Listener:
    """Somebody who listens to one gateway."""

    def __init__(self, gateway: str) -> None:
        """Nothing has changed yet."""
        self.gateway = gateway
        self._changed: dict[tuple[str, str], Sample] = {}
        self._arrived = asyncio.Event()

    def put(self, samples: list[Sample]) -> None:
        """Take newer values."""
        for sample in samples:
            key = (sample.device, sample.point)
            if key in self._changed or len(self._changed) < POINTS_MAX:
                self._changed[key] = sample
        self._arrived.set()

    async def take(self, limit_s: float) -> list[Sample]:
        """Return what has changed, after waiting for it up to ``limit_s``."""
        try:
            async with asyncio.timeout(limit_s):
                await self._arrived.wait()
        except TimeoutError:
            return []
        self._arrived.clear()
        changed, self._changed = self._changed, {}
        return list(changed.values())


class Live:
    """All who listen, and which gateways are to be asked."""

    def __init__(self, district: str, metrics: Metrics) -> None:
        """Nobody listens."""
        self._district, self._metrics = district, metrics
        self._listeners: dict[str, list[Listener]] = {}
        self._due: set[str] = set()
        self._changed = asyncio.Event()

    def listen(self, gateway: str) -> Listener:
        """Begin to listen; the gateway is asked at once. TooManyListenersError beyond LISTENERS_MAX."""
        if sum(map(len, self._listeners.values())) >= LISTENERS_MAX:
            raise TooManyListenersError(f"{LISTENERS_MAX} listen already")
        listener = Listener(gateway)
        self._listeners.setdefault(gateway, []).append(listener)
        self._ask(gateway)
        return listener

    def leave(self, listener: Listener) -> None:
        """Listen no more; the gateway stops by itself when nobody renews."""
        left = [each for each in self._listeners.get(listener.gateway, []) if each is not listener]
        if left:
            self._listeners[listener.gateway] = left
        else:
            self._listeners.pop(listener.gateway, None)

    def arrived(self, text: str, payload: object) -> bool:
        """Look at a message: True if it was live, and is done with; a hello calls for asking again."""
        tail = text.rpartition("/")[2]
        if tail == Kind.HELLO and self._listeners:
            self._ask(text.split("/")[-2])
        if tail != Kind.LIVE:
            return False
        try:
            topic = topics.parse(text)
            if topic.district != self._district or not isinstance(payload, bytes):
                raise ContractError("of another district")
            if listeners := self._listeners.get(topic.gateway):
                samples = batches.live_samples(payload)
                for listener in listeners:
                    listener.put(samples)
            self._metrics.live.inc()
        except ContractError:
            self._metrics.rejected.labels("malformed_live").inc()
        return True

    async def due(self) -> list[tuple[str, bytes]]:
        """Wait until gateways are to be asked, and return what to publish."""
        try:
            async with asyncio.timeout(RENEW_INTERVAL_S):
                await self._changed.wait()
            gateways = self._due & self._listeners.keys()
        except TimeoutError:
            gateways = set(self._listeners)
        self._changed.clear()
        self._due.clear()
        payload = encode(Watch(VERSION, WATCH_FOR_S))
        return [(topics.watch(self._district, gateway), payload) for gateway in sorted(gateways)]

    def _ask(self, gateway: str) -> None:
        if gateway in self._listeners:
            self._due.add(gateway)
            self._changed.set()
