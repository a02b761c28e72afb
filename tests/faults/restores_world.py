"""A gateway whose card can be copied, and a centre that can be restored, for ``tests.faults.restores``."""

import asyncio
import contextlib
import shutil
import sqlite3
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from contract import batches
from contract import blocks as packing
from contract.batches import Content
from contract.messages import DeviceEntry
from contract.samples import Sample
from contract.topics import Lane
from edge.buffer.batch import Append
from edge.buffer.keeper import Inline
from edge.buffer.store import Buffer
from edge.clock import SystemClock
from edge.settings import Broker
from edge.uplink.mqtt import Uplink
from edge.uplink.session import Limits, Session
from edge.wiring import fresh_id
from gengfu.demo.processes import Child
from simulators.servers import HOST
from tests.faults.stampede import CENTRE

LIMITS = Limits(8, 64 * 1024, 2, 10)
KEEPALIVE_S = 10
STATE, SERIES = "collector.db", "series.db"
DEVICE, POINT = "meter", "energy"

Place = tuple[str, str, int]
"""Epoch, lane and sequence."""


class Noting(Buffer):
    """Notes by which acknowledgement each sample was deleted."""

    def __init__(self, *given: Any) -> None:
        """Open the buffer."""
        self.deleted: dict[int, Place] = {}
        super().__init__(*given)

    def acknowledge(self, lane: Lane, upto: int, digest: str) -> bool:
        """Do as the buffer does."""
        before, place = self.held(), (self.epoch, str(lane), upto)
        done = super().acknowledge(lane, upto, digest)
        self.deleted |= dict.fromkeys(before - self.held(), place)
        return done

    def held(self) -> set[int]:
        """Return what the file holds."""
        found = set()
        for name, held in self.ranges()[0].lanes.items():
            for sequence in range(held.first, held.next):
                if stored := self.read(Lane(name), sequence):
                    found |= serials(stored.message)
        return found


class Trusting(Noting):
    """Believes every acknowledgement, whatever its digest: what the control shows."""

    def acknowledge(self, lane: Lane, upto: int, digest: str) -> bool:
        upto = min(upto, self.ranges()[0].lanes[lane].next - 1)
        held = self.read(lane, upto)
        return super().acknowledge(lane, upto, batches.digest(held.message) if held else "")


