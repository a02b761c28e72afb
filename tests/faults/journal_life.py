"""A centre's journal lives, and tells the recorder what it acknowledges: ``folder seed steps [weaken]``.

Several gateways send both lanes; batches come twice, over holes, in groups; hellos tell of jumps and of new
epochs; letters are dead; the journal is pruned; readers hold the WAL; the centre restarts. ``normal`` and
``off`` weaken SQLite's synchronous.
"""

import os
import sys
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Connection, func, select

from collector import journal
from collector.database import Database
from collector.intake import Outcome, Received, Rules, take
from collector.tables import dead_letters, gaps, gateways, marks
from collector.tables import journal as journal_table
from contract import batches, messages, topics
from contract.batches import Content, Header
from contract.messages import EpochRange, Hello, LaneRange, State
from contract.samples import ClockState
from contract.topics import Lane
from tests.faults.recording import Marker

START_MS = 1_800_000_000_000
RULES = Rules("north", 10, 1_000, 2**30, 20)
GATEWAYS = 4
CHECKPOINT_PAGES = (1000, 1000, 60, 15)
PAYLOAD_BYTES = (40, 120, 300, 700, 5_000)
JOURNAL_BATCHES_MAX = 300
REMEMBERED_MAX = 20
BOOT = "b" * 32

Key = tuple[str, str, str]
"""Gateway, epoch and lane."""


@dataclass(slots=True)
class Journal:
    """What the database says, or is known to say: rows by id, marks, the head, jumps, counts of the rest."""

    rows: dict[int, tuple[Key, int, str]] = field(default_factory=dict)
    marks: dict[Key, tuple[int, str]] = field(default_factory=dict)
    head: tuple[int, int, int] = (0, 0, 0)
    jumps: dict[str, tuple[Key, int, int]] = field(default_factory=dict)
    counts: tuple[int, int] = (0, 0)
    acked: dict[Key, int] = field(default_factory=dict)
    """What was acknowledged; only the world outside knows."""

    def apply(self, change: dict[str, Any]) -> None:
        """Take what a transaction changed."""
        if "head" not in change:
            return
        for row, gateway, epoch, lane, sequence, digest in change["rows"]:
            self.rows[row] = (gateway, epoch, lane), sequence, digest
        for row in [row for row in self.rows if row <= change["pruned"]]:
            del self.rows[row]
        self.marks = {
            (gateway, epoch, lane): (upto, digest) for gateway, epoch, lane, upto, digest in change["marks"]
        }
        last_id, count, size = change["head"]
        self.head = last_id, count, size
        self.jumps = {
            key: ((gateway, epoch, lane), first, last)
            for key, gateway, epoch, lane, first, last in change["jumps"]
        }
        letters, known = change["counts"]
        self.counts = letters, known
        for gateway, epoch, lane, upto in change["acked"]:
            self.acked[gateway, epoch, lane] = upto

    def said(self) -> str:
        """Return everything that the file says, as text to compare."""
        parts = sorted(self.rows.items()), sorted(self.marks.items()), sorted(self.jumps.items())
        return repr((*parts, self.head, self.counts))


def read(connection: Connection) -> Journal:
    """Return what the database says."""
    found = Journal()
    for one in connection.execute(select(journal_table)):
        digest = batches.digest(one.message)
        found.rows[one.id] = (one.gateway, one.epoch, one.lane), one.sequence, digest
    for mark in connection.execute(select(marks)):
        found.marks[mark.gateway, mark.epoch, mark.lane] = mark.upto, mark.digest
    for gap in connection.execute(select(gaps)):
        found.jumps[gap.key] = (gap.gateway, gap.epoch, gap.lane), gap.first_sequence, gap.last_sequence
    head = journal.head(connection)
    found.head = head.last_id, head.batches, head.bytes
    letters = connection.execute(select(func.count()).select_from(dead_letters)).scalar_one()
    known = connection.execute(select(func.count()).select_from(gateways)).scalar_one()
    found.counts = letters, known
    return found


def opened(folder: Path) -> Database:
    """Return the state of a recorded life, as the centre opens it."""
    database = Database(folder / "state" / "collector.db", "state")
    database.write_now(lambda connection: journal.begin(connection, "a" * 32))
    return database


def batch(key: Key, sequence: int, payload: bytes) -> Received:
    """Return a batch as it comes from the broker."""
    gateway, epoch, name = key
    lane = Lane(name)
    content = Content.EVENTS if lane is Lane.EVENTS else Content.SAMPLES
    header = Header("north", gateway, epoch, lane, sequence, content, BOOT, START_MS + sequence)
    return Received(topics.up("north", gateway, lane), batches.message(header, payload), START_MS + sequence)


