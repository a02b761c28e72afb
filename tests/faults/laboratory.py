"""Records a life, cuts its power many times, and lets the real product start on what is left each time."""

import logging
import shutil
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Literal

from tests.faults import buffer_life, cuts, journal_life, power, proofs, recording
from tests.faults.ledger import Ledger, Tally
from tests.faults.power import Contents, Disk
from tests.faults.recording import Life

Target = Literal["buffer", "journal"]
Weaken = Literal["", "normal", "off", "puback"]
STEPS = {"buffer": 2_000, "journal": 400}
SECOND_LIFE = 500_000
"""What is added to the seed of the first."""


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


@dataclass(frozen=True, slots=True)
class Remains:
    """What stands on a disk, and what its files say."""

    contents: Contents
    state: Any
    is_new: bool


def run(campaign: Campaign) -> Tally:
    """Record and cut; RecorderError where the recording fails.

    Half of the cuts befall a second life, which began with what one of the first cuts had left.
    """
    logging.disable(logging.ERROR)  # a corrupt buffer is told of in the tally
    folder = recording.scratch()
    try:
        library = recording.build(folder)
        fresh: Any = buffer_life.State() if campaign.target == "buffer" else journal_life.Journal()
        first = replace(campaign, cuts=(campaign.cuts + 1) // 2)
        tally, left = _lived(first, library, folder, Remains({"": None}, fresh, is_new=True))
        second = replace(campaign, cuts=campaign.cuts // 2, seed=campaign.seed + SECOND_LIFE)
        return tally.merge([_lived(second, library, folder, left)[0]])
    finally:
        logging.disable(logging.NOTSET)
        shutil.rmtree(folder)


def _lived(campaign: Campaign, library: Path, folder: Path, before: Remains) -> tuple[Tally, Remains]:
    """Return what became of one life's cuts, and what the last good one had left."""
    random, tally, left, done = Random(campaign.seed), Tally(), before, 0
    live, remains = folder / "live", folder / "remains"
    power.lay_out(before.contents, live)
    operations = recording.record(library, campaign.life, live)
    shutil.rmtree(live)
    disk = Disk(before.contents)
    ledger: Ledger[Any] = Ledger(operations, deepcopy(before.state), is_new=before.is_new)
    for cut in cuts.drawn(random, operations, campaign.cuts):
        for operation in operations[done : cut.position]:
            disk.apply(operation)
        done = cut.position
        contents, moment = disk.after(cut), ledger.at(done)
        power.lay_out(contents, remains)
        verdict = (proofs.of_buffer if campaign.target == "buffer" else proofs.of_journal)(remains, moment)
        tally.add(verdict, f"{campaign}, {cut}")
        if verdict.stands and not moment.is_new:
            left = Remains(contents, deepcopy(verdict.stands), is_new=False)
        shutil.rmtree(remains)
    return tally, left
