"""The proof that a release works, and the test it makes of itself before it is put in force."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge.buffer import file
from edge.buffer.store import Buffer
from gengfu.commands.edge import app
from gengfu.proof import AT_WORK_S, FILE_NAME, Proof
from gengfu.self_test import problems
from releases.guarding import proved
from simulators.virtual_loop import run_virtually
from tests.edge.test_run import SETTINGS

RELEASE = "1.2.3-0123abcd"


def given_after(
    folder: Path, at_work: list[tuple[float, float]], contact_s: float
) -> list[tuple[float, bool]]:
    """Return when a proof stood, and with contact or not, of a gateway at work in these seconds."""
    seen: list[tuple[float, bool]] = []

    async def life() -> None:
        loop = asyncio.get_running_loop()
        proof = Proof(folder, RELEASE)
        giving = asyncio.create_task(
            proof.give(
                lambda: any(begin <= loop.time() < end for begin, end in at_work),
                lambda: loop.time() >= contact_s,
            )
        )
        for _ in range(400):
            await asyncio.sleep(1)
            release, contact = proved(folder / FILE_NAME)
            if release and (not seen or seen[-1][1] != contact):
                assert release == RELEASE
                seen.append((loop.time(), contact))
        giving.cancel()

    run_virtually(life())
    return seen


def test_a_proof_takes_twenty_seconds_of_work_without_a_break(tmp_path: Path) -> None:
    """What was before a break counts for nothing; contact is added when there is some."""
    assert given_after(tmp_path, [(0, 15), (16, 30)], 1e9) == []
    [(alone_s, had_then), (whole_s, had_later)] = given_after(tmp_path, [(50, 100)], 90)
    assert (had_then, had_later) == (False, True)
    assert 50 + AT_WORK_S <= alone_s <= 50 + AT_WORK_S + 2
    assert 90 <= whole_s <= 92


def test_without_a_release_or_a_service_nothing_is_proved(tmp_path: Path) -> None:
    """A checkout writes no file; nor does a disk that refuses end a gateway."""

    async def life(proof: Proof) -> None:
        async with asyncio.timeout(100):
            await proof.give(lambda: True, lambda: True)

    run_virtually(life(Proof.of_environment({"STATE_DIRECTORY": str(tmp_path)})))
    run_virtually(life(Proof(None, RELEASE)))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TimeoutError):  # it goes on trying
        run_virtually(life(Proof(tmp_path / "not there", RELEASE)))


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Return sound settings with a buffer that a gateway has left."""
    path = tmp_path / "edge.toml"
    path.write_text(SETTINGS.format(port="/dev/null"))
    (tmp_path / "state").mkdir()
    Buffer(tmp_path / "state/buffer.db", "north", "gw-1", "0" * 32, lambda: "1" * 32).close()
    return path


def test_a_release_that_fits_finds_nothing_and_changes_nothing(settings: Path) -> None:
    """Every module can be imported, the settings are sound, the buffer can be read."""
    before = (settings.parent / "state/buffer.db").read_bytes()
    result = CliRunner().invoke(app, ["self-test", str(settings)])
    assert (result.exit_code, result.stdout) == (0, "sound\n")
    assert (settings.parent / "state/buffer.db").read_bytes() == before


def test_a_buffer_that_a_newer_release_has_written_and_unsound_settings_are_found(settings: Path) -> None:
    """In whole sentences; a buffer that is not there yet is none."""
    buffer = settings.parent / "state/buffer.db"
    with closing(sqlite3.connect(buffer)) as db:
        db.execute(f"PRAGMA user_version = {file.SCHEMA_VERSION + 1}")
    [told] = problems(settings)
    assert f"written by another release (form {file.SCHEMA_VERSION + 1}, not {file.SCHEMA_VERSION})" in told
    buffer.write_bytes(b"noise" * 1000)
    assert ["cannot be read" in each for each in problems(settings)] == [True]
    buffer.unlink()
    assert list(problems(settings)) == []
    settings.write_text(settings.read_text().replace("baud = 9600", "baud = -1"))
    assert len(list(problems(settings))) == 1


def test_an_update_needs_root_and_says_so(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, exit status 1; for root, why the release is refused, as JSON."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    result = CliRunner().invoke(app, ["update", "a.release"])
    assert result.exit_code == 1
    assert "an update needs root" in result.stderr
    monkeypatch.setattr("os.geteuid", lambda: 0)
    keys = str(settings.parent / "none")
    result = CliRunner().invoke(app, ["update", "--json", "--keys", keys, "a.release"])
    told = json.loads(result.stdout)
    assert (result.exit_code, told["good"]) == (1, False)
    assert "cannot be read: no such file" in told["reason"]
