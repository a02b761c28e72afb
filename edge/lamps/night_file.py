"""The lamps' night so far, in a file beside the buffer, so that a restart within it tears no hole.

It is written a while after a night was told, when the disk has the records: whatever a power cut finds is
told again under the same ids, and nothing is told by neither.
"""

import asyncio
from pathlib import Path

import owned_files
from edge import report_file
from edge.buffer.keeper import Keeper
from edge.lamps.nights import NightBook
from edge.telling import Told
from edge.waiting import Wake

FILE_NAME = "lamp-nights.json"
KEEP_INTERVAL_S = 1800.0
"""What a power cut tears out of a night counts as seen by nobody."""
SETTLE_S = 60.0
"""Records of a night are on disk well before that, if it takes any."""
BYTES_MAX = 64 * 1024 * 1024


class KeepingNights:
    """Keeps the book while the gateway runs; a disk that refuses stops nothing."""

    def __init__(self, folder: Path, keeper: Keeper, book: NightBook) -> None:
        """``folder`` is the gateway's state; what a former run kept there is taken up."""
        self._path, self._keeper, self._book = folder / FILE_NAME, keeper, book
        self._told = Told(f"the record of the lamps' night in {folder}")
        self._wake = Wake()
        book.on_told = self._wake.set
        self._load()

    def _load(self) -> None:
        try:
            data = owned_files.read(self._path, BYTES_MAX, follow=True)
        except FileNotFoundError:
            return
        except OSError as error:
            self._told.failed(error.strerror or str(error))
            return
        if len(data) <= BYTES_MAX:
            self._book.load(data)

    async def run(self) -> None:
        """Keep it now and then and after each night, until cancelled."""
        await asyncio.sleep(SETTLE_S)
        while True:
            await self.keep()
            await self._wake.wait(KEEP_INTERVAL_S)
            await asyncio.sleep(SETTLE_S)

    async def keep(self) -> None:
        """Keep it now."""
        data = self._book.data()
        try:
            await self._keeper.run(self._write, data)
        except OSError as error:
            self._told.failed(error.strerror or str(error))
        else:
            self._told.works()

    def _write(self, data: bytes) -> None:
        if data:
            report_file.write_bytes(self._path, data, synced=True)
        else:
            self._path.unlink(missing_ok=True)
