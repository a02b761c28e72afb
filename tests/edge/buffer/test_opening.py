"""Opening the buffer: unclean ends are told, and of a corrupt file everything readable is kept."""

import contextlib
import itertools
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from contract import batches
from contract.batches import Content
from contract.messages import LaneRange
from contract.samples import Sample
from contract.topics import Lane
from edge.buffer import file, opening
from edge.buffer.batch import Append
from edge.buffer.errors import BufferClosedError
from edge.buffer.losses import SAMPLES_UNSTORED, UNCLEAN_END, UNREADABLE, Loss
from edge.buffer.meta import FORMER_EPOCHS_MAX
from edge.buffer.store import Buffer
from tests.edge.buffer.test_store import BOOT, counting, opened, samples

PAGE = 4096
NOW_MS = 5_000_000


def at(folder: Path, now_ms: int = NOW_MS) -> Buffer:
    """Return the buffer in ``folder``, opened at that time; ids differ from opening to opening."""
    ids = counting()
    fresh = itertools.islice((ids() for _ in itertools.count()), now_ms % 997, None)
    return Buffer(folder / "buffer.db", "north", "gw-1", BOOT, lambda: next(fresh), lambda: now_ms)


def event(time_ms: int) -> Append:
    """Return a batch that only its time tells apart; its content is not looked at."""
    rows = [Sample(time_ms, "d", "e", True)]
    return Append(Lane.EVENTS, Content.SAMPLES, batches.samples_payload(rows), time_ms, time_ms, time_ms, 1)


def times(buffer: Buffer, lane: Lane = Lane.TELEMETRY) -> list[int]:
    """Return the times of all samples that are held, in order."""
    held = buffer.ranges()[0].lanes[lane]
    stored = [buffer.read(lane, sequence) for sequence in range(held.first, held.next)]
    return [sample.time_ms for each in stored if each for sample in batches.decode(each.message).samples]


def filled(folder: Path, count: int = 300) -> str:
    """Write a buffer with so many batches of three samples, and some events; return its epoch."""
    buffer = at(folder, 1_000)
    for number in range(count):
        buffer.append([samples(number * 10), *([event(number * 10)] if number % 10 == 0 else [])])
    epoch = buffer.epoch
    buffer.append([], {"alarms": {"tilt/cover/roll": "1" * 32}}, {"meter": {"since_ms": 1}})
    buffer.close()
    return epoch


def spoil(file: Path, offset: int, size: int) -> None:
    """Overwrite a part of a file with noise."""
    data = bytearray(file.read_bytes())
    data[offset : offset + size] = Random(1).randbytes(size)
    file.write_bytes(data)


def _root(folder: Path, name: str) -> int:
    """Return the page where a table or an index begins."""
    with contextlib.closing(sqlite3.connect(folder / "buffer.db")) as db:
        query = "SELECT rootpage FROM sqlite_master WHERE name LIKE ?"
        root: int = db.execute(query, (name,)).fetchone()[0]
    return root


def test_after_a_clean_end_nothing_is_told(tmp_path: Path) -> None:
    """Neither of the first start nor of the next."""
    first = at(tmp_path, 1_000)
    first.append([samples(1)])
    assert first.owed == []
    first.close()
    assert at(tmp_path).owed == []


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.edge.buffer.test_opening import at, samples
buffer = at(Path(sys.argv[1]), 1_000)
if sys.argv[2] == "committed":
    buffer.append([samples(2_000)])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("what", "from_ms"), [("committed", 2_000), ("nothing", 1_000)])
def test_after_a_kill_the_time_since_the_last_commit_is_told_until_it_is_on_disk(
    tmp_path: Path, what: str, from_ms: int
) -> None:
    """From the last commit, or the start where there was none, to the next start; nobody knows how much."""
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), what], cwd=root, check=False)
    for _ in range(2):  # a start that tells nobody leaves it to the next
        again = at(tmp_path)
        assert again.owed == [Loss(UNCLEAN_END, from_ms, NOW_MS, None)]
        again.close()
    last = at(tmp_path)
    last.append([samples(3_000)], told=last.owed)
    last.close()
    assert at(tmp_path).owed == []


def test_an_end_that_is_not_clean_is_told_even_without_a_kill(tmp_path: Path) -> None:
    """A gateway that stops with something still waiting for its disk."""
    first = at(tmp_path, 1_000)
    first.close(clean=False)
    [loss] = at(tmp_path).owed
    assert loss.reason == UNCLEAN_END


def test_a_clock_that_went_back_makes_no_gap_that_ends_before_it_begins(tmp_path: Path) -> None:
    """A board without a battery boots in 1970."""
    first = at(tmp_path, NOW_MS)
    first.append([samples(NOW_MS)])
    first.close(clean=False)
    assert at(tmp_path, 500).owed == [Loss(UNCLEAN_END, NOW_MS, NOW_MS, None)]


