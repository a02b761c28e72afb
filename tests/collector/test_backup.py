"""A backup is one state of the centre, however busy it is; put back, it names what is gone."""

import asyncio
import fcntl
import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from collector import backup
from collector.backup import SERIES, STATE, BackupError, Manifest
from collector.database import Database
from collector.journal import head, read
from collector.marks import Mark
from collector.series import reading as series_reading
from collector.tables import gaps, marks
from contract import batches
from tests.collector.making import (
    NOW_MS,
    Clock,
    greeting,
    hello,
    projected,
    rows,
    settings,
    silent,
    standing,
    taken,
    telemetry,
    typed,
    up,
)


def backed_up(folder: Path, target: Path) -> Manifest:
    """Take a backup of a data folder."""
    return backup.take(folder, target, district="north", now_ms=NOW_MS, progress=silent)


def test_a_backup_of_a_busy_centre_is_one_state_of_it(tmp_path: Path) -> None:
    """Batches go on arriving while it is copied: marks, journal and series of the copy agree."""
    loaded = settings(tmp_path)
    with standing(loaded, Clock()) as collector:
        taken(collector.state, *(up(telemetry(number)) for number in range(1, 400)))
        enough, begun = threading.Event(), threading.Event()

        def write_on() -> None:
            for number in range(400, 100_000):
                taken(collector.state, up(telemetry(number)))
                begun.set()
                if enough.is_set():
                    return

        writer = threading.Thread(target=write_on)
        writer.start()
        begun.wait(10)
        try:
            taken_now = [backed_up(loaded.data_folder, tmp_path / f"backup-{number}") for number in range(5)]
        finally:
            enough.set()
            writer.join()
        last_id = collector.state.read_now(head).last_id
    assert last_id > taken_now[-1].last_id > taken_now[0].last_id >= 400
    for number, manifest in enumerate(taken_now):
        copy = Database(tmp_path / f"backup-{number}" / STATE, "state")
        end = copy.read_now(head)
        assert (end.last_id, end.identity) == (manifest.last_id, manifest.journal_identity)
        entries = copy.read_now(lambda db: read(db, 0, samples=True, batches_max=100_000)).entries
        assert [entry.sequence for entry in entries] == list(range(1, end.last_id + 1))
        [(_, _, _, upto, digest, *_)] = rows(copy, marks)
        assert Mark(upto, digest) == Mark(end.last_id, batches.digest(telemetry(end.last_id)))
        copy.close()


def test_what_was_put_back_is_what_was_backed_up_and_the_rest_is_named(tmp_path: Path) -> None:
    """Batches that were acknowledged after the backup are gone at both ends: a gap, and nothing waits."""
    loaded = settings(tmp_path)
    with standing(loaded, Clock()) as collector:
        taken(collector.state, hello(greeting(1, 1)), *(up(telemetry(number)) for number in (1, 2, 3)))
        asyncio.run(projected(collector))
        backed_up(loaded.data_folder, tmp_path / "backup")
        taken(collector.state, *(up(telemetry(number)) for number in (4, 5)))
    with pytest.raises(BackupError, match="--replace"):
        backup.put_back(
            tmp_path / "backup", loaded.data_folder, district="north", replace=False, progress=silent
        )
    _, aside = backup.put_back(
        tmp_path / "backup", loaded.data_folder, district="north", replace=True, progress=silent
    )
    assert aside is not None
    assert (aside / STATE).exists()
    with standing(loaded, Clock()) as collector:
        [(_, _, _, upto, *_), *_] = [row for row in rows(collector.state, marks) if row[2] == "telemetry"]
        assert upto == 3
        stored = collector.store.read_now(
            lambda db: series_reading.history(
                db, ("gw-1", "meter", "pressure"), from_ms=0, to_ms=10**15, limit=99
            )
        )
        assert [sample.value for sample in stored] == [1, 2, 3]
        outcome = taken(collector.state, hello(greeting(6, 8)), up(telemetry(6)), up(telemetry(7)))
        assert outcome.answers[0].ack.upto == 7
        [gap] = rows(collector.state, gaps)
        assert gap[7:9] == (4, 5)


