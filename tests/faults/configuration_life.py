"""A life of settings from the centre, to be recorded and cut: ``folder seed steps weaken``.

A gateway's real decisions at its start, and its real trials, on a real disk: settings come, are begun, are
proved or fail, or the gateway ends in the middle. The record is told which settings are good by now, and
which are on trial. Weakened, nothing is synced ("unsynced").
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

from contract.desired import Outcome
from edge.configuration.choosing import FOLDER, KIND, Chosen, choose
from edge.configuration.desk import ConfigurationDesk, Seen
from edge.desired.held import Document, Held
from edge.desired.shelf import Shelf
from edge.desired.trials import Begin, Failed, Proved
from tests.edge.configuration.making import METERS, SETTINGS, settings_document
from tests.faults.recording import Marker


class Gateway:
    """One life after another, each from what the disk holds."""

    def __init__(self, folder: Path, random: Random, note: Callable[[dict[str, object]], None]) -> None:
        """Write the file of settings."""
        self.file = folder / SETTINGS
        self._random, self._note = random, note
        self.good, self._sequence = 0, 0
        (folder / "state").mkdir()
        self.shelf = Shelf(folder / "state" / FOLDER)

    def start(self) -> None:
        """Start, take new settings perhaps, and let a trial go on, succeed or fail."""
        chosen = choose(self.file)
        held = self.shelf.read(KIND).held
        waiting = held.waiting
        if waiting is None:
            self._sequence = max(self._sequence, held.highest.sequence if held.highest else 0) + 1
            waiting = settings_document(self._sequence)
            held = held.taken(waiting)
            self._keep(held, self.good)
        self._tried(chosen, held, waiting)

    def _tried(self, chosen: Chosen, held: Held, waiting: Document) -> None:
        now_s = 1000.0 if chosen.on_trial and self._random.random() < 0.3 else 1.0
        answering = frozenset(METERS) if self._random.random() < 0.5 else frozenset[str]()
        seen = Seen(0.5, answering, frozenset())
        desk = ConfigurationDesk(chosen, self.file, 0.0, lambda: seen, lambda _ended: None)
        match desk.judged(now_s) if desk.on_trial else desk.standing(waiting, now_s):
            case Begin():
                desk.prepare(waiting)
                self._keep(held.begun(), self.good)
            case Proved():
                self._keep(held.done(), waiting.desired.sequence)
            case Failed():
                self._keep(held.gone(Outcome.ROLLED_BACK), self.good)

    def _keep(self, held: Held, good: int) -> None:
        self._note({"good": [self.good, good]})
        self.shelf.write(KIND, held)
        self.good = good
        self._note({"good": [good]})


def main() -> None:
    """Live."""
    folder, seed, steps, weaken = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    marker = Marker()
    if weaken == "unsynced":
        os.fsync = lambda fd: None
    gateway = Gateway(folder, Random(seed), marker.note)
    for _ in range(steps):
        gateway.start()


if __name__ == "__main__":
    main()
