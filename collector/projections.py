"""Projections of the journal: what they promise, and the loop that keeps one of them up to date."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from collector.metrics import Metrics

_log = logging.getLogger(__name__)

POLL_INTERVAL_S = 1.0
"""A commit wakes the loop; this is for the case that it was missed."""

PAUSE_S = 0.1
"""Having caught up, it looks again after so long: what arrives meanwhile is taken together."""

RETRY_INTERVAL_S = 2.0


@dataclass(frozen=True, slots=True)
class Redone:
    """Of the batches that could not be decoded: how many are now, still cannot be, or are gone."""

    decoded: int = 0
    undecodable: int = 0
    gone: int = 0

    def __add__(self, other: "Redone") -> "Redone":
        """Return both together."""
        return Redone(
            self.decoded + other.decoded, self.undecodable + other.undecodable, self.gone + other.gone
        )


class Projection(Protocol):
    """Something that can be computed from the journal again, and is kept so that it can be read quickly.

    What it writes and its cursor are one transaction, and writing the same batch twice changes nothing.
    """

    @property
    def name(self) -> str:
        """How metrics and messages call it."""

    async def position(self) -> int:
        """Return the journal id up to which everything is projected."""

    async def advance(self) -> bool:
        """Project some of what follows; False where nothing does."""

    async def rewind(self) -> None:
        """Begin anew from what the journal holds; what is there is overwritten, not doubled."""


class Keeper:
    """Advances one projection whenever the journal has grown; a failure is tried again, never skipped."""

    def __init__(self, projection: Projection, metrics: Metrics, *, monotonic_s: Callable[[], float]) -> None:
        """Prepare; ``run`` works."""
        self.projection = projection
        self.failing = ""
        self.moved_s = monotonic_s()
        """When it last advanced, or had nothing to do."""
        self._metrics, self._monotonic_s = metrics, monotonic_s
        self._grown = asyncio.Event()

    def wake(self) -> None:
        """Tell it that the journal has grown."""
        self._grown.set()

    async def run(self) -> None:
        """Advance until cancelled."""
        while True:
            self._grown.clear()
            try:
                while await self.projection.advance():
                    self._moved()
                self._moved()
                await asyncio.sleep(PAUSE_S)
            except (SQLAlchemyError, OSError) as error:
                if not self.failing:
                    _log.exception("projection %s cannot go on and is tried again", self.projection.name)
                self.failing = str(getattr(error, "orig", error)) or type(error).__name__
                await asyncio.sleep(RETRY_INTERVAL_S)
                continue
            try:
                async with asyncio.timeout(POLL_INTERVAL_S):
                    await self._grown.wait()
            except TimeoutError:
                continue

    def _moved(self) -> None:
        self.moved_s = self._monotonic_s()
        self.failing = ""
