"""A gateway's recorder and buffer in a process of their own, told what to do line by line.

``python -m tests.faults.keeping FOLDER BALLAST_BYTES``; each line of input is a word and what it needs,
each line of output is JSON and says how it went:

``open``      open the buffer
``samples N`` measure N samples, a millisecond apart; ``events N`` let N events happen and return their ids
``flush``     commit, or with ``flush events`` what is due at once; ``{"kept": true}`` where the disk took it
``hello``     what the buffer holds, for the centre
``send N``    the oldest N batches of each lane, as they would be sent
``ack LANE UPTO DIGEST`` the centre has them
``close``     end as a stopping gateway does
"""

import argparse
import asyncio
import base64
import json
import logging
import os
import sqlite3
import sys
import time
from pathlib import Path
from random import Random

from contract.events import AlarmCleared
from contract.samples import Measured, Sample
from contract.topics import Lane
from edge import recorder as module
from edge.buffer.keeper import OnThread
from edge.buffer.store import Buffer
from edge.clock import Moment
from edge.recorder import Recorder

START_MS = 1_800_000_000_000
SAMPLES_PER_BATCH = 500


def fresh_id() -> str:
    """Return 128 random bits."""
    return os.urandom(16).hex()


class Forgetful(Recorder):
    """The control: what a disk refused once is gone, and nobody counts it."""

    def _put_back(self, measured: list[Measured], count: int) -> None:
        pass


class Keeping:
    """What the lines of input do; its wall clock goes on with what is measured, by a millisecond each."""

    def __init__(self, given: argparse.Namespace) -> None:
        """Nothing is opened yet."""
        self._keeper, self._random = OnThread(), Random(1)
        self._taken = given.begun
        self._buffer = Buffer(
            given.folder / "buffer.db",
            "north",
            "gw-1",
            fresh_id(),
            fresh_id,
            lambda: self.now().wall_ms,
            ballast_bytes=given.ballast_bytes,
            open_now=False,
        )
        self._recorder = (Forgetful if given.forgetful else Recorder)(
            self._buffer,
            self._keeper,
            self,
            flush_interval_s=5,
            samples_per_batch_max=SAMPLES_PER_BATCH,
            bytes_max=given.bytes_max,
            remembered=dict,
            on_stored=lambda _: None,
        )

    def now(self) -> Moment:
        """Return this moment."""
        return Moment(time.monotonic_ns(), START_MS + self._taken)

    def s(self) -> float:
        """Return the monotonic seconds."""
        return self.now().s

    async def open(self) -> dict[str, object]:
        """Open the buffer."""
        try:
            await self._recorder.open()
        except (OSError, sqlite3.Error) as error:
            return {"open": False, "reason": str(error)}
        return {"open": True, "ballast": self._buffer.ballast.held}

    async def samples(self, count: str) -> dict[str, object]:
        """Measure; no two samples are alike, so that they take room."""
        for _ in range(int(count)):
            self._taken += 1
            sample = Sample(START_MS + self._taken, "d", "p", self._random.random())
            self._recorder.samples([sample], self.now())
        return {"dropped": self._recorder.dropped_samples}

    async def events(self, count: str) -> dict[str, object]:
        """Let events happen."""
        ids = [fresh_id() for _ in range(int(count))]
        for each in ids:
            self._recorder.event(AlarmCleared(each, self.now().wall_ms, "tilt", "cover", "roll"))
        return {"dropped": self._recorder.dropped_events, "ids": ids}

    async def flush(self, what: str = "everything") -> dict[str, object]:
        """Commit everything, or what is due at once."""
        kept = await self._recorder.flush(everything=what == "everything")
        pending, events = self._recorder.waiting
        return {"kept": kept, "ballast": self._buffer.ballast.held, "pending": pending, "events": events}

    async def hello(self) -> dict[str, object]:
        """Say what is held."""
        [held] = await self._keeper.run(self._buffer.ranges)
        lanes = {lane: [lane_held.first, lane_held.next] for lane, lane_held in held.lanes.items()}
        return {"epoch": held.epoch, "lanes": lanes}

    async def send(self, count: str) -> dict[str, object]:
        """Give out the oldest batches; nothing is deleted before it is acknowledged."""
        [held] = await self._keeper.run(self._buffer.ranges)
        messages = []
        for lane in (Lane.EVENTS, Lane.TELEMETRY):
            first, following = held.lanes[lane].first, held.lanes[lane].next
            for sequence in range(first, min(following, first + int(count))):
                stored = await self._keeper.run(self._buffer.read, lane, sequence)
                messages += [base64.b64encode(stored.message).decode()] if stored else []
        return {"messages": messages}

    async def ack(self, lane: str, upto: str, digest: str = "") -> dict[str, object]:
        """Delete what the centre has."""
        return {"taken": await self._keeper.run(self._buffer.acknowledge, Lane(lane), int(upto), digest)}

    async def close(self) -> dict[str, object]:
        """End."""
        clean = await self._recorder.flush()
        await self._keeper.run(self._buffer.close, clean=clean)
        await self._keeper.close()
        return {"clean": clean}


async def main(given: argparse.Namespace) -> None:
    """Obey line by line."""
    module.PENDING_SAMPLES_MAX = given.pending_samples_max
    keeping = Keeping(given)
    for line in sys.stdin:
        word, *rest = line.split()
        try:
            answer = await getattr(keeping, word)(*rest)
        except sqlite3.OperationalError as error:
            answer = {"refused": str(error)}
        print(json.dumps(answer), flush=True)


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("ballast_bytes", type=int)
    parser.add_argument("--bytes-max", type=int, default=2**28)
    parser.add_argument("--pending-samples-max", type=int, default=2_000)
    parser.add_argument("--begun", type=int, default=0, help="So many samples were measured before.")
    parser.add_argument("--forgetful", action="store_true", help="The control.")
    return parser.parse_args()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main(arguments()))
