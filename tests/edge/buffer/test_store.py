"""The buffer: what is committed stays until the centre has it, whatever happens to process or file."""

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from contract import batches
from contract.batches import Content
from contract.events import Gap
from contract.messages import CONTESTED, LaneRange
from contract.samples import Sample
from contract.topics import Lane
from edge.buffer.batch import Append, Stored
from edge.buffer.errors import BufferUnusableError
from edge.buffer.meta import FORMER_EPOCHS_MAX
from edge.buffer.store import Buffer
from edge.clock import Moment

BOOT = "b" * 32


def counting() -> Callable[[], str]:
    """Return a source of ids 1, 2, 3 …"""
    numbers = itertools.count(1)
    return lambda: f"{next(numbers):032x}"


def opened(folder: Path, ids: Callable[[], str] | None = None) -> Buffer:
    """Return the buffer in ``folder``."""
    return Buffer(folder / "buffer.db", "north", "gw-1", BOOT, ids or counting())


def samples(first: int, count: int = 3) -> Append:
    """Return a batch of ``count`` samples from time ``first``."""
    rows = [Sample(first + index, "d", "p", index / 10) for index in range(count)]
    payload = batches.samples_payload(rows)
    return Append(Lane.TELEMETRY, Content.SAMPLES, payload, first, first, first + count - 1, count)


def digest(stored: Stored) -> str:
    """Return what the centre would acknowledge with."""
    return batches.digest(stored.message)


def test_sequences_are_contiguous_in_each_lane_and_survive_an_empty_table(tmp_path: Path) -> None:
    """The next number lives in a row of its own: emptying the table does not restart it."""
    buffer = opened(tmp_path)
    stored = buffer.append([samples(1), samples(10)])
    assert [batch.sequence for batch in stored] == [1, 2]
    assert buffer.acknowledge(Lane.TELEMETRY, 2, digest(stored[1]))
    buffer.close()
    again = opened(tmp_path)
    assert again.append([samples(20)])[0].sequence == 3
    assert again.ranges()[0].lanes["events"].next == 1


def test_a_batch_reads_back_as_it_was_published(tmp_path: Path) -> None:
    """The message is made of the row, the same bytes each time, also after a restart."""
    buffer = opened(tmp_path)
    [stored] = buffer.append([samples(1)])
    buffer.close()
    again = Buffer(tmp_path / "buffer.db", "north", "gw-1", "c" * 32, counting())
    assert again.read(Lane.TELEMETRY, 1) == stored


def test_only_the_centres_word_deletes(tmp_path: Path) -> None:
    """Everything up to the acknowledged batch goes, nothing beyond; repeats are harmless."""
    buffer = opened(tmp_path)
    stored = buffer.append([samples(1), samples(10), samples(20)])
    for _ in range(2):
        assert buffer.acknowledge(Lane.TELEMETRY, 2, digest(stored[1]))
    assert buffer.read(Lane.TELEMETRY, 2) is None
    assert buffer.read(Lane.TELEMETRY, 3) is not None
    assert buffer.acknowledge(Lane.TELEMETRY, 1, digest(stored[0]))


def test_a_contradicting_digest_deletes_nothing(tmp_path: Path) -> None:
    """The centre has something else under this number: this file is a copy, or was rolled back."""
    buffer = opened(tmp_path)
    buffer.append([samples(1), samples(10)])
    assert not buffer.acknowledge(Lane.TELEMETRY, 1, "f" * 32)
    assert not buffer.acknowledge(Lane.TELEMETRY, 7, "f" * 32)
    assert buffer.read(Lane.TELEMETRY, 1) is not None


def test_renumbering_keeps_everything_under_a_new_epoch(tmp_path: Path) -> None:
    """Held batches are numbered from 1 again, in order, with their payloads untouched."""
    buffer = opened(tmp_path)
    stored = buffer.append([samples(1), samples(10), samples(20)])
    buffer.acknowledge(Lane.TELEMETRY, 1, digest(stored[0]))
    before = buffer.epoch
    buffer.renumber()
    assert buffer.epoch != before
    held = [buffer.read(Lane.TELEMETRY, sequence) for sequence in (1, 2, 3)]
    decoded = [batches.decode(batch.message) for batch in held if batch]
    assert [batch.samples[0].time_ms for batch in decoded] == [10, 20]
    assert {batch.header.epoch for batch in decoded} == {buffer.epoch}
    assert buffer.append([samples(30)])[0].sequence == 3