class Gateway:
    """One that sends: what follows, what it sent already, or something that is out of order."""

    def __init__(self, name: str, random: Random, digests: dict[tuple[Key, int], str]) -> None:
        """Begin with an empty buffer; ``digests`` takes those of all batches that are sent in their turn."""
        self._name, self._random, self._digests = name, random, digests
        self._sent: deque[Received] = deque(maxlen=REMEMBERED_MAX)
        self._renew()

    def message(self) -> Received:
        """Return what comes next."""
        if not self._sent:
            return self._next()
        acts = (
            self._next,
            self._again,
            self._too_early,
            self._jump,
            self._state,
            self._nonsense,
            self._new_card,
        )
        [act] = self._random.choices(acts, (80, 10, 3, 2, 2, 2, 1))
        return act()

    def _again(self) -> Received:
        return self._random.choice(self._sent)

    def _too_early(self) -> Received:
        """Send over a hole: it is not taken, and comes again in its turn."""
        lane = self._random.choice(list(Lane))
        return batch(self._key(lane), self._following[lane] + 3, b"too early")

    def _jump(self) -> Received:
        self._following[Lane.TELEMETRY] += self._random.randrange(4)
        return self._hello()

    def _state(self) -> Received:
        return Received(topics.state("north", self._name), messages.encode(State(1, True, BOOT)), START_MS)

    def _nonsense(self) -> Received:
        return Received(topics.up("north", self._name, Lane.EVENTS), b"nonsense", START_MS)

    def _new_card(self) -> Received:
        self._renew()
        return self._hello()

    def _renew(self) -> None:
        self._epoch = f"{self._random.getrandbits(128):032x}"
        self._following = dict.fromkeys(Lane, 1)
        self._sent.clear()

    def _key(self, lane: Lane) -> Key:
        return self._name, self._epoch, str(lane)

    def _next(self) -> Received:
        lane = self._random.choice((Lane.EVENTS, Lane.TELEMETRY, Lane.TELEMETRY))
        sequence = self._following[lane]
        payload = self._random.randbytes(self._random.choice(PAYLOAD_BYTES))
        sent = batch(self._key(lane), sequence, payload)
        self._following[lane] += 1
        self._sent.append(sent)
        self._digests[self._key(lane), sequence] = batches.digest(sent.payload)
        return sent

    def _hello(self) -> Received:
        lanes = {str(lane): LaneRange(following, following) for lane, following in self._following.items()}
        told = Hello(
            1,
            "north",
            self._name,
            BOOT,
            "0.1.0",
            START_MS,
            ClockState.SYNCHRONISED,
            [EpochRange(self._epoch, lanes)],
        )
        return Received(topics.hello("north", self._name), messages.encode(told), START_MS)


class _Life:
    def __init__(self, folder: Path, random: Random, weaken: str) -> None:
        self._folder, self._random, self._weaken = folder, random, weaken
        self._marker = Marker()
        self._pages = random.choice(CHECKPOINT_PAGES)
        self._sent: dict[tuple[Key, int], str] = {}
        self._gateways = [Gateway(f"gw-{number}", random, self._sent) for number in range(1, GATEWAYS + 1)]
        self._open()
        now = self._database.read_now(read)  # not nothing, where the life before ended in a power cut
        self._last_id, self._held, _ = now.head
        self._pruned = min(now.rows, default=self._last_id + 1) - 1

    def step(self) -> None:
        """Let something happen."""
        chance = self._random.random()
        if chance < 0.9:
            self._take()
        elif chance < 0.95 or self._held > JOURNAL_BATCHES_MAX:
            self._prune()
        elif chance < 0.99:
            self._database.read_now(self._take_beside)
        else:
            self._database.close()
            self._open()

    def _open(self) -> None:
        self._marker.begin()
        self._database = opened(self._folder)
        connection: Any = self._database._connection.connection.driver_connection
        if self._weaken in ("normal", "off"):
            connection.execute(f"PRAGMA synchronous = {self._weaken}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {self._pages}")
        self._marker.end({})

    def _take(self) -> None:
        group = [
            self._random.choice(self._gateways).message()
            for _ in range(self._random.choice((1, 1, 2, 5, 12)))
        ]
        self._marker.begin()
        outcome: Outcome = self._database.write_now(lambda connection: take(connection, group, RULES))
        self._done(
            [
                (*_plain(answer.key.gateway, answer.key.epoch, answer.key.lane), answer.ack.upto)
                for answer in outcome.answers
            ]
        )

    def _take_beside(self, connection: Connection) -> None:
        """Take some while a reader stands at what was before, so that no checkpoint can pass it."""
        journal.head(connection)
        for _ in range(self._random.randrange(1, 6)):
            self._take()

    def _prune(self) -> None:
        passed = max(self._pruned, self._last_id - self._random.randrange(200))
        self._marker.begin()
        self._database.write_now(
            lambda connection: journal.prune(connection, passed=passed, bytes_max=40_000, before_ms=0)
        )
        self._done([])

    def _done(self, acked: Iterable[tuple[str, str, str, int]]) -> None:
        """Tell what the transaction changed: batches as they were sent, the rest as the database says."""
        now = self._database.read_now(read)
        self._pruned = max(self._pruned, min(now.rows, default=now.head[0] + 1) - 1)
        rows = [
            (row, *key, sequence, self._sent[key, sequence])
            for row, (key, sequence, _) in now.rows.items()
            if row > self._last_id
        ]
        self._last_id, self._held = now.head[0], now.head[1]
        self._marker.end(
            {
                "rows": rows,
                "pruned": self._pruned,
                "marks": [(*key, *mark) for key, mark in now.marks.items()],
                "head": now.head,
                "jumps": [(name, *key, first, last) for name, (key, first, last) in now.jumps.items()],
                "counts": now.counts,
                "acked": list(acked),
            }
        )


def _plain(gateway: str, epoch: str, lane: Lane) -> Key:
    return gateway, epoch, str(lane)


def main() -> None:
    """Live as the arguments say."""
    folder, seed, steps, weaken = sys.argv[1:]
    life = _Life(Path(folder), Random(int(seed)), weaken)
    for _ in range(int(steps)):
        life.step()
    os._exit(0)  # a life does not end in order: its WAL is still there


if __name__ == "__main__":
    main()
