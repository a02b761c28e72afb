"""The latest time kept for the next boot, while the gateway runs."""

import asyncio
from pathlib import Path

from edge import known_time
from edge.buffer.keeper import Keeper
from edge.clock import Clock
from edge.telling import Told


class KeepingTime:
    """Keeps the latest time for the next boot; a disk that refuses stops nothing."""

    def __init__(self, folder: Path, keeper: Keeper, clock: Clock) -> None:
        """``folder`` is that of the state."""
        self._folder, self._keeper, self._clock = folder, keeper, clock
        self._told = Told(f"the time in {folder / known_time.FILE_NAME}")

    async def run(self) -> None:
        """Keep it every ``KEEP_INTERVAL_S``, until cancelled."""
        while True:
            await asyncio.sleep(known_time.KEEP_INTERVAL_S)
            await self.keep()

    async def keep(self) -> None:
        """Keep it now."""
        try:
            await self._keeper.run(known_time.keep, self._folder, self._clock.now().wall_ms)
        except (OSError, OverflowError) as error:
            self._told.failed(str(error))
        else:
            self._told.works()