def test_of_a_corrupt_file_the_readable_batches_are_kept_in_order(tmp_path: Path) -> None:
    """Two pages are noise: what stood there is told as a gap, the rest has moved under a new epoch."""
    epoch = filled(tmp_path)
    spoil(tmp_path / "buffer.db", 8 * PAGE, 2 * PAGE)
    again = at(tmp_path)
    assert again.quarantined == tmp_path / "buffer.db.corrupt-1"
    assert again.epoch != epoch
    kept = times(again)
    assert 600 < len(kept) < 900
    assert (kept[0], kept[-1]) == (0, 2992)
    assert kept == sorted(set(kept))
    assert set(kept) <= {number * 10 + index for number in range(300) for index in range(3)}
    assert again.owed == [Loss(UNREADABLE, 0, NOW_MS, None)]
    assert again.append([samples(9_000)])[0].sequence == len(kept) // 3 + 1
    assert again.remembered() == {"alarms": {"tilt/cover/roll": "1" * 32}}
    assert again.learnt() == {"meter": {"since_ms": 1}}


@pytest.mark.parametrize("seed", range(12))
def test_whatever_part_of_it_is_noise_it_opens_keeps_no_noise_and_tells_what_is_missing(
    tmp_path: Path, seed: int
) -> None:
    """Every batch that comes out went in; where one is missing, the gap is there."""
    filled(tmp_path, 100)
    file, random = tmp_path / "buffer.db", Random(seed)
    size = file.stat().st_size
    for _ in range(random.randrange(1, 4)):
        data = bytearray(file.read_bytes())
        at_ = random.randrange(100, size)
        data[at_ : at_ + random.choice((1, 64, PAGE))] = random.randbytes(64)
        file.write_bytes(data[:size])
    again = at(tmp_path)
    kept = times(again)
    went_in = {number * 10 + index for number in range(100) for index in range(3)}
    if again.quarantined:
        assert set(kept) <= went_in
        assert len(set(kept)) == len(kept)
        if len(kept) < 300 or len(times(again, Lane.EVENTS)) < 10:
            assert UNREADABLE in [loss.reason for loss in again.owed]


def test_a_corrupt_file_that_gives_everything_loses_nothing(tmp_path: Path) -> None:
    """Only an index is broken: no gap is told that there is not."""
    filled(tmp_path)
    path = tmp_path / "buffer.db"
    spoil(path, (_root(tmp_path, "sqlite_autoindex_ba%") - 1) * PAGE, PAGE)
    again = at(tmp_path)
    assert again.quarantined is not None
    assert len(times(again)) == 900
    assert len(times(again, Lane.EVENTS)) == 30
    assert again.owed == []


def test_a_corrupt_file_s_epochs_are_named_by_where_its_deliveries_ended(tmp_path: Path) -> None:
    """A centre that was restored to a time before learns what it had of them; no more than a few are."""
    names: list[str] = []
    delivered: list[LaneRange] = []
    for number in range(FORMER_EPOCHS_MAX + 2):
        buffer = at(tmp_path, 1_000 + number)
        for first in (1, 10, 20):
            buffer.append([samples(first)])
        held = buffer.ranges()[0].lanes[Lane.TELEMETRY]
        upto = held.first + number % 2
        stored = buffer.read(Lane.TELEMETRY, upto)
        assert stored
        assert buffer.acknowledge(Lane.TELEMETRY, upto, batches.digest(stored.message))
        names.insert(0, buffer.epoch)
        delivered.insert(0, LaneRange(upto + 1, upto + 1))
        buffer.close()
        spoil(tmp_path / "buffer.db", _root(tmp_path, "sqlite_autoindex_ba%") * PAGE - PAGE, PAGE)
    former = at(tmp_path).former()
    assert [each.epoch for each in former] == names[:FORMER_EPOCHS_MAX]
    assert [each.lanes[Lane.TELEMETRY] for each in former] == delivered[:FORMER_EPOCHS_MAX]
    assert former[0].lanes[Lane.EVENTS] == LaneRange(1, 1)


@pytest.mark.parametrize(
    "written",
    [
        "noise",
        '[{"epoch":"no id","lanes":{}}]',
        '[{"epoch":"%s","lanes":{"events":{"first":9,"next":3}}}]' % ("e" * 32),
    ],
)
def test_epochs_that_no_centre_would_take_are_not_named(tmp_path: Path, written: str) -> None:
    """A hello that held one would be refused, and the gateway with it."""
    epoch = filled(tmp_path)
    with sqlite3.connect(tmp_path / "buffer.db") as db:
        db.execute("INSERT INTO meta VALUES ('former', ?)", (written,))
    db.close()
    spoil(tmp_path / "buffer.db", 12 * PAGE, 4 * PAGE)
    again = at(tmp_path)
    assert again.quarantined
    assert [each.epoch for each in again.former()] == [epoch]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_disk_that_refuses_as_a_corrupt_file_is_replaced_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarts: bool
) -> None:
    """Disks that harm files are those that refuse: what was set aside is taken over as soon as one can be."""
    epoch = filled(tmp_path)
    spoil(tmp_path / "buffer.db", 12 * PAGE, 4 * PAGE)
    connected = file.connected

    def refuses(path: Path) -> sqlite3.Connection:
        if not path.exists():
            raise sqlite3.OperationalError("disk I/O error")
        return connected(path)

    with monkeypatch.context() as patched:
        patched.setattr(file, "connected", refuses)
        buffer = at(tmp_path)
        assert not buffer.is_open
    buffer = at(tmp_path) if restarts else buffer
    buffer.open()
    assert buffer.quarantined == tmp_path / "buffer.db.corrupt-1"
    assert len(times(buffer)) > 600
    assert UNREADABLE in [loss.reason for loss in buffer.owed]
    assert [each.epoch for each in buffer.former()] == [epoch]


