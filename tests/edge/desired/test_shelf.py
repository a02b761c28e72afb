"""Documents on disk: a power cut at any step leaves one state or the other; damage is set aside."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract import batches
from contract.desired import Outcome
from edge.desired.held import Document, Held
from edge.desired.shelf import SET_ASIDE_MAX, Shelf
from tests.edge.desired.making import PLAN, document, signed
from tests.faults import recording
from tests.faults.cuts import Cut, Filler
from tests.faults.desired_life import told
from tests.faults.power import Disk, lay_out
from tests.faults.recording import Kind, Life, Operation

STEPS = 18
ARRIVES = (0.0, 0.5, 1.0)


def kept(sequence: int, **changes: Any) -> Document:
    """Return a document as it is kept."""
    message = signed(sequence, **changes)
    return Document(document(sequence, **changes), batches.digest(message), message)


def in_force(*sequences: int) -> Held:
    """Return what is held after these were in force, one after the other."""
    held = Held()
    for sequence in sequences:
        held = held.taken(kept(sequence)).begun().done()
    return held


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory, as long as the test runs."""
    made = recording.scratch()
    yield made
    shutil.rmtree(made)


def test_what_is_written_is_read_and_nothing_else_stays(tmp_path: Path) -> None:
    """By another shelf, after a restart; what is held no more leaves no file. Nobody else may read it."""
    held = in_force(1, 2, 3).taken(kept(4)).begun()
    for each in (in_force(1), in_force(1, 2), held):
        Shelf(tmp_path / "desired").write(PLAN, each)
    assert Shelf(tmp_path / "desired").read(PLAN) == (held, [])
    files = sorted(path.name for path in (tmp_path / "desired").iterdir())
    assert [name.split(".")[1] for name in files] == ["2", "3", "4", "index"]
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "desired").iterdir()} == {0}


def recorded(folder: Path, seed: int, weaken: str = "") -> list[Operation]:
    """Return a life of documents, operation by operation."""
    (folder / "disk").mkdir(exist_ok=True)
    try:
        life = Life("desired_life", seed, STEPS, weaken)
        return recording.record(recording.build(folder), life, folder / "disk")
    finally:
        shutil.rmtree(folder / "disk")


def broken(folder: Path, seed: int, weaken: str = "") -> list[str]:
    """Cut the power after each operation of a life; return where neither state stands, or acts came first."""

    disk, found = Disk(), []
    before: dict[str, Any] = told(Held())
    begun: dict[str, Any] | None = None
    for position, operation in enumerate(recorded(folder, seed, weaken)):
        disk.apply(operation)
        if operation.kind is Kind.MARK:
            mark = json.loads(operation.data)
            note = mark.get("note", {})
            begun = note.get("begun", begun)
            if "end" in mark:
                before, begun = mark["end"], None
            acted = note.get("acted") or 0
            if acted > (before["highest"] or [0])[0]:
                found.append(f"{position}: {acted} is acted upon, kept is {before['highest']}")
        for arrives in ARRIVES:
            place = folder / f"{position}-{arrives}"
            place.mkdir()
            cut = Cut(position, seed * 1_000 + position, arrives, torn=position % 2 == 0, filler=Filler.NOISE)
            lay_out(disk.after(cut), place)
            held, damaged = Shelf(place / "desired").read(PLAN)
            if damaged or told(held) not in (before, begun):
                found.append(f"{position}, {arrives}: {told(held)}, {damaged}; kept {before}, begun {begun}")
            shutil.rmtree(place)
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_a_power_cut_at_any_step_leaves_one_state_or_the_other(folder: Path, seed: int) -> None:
    """Whatever of the unsynced arrives; and nothing is ever acted upon that is not kept."""
    assert broken(folder, seed) == []


@pytest.mark.parametrize("weaken", ["unsynced", "acts_first"])
def test_a_weakened_gateway_is_found_out(folder: Path, weaken: str) -> None:
    """Without syncs, or with acting before keeping, the same cuts show it."""
    assert broken(folder, 1, weaken)


def test_what_a_cut_has_left_is_cleared_away(tmp_path: Path) -> None:
    """A file that was being written, and a document that no index names."""
    shelf = Shelf(tmp_path / "desired")
    shelf.write(PLAN, in_force(1))
    stray = kept(9)
    (tmp_path / "desired" / "lamp_plan.index.new").write_bytes(b"half")
    (tmp_path / "desired" / f"lamp_plan.9.{stray.digest}.jws").write_bytes(stray.message)
    assert Shelf(tmp_path / "desired").read(PLAN) == (in_force(1), [])
    Shelf(tmp_path / "desired").write(PLAN, in_force(1))
    assert len(list((tmp_path / "desired").iterdir())) == 2


def test_a_damaged_index_is_made_anew_of_the_documents(tmp_path: Path) -> None:
    """The newest is tried once more, the one before it holds until then; their numbers are not used again."""
    Shelf(tmp_path / "desired").write(PLAN, in_force(1, 2))
    index = tmp_path / "desired" / "lamp_plan.index"
    index.write_bytes(index.read_bytes().replace(b"current", b"former_"))
    held, [damaged] = Shelf(tmp_path / "desired").read(PLAN)
    assert "lamp_plan.index: it is damaged, and made anew" in damaged
    assert held == Held().taken(kept(1)).done().taken(kept(2))
    assert index.with_name("lamp_plan.index.damaged").exists()


@pytest.mark.parametrize("how", ["flipped", "cut", "gone", "too_large", "renamed"])
def test_a_damaged_document_gives_way_to_the_former(tmp_path: Path, how: str) -> None:
    """It is set aside; since it is lost, it may come again under its number."""
    shelf = Shelf(tmp_path / "desired")
    shelf.write(PLAN, in_force(1, 2))
    [path] = (tmp_path / "desired").glob("lamp_plan.2.*")
    data = path.read_bytes()
    match how:
        case "flipped":
            path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
        case "cut":
            path.write_bytes(data[:-1])
        case "gone":
            path.unlink()
        case "too_large":
            path.write_bytes(data + bytes(300_000))
        case "renamed":
            path.rename(path.with_name(path.name.replace(".2.", ".3.")))
    held, damaged = Shelf(tmp_path / "desired").read(PLAN)
    assert damaged
    assert (held.current, held.former, held.waiting) == (kept(1), None, None)
    assert held.highest is not None
    assert (held.highest.sequence, held.highest.outcome) == (2, None)


def test_only_a_few_damaged_files_are_kept(tmp_path: Path) -> None:
    """They are for a person; a disk that rots must not fill with them."""
    shelf = Shelf(tmp_path / "desired")
    for sequence in range(1, 10):
        shelf.write(PLAN, in_force(sequence))
        [path] = (tmp_path / "desired").glob("lamp_plan.*.jws")
        path.write_bytes(b"rotten")
        os.utime(path, (sequence, sequence))
        assert shelf.read(PLAN).damaged
    names = sorted(path.name for path in (tmp_path / "desired").glob("*.damaged"))
    assert len(names) == SET_ASIDE_MAX
    assert names[-1].startswith("lamp_plan.9.")


def test_a_lost_document_that_was_rolled_back_is_not_asked_for(tmp_path: Path) -> None:
    """It is not held, and need not be."""
    held = in_force(1).taken(kept(2)).begun().gone(Outcome.ROLLED_BACK)
    Shelf(tmp_path / "desired").write(PLAN, held)
    assert Shelf(tmp_path / "desired").read(PLAN) == (held, [])
