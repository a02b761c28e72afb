"""A gateway's buffer lives, and tells the recorder what it promises: ``folder seed steps [weaken]``.

Batches in both lanes, what rules remember and drivers learnt, stretches without a link, a broker that queues,
a centre that commits and acknowledges, retention, restarts, a renumbering. ``normal`` and ``off`` weaken
SQLite's synchronous; ``puback`` deletes what the broker has confirmed, as delete_on_puback does.
"""

import os
import sqlite3
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from contract import batches
from contract.batches import Content
from contract.topics import Lane
from edge.buffer.batch import Append, Stored
from edge.buffer.store import Buffer
from edge.clock import Moment
from tests.faults.recording import Marker

START_MS = 1_800_000_000_000
CHECKPOINT_PAGES = (1000, 1000, 60, 15)
"""SQLite's own, which the product leaves as it is; smaller ones show more checkpoints in a short life."""

PAYLOAD_BYTES = (40, 120, 300, 700, 5_000)
HELD_MAX = 150
LINK_TURNS = 40
BROKER_BATCHES_MAX = 60


@dataclass(slots=True)
class Held:
    """What a lane is known to hold: digests of messages by sequence, and the two numbers beside them."""

    following: int = 1
    acked: tuple[int, str] = (0, "")
    digests: dict[int, str] = field(default_factory=dict)

    def holes(self) -> set[int]:
        """Return what is not there, of all from the first that is; retention lets go behind what has left."""
        return set(range(min(self.digests, default=self.following), self.following)) - self.digests.keys()


@dataclass(slots=True)
class State:
    """Everything that a buffer's file says; ``owed`` are batches that were promised and no centre has."""

    epoch: str = ""
    lanes: dict[str, Held] = field(default_factory=lambda: {str(lane): Held() for lane in Lane})
    remembered: dict[str, Any] = field(default_factory=dict)
    learnt: dict[str, Any] = field(default_factory=dict)
    owed: dict[str, set[int]] = field(default_factory=lambda: {str(lane): set() for lane in Lane})

    def apply(self, change: dict[str, Any]) -> None:
        """Take what a transaction changed, or what the centre has committed."""
        self.epoch = change.get("epoch", self.epoch)
        self.remembered = change.get("remembered", self.remembered)
        self.learnt = change.get("learnt", self.learnt)
        for lane, sequence, digest in change.get("append", []):
            self.lanes[lane].digests[sequence] = digest
            self.lanes[lane].following = sequence + 1
            self.owed[lane].add(sequence)
        for lane, sequence, digest in change.get("tombstones", []):
            self.lanes[lane].digests[sequence] = digest
        for lane, upto, digest in change.get("acked", []):
            self.lanes[lane].acked = upto, digest
        for lane, gone in change.get("let_go", []):
            self.owed[lane] -= set(gone)
            for sequence in gone:
                del self.lanes[lane].digests[sequence]
        for lane, upto in change.get("deleted", []):
            held = self.lanes[lane]
            held.digests = {sequence: digest for sequence, digest in held.digests.items() if sequence > upto}
        for lane, numbers in change.get("renumbered", {}).items():
            changed = {old: index for index, (old, _) in enumerate(numbers, 1)}
            digests = {index: digest for index, (_, digest) in enumerate(numbers, 1)}
            self.lanes[lane] = Held(len(numbers) + 1, (0, ""), digests)
            self.owed[lane] = {changed[old] for old in self.owed[lane]}
        for lane, upto in change.get("centre", []):
            self.owed[lane] = {sequence for sequence in self.owed[lane] if sequence > upto}

    def said(self) -> str:
        """Return everything that the file says, as text to compare."""
        lanes = [
            (lane, held.following, held.acked, sorted(held.digests.items()))
            for lane, held in sorted(self.lanes.items())
        ]
        return repr((self.epoch, lanes, self.remembered, self.learnt))


def read(buffer: Buffer) -> State:
    """Return what a buffer holds, by its own account; of course it knows nothing of what is owed."""
    state = State(buffer.epoch, remembered=buffer.remembered(), learnt=buffer.learnt())
    rows = buffer._db.execute("SELECT lane, next_sequence, acked_upto, acked_digest FROM lanes").fetchall()
    for lane, following, upto, digest in rows:
        held = Held(following, (upto, digest))
        query = "SELECT sequence FROM batches WHERE lane = ? ORDER BY sequence"
        for [sequence] in buffer._db.execute(query, (lane,)).fetchall():
            stored = buffer.read(Lane(lane), sequence)
            held.digests[sequence] = batches.digest(stored.message) if stored else ""
        state.lanes[lane] = held
    return state


class Recorded(Buffer):
    """A buffer that can tell of each commit: making room takes several."""

    on_begin: Callable[[], None] | None = None
    on_commit: Callable[[], None] | None = None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self.on_begin:
            self.on_begin()
        with super()._transaction() as db:
            yield db
        if self.on_commit:
            self.on_commit()


def opened(folder: Path, random: Random) -> Recorded:
    """Return the buffer of a recorded life, as the gateway opens it."""
    return Recorded(
        folder / "state" / "buffer.db",
        "north",
        "gw-1",
        f"{1:032x}",
        lambda: f"{random.getrandbits(128):032x}",
    )


NEVER_LATE = Moment(0, START_MS)
"""A batch that leaves then is no backfill: it leaves as it is kept."""