def test_a_power_cut_as_a_corrupt_file_is_replaced_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new file stands, and nothing was taken over yet."""

    class PowerCutError(Exception):
        pass

    def cut(path: Path, files_max: int) -> Path | None:
        if file.waiting(path):
            raise PowerCutError
        return numbered(path, files_max)

    numbered = file.numbered

    filled(tmp_path)
    spoil(tmp_path / "buffer.db", 12 * PAGE, 4 * PAGE)
    with monkeypatch.context() as patched:
        patched.setattr(file, "numbered", cut)
        with pytest.raises(PowerCutError):
            at(tmp_path)
    buffer = at(tmp_path)
    assert len(times(buffer)) > 600
    assert UNREADABLE in [loss.reason for loss in buffer.owed]
    assert buffer.remembered() == {"alarms": {"tilt/cover/roll": "1" * 32}}


def test_what_the_rules_remembered_needs_no_room_for_the_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full takes a lock-out over, if not what was measured."""

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    filled(tmp_path)
    spoil(tmp_path / "buffer.db", 12 * PAGE, 4 * PAGE)
    monkeypatch.setattr(opening, "_insert", full)
    buffer = at(tmp_path)
    assert buffer.remembered() == {"alarms": {"tilt/cover/roll": "1" * 32}}
    assert [(loss.reason, loss.count) for loss in buffer.owed] == [(UNREADABLE, None)]


@pytest.mark.parametrize("version", [b"\0\0\0\0", b"\x5a\x17\0\3", b"\xff\xff\xff\xff"])
def test_noise_in_place_of_its_version_is_no_other_version(tmp_path: Path, version: bytes) -> None:
    """Nobody has to come to the cabinet for it."""
    filled(tmp_path)
    data = bytearray((tmp_path / "buffer.db").read_bytes())
    data[60:64] = version
    (tmp_path / "buffer.db").write_bytes(data)
    again = at(tmp_path)
    assert again.is_open
    assert len(times(again)) == 900


def test_what_a_corrupt_file_owed_is_still_owed(tmp_path: Path) -> None:
    """A loss that was not told yet moves with the batches."""
    filled(tmp_path)
    db = sqlite3.connect(tmp_path / "buffer.db")
    with db:
        db.execute("INSERT INTO owed VALUES (?, 3, 5, 17, 2, 9)", (SAMPLES_UNSTORED,))
    db.close()
    spoil(tmp_path / "buffer.db", 12 * PAGE, 4 * PAGE)
    assert Loss(SAMPLES_UNSTORED, 3, 5, 17) in at(tmp_path).owed  # its numbers are not those of this epoch


def test_a_file_that_turns_out_corrupt_at_work_is_set_aside_without_a_restart(tmp_path: Path) -> None:
    """It closes; the next opening begins a new life of the buffer, and tells no end that there was not."""
    filled(tmp_path)
    buffer = at(tmp_path)
    life = buffer.life
    spoil(tmp_path / "buffer.db", 12 * PAGE, 4 * PAGE)
    buffer._db.execute("PRAGMA shrink_memory")  # what was read before is not read again
    with pytest.raises(BufferClosedError):
        times(buffer)
    assert not buffer.is_open
    with pytest.raises(BufferClosedError):
        buffer.append([samples(1)])
    buffer.open()
    assert (buffer.is_open, buffer.life) == (True, life + 1)
    assert len(times(buffer)) > 600
    assert [loss.reason for loss in buffer.owed] == [UNREADABLE]


def test_only_so_many_corrupt_files_are_kept(tmp_path: Path) -> None:
    """The oldest is deleted; a number is not given twice."""
    for _ in range(5):
        Buffer(tmp_path / "buffer.db", "n", "g", BOOT, counting(), quarantined_files_max=2).close()
        (tmp_path / "buffer.db").write_bytes(os.urandom(2 * PAGE))
        (tmp_path / "buffer.db-wal").unlink(missing_ok=True)
    Buffer(tmp_path / "buffer.db", "n", "g", BOOT, counting(), quarantined_files_max=2).close()
    left = sorted(path.name for path in tmp_path.iterdir() if "corrupt" in path.name)
    assert left == ["buffer.db.corrupt-4", "buffer.db.corrupt-5"]
    assert opened(tmp_path).quarantined is None
