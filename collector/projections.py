"""Projections of the journal: what they promise, and the loop that keeps one of them up to date."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from collector.metrics import Metrics

POLL_INTERVAL_S = 1.0
"""A commit wakes the loop; this is for the case that it was missed."""

PAUSE_S = 0.1
"""Having caught up, it looks again after so long: what arrives meanwhile is taken together."""


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
        self.moved_s = monotonic_s()
        """When it last advanced, or had nothing to do."""
        self._monotonic_s = monotonic_s
        self._patience = metrics.patiences.of(f"projection {projection.name}")
        self._grown = asyncio.Event()

    @property
    def failing(self) -> str:
        """Why it cannot go on, or nothing."""
        return self._patience.failing

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
            except Exception as error:
                await asyncio.sleep(self._patience.failed(error))
                continue
            try:
                async with asyncio.timeout(POLL_INTERVAL_S):
                    await self._grown.wait()
            except TimeoutError:
                continue

    def _moved(self) -> None:
        self.moved_s = self._monotonic_s()
        self._patience.worked()
