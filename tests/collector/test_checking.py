"""Whatever is damaged in a data folder is named, with what to do; what is sound is called so."""

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from collector import checking
from collector.journal import prune
from contract import batches
from contract.topics import Lane
from tests.collector.making import (
    Clock,
    greeting,
    happened,
    hello,
    projected,
    raised,
    settings,
    silent,
    standing,
    taken,
    telemetry,
    typed,
    up,
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data folder of a centre with batches, a gap, a batch that does not decode, a dead letter."""
    folder = tmp_path_factory.mktemp("sound")
    loaded = settings(folder)
    with standing(loaded, Clock()) as collector:
        taken(collector.state, *(up(telemetry(number)) for number in (1, 2, 3)))
        asyncio.run(projected(collector))
        unknown_packing = batches.message(batches.read_header(telemetry(7)), b"\x07later")
        later = [
            up(telemetry(6)),
            up(unknown_packing),
            up(telemetry(8)),
            up(happened(1, raised(1)), lane=Lane.EVENTS),
        ]
        taken(collector.state, hello(greeting(6, 9)), *later, up(b"noise"))
        asyncio.run(projected(collector))
    return loaded.data_folder


def test_a_sound_folder_is_called_sound_at_work_or_not(sound: Path) -> None:
    """Gaps that are named, batches that do not decode and dead letters are counted, and are no findings."""
    report = checking.check(sound, silent)
    assert report.findings == []
    assert report.looked_at["journal, batches"] == 7
    assert report.looked_at["journal, undecodable"] == report.looked_at["undecodable, waiting"] == 1
    assert (report.looked_at["dead letters"], report.looked_at["samples"]) == (1, 5)
    with closing(sqlite3.connect(sound / "collector.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert checking.check(sound, silent).findings == []


DAMAGES = {
    "journal_head: says 6 batches": ("collector.db", "UPDATE journal_head SET batches = 6"),
    "journal_head: says last id 3": ("collector.db", "UPDATE journal_head SET last_id = 3"),
    "journal: has no head": ("collector.db", "DELETE FROM journal_head"),
    "journal 2: says 1 bytes": ("collector.db", "UPDATE journal SET bytes = 1 WHERE id = 2"),
    "journal 2: is no batch": ("collector.db", "UPDATE journal SET message = x'00' WHERE id = 2"),
    "journal 2: its batch is 2": ("collector.db", "UPDATE journal SET gateway = 'gw-9' WHERE id = 2"),
    "journal 3: batch 3 of gw-1": ("collector.db", "DELETE FROM journal WHERE id = 2"),
    "journal 4: batch 6 of gw-1": ("collector.db", "DELETE FROM gaps"),
    "mark of gw-1 telemetry, epoch 01234567: says 7": (
        "collector.db",
        "UPDATE marks SET upto = 7 WHERE lane = 'telemetry'",
    ),
    "mark of gw-1 telemetry, epoch 01234567: says 9": (
        "collector.db",
        "UPDATE marks SET upto = 9 WHERE lane = 'telemetry'",
    ),
    "mark of gw-1 telemetry, epoch 01234567: batch 8": (
        "collector.db",
        "UPDATE marks SET digest = 'abcdabcdabcdabcdabcdabcdabcdabcd' WHERE lane = 'telemetry'",
    ),
    "cursor of alarms: lies at 99": ("collector.db", "UPDATE cursors SET journal_id = 99"),
    "cursor of series: lies at 99": ("series.db", "UPDATE cursor SET journal_id = 99"),
    "cursor of series: is of another": ("series.db", "UPDATE cursor SET journal_identity = 'x'"),
    "samples cannot be read": ("series.db", "UPDATE blocks SET data = x'00112233445566'"),
    "is not the one its row tells of": ("series.db", "UPDATE blocks SET samples = samples + 1"),
    "overlaps the one before": ("series.db", "UPDATE blocks SET last_ms = last_ms + 100000"),
    "collector.db: is of version v9": ("collector.db", "UPDATE alembic_version SET version_num = 'v9'"),
    "series.db: is of version none": ("series.db", "DELETE FROM alembic_version"),
    "collector.db: is damaged, or no": ("collector.db", "DROP TABLE alembic_version"),
}


@pytest.mark.parametrize("said", DAMAGES)
def test_each_damage_is_named_with_place_and_remedy(said: str, sound: Path, tmp_path: Path) -> None:
    """One statement spoils one thing, and the check says which."""
    name, statement = DAMAGES[said]
    shutil.copytree(sound, tmp_path / "data")
    with closing(sqlite3.connect(tmp_path / "data" / name, isolation_level=None)) as db:
        db.execute(statement)
    findings = checking.check(tmp_path / "data", silent).findings
    assert any(said in f"{finding.where}: {finding.what}" for finding in findings), findings
    assert all(finding.remedy for finding in findings)


@pytest.fixture
def outlived(tmp_path: Path) -> Path:
    """Return a data folder where batch 2 outlived its neighbours 1 and 3 to 6, and was decoded at last."""
    loaded = settings(tmp_path)
    with standing(loaded, Clock()) as collector:
        taken(collector.state, *(up(telemetry(number)) for number in range(1, 10)))
        asyncio.run(projected(collector))
        collector.state.write_now(lambda db: prune(db, passed=6, bytes_max=0, before_ms=0, spare={2}))
    return loaded.data_folder


SHIFTED = """
UPDATE journal_head SET last_id = 8, batches = 3, bytes = bytes - (SELECT bytes FROM journal WHERE id = {0});
UPDATE cursors SET journal_id = 8; DELETE FROM journal WHERE id = {0};
UPDATE journal SET id = id - 1 WHERE id > {0}
"""
"""A batch is gone, and head and ids are as if it had never been there."""


@pytest.mark.parametrize(
    ("said", "statements"),
    [
        ("journal 9: batch 9 of gw-1", "DELETE FROM journal WHERE id = 8"),
        ("journal 7: batch 7 of gw-1", "DELETE FROM journal WHERE id = 8"),
        ("journal_head: says 4 batches", "DELETE FROM journal WHERE id = 2"),
        ("journal_head: says 4 batches", "DELETE FROM journal WHERE id > 6"),
        ("telemetry, epoch 01234567: says 9, and the journal ends", "DELETE FROM journal WHERE id > 6"),
        ("journal 7: batch 8 of gw-1", SHIFTED.format(7)),
        ("journal 8: batch 9 of gw-1", SHIFTED.format(8)),
        ("telemetry, epoch 01234567: says 9, and the journal ends", SHIFTED.format(9)),
    ],
)
def test_what_outlived_its_neighbours_excuses_no_other_batch(
    said: str, statements: str, outlived: Path
) -> None:
    """It is sound as it stands; but each batch that is missing beyond those that were dropped is named."""
    assert checking.check(outlived, silent).findings == []
    with closing(sqlite3.connect(outlived / "collector.db", isolation_level=None)) as db:
        db.executescript(statements)
    findings = checking.check(outlived, silent).findings
    assert any(said in f"{finding.where}: {finding.what}" for finding in findings), findings


@pytest.mark.parametrize("name", ["collector.db", "series.db"])
def test_spoilt_pages_and_missing_files_are_named(name: str, sound: Path, tmp_path: Path) -> None:
    """Noise in the middle, half a file, something that is no database, nothing at all."""
    shutil.copytree(sound, tmp_path / "data")
    path = tmp_path / "data" / name
    whole = path.read_bytes()
    spoilt = bytearray(whole)
    for page in range(2, len(whole) // 4096):
        spoilt[page * 4096 : page * 4096 + 200] = bytes(range(200))
    for data in (bytes(spoilt), whole[: len(whole) // 2], b"no database" * 1000):
        path.write_bytes(data)
        assert any(finding.where == name for finding in checking.check(tmp_path / "data", silent).findings)
    path.unlink()
    [finding] = checking.check(tmp_path / "data", silent).findings
    assert (finding.where, finding.what) == (str(path), "is not there")


@pytest.mark.parametrize("command", [("check", "--data"), ("check", "--data", "--json"), ("redo",)])
@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ([], "collector.toml"),
        (["collector.toml"], "data"),
        (["collector.toml", "data"], "data/collector.db"),
        (["collector.toml", "data", "data/series.db"], "data/collector.db"),
    ],
)
def test_where_no_centre_ever_was_the_commands_say_what_is_missing_and_make_nothing(
    there: list[str], missing: str, command: tuple[str, ...], tmp_path: Path
) -> None:
    """A path mistyped, or the data folder in the settings: not a word that all is well."""
    if "collector.toml" in there:
        settings(tmp_path)
    for name in there[1:]:
        (tmp_path / name).touch() if name.endswith(".db") else (tmp_path / name).mkdir()
    before = sorted(tmp_path.rglob("*"))
    name, *options = command
    file = (
        [str(tmp_path / "collector.toml")]
        if name == "check"
        else ["--settings", str(tmp_path / "collector.toml")]
    )
    told = typed(name, *file, *options)
    assert told.returncode == 1
    said = told.stdout + told.stderr
    assert str(tmp_path / missing) in said
    assert "check the path" in said or "correct data_folder" in said
    assert sorted(tmp_path.rglob("*")) == before


def test_the_command_prints_a_table_and_ends_with_1_where_something_was_found(tmp_path: Path) -> None:
    """As an operator types it, and as a program reads it."""
    loaded = settings(tmp_path)
    with standing(loaded, Clock()) as collector:
        taken(collector.state, up(telemetry(1)))

    check = "check", str(tmp_path / "collector.toml"), "--data"
    good = typed(*check)
    assert (good.returncode, good.stderr) == (0, "")
    assert "journal, batches" in good.stdout
    assert max(map(len, good.stdout.splitlines()[:8])) <= 80
    with closing(sqlite3.connect(loaded.data_folder / "collector.db", isolation_level=None)) as db:
        db.execute("UPDATE journal_head SET batches = 5")
    bad = typed(*check, "--json")
    assert bad.returncode == 1
    told = json.loads(bad.stdout)
    assert not told["good"]
    assert told["findings"][0]["where"] == "journal_head"
    assert typed(*check).returncode == 1