def test_former_epochs_are_remembered_by_where_their_deliveries_ended(tmp_path: Path) -> None:
    """A restored centre that knew of one names what it lost of it; only so many are kept."""
    buffer = opened(tmp_path)
    assert buffer.former() == []
    stored = buffer.append([samples(1), samples(10)])
    buffer.acknowledge(Lane.TELEMETRY, 1, digest(stored[0]))
    before: list[str] = []
    for _ in range(FORMER_EPOCHS_MAX + 2):
        before.insert(0, buffer.epoch)
        buffer.renumber()
    former = buffer.former()
    assert [each.epoch for each in former] == before[:FORMER_EPOCHS_MAX]
    buffer = opened(tmp_path / "other")
    stored = buffer.append([samples(1), samples(10)])
    buffer.acknowledge(Lane.TELEMETRY, 1, digest(stored[0]))
    buffer.renumber()
    buffer.close()
    [only] = opened(tmp_path / "other").former()
    assert only.lanes == {Lane.TELEMETRY: LaneRange(2, 2), Lane.EVENTS: LaneRange(1, 1)}


def test_a_contested_epoch_deletes_nothing(tmp_path: Path) -> None:
    """Whatever stands there, also where nothing is held or a tombstone took its place."""
    buffer = opened(tmp_path)
    stored = buffer.append([samples(1), samples(10)])
    assert not buffer.acknowledge(Lane.TELEMETRY, 0, CONTESTED)
    assert not buffer.acknowledge(Lane.TELEMETRY, 2, CONTESTED)
    assert buffer.acknowledge(Lane.TELEMETRY, 1, digest(stored[0]))
    assert not buffer.acknowledge(Lane.TELEMETRY, 1, CONTESTED)


def test_beyond_its_limit_the_oldest_telemetry_becomes_tombstones(tmp_path: Path) -> None:
    """Every drop is counted and keeps its number; events stay."""
    buffer = opened(tmp_path)
    alarm = Gap("e" * 32, 1, "gateway", "test", 0, 1)
    payload = batches.events_payload([alarm])
    events = Append(Lane.EVENTS, Content.EVENTS, payload, 1, 1, 1, 1)
    noisy = [
        Append(Lane.TELEMETRY, Content.SAMPLES, b"\x00" + os.urandom(2000), at, at, at + 5, 6)
        for at in range(10)
    ]
    buffer.append([events, *noisy])
    dropped = buffer.keep_within(16_100)
    assert dropped == 4
    found = [buffer.read(Lane.TELEMETRY, sequence) for sequence in range(1, 11)]
    decoded = [batches.read_header(batch.message).content for batch in found if batch]
    assert decoded == [Content.TOMBSTONE] * dropped + [Content.SAMPLES] * (10 - dropped)
    first = batches.decode(found[0].message).tombstone if found[0] else None
    assert first == batches.Tombstone(0, 5, 6, "buffer full")
    assert buffer.keep_within(16_100) == 0
    assert buffer.read(Lane.EVENTS, 1) is not None


def test_of_a_tombstone_s_batch_only_what_may_have_left_can_be_acknowledged(tmp_path: Path) -> None:
    """Else what the centre has under its number is another's, and what lies before would be lost with it."""
    for left in (False, True):
        buffer = opened(tmp_path / str(left))
        noisy = Append(Lane.TELEMETRY, Content.SAMPLES, b"\x00" + os.urandom(2000), 5, 5, 9, 6, live=left)
        buffer.append([samples(1), noisy])
        assert buffer.keep_within(buffer.octets - 1) == 1
        stored = buffer.read(Lane.TELEMETRY, 2)
        assert stored
        assert batches.read_header(stored.message).content is Content.TOMBSTONE
        assert buffer.acknowledge(Lane.TELEMETRY, 2, "f" * 32) == left
        assert (buffer.read(Lane.TELEMETRY, 1) is None) == left
        assert left or buffer.acknowledge(Lane.TELEMETRY, 2, digest(stored))


