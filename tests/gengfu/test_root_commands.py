"""What root's commands do in the folder of the service's user: nothing that user could not do."""

import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edge import line_report, link_report
from edge.buffer.errors import BufferUnusableError
from edge.buffer.file import SCHEMA_VERSION
from edge.bundle.parts import Part, PartError, limits_of, parts
from edge.commissioning.writing import Change, put_in_place
from edge.configuration import choosing, looking
from edge.local import client
from edge.local.client import NoAnswerError
from edge.local.words import SOCKET_NAME, State
from edge.report_file import ReportUnreadableError
from edge.settings import EXAMPLE
from gengfu.self_test import _buffer
from tests.owned_files.strangers import belongs, folder, laid, needs_root, secret, site, untouched

pytestmark = [needs_root, pytest.mark.timeout(40)]
place = pytest.fixture(site, name="place")


@pytest.fixture
def state(place: Path) -> Path:
    """A gateway's state, beside settings of root's."""
    (place / "edge.toml").write_text(EXAMPLE.read_text())
    return folder(place / "state")


def of(state: Path) -> dict[str, Part]:
    """Return the parts of a bundle."""
    return {each.name: each for each in parts(state.parent / "edge.toml", {}, limits_of({}), {})}


def buffer(state: Path) -> Path:
    """Make a small buffer."""
    path = state / "buffer.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("CREATE TABLE batches (lane, sequence, first_ms)")
        db.execute("CREATE TABLE lanes (lane)")
        db.execute("INSERT INTO batches VALUES ('events', 7, 8)")
        db.commit()
    return belongs(path)


LANE = {"lane": "events", "batches": 1, "first_sequence": 7, "last_sequence": 7, "oldest_ms": 8}


def looked(state: Path) -> Any:
    """Look into the buffer, for a bundle and for a self-test."""
    told: Any = of(state)["buffer.json"].read()
    problems = list(_buffer(state / "buffer.db"))
    return told.get("lanes") or (told["lanes_missing"], problems)


def test_a_buffer_is_looked_into_and_what_sqlite_makes_beside_it_is_its_owners(state: Path) -> None:
    """Also a buffer that nobody works with."""
    buffer(state)
    assert looked(state) == [LANE]
    assert {path.stat().st_uid for path in state.iterdir()} == {state.stat().st_uid}


@pytest.mark.parametrize("lay", [Path.symlink_to, Path.hardlink_to], ids=["link", "hard link"])
@pytest.mark.parametrize("side", ["-wal", "-shm", "-journal"])
def test_what_lies_beside_a_buffer_leads_sqlite_to_nothing_of_roots(
    state: Path, side: str, lay: Callable[[Path, Path], None]
) -> None:
    """SQLite as root gives the files beside a database to its owner, and writes into them."""
    buffer(state)
    mine = secret(state.parent / "mine")
    link = state / f"buffer.db{side}"
    lay(link, mine)
    looked(state)
    assert untouched(mine)


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "socket"])
def test_a_buffer_that_is_none_is_told_at_once(state: Path, kind: str) -> None:
    """In the bundle and by a self-test."""
    laid(state / "buffer.db", kind)
    why, [problem] = looked(state)
    assert "not a file" in why
    assert why in problem


def test_a_buffer_that_asks_for_endless_work_ends(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is a table elsewhere can be a question without end."""
    monkeypatch.setattr("edge.buffer.looking.TIMEOUT_S", 0.5)
    path = buffer(state)
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE batches")
        db.execute(
            "CREATE VIEW batches AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
            "SELECT 'events' AS lane, i AS sequence, i AS first_ms FROM n"
        )
        db.commit()
    told: Any = of(state)["buffer.json"].read()
    assert told["lanes_missing"] == "it took more than 0.5 s"


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "link", "device", "endless"])
def test_nothing_that_lies_in_place_of_a_file_keeps_a_command(state: Path, kind: str) -> None:
    """A bundle has the reason or goes without; reports say why there is none."""
    folder(state / "identity")
    folder(state / "desired")
    names = [line_report.FILE_NAME, link_report.FILE_NAME, "configuration.json", "identity/cert.pem"]
    for name in (*names, "desired/configuration.index", f"desired/configuration.1.{'0' * 32}.jws"):
        laid(state / name, kind)
        belongs(state / name)
    for part in (line_report.FILE_NAME, link_report.FILE_NAME, "identity.json"):
        with pytest.raises((OSError, PartError, ValueError)):
            of(state)[part].read()
    assert of(state)["desired.json"].read()
    for report in (line_report, link_report):
        with pytest.raises(ReportUnreadableError, match=report.FILE_NAME):
            report.read(state)
    assert looking.look(state.parent / "edge.toml").in_force is None


def test_a_report_of_the_owners_alone_is_read_and_one_that_leads_to_roots_is_not(state: Path) -> None:
    """Not a word of it is told."""
    mine = secret(state.parent / "mine")
    (state / link_report.FILE_NAME).hardlink_to(mine)
    (state / line_report.FILE_NAME).write_text('{"schema": 1}')
    belongs(state / line_report.FILE_NAME).chmod(0o600)
    assert of(state)[line_report.FILE_NAME].read() == {"schema": 1}
    with pytest.raises(ReportUnreadableError, match="permission denied"):
        link_report.read(state)


def test_a_link_in_place_of_the_socket_leads_root_nowhere(state: Path) -> None:
    """A socket of root's hears nothing, by link or hard link."""
    other = state.parent / "other.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(other))
        listener.listen()
        listener.setblocking(False)
        for lay in (Path.symlink_to, Path.hardlink_to):
            lay(state / SOCKET_NAME, other)
            with pytest.raises(NoAnswerError, match="no socket of a gateway's"):
                client.asked(state, State(), timeout_s=0.5)
            (state / SOCKET_NAME).unlink()
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_root_runs_no_gateway_in_the_folder_of_another(state: Path) -> None:
    """It would follow every link there, day and night."""
    with pytest.raises(
        BufferUnusableError, match=r"belongs to user .* root does not work in it; start its serv"
    ):
        choosing.choose(state.parent / "edge.toml")


def test_settings_in_anothers_folder_lead_root_to_no_others(state: Path) -> None:
    """A link in the place of the settings; and what is written there stays theirs."""
    mine = secret(state.parent / "mine")
    link, own = state / "edge.toml", state / "own.toml"
    link.symlink_to(mine)
    own.write_text("before")
    belongs(link), belongs(own)
    with pytest.raises(PermissionError):
        put_in_place(link, Change("root only", "after", [], []))
    assert untouched(mine)
    put_in_place(own, Change("before", "after", [], []))
    assert (own.read_text(), own.stat().st_uid) == ("after", state.stat().st_uid)
