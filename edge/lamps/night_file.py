"""The lamps' night so far, in a file beside the buffer, so that a restart within it tears no hole."""

import asyncio
from pathlib import Path

from edge import report_file
from edge.buffer.keeper import Keeper
from edge.lamps.nights import NightBook
from edge.telling import Told

FILE_NAME = "lamp-nights.json"
KEEP_INTERVAL_S = 1800.0
"""What a power cut tears out of a night counts as seen by nobody."""
BYTES_MAX = 64 * 1024 * 1024


class KeepingNights:
    """Keeps the book while the gateway runs; a disk that refuses stops nothing."""

    def __init__(self, folder: Path, keeper: Keeper, book: NightBook) -> None:
        """``folder`` is the gateway's state; what a former run kept there is taken up."""
        self._path, self._keeper, self._book = folder / FILE_NAME, keeper, book
        self._told = Told(f"the record of the lamps' night in {folder}")
        self._load()

    def _load(self) -> None:
        try:
            with self._path.open("rb") as file:
                data = file.read(BYTES_MAX + 1)
        except FileNotFoundError:
            return
        except OSError as error:
            self._told.failed(error.strerror or str(error))
            return
        if len(data) <= BYTES_MAX:
            self._book.load(data)

    async def run(self) -> None:
        """Keep it now and then, until cancelled."""
        while True:
            await asyncio.sleep(KEEP_INTERVAL_S)
            await self.keep()

    async def keep(self) -> None:
        """Keep it now."""
        data = self._book.data()
        if not data:
            return
        try:
            await self._keeper.run(report_file.write_bytes, self._path, data)
        except OSError as error:
            self._told.failed(error.strerror or str(error))
        else:
            self._told.works()
