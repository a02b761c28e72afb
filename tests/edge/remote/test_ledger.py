"""The file of the commands: what was noted stands whatever is cut; damage is told, and knows nothing."""

import itertools
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.commands import CommandRefusal
from contract.events import CommandOutcome
from edge.remote.ledger import FILE_NAME, LINES_BEYOND_MAX, Ledger
from edge.remote.memory import REMEMBERED_MAX, UNKNOWN_MS, Begun, Ended, Memory, Note, Since, Told
from tests.faults import recording
from tests.faults.commands_life import told
from tests.faults.cuts import Cut, Filler
from tests.faults.power import Disk, lay_out
from tests.faults.recording import Kind, Life


def begun(number: int) -> Begun:
    """Return a note of a command."""
    return Begun(f"{number:032x}", f"{number:032x}", number, 1_000 * number, f"relays/relay_{number % 8}")


def kept(path: Path, notes: list[Note]) -> Memory:
    """Note them one by one; return what is in memory then."""
    ledger = Ledger(path)
    memory, damage = ledger.read()
    assert not damage
    memory.since = Since(0, 5)
    for note in notes:
        ledger.add([note], memory)
        memory.take(note)
    return memory


NOTES: list[Note] = [
    begun(1),
    Ended(begun(1).id, CommandOutcome.DONE, "", True),
    Told(begun(1).id),
    begun(2),
    Ended(begun(2).id, CommandOutcome.REFUSED, "更夫", None, CommandRefusal.NOT_ALLOWED),
    begun(3),
]


def test_what_was_noted_is_read_again(tmp_path: Path) -> None:
    """Nothing but its owner may read the file."""
    path = tmp_path / FILE_NAME
    memory = kept(path, NOTES)
    assert Ledger(path).read() == (memory, "")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.id for each in memory.running] == [begun(3).id]
    assert [each.id for each in memory.untold] == [begun(2).id]


def test_a_file_cut_anywhere_holds_the_notes_before_the_cut(tmp_path: Path) -> None:
    """The last line has no end then, and what follows stands in a file that is sound again."""
    path = tmp_path / FILE_NAME
    kept(path, NOTES)
    whole = path.read_bytes()
    for length in range(whole.index(b"\n") + 1, len(whole)):
        path.write_bytes(whole[:length])
        ledger = Ledger(path)
        memory, damage = ledger.read()
        lines = whole[:length].count(b"\n")
        assert (memory, damage) == (Memory.of([Since(0, 5), *NOTES[: lines - 1]]), "")
        ledger.add([begun(9)], memory)
        memory.take(begun(9))
        assert Ledger(path).read() == (memory, "")


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_damage_anywhere_is_noticed_and_knows_nothing_of_what_was_before(place: int, flip: int) -> None:
    """The rest is used all the same, and the file is set aside for a person."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE_NAME
        kept(path, NOTES)
        harmed = bytearray(path.read_bytes())
        place %= len(harmed)
        harmed[place] ^= flip
        path.write_bytes(bytes(harmed))
        memory, damage = Ledger(path).read()
        if bytes(harmed).endswith(b"\n"):
            assert "is damaged" in damage
            assert memory.since.issued_ms == UNKNOWN_MS
            assert not path.exists()
            assert path.with_name(f"{FILE_NAME}.damaged").read_bytes() == harmed
        else:
            assert not damage


@pytest.mark.parametrize("data", [b"", b"\n", b"SQLite format 3\0" * 100, b"0" * 20_000_000])
def test_a_file_that_is_none_of_ours_is_no_crash(tmp_path: Path, data: bytes) -> None:
    """Nothing is known then."""
    path = tmp_path / FILE_NAME
    path.write_bytes(data)
    ledger = Ledger(path)
    memory, _ = ledger.read()
    assert (memory.entries, memory.since.issued_ms) == ({}, UNKNOWN_MS)
    ledger.add([begun(1)], memory)
    assert list(Ledger(path).read()[0].entries) == [begun(1).id]


def test_file_and_memory_are_bounded_and_what_is_forgotten_is_known_to_be(tmp_path: Path) -> None:
    """The earliest go first; a command that runs is never forgotten."""
    path = tmp_path / FILE_NAME
    ledger, memory = Ledger(path), Memory(since=Since(0, 0))
    longest = 0
    for number in range(1, 2 * REMEMBERED_MAX):
        for note in (begun(number), Ended(begun(number).id, CommandOutcome.DONE)):
            if number == 1 and isinstance(note, Ended):
                continue
            if number % 50 == 0:
                ledger.add([note], memory)
                longest = max(longest, len(path.read_bytes().splitlines()))
            memory.take(note)
        memory.forget(0)
        assert len(memory.entries) <= REMEMBERED_MAX + 1
    assert longest <= 4 * REMEMBERED_MAX + LINES_BEYOND_MAX
    assert begun(1).id in memory.entries
    assert memory.since.sequence == 2 * REMEMBERED_MAX - 1 - REMEMBERED_MAX


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory, as long as the test runs."""
    made = recording.scratch()
    yield made
    shutil.rmtree(made)


def broken(folder: Path, seed: int, weaken: str = "") -> list[str]:
    """Cut the power after each operation of a life; return where what was done would be done again."""
    (folder / "disk").mkdir()
    life = Life("commands_life", seed, 9, weaken)
    operations = recording.record(recording.build(folder), life, folder / "disk")
    disk, found, acted = Disk(), [], set[str]()
    before: dict[str, Any] = {}
    begun: dict[str, Any] | None = None
    for position, operation in enumerate(operations):
        disk.apply(operation)
        if operation.kind is Kind.MARK:
            mark = json.loads(operation.data)
            note = mark.get("note", {})
            begun = note.get("begun", begun)
            acted |= {note["acted"]} if "acted" in note else set()
            if "end" in mark:
                before, begun = mark["end"], None
        for arrives, filler in itertools.product((0.0, 0.5, 1.0), Filler):
            place = folder / "cut"
            place.mkdir()
            lay_out(disk.after(Cut(position, seed + position, arrives, position % 2 == 0, filler)), place)
            memory, _ = Ledger(place / FILE_NAME).read()
            shutil.rmtree(place)
            knows_nothing = memory.since.issued_ms == UNKNOWN_MS  # and then refuses what was issued before
            if not knows_nothing and (told(memory) not in (before, begun) or acted - set(memory.entries)):
                found.append(f"{position}, {arrives}, {filler}: {told(memory)}; {before}, {begun}, {acted}")
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_after_a_power_cut_at_any_step_nothing_that_was_done_is_done_again(folder: Path, seed: int) -> None:
    """What was acted upon is remembered, whatever of the unsynced arrives; or all of before is refused."""
    assert broken(folder, seed) == []


@pytest.mark.parametrize("weaken", ["unsynced", "acts_first"])
def test_a_weakened_ledger_is_found_out(folder: Path, weaken: str) -> None:
    """Without syncs, or with acting before noting, the same cuts show it."""
    assert broken(folder, 1, weaken)