class _Life:
    def __init__(self, folder: Path, random: Random, weaken: str) -> None:
        self._folder, self._random, self._weaken = folder, random, weaken
        self._marker = Marker()
        self._pages = random.choice(CHECKPOINT_PAGES)
        self._known = State()
        self._link_up = True
        self._serial = 0
        self._sent = dict.fromkeys(Lane, 0)
        self._centre: dict[Lane, tuple[int, str]] = {}
        self._broker: deque[Stored] = deque()
        self._open()
        self._known = read(self._buffer)  # not nothing, where the life before ended in a power cut

    def step(self) -> None:
        """Let something happen."""
        if self._random.randrange(LINK_TURNS) == 0:
            self._link_up = not self._link_up
        chance = self._random.random()
        if chance < 0.55:
            self._append()
        elif chance < 0.7:
            self._publish()
        elif chance < 0.82:
            self._deliver()
        elif chance < 0.94:
            self._acknowledge()
        elif chance < 0.99:
            self._keep_within()
        elif chance < 0.996:
            self._buffer.close()
            self._open()
        elif self._weaken != "puback":
            self._renumber()

    def _open(self) -> None:
        self._marker.begin()
        self._buffer = opened(self._folder, self._random)
        if self._weaken in ("normal", "off"):
            self._buffer._db.execute(f"PRAGMA synchronous = {self._weaken}")
        self._buffer._db.execute(f"PRAGMA wal_autocheckpoint = {self._pages}")
        self._done(epoch=self._buffer.epoch)

    def _done(self, **change: Any) -> None:
        self._known.apply(change)
        self._marker.end(change)

    def _append(self) -> None:
        items = [self._item() for _ in range(self._random.choice((1, 1, 1, 2, 4)))]
        change: dict[str, Any] = {}
        if self._random.random() < 0.2:
            change["remembered"] = {"runs": self._serial, "text": "r" * self._random.randrange(200)}
        if self._random.random() < 0.05:
            change["learnt"] = {"device": {"refused": self._serial}}
        self._marker.begin()
        stored = self._buffer.append(items, change.get("remembered"), change.get("learnt"))
        told = [(str(one.lane), one.sequence, batches.digest(one.message)) for one in stored]
        self._done(append=told, **change)

    def _item(self) -> Append:
        self._serial += 1
        lane = self._random.choice((Lane.EVENTS, Lane.TELEMETRY, Lane.TELEMETRY))
        content = Content.EVENTS if lane is Lane.EVENTS else Content.SAMPLES
        payload = self._random.randbytes(self._random.choice(PAYLOAD_BYTES))
        at_ms = START_MS + self._serial * 1_000
        return Append(lane, content, payload, at_ms, at_ms - 900, at_ms, 10)

    def _publish(self) -> None:
        """Hand what follows to the broker, which confirms it; the centre has it when it is delivered."""
        if not self._link_up:
            return
        for lane in Lane:
            held = self._known.lanes[str(lane)]
            for sequence in range(max(self._sent[lane] + 1, min(held.digests, default=1)), held.following):
                if (
                    len(self._broker) >= BROKER_BATCHES_MAX
                    or (stored := self._buffer.to_send(lane, sequence, NEVER_LATE)) is None
                ):
                    break
                self._broker.append(stored)
                self._sent[lane] = sequence
            if self._weaken == "puback" and held.digests and self._sent[lane] >= min(held.digests):
                self._marker.begin()
                self._buffer.forget(lane, self._sent[lane])
                self._done(deleted=[(str(lane), self._sent[lane])])

    def _deliver(self) -> None:
        for _ in range(min(len(self._broker), self._random.randrange(1, 40))):
            stored = self._broker.popleft()
            self._centre[stored.lane] = stored.sequence, batches.digest(stored.message)
            change = {"centre": [(str(stored.lane), stored.sequence)]}
            self._known.apply(change)
            self._marker.note(change)

    def _acknowledge(self) -> None:
        if not self._centre or not self._link_up or self._weaken == "puback":
            return
        lane = self._random.choice(list(self._centre))
        upto, digest = self._centre.pop(lane)
        self._marker.begin()
        if not self._buffer.acknowledge(lane, upto, digest):
            raise AssertionError(f"{lane} {upto} is refused")
        self._done(acked=[(str(lane), upto, digest)], deleted=[(str(lane), upto)])

    def _keep_within(self) -> None:
        few = sum(len(held.digests) for held in self._known.lanes.values()) < HELD_MAX
        self._buffer.on_begin, self._buffer.on_commit = self._marker.begin, self._has_given_way
        self._buffer.keep_within(round(self._buffer.octets * (0.9 if few else 0.3)))
        self._buffer.on_begin = self._buffer.on_commit = None

    def _has_given_way(self) -> None:
        held = read(self._buffer).lanes
        tombstones: list[tuple[str, int, str]] = []
        gone: list[tuple[str, list[int]]] = []
        for lane, before in self._known.lanes.items():
            now = held[lane].digests
            tombstones += [(lane, *each) for each in now.items() if each[1] != before.digests[each[0]]]
            if lost := before.digests.keys() - now.keys():
                gone.append((lane, sorted(lost)))
        self._done(tombstones=tombstones, let_go=gone)

    def _renumber(self) -> None:
        """As after an acknowledgement that contradicts: what is under way belongs to the old epoch."""
        before = {lane: sorted(held.digests) for lane, held in self._known.lanes.items()}
        self._marker.begin()
        self._buffer.renumber()
        now = read(self._buffer)
        told = {
            lane: list(zip(numbers, now.lanes[lane].digests.values(), strict=True))
            for lane, numbers in before.items()
        }
        self._broker.clear()
        self._centre.clear()
        self._sent = dict.fromkeys(Lane, 0)
        self._done(epoch=now.epoch, renumbered=told)


def main() -> None:
    """Live as the arguments say."""
    folder, seed, steps, weaken = sys.argv[1:]
    life = _Life(Path(folder), Random(int(seed)), weaken)
    for _ in range(int(steps)):
        life.step()
    os._exit(0)  # a life does not end in order: its WAL is still there


if __name__ == "__main__":
    main()
