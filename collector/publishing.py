"""What is published as the state says: looked for, handed to the link, noted when the broker has taken it."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prometheus_client import Counter
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from collector.database import Database

_log = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.5
AT_ONCE_MAX = 32
EXPIRY_S_MAX = 2**32 - 1
"""What MQTT has room for."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be published; after ``expiry_s`` (None: never) the broker may forget it."""

    topic: str
    payload: bytes
    expiry_s: int | None
    retain: bool
    key: tuple[str | int, ...]
    """Which row of the state it is."""


class Publisher(ABC):
    """Says what is due, and notes that it was sent. What is due stands in the state."""

    def __init__(self, name: str, database: Database, taken: Counter, *, now_ms: Callable[[], int]) -> None:
        """``name`` is how people call what is published; ``taken`` counts what the broker has taken."""
        self.name, self.failing = name, ""
        self._database, self._taken, self._now_ms = database, taken, now_ms

    async def take(self) -> list[Outgoing]:
        """Wait until something is due, and return some of it; each is to be told as ``sent``."""
        while not (due := await self.take_now()):
            await asyncio.sleep(POLL_INTERVAL_S)
        return due

    async def take_now(self) -> list[Outgoing]:
        """Return some of what is due by now, or nothing."""
        due: list[Outgoing] = []
        try:
            if await self._database.read(self.is_due):
                await self._database.write(self.expire)
                due = await self._database.read(self.due)
            self.failing = ""
        except SQLAlchemyError as error:
            self._failed(error)
        return due

    async def sent(self, outgoing: Sequence[Outgoing]) -> None:
        """Note that the broker has taken them; what cannot be noted is sent again."""
        self._taken.inc(len(outgoing))
        try:
            await self._database.write(lambda connection: self.note(connection, outgoing))
        except SQLAlchemyError as error:
            self._failed(error)

    @abstractmethod
    def is_due(self, connection: Connection) -> bool:
        """Say whether anything is due; asked often."""

    @abstractmethod
    def expire(self, connection: Connection) -> None:
        """Let go of what is over: it is not sent any more."""

    @abstractmethod
    def due(self, connection: Connection) -> list[Outgoing]:
        """Return what is to be sent now, AT_ONCE_MAX at most."""

    @abstractmethod
    def note(self, connection: Connection, outgoing: Sequence[Outgoing]) -> None:
        """Note that these were sent."""

    def _failed(self, error: SQLAlchemyError) -> None:
        if not self.failing:
            _log.error("%s cannot be read or noted: %s", self.name, error)
        self.failing = str(getattr(error, "orig", error))


def expiry_s(expires_ms: int | None, now_ms: int) -> int | None:
    """Return after how many whole seconds a message is over, as MQTT says it."""
    return None if expires_ms is None else min(-((now_ms - expires_ms) // 1000), EXPIRY_S_MAX)
