"""Root looks after a centre whose data is the service's user's: nothing of root's is harmed."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from collector import backup, checking, key_file
from collector.backup import SERIES, STATE, BackupError
from collector.enrolment import setting_up
from collector.key_file import KeyFileError
from tests.collector.making import NOW_MS, Clock, settings, silent, standing, taken, telemetry, up
from tests.owned_files.strangers import (
    STRANGER,
    belongs,
    folder,
    laid,
    needs_open_project,
    needs_root,
    secret,
    site,
    untouched,
)

pytestmark = [needs_root, pytest.mark.timeout(60)]
place = pytest.fixture(site, name="place")


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the bytes of a centre's databases."""
    loaded = settings(tmp_path_factory.mktemp("made"))
    with standing(loaded, Clock()) as collector:
        taken(collector.state, up(telemetry(1)))
    return {name: (loaded.data_folder / name).read_bytes() for name in (STATE, SERIES)}


@pytest.fixture
def data(place: Path, databases: dict[str, bytes]) -> Path:
    """A centre's data, the service's user's."""
    made = folder(place / "data")
    for name, content in databases.items():
        (made / name).write_bytes(content)
        belongs(made / name)
    return made


def backed_up(data: Path, target: Path) -> None:
    """Take a backup."""
    backup.take(data, target, district="north", now_ms=NOW_MS, progress=silent)


def put_back(source: Path, data: Path) -> None:
    """Put it back."""
    backup.put_back(source, data, district="north", replace=True, progress=silent)


@needs_open_project
def test_root_backs_up_and_puts_back_as_the_owner(place: Path, data: Path) -> None:
    """What is made is the owner's; where the owner may not write, it is told what to do."""
    into = folder(place / "backups")
    backed_up(data, into / "one")
    put_back(into / "one", data)
    made = [*into.rglob("*"), *data.rglob("*")]
    assert {path.stat().st_uid for path in made} == {STRANGER}
    (place / "roots").mkdir(mode=0o700)
    with pytest.raises(BackupError, match=rf"root does this as user {STRANGER}, .*may use"):
        backed_up(data, place / "roots" / "two")
    assert checking.check(data, silent).findings == []


@pytest.mark.parametrize("lay", [Path.symlink_to, Path.hardlink_to], ids=["link", "hard link"])
@pytest.mark.parametrize(
    "name", ["lock", f"{STATE}-wal", f"{STATE}-shm", f"{SERIES}-journal", f"{STATE}.new", SERIES]
)
def test_links_among_the_data_lead_root_to_nothing_of_its_own(
    place: Path, data: Path, name: str, lay: Callable[[Path, Path], None]
) -> None:
    """Backup, check and restore work, or say why not."""
    into = folder(place / "backups")
    backed_up(data, into / "one")
    mine = secret(place / "mine")
    (data / name).unlink(missing_ok=True)
    lay(data / name, mine)
    with contextlib.suppress(BackupError):
        backed_up(data, into / "two")
    checking.check(data, silent)
    with contextlib.suppress(BackupError):
        put_back(into / "one", data)
    assert untouched(mine)


@pytest.mark.parametrize("kind", ["pipe", "folder", "socket"])
def test_what_is_no_file_keeps_nobody_waiting(place: Path, data: Path, kind: str) -> None:
    """In place of databases, keys, and what a backup says of itself."""
    into = folder(place / "backups")
    backed_up(data, into / "one")
    (into / "one" / backup.MANIFEST).unlink()
    laid(belongs(into / "one") / backup.MANIFEST, kind)
    with pytest.raises(BackupError, match="is no backup"):
        put_back(into / "one", data)
    (data / STATE).unlink()
    laid(data / STATE, kind)
    with pytest.raises(BackupError, match="not a file"):
        backed_up(data, into / "two")
    laid(data / key_file.FILE_NAME, kind)
    with pytest.raises(KeyFileError, match="not a file"):
        key_file.read(data)


def test_keys_that_root_makes_belong_to_the_owner_and_go_nowhere_else(place: Path, data: Path) -> None:
    """A link in place of a folder of the new centre's leads no key of an authority out of it."""
    key_file.make(data)
    assert (data / key_file.FILE_NAME).stat().st_uid == STRANGER
    (place / "roots").mkdir(mode=0o700)
    (data / "ca").symlink_to(place / "roots")
    with pytest.raises(setting_up.SettingUpError, match=r"[Pp]ermission denied"):
        setting_up.write(data, {"ca/ca_key.pem": (b"key", 0o600)})
    assert list((place / "roots").iterdir()) == []
