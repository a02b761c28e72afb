"""Records a life, cuts its power many times, and lets the real product start on what is left each time."""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

from tests.faults import buffer_life, journal_life, power, proofs, recording
from tests.faults.ledger import Ledger, Tally, Verdict
from tests.faults.power import Cut, Disk
from tests.faults.recording import Life, Operation

Target = Literal["buffer", "journal"]
Weaken = Literal["", "normal", "off", "puback"]
STEPS = {"buffer": 2_000, "journal": 400}


@dataclass(frozen=True, slots=True)
class Campaign:
    """So many cuts of one recorded life."""

    target: Target
    seed: int
    cuts: int
    weaken: Weaken = ""
    steps: int = 0
    """Of the life; 0: STEPS."""

    @property
    def life(self) -> Life:
        """The workload of this campaign."""
        return Life(f"{self.target}_life", self.seed, self.steps or STEPS[self.target], self.weaken)


def run(campaign: Campaign) -> Tally:
    """Record and cut; RecorderError where the recording fails."""
    logging.disable(logging.ERROR)  # a corrupt buffer is told of in the tally
    folder = recording.scratch()
    try:
        operations = recording.record(recording.build(folder), campaign.life, folder)
        shutil.rmtree(folder / "disk")
        cuts = power.drawn(Random(campaign.seed), operations, campaign.cuts)
        return _cut(campaign, operations, cuts, folder / "remains")
    finally:
        logging.disable(logging.NOTSET)
        shutil.rmtree(folder)


def _cut(campaign: Campaign, operations: list[Operation], cuts: list[Cut], folder: Path) -> Tally:
    fresh: Any = buffer_life.State() if campaign.target == "buffer" else journal_life.Journal()
    ledger, disk, tally, done = Ledger(operations, fresh), Disk(), Tally(), 0
    for cut in cuts:
        for operation in operations[done : cut.position]:
            disk.apply(operation)
        done = cut.position
        folder.mkdir()
        power.lay_out(disk.after(cut), folder)
        verdict: Verdict
        if campaign.target == "buffer":
            verdict = proofs.of_buffer(folder, ledger.at(done))
        else:
            verdict = proofs.of_journal(folder, ledger.at(done))
        tally.add(verdict, f"{campaign}, {cut}")
        shutil.rmtree(folder)
    return tally