def test_a_restore_that_was_cut_short_leaves_no_log_of_what_stood_there_before(tmp_path: Path) -> None:
    """A log that waits beside a database is read into whichever database has that name next."""
    loaded = settings(tmp_path)
    folder, logs = loaded.data_folder, {}
    with standing(loaded, Clock()) as collector:
        taken(collector.state, up(telemetry(1)))
        manifest = backed_up(folder, tmp_path / "backup")
        taken(collector.state, *(up(telemetry(number)) for number in (2, 3, 4)))
        logs = {side: (folder / f"{STATE}{side}").read_bytes() for side in ("-wal", "-shm")}
    for name in (SERIES, STATE):
        (folder / name).rename(tmp_path / name)
        (folder / f"{name}.new").write_bytes(b"")
    for side, log in logs.items():  # as a centre leaves them that was killed
        (folder / f"{STATE}{side}").write_bytes(log)
    _, aside = backup.put_back(tmp_path / "backup", folder, district="north", replace=True, progress=silent)
    assert aside
    assert {path.name for path in aside.iterdir()} == {f"{STATE}-wal", f"{STATE}-shm"}
    with standing(loaded, Clock()) as collector:
        assert collector.state.read_now(head).last_id == manifest.last_id == 1


def spoilt_byte(folder: Path) -> None:
    """Change one byte in the middle of the journal."""
    data = bytearray((folder / STATE).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / STATE).write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoilt_byte, "is not what was backed up"),
        (lambda folder: (folder / SERIES).unlink(), "no such file"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "not a manifest"),
        (lambda folder: (folder / "manifest.json").unlink(), "is no backup"),
    ],
)
def test_a_damaged_backup_is_refused_and_changes_nothing(
    spoil: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    """Whatever is wrong with it is found before anything is moved."""
    loaded = settings(tmp_path)
    with standing(loaded, Clock()) as collector:
        taken(collector.state, up(telemetry(1)))
    backed_up(loaded.data_folder, tmp_path / "backup")
    spoil(tmp_path / "backup")
    before = (loaded.data_folder / STATE).read_bytes()
    with pytest.raises(BackupError, match=said):
        backup.put_back(
            tmp_path / "backup", loaded.data_folder, district="north", replace=True, progress=silent
        )
    assert (loaded.data_folder / STATE).read_bytes() == before


@pytest.mark.parametrize("tables", ["", "CREATE TABLE journal_head (identity TEXT, last_id INTEGER)"])
def test_a_database_in_which_no_centre_has_begun_is_named_with_what_to_do(
    tables: str, tmp_path: Path
) -> None:
    """Its tables may be there, and no head of the journal; nothing is left of the backup."""
    data, target = tmp_path / "data", tmp_path / "backups" / "first"
    data.mkdir()
    for name in (STATE, SERIES):
        with closing(sqlite3.connect(data / name)) as db:
            db.executescript(f"CREATE TABLE other (a); {tables}")
    with pytest.raises(BackupError, match=rf"{data / STATE} holds no journal: start the centre once"):
        backed_up(data, target)
    assert list(target.parent.iterdir()) == []


def test_nothing_is_put_back_under_a_working_centre_or_into_another_district(tmp_path: Path) -> None:
    """The folder's lock says who works there."""
    loaded = settings(tmp_path)
    with standing(loaded, Clock()):
        pass
    backed_up(loaded.data_folder, tmp_path / "backup")
    with (loaded.data_folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BackupError, match="stop that one first"):
            backup.put_back(
                tmp_path / "backup", loaded.data_folder, district="north", replace=True, progress=silent
            )
    with pytest.raises(BackupError, match="district north"):
        backup.put_back(
            tmp_path / "backup", loaded.data_folder, district="south", replace=True, progress=silent
        )


def test_the_commands_copy_and_put_back_and_say_what_is_in_the_way(tmp_path: Path) -> None:
    """As an operator types them."""
    loaded = settings(tmp_path)
    with standing(loaded, Clock()) as collector:
        taken(collector.state, up(telemetry(1)))

    named = "--settings", str(tmp_path / "collector.toml")
    done = typed("backup", str(tmp_path / "copy"), "--json", *named)
    assert json.loads(done.stdout)["last_id"] == 1
    again = typed("backup", str(tmp_path / "copy"), *named)
    assert (again.returncode, again.stdout) == (1, "")
    assert "is there already" in again.stderr
    refused = typed("restore", str(tmp_path / "copy"), *named)
    assert refused.returncode == 1
    assert "--replace" in refused.stderr
    restored = typed("restore", str(tmp_path / "copy"), "--replace", *named)
    assert restored.returncode == 0
    assert "1 journal entries" in restored.stdout