class Gateway:
    """A real uplink on a buffer file, whose power can fail."""

    def __init__(
        self, folder: Path, port: int, names: tuple[str, str], random: Random, *, trusting: bool
    ) -> None:
        """Open the buffer; ``start`` connects. ``names`` are district and gateway."""
        self.folder, self.name = folder, names[1]
        self.known: set[int] = set()
        """What this card ever knew of."""
        kind = Trusting if trusting else Noting
        self.buffer = kind(folder / "buffer.db", *names, fresh_id(), fresh_id)
        [held, *_] = self.buffer.ranges()
        broker = Broker(host=HOST, port=port, keepalive_s=KEEPALIVE_S, reconnect_min_s=0.1, reconnect_max_s=1)
        self.uplink = Uplink(
            broker,
            Session(held.epoch, held.lanes, LIMITS, random),
            self.buffer,
            Inline(),
            SystemClock(),
            random,
            software="restores",
            devices=[DeviceEntry(DEVICE, "none", "line")],
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect."""
        self._task = asyncio.create_task(self.uplink.run())

    async def cut(self) -> None:
        """The power fails: nothing is said to anybody."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.buffer.close(clean=False)

    def commit(self, serial: int, lane: Lane) -> None:
        """Commit a batch of one sample."""
        payload = batches.samples_payload([Sample(serial, DEVICE, POINT, serial)])
        for stored in self.buffer.append([Append(lane, Content.SAMPLES, payload, serial, serial, serial, 1)]):
            self.uplink.stored(stored)
        self.known.add(serial)

    def copied(self, target: Path) -> "Image":
        """Copy the card while it is in use, as an imager finds it between two commits."""
        target.mkdir(parents=True)
        for name in ("buffer.db", "buffer.db-wal"):
            if (self.folder / name).exists():
                shutil.copyfile(self.folder / name, target / name)
        return Image(target, frozenset(self.known))

    def drained(self, marks: dict[tuple[str, str, str], int]) -> bool:
        """Say whether nothing is held, and the centre's marks say that it knows."""
        [held] = self.buffer.ranges()
        return self.uplink.drained and all(
            lane.first == lane.next == marks.get((self.name, held.epoch, name), -1) + 1
            for name, lane in held.lanes.items()
        )


def serials(message: bytes) -> set[int]:
    """Return what a batch holds."""
    return {sample.time_ms for sample in batches.decode(message).samples}


@dataclass(frozen=True)
class Image:
    """A copy of a card, and what was ever known to it."""

    folder: Path
    known: frozenset[int]


class Centre:
    """A real centre's process, its commands and its databases."""

    def __init__(self, folder: Path, port: int, district: str) -> None:
        """Write its settings."""
        folder.mkdir(parents=True)
        self.data = folder / "centre"
        self._settings = folder / "centre.toml"
        text = CENTRE.format(district=district, port=port, gateways=9, per_s=1000)
        self._settings.write_text(text.replace("[limits]", "[limits]\nrepeat_interval_s = 0.2"))
        command = ["gengfu.main", "collector", "run", "--settings", str(self._settings)]
        self._child = Child("centre", command, folder / "centre.log")

    async def start(self) -> None:
        """Run it."""
        await asyncio.to_thread(self._child.start)

    async def stop(self, *, hard: bool) -> None:
        """End it, or kill it."""
        if self._child.fallen:
            sys.exit(self._child.fallen)
        await asyncio.to_thread(self._child.kill if hard else self._child.end)

    async def command(self, *arguments: str) -> None:
        """Run one of its commands."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gengfu.main", "collector", *arguments),
            *("--settings", str(self._settings)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        if process.returncode:
            sys.exit(f"{arguments} ended with {process.returncode}: {said.decode(errors='replace')}")

    def journalled(self) -> dict[int, set[Place]]:
        """Return what its journal holds, and where."""
        found: dict[int, set[Place]] = {}
        for *place, message in self._rows(STATE, "SELECT epoch, lane, sequence, message FROM journal"):
            for serial in serials(message):
                found.setdefault(serial, set()).add((place[0], place[1], place[2]))
        return found

    def names(self, place: Place) -> bool:
        """Say whether a gap names this."""
        query = (
            "SELECT 1 FROM gaps WHERE epoch = ? AND lane = ? AND ? BETWEEN first_sequence AND last_sequence"
        )
        return bool(self._rows(STATE, query, place))

    def marks(self) -> dict[tuple[str, str, str], int]:
        """Return up to where it has each lane of each epoch of each gateway."""
        rows = self._rows(STATE, "SELECT gateway, epoch, lane, upto FROM marks")
        return {(gateway, epoch, lane): upto for gateway, epoch, lane, upto in rows}

    def series(self) -> Counter[int]:
        """Return the times of all samples of its series."""
        rows = self._rows(SERIES, "SELECT data FROM blocks")
        return Counter(time_ms for (data,) in rows for time_ms in packing.unpack(data).times)

    @property
    def projected(self) -> bool:
        """Say whether the series have all that the journal has."""
        [(reached,)] = self._rows(SERIES, "SELECT journal_id FROM cursor")
        [(last_id,)] = self._rows(STATE, "SELECT last_id FROM journal_head")
        return bool(reached >= last_id)

    def _rows(self, name: str, query: str, given: tuple[Any, ...] = ()) -> list[Any]:
        if not (self.data / name).exists():
            return []
        with contextlib.closing(sqlite3.connect(self.data / name, timeout=10)) as db:
            return db.execute(query, given).fetchall()
