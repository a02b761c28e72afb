"""A gateway's recorder and buffer in a process of their own, told what to do line by line.

``python -m tests.faults.keeping FOLDER BALLAST_BYTES``; each line of input is a word and a number,
each line of output is JSON and says how it went:

``open``      open the buffer
``samples N`` measure N samples; ``events N`` let N events happen
``flush``     commit; ``{"kept": true}`` where the disk took everything
``close``     end as a stopping gateway does
"""

import asyncio
import json
import logging
import os
import sqlite3
import sys
from pathlib import Path
from random import Random

from contract.events import AlarmCleared
from contract.samples import Sample
from edge import recorder as module
from edge.buffer.keeper import OnThread
from edge.buffer.store import Buffer
from edge.clock import SystemClock
from edge.recorder import Recorder

START_MS = 1_800_000_000_000
SAMPLES_PER_BATCH = 500


def fresh_id() -> str:
    """Return 128 random bits."""
    return os.urandom(16).hex()


class Keeping:
    """What the lines of input do."""

    def __init__(self, folder: Path, ballast_bytes: int) -> None:
        """Nothing is opened yet."""
        self._keeper, self._random = OnThread(), Random(1)
        self._buffer = Buffer(
            folder / "buffer.db",
            "north",
            "gw-1",
            fresh_id(),
            fresh_id,
            lambda: START_MS,
            ballast_bytes=ballast_bytes,
            open_now=False,
        )
        self._recorder = Recorder(
            self._buffer,
            self._keeper,
            SystemClock(),
            flush_interval_s=5,
            samples_per_batch_max=SAMPLES_PER_BATCH,
            bytes_max=2**28,
            remembered=dict,
            on_stored=lambda _: None,
        )
        self._taken = 0

    async def open(self, _: int) -> dict[str, object]:
        """Open the buffer."""
        try:
            await self._recorder.open()
        except (OSError, sqlite3.Error) as error:
            return {"open": False, "reason": str(error)}
        return {"open": True, "ballast": self._buffer.ballast.held}

    async def samples(self, count: int) -> dict[str, object]:
        """Measure; no two samples are alike, so that they take room."""
        for _ in range(count):
            self._taken += 1
            sample = Sample(START_MS + self._taken, "d", "p", self._random.random())
            self._recorder.samples([sample], SystemClock().now())
        return {"dropped": self._recorder.dropped_samples}

    async def events(self, count: int) -> dict[str, object]:
        """Let events happen."""
        for _ in range(count):
            self._recorder.event(AlarmCleared(fresh_id(), START_MS, "tilt", "cover", "roll"))
        return {"dropped": self._recorder.dropped_events}

    async def flush(self, _: int) -> dict[str, object]:
        """Commit everything."""
        kept = await self._recorder.flush()
        return {"kept": kept, "ballast": self._buffer.ballast.held, "pending": self._recorder._pending}

    async def close(self, _: int) -> dict[str, object]:
        """End."""
        clean = await self._recorder.flush()
        await self._keeper.run(self._buffer.close, clean=clean)
        await self._keeper.close()
        return {"clean": clean}


async def main() -> None:
    """Obey line by line."""
    module.PENDING_SAMPLES_MAX = 2_000
    keeping = Keeping(Path(sys.argv[1]), int(sys.argv[2]))
    for line in sys.stdin:
        word, _, number = line.strip().partition(" ")
        answer = await getattr(keeping, word)(int(number or 0))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main())
