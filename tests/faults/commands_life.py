"""A life of commands' notes, to be recorded and cut: ``folder seed steps weaken``.

The real ledger notes commands, their ends and that they were told; it is opened again and again, and written
anew in between. The record is told what each write notes and when it is done, and what is acted upon.
Weakened, nothing is synced ("unsynced"), or a command is acted upon before it is noted ("acts_first").
"""

import os
import sys
from pathlib import Path
from random import Random
from typing import Any

from contract.events import CommandOutcome
from edge.remote.ledger import FILE_NAME, Ledger
from edge.remote.memory import Begun, Ended, Memory, Note, Since, Told
from tests.faults.recording import Marker

LIVES = 3


def told(memory: Memory) -> dict[str, Any]:
    """Return what is remembered, in brief."""
    return {
        id_: [str(entry.ended.outcome) if entry.ended else "", entry.told]
        for id_, entry in memory.entries.items()
    }


class Life:
    """One file of notes, over several starts."""

    def __init__(self, folder: Path, seed: int, weaken: str) -> None:
        """Nothing is noted yet."""
        self._path, self._random, self._weaken = folder / FILE_NAME, Random(seed), weaken
        self._marker, self._number = Marker(), 0
        self._ledger, self._memory = Ledger(self._path), Memory()

    def start(self) -> None:
        """Read what a former start has noted."""
        self._ledger = Ledger(self._path)
        self._memory, damage = self._ledger.read()
        assert not damage
        self._memory.since = Since(0, 1)

    def command(self) -> None:
        """Note a command, act, note its end."""
        self._number += 1
        id_ = f"{self._number:032x}"
        begun = Begun(id_, id_, self._number, self._number, f"relays/relay_{self._random.randrange(4)}")
        if self._weaken == "acts_first":
            self._marker.note({"acted": id_})
        self._note(begun)
        self._marker.note({"acted": id_})
        if self._random.random() < 0.8:
            self._note(Ended(id_, CommandOutcome.DONE, "x" * self._random.choice([0, 400])))
            self._note(Told(id_))

    def _note(self, note: Note) -> None:
        after = Memory.of([*self._memory.notes(), note])
        self._marker.note({"begun": told(after)})
        self._ledger.add([note], self._memory, anew=self._random.random() < 0.1)
        self._memory.take(note)
        self._marker.end(told(self._memory))


def main() -> None:
    """Live."""
    folder, seed, steps, weaken = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    if weaken == "unsynced":
        os.fsync = lambda fd: None
    life = Life(folder, seed, weaken)
    for _ in range(LIVES):
        life.start()
        for _ in range(steps // LIVES):
            life.command()


if __name__ == "__main__":
    main()
