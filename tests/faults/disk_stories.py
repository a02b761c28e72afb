"""Stories of a recorder and its buffer on a disk that fails, drawn by a seed: real process, thread and files.

A process lives, measures, has alarms; its disk refuses with an errno, becomes full or works again; its link
is there or not; it is stopped or killed, and starts again. In the end all is well, and the centre's real
intake takes what the buffer still has.
"""

import base64
import errno
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import select

from collector import tables
from collector.intake import Received, take
from contract import messages, topics
from contract.batches import read_header
from contract.limits import VERSION
from contract.messages import EpochRange, Hello, LaneRange
from contract.samples import ClockState
from tests.faults.disk_audit import Verdict, arrived, buried_alive, judged, not_oldest_first
from tests.faults.failing_disk import FailingDisk
from tests.faults.keeping import START_MS
from tests.faults.keeping_process import KeepingProcess
from tests.whole.centre import RULES, Centre

KIB = 1024
BALLAST_BYTES = 256 * KIB
REFUSALS = (errno.ENOSPC, errno.EROFS, errno.EIO)
BATCHES_AT_ONCE = 40
LIVES_MAX = 3
DRAIN_ROUNDS_MAX = 100
AWAY_TICKS = 50
"""Milliseconds of the story's clock between two lives."""


class Journal(Centre):
    """The centre's real intake and journal, in memory."""

    def receive(self, group: list[Received]) -> list[tuple[str, int, str]]:
        """Take a group; return what it acknowledges: lane, sequence, digest."""
        with self._engine.begin() as connection:
            outcome = take(connection, group, RULES)
        assert not outcome.rejected, outcome.rejected
        return [(answer.key.lane, answer.ack.upto, answer.ack.digest) for answer in outcome.answers]

    def messages(self) -> list[bytes]:
        """Return everything it has."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(tables.journal.c.message).order_by(tables.journal.c.id)).all()
        return [row.message for row in rows]


class Story:
    """One story; ``run`` plays it and returns the verdict."""

    def __init__(
        self, folder: Path, seed: int, *, forgetful: bool = False, ballast_bytes: int = BALLAST_BYTES
    ) -> None:
        """``folder`` is the story's own; the rest are the controls."""
        self.name = f"recorder {seed}"
        self._chance = Random(seed)
        self._disk = FailingDisk(folder, f"state-{seed}")
        self._disk.folder.mkdir()
        self._options = ["--bytes-max", str(self._chance.choice((64, 128, 512)) * KIB)]
        self._options += ["--forgetful"] if forgetful else []
        self._ballast_bytes = ballast_bytes
        self._journal = Journal()
        self._begun = self._first = 0
        self._taken: list[int] = []
        self._alarms = 0
        self._of_life: list[str] = []
        self._promised: set[str] = set()
        self._broken = self._kills = 0
        self._must_take = True
        """The disk has to take alarms, whatever it says: it works, or was filled beside a ballast."""
        self._marked = False
        self._process: KeepingProcess

    def run(self) -> Verdict:
        """Play it."""
        try:
            for _ in range(self._chance.randint(1, LIVES_MAX)):
                self._live()
            self._drain()
            return self._verdict()
        finally:
            self._journal.close()

    def _start(self) -> None:
        options = [*self._options, "--begun", str(self._begun)]
        self._process = KeepingProcess(self._disk, self._ballast_bytes, *options)
        self._given = self._marked = False
        self._of_life = []
        self._do("open")

    def _live(self) -> None:
        if self._chance.random() < 0.5:
            self._change_disk()
        self._start()
        acts = (self._measure, self._measure, self._measure, self._happen, self._flush, self._change_disk)
        for _ in range(self._chance.randint(6, 30)):
            self._chance.choice(acts)()
            if self._chance.random() < 0.1:
                self._exchange(self._chance.randrange(1, BATCHES_AT_ONCE))
        if not self._marked:  # a disk that never took a thing cannot tell the next start of this one
            self._disk.work()
            self._must_take = True
            self._measure()
            self._flush()
        self._end()

    def _end(self) -> None:
        """Stop or kill it, the latter perhaps in the middle of a commit."""
        how = self._chance.choice(("close", "kill", "kill in a flush"))
        if how == "close":
            if self._do("close")["clean"]:
                self._promised |= set(self._of_life)
            with self._process:
                pass
        else:
            if how != "kill":
                self._process.begin("flush")
                time.sleep(self._chance.random() * 0.02)
            self._process.kill()
            self._kills += 1
        self._begun += AWAY_TICKS

    def _measure(self) -> None:
        self._given = True
        count = self._chance.randrange(1, 900)
        self._do(f"samples {count}")
        self._taken += range(START_MS + self._begun + 1, START_MS + self._begun + count + 1)
        self._begun += count
        if self._chance.random() < 0.7:
            self._flush()

    def _happen(self) -> None:
        self._given = True
        ids = self._do(f"events {self._chance.randrange(1, 4)}")["ids"]
        self._of_life += ids
        self._alarms += len(ids)
        self._flush()

    def _flush(self) -> None:
        answer = self._do("flush")
        self._marked |= bool(answer["kept"]) and self._given
        if self._must_take or answer["events"] == 0:
            self._promised |= set(self._of_life)

    def _change_disk(self) -> None:
        what = self._chance.choice(("refuse", "full", "work"))
        self._must_take = what == "work"
        if what == "refuse":
            self._disk.refuse(self._chance.choice(REFUSALS))
        elif what == "full":
            used = sum(file.stat().st_size for file in self._disk.folder.iterdir())
            self._disk.hold(used + self._chance.randrange(0, 256 * KIB))
            ballast = self._disk.folder / "ballast"
            held = ballast.exists() and ballast.stat().st_size >= self._ballast_bytes
            self._must_take = held or not self._ballast_bytes
        else:
            self._disk.work()

    def _exchange(self, count: int) -> bool:
        """Let the link be there for a moment; say whether anything is left."""
        held = self._do("hello")
        if "refused" in held:
            return True
        lanes = {lane: LaneRange(first, following) for lane, (first, following) in held["lanes"].items()}
        sent = [base64.b64decode(each) for each in self._do(f"send {count}").get("messages", [])]
        self._broken += not_oldest_first(sent)
        now_ms = START_MS + self._begun
        epochs = [EpochRange(held["epoch"], lanes)]
        hello = Hello(VERSION, "north", "gw-1", "b" * 32, "story", now_ms, ClockState.SYNCHRONISED, epochs)
        group = [Received(topics.hello("north", "gw-1"), messages.encode(hello), now_ms)]
        group += [Received(topics.up("north", "gw-1", read_header(each).lane), each, now_ms) for each in sent]
        for lane, upto, digest in self._journal.receive(group):
            self._do(f"ack {lane} {upto} {digest}")
        return any(each.first < each.next for each in lanes.values())

    def _drain(self) -> None:
        """All is well again: whatever is left arrives."""
        self._disk.work()
        self._must_take = True
        self._start()
        with self._process:
            for _ in range(DRAIN_ROUNDS_MAX):
                assert self._do("flush")["kept"]
                # What was let go is told when the centre has been heard, and then is on its way itself.
                if not self._exchange(BATCHES_AT_ONCE) and self._first:
                    break
                self._first = 1
            assert self._do("close")["clean"]

    def _verdict(self) -> Verdict:
        found = arrived(self._journal.messages())
        held = Counter(sample.time_ms for sample in found.samples)
        missing = sorted(set(self._taken) - held.keys())
        unaccounted, unknown, why = judged(missing, found)
        unaccounted += buried_alive(set(missing), found) + len(held.keys() - set(self._taken))
        there = {name.partition(" ")[2] for name in found.happened}
        verdict = Verdict(
            stories=1,
            samples=len(self._taken),
            unaccounted=unaccounted,
            doubled=held.total() - len(held) + found.happened.total() - len(found.happened),
            dropped=found.counted,
            unknown=unknown,
            alarms=self._alarms,
            alarms_dropped=len(self._promised - there),
            policy_broken=self._broken + found.events_told_gone,
            kills=self._kills,
        )
        verdict.hurt = [f"{self.name}: {verdict.faults}; {why}"] if verdict.faults else []
        return verdict

    def _do(self, line: str) -> dict[str, Any]:
        return self._process.do(line)
