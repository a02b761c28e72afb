"""Who numbered what: the file knows it beyond what it holds, a copy differs from the first."""

import itertools
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from contract import batches
from contract.batches import Content
from contract.limits import STRETCHES_MAX
from contract.samples import Sample
from contract.stretches import Stretch, last_common
from contract.topics import Lane
from edge.buffer import meta
from edge.buffer.batch import Append, Stored
from edge.buffer.store import Buffer

_numbers = itertools.count(1)
PAYLOAD = batches.samples_payload([Sample(1, "d", "p", 1)])
BATCH = Append(Lane.TELEMETRY, Content.SAMPLES, PAYLOAD, 1, 1, 1, 1)
FIRST, SECOND = f"{1:032x}", f"{2:032x}"


def opened(folder: Path, boot: int) -> Buffer:
    """Return the buffer in ``folder``, opened in this boot."""
    return Buffer(folder / "buffer.db", "north", "gw-1", f"{boot:032x}", lambda: f"{next(_numbers):032x}")


def delivered(buffer: Buffer, stored: list[Stored]) -> None:
    """Let the centre acknowledge them."""
    assert buffer.acknowledge(Lane.TELEMETRY, stored[-1].sequence, batches.digest(stored[-1].message))


def told(buffer: Buffer) -> tuple[Stretch, ...]:
    """Return what a hello says of telemetry."""
    return buffer.numbered()[0].stretches.get(Lane.TELEMETRY, ())


def test_who_numbered_what_is_gone_is_told_and_of_what_is_held_nothing(tmp_path: Path) -> None:
    """Over restarts; a boot that numbered nothing is not told of."""
    buffer = opened(tmp_path, 1)
    assert buffer.numbered() == buffer.ranges()
    delivered(buffer, buffer.append([BATCH] * 3))
    buffer.close()
    opened(tmp_path, 9).close()
    buffer = opened(tmp_path, 2)
    stored = buffer.append([BATCH] * 2)
    assert told(buffer) == (Stretch(FIRST, 1),)
    delivered(buffer, stored)
    assert told(buffer) == (Stretch(FIRST, 1), Stretch(SECOND, 4))
    buffer.append([BATCH])
    assert told(buffer) == (Stretch(FIRST, 1), Stretch(SECOND, 4))


def test_a_copy_that_runs_elsewhere_tells_of_itself_from_where_it_was_copied(tmp_path: Path) -> None:
    """Also where all that either numbered was delivered and is gone."""
    buffer = opened(tmp_path / "a", 1)
    delivered(buffer, buffer.append([BATCH] * 3))
    buffer.close()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    accounts = []
    for folder, boot in (("a", 1), ("b", 2)):
        buffer = opened(tmp_path / folder, boot)
        delivered(buffer, buffer.append([BATCH] * 2))
        accounts.append(told(buffer))
    assert last_common(accounts[0], accounts[1], 5) == 3


def test_a_renumbered_buffer_tells_it_of_the_former_epoch_and_begins_with_what_it_holds(
    tmp_path: Path,
) -> None:
    """Numbers are given anew to batches that keep their boots, as a centre will see them."""
    buffer = opened(tmp_path, 1)
    delivered(buffer, buffer.append([BATCH] * 2))
    buffer.append([BATCH] * 2)
    buffer.close()
    buffer = opened(tmp_path, 2)
    buffer.append([BATCH])
    buffer.renumber()
    assert buffer.former()[0].stretches == {Lane.TELEMETRY: (Stretch(FIRST, 1),)}
    assert told(buffer) == ()
    stored = buffer.append([BATCH])
    delivered(buffer, stored)
    assert told(buffer) == (Stretch(FIRST, 1), Stretch(SECOND, 3))
    for sequence, boot in ((1, FIRST), (2, FIRST), (3, SECOND), (4, SECOND)):
        header = batches.read_header(stored[0].message)
        assert (header.sequence, header.boot_id) == (4, SECOND)
        assert last_common(told(buffer), [Stretch(boot, sequence)], sequence) is None


def test_a_file_of_an_older_version_knows_it_of_what_it_holds(tmp_path: Path) -> None:
    """And goes on from there; of what was gone before it says nothing."""
    buffer = opened(tmp_path, 1)
    delivered(buffer, buffer.append([BATCH] * 3))
    buffer.append([BATCH] * 2)
    buffer.close()
    with sqlite3.connect(tmp_path / "buffer.db") as db:
        assert db.execute("DELETE FROM meta WHERE key = ?", (meta.STRETCHES,)).rowcount == 1
    db.close()
    buffer = opened(tmp_path, 2)
    assert told(buffer) == ()
    delivered(buffer, buffer.append([BATCH]))
    assert told(buffer) == (Stretch(FIRST, 4), Stretch(SECOND, 6))


def test_only_so_many_boots_are_kept(tmp_path: Path) -> None:
    """The newest."""
    for boot in range(1, STRETCHES_MAX + 4):
        buffer = opened(tmp_path, boot)
        delivered(buffer, buffer.append([BATCH]))
        buffer.close()
    kept = told(opened(tmp_path, 99))
    assert [each.first for each in kept] == list(range(4, STRETCHES_MAX + 4))


def test_what_a_disk_has_refused_was_numbered_by_nobody(tmp_path: Path) -> None:
    """The next commit says again who numbers."""
    buffer = opened(tmp_path, 1)
    delivered(buffer, buffer.append([BATCH]))
    buffer.close()
    buffer = opened(tmp_path, 2)
    with pytest.raises(sqlite3.IntegrityError):
        buffer.append([BATCH, replace(BATCH, payload=None)])  # type: ignore[arg-type]
    delivered(buffer, buffer.append([BATCH]))
    assert told(buffer) == (Stretch(FIRST, 1), Stretch(SECOND, 2))