def test_what_left_while_the_disk_refused_is_acknowledged_though_a_tombstone_took_its_place(
    tmp_path: Path,
) -> None:
    """Else all is numbered anew, and the centre has the batch and the tombstone that counts it as lost."""
    buffer = opened(tmp_path)
    noise = [b"\x00" + os.urandom(2000) for _ in range(3)]
    buffer.append([Append(Lane.TELEMETRY, Content.SAMPLES, payload, 5, 5, 9, 6) for payload in noise])
    buffer._db.execute("PRAGMA query_only = ON")
    left = buffer.to_send(Lane.TELEMETRY, 1, Moment(0, 10))
    assert left
    buffer._db.execute("PRAGMA query_only = OFF")
    assert buffer.keep_within(2 * 2000) == 2
    assert not buffer.acknowledge(Lane.TELEMETRY, 2, "f" * 32)  # it has not left
    assert buffer.acknowledge(Lane.TELEMETRY, 1, digest(left))
    [held] = buffer.ranges()
    assert held.lanes[Lane.TELEMETRY].first == 2


def test_a_corrupt_file_is_set_aside_and_the_gateway_starts(tmp_path: Path) -> None:
    """The damaged file is kept for a person; the new one has an epoch of its own."""
    buffer = opened(tmp_path)
    buffer.append([samples(time_ms) for time_ms in range(1, 400, 4)])
    epoch = buffer.epoch
    buffer.close()
    path = tmp_path / "buffer.db"
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)
    ids = counting()
    next_ids = (ids(), ids(), ids())
    again = opened(tmp_path, ids)
    assert again.quarantined is not None
    assert again.quarantined.exists()
    assert again.epoch not in (epoch, *next_ids)
    assert again.append([samples(1)])[0].sequence == 1


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The error says which file and why."""
    (tmp_path / "file").write_text("")
    with pytest.raises(BufferUnusableError, match="file"):
        Buffer(tmp_path / "file" / "buffer.db", "north", "gw-1", BOOT, counting())


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    """A downgrade must not destroy what a newer version wrote."""
    opened(tmp_path).close()
    with sqlite3.connect(tmp_path / "buffer.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(BufferUnusableError, match="another version"):
        opened(tmp_path)


def test_the_file_is_written_ahead_and_synchronised(tmp_path: Path) -> None:
    """WAL and FULL, as SQLite itself tells: what a power cut must find."""
    buffer = opened(tmp_path)
    settings = [
        buffer._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
    ]
    assert settings == ["wal", 2]


WRITER = """
import itertools, sys
from pathlib import Path
from tests.edge.buffer.test_store import opened, samples
buffer = opened(Path(sys.argv[1]))
for number in itertools.count(1):
    stored = buffer.append([samples(number * 10)])
    print(stored[0].sequence, flush=True)
"""


def test_a_killed_process_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    """SIGKILL in the middle of writing: every batch that was reported as stored is there."""
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root
    ) as process:
        assert process.stdout is not None
        reported = [int(line) for _, line in zip(range(200), process.stdout, strict=False)]
        process.send_signal(signal.SIGKILL)
        reported += [int(line) for line in process.stdout.read().split("\n")[:-1]]
    buffer = opened(tmp_path)
    assert buffer.quarantined is None
    assert reported == list(range(1, len(reported) + 1))
    assert all(buffer.read(Lane.TELEMETRY, sequence) for sequence in reported)


def test_what_the_rules_remember_is_committed_with_their_events(tmp_path: Path) -> None:
    """An alarm that was reported is not forgotten, and one that was forgotten was not reported."""
    buffer = opened(tmp_path)
    buffer.append([samples(1)], {"alarms": {"tilt/cover-1/roll": "1" * 32}})
    buffer.close()
    assert opened(tmp_path).remembered() == {"alarms": {"tilt/cover-1/roll": "1" * 32}}
