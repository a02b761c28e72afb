"""A power cut costs nothing that was promised: short forms of ``python -m tests.faults.power_cuts``."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.faults import buffer_life, journal_life, laboratory, recording
from tests.faults.laboratory import Campaign, Target, Weaken
from tests.faults.power import Disk
from tests.faults.recording import Life

CUTS = 100
CONTROL_CUTS = 40


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory, as long as the test runs."""
    made = recording.scratch()
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize("target", ["buffer", "journal"])
def test_a_power_cut_costs_nothing_that_was_promised(target: Target) -> None:
    """What was reported as stored or acknowledged is there, in sequence, and the product starts on it."""
    tally = laboratory.run(Campaign(target, seed=11, cuts=CUTS, steps=200))
    assert tally.cuts == CUTS
    assert (tally.lost, tally.corrupt, tally.gaps) == (0, 0, 0), tally.examples
    assert tally.is_clean, tally.examples


@pytest.mark.parametrize(
    ("target", "weaken"), [("buffer", "normal"), ("journal", "normal"), ("buffer", "puback")]
)
def test_a_weakened_product_loses_in_the_same_cuts(target: Target, weaken: Weaken) -> None:
    """Without a sync at each commit, or with a deletion on the broker's word, the laboratory sees losses."""
    tally = laboratory.run(Campaign(target, seed=11, cuts=CONTROL_CUTS, weaken=weaken, steps=100))
    assert tally.lost > 0


@pytest.mark.parametrize("target", ["buffer", "journal"])
def test_damage_is_seen(target: Target) -> None:
    """Without any sync files are damaged, and the laboratory says so."""
    assert laboratory.run(Campaign(target, seed=11, cuts=CONTROL_CUTS, weaken="off", steps=100)).corrupt > 0


@pytest.mark.parametrize("workload", ["buffer_life", "journal_life", "every_call"])
def test_the_record_misses_nothing(workload: str, folder: Path) -> None:
    """Replayed to its end it yields the very files that the recorded process left."""
    root = folder / "disk"
    root.mkdir()
    disk = Disk()
    for operation in recording.record(recording.build(folder), Life(workload, seed=12, steps=300), root):
        disk.apply(operation)
    left = {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
        if not path.name.endswith("-shm")
    }
    assert disk.contents() == {"": None} | left


def test_only_the_index_of_the_wal_is_mapped(folder: Path) -> None:
    """What SQLite wrote through a map of the database the recorder would not see."""
    buffer = buffer_life.opened(folder / "buffer", Random(1))
    assert buffer._db.execute("PRAGMA mmap_size").fetchone() == (0,)
    buffer.close()
    journal = journal_life.opened(folder / "journal")
    assert journal.read_now(lambda one: one.exec_driver_sql("PRAGMA mmap_size").scalar()) == 0
    journal.close()
