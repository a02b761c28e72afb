"""Keeping a TCP connection to an endpoint: made when first needed, and again after a rest when lost."""

import asyncio
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from edge.telling import Told

RECONNECT_INTERVAL_S = 1.0


class Connection(Protocol):
    """What an endpoint needs of a connection."""

    @property
    def usable(self) -> bool:
        """Whether it can still be asked something."""

    def close(self) -> None:
        """Leave the peer at once."""


AnyConnection = TypeVar("AnyConnection", bound=Connection)


class Endpoint(Generic[AnyConnection]):
    """A host and port, with at most one connection to it."""

    def __init__(
        self,
        name: str,
        address: tuple[str, int],
        make: Callable[[], AnyConnection],
        *,
        connect_timeout_s: float,
        reconnect_interval_s: float = RECONNECT_INTERVAL_S,
    ) -> None:
        """``make`` is the factory of an asyncio protocol; a new attempt waits that long from the last."""
        self._address, self._make = address, make
        self._connect_timeout_s, self._reconnect_interval_s = connect_timeout_s, reconnect_interval_s
        self.current: AnyConnection | None = None
        self._retry_at = 0.0
        self._told = Told(f"line {name}")

    async def connected(self) -> AnyConnection | None:
        """Return a connection that works, or None: then ``failed`` has been told why."""
        if self.current is not None and not self.current.usable:
            self.let_go()  # the last transaction ended in mid-frame, or the peer has closed it meanwhile
        if self.current is None and time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + self._reconnect_interval_s
            try:
                await self._connect()
            except OSError as error:  # TimeoutError is one, too
                self.failed(str(error) or "no answer")
        return self.current

    def failed(self, why: str) -> None:
        """Log why the peer cannot be asked, once."""
        host, port = self._address
        self._told.failed(f"{host}:{port}: {why}")

    def let_go(self) -> None:
        """Close the connection, if there is one."""
        if self.current is not None:
            self.current.close()
            self.current = None

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._connect_timeout_s):
            _, self.current = await loop.create_connection(self._make, *self._address)  # type: ignore[type-var]
        self._told.works()
