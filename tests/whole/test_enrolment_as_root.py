"""Root enrols a gateway whose state is the service's user's: what lies there harms nothing of root's."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from collector.database import Database
from edge.identity import enrolling
from edge.identity.enrolling import Enrolled
from edge.identity.errors import IdentityError
from edge.settings import Settings
from tests.owned_files.strangers import (
    STRANGER,
    belongs,
    folder,
    laid,
    needs_root,
    secret,
    site,
    untouched,
)
from tests.whole.test_enrolment import KNOWN, SETTINGS, Centre, root
from toml_files import TomlFile

pytestmark = needs_root
place = pytest.fixture(site, name="place")
numbers = count(2222)

NAMES = ("key.pem", ".key.pem.new", "cert.pem", "cert.new.pem", ".cert.pem.new", "ca.pem", ".ca.pem.new", "x")


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    """Lend one centre to all of them."""
    folder = tmp_path_factory.mktemp("centre")
    state = Database(folder / "collector.db", "state")
    made = Centre(root(), state, folder)
    with made.served():
        yield made
    state.close()


def code(centre: Centre) -> str:
    """Return a new code."""
    return centre.code(f"3333-3333-3333-{next(numbers)}")


def enrolled(centre: Centre, place: Path, code: str, **more: str) -> Enrolled:
    """Enrol as root does: the settings are root's, the state is not."""
    file = place / "edge.toml"
    if not file.exists():
        file.write_text(SETTINGS)
    wish = replace(centre.wish(code=code), settings_file=file, **more)  # type: ignore[arg-type]
    return enrolling.enrol(wish, TomlFile.read(file).parse(Settings), KNOWN)


def test_all_that_root_makes_there_belongs_to_the_services_user(centre: Centre, place: Path) -> None:
    """And the settings stay root's."""
    state = folder(place / "state")
    assert enrolled(centre, place, code(centre)).asked
    for path in (state / "identity", *(state / "identity").iterdir()):
        assert path.stat().st_uid == STRANGER
    assert (state / "identity" / "key.pem").stat().st_mode & 0o777 == 0o600
    assert (place / "edge.toml").stat().st_uid == 0
    assert "tls_key_file" in (place / "edge.toml").read_text()


@pytest.mark.parametrize("lay", [Path.symlink_to, Path.hardlink_to], ids=["link", "hard link"])
@pytest.mark.parametrize("name", NAMES)
def test_links_in_the_folder_of_an_identity_harm_nothing(
    centre: Centre, place: Path, name: str, lay: Callable[[Path, Path], None]
) -> None:
    """Links at every name that is written, or that root would have given away; it enrols, or says why not."""
    identity, mine = folder(folder(place / "state") / "identity"), secret(place / "mine")
    lay(identity / name, mine)
    belongs(identity) if lay is Path.hardlink_to else belongs(identity / name)
    why = ""
    try:
        enrolled(centre, place, code(centre))
    except (IdentityError, OSError) as error:
        why = str(error)
    assert name in why if why else (identity / "key.pem").stat().st_uid == STRANGER
    assert untouched(mine)
    assert {path.name for path in place.iterdir()} == {"state", "mine", "edge.toml"}


def test_a_link_in_place_of_the_folder_gives_nothing_away(centre: Centre, place: Path) -> None:
    """Root's folder behind it gets nothing, and stays root's."""
    state, etc = folder(place / "state"), place / "etc"
    etc.mkdir(mode=0o755)
    mine = secret(etc / "mine")
    belongs_to = state / "identity"
    belongs_to.symlink_to(etc)
    belongs(belongs_to)
    with pytest.raises(OSError, match="Permission denied"):
        enrolled(centre, place, code(centre))
    assert untouched(mine)
    assert etc.stat().st_uid == 0
    assert [path.name for path in etc.iterdir()] == ["mine"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "folder", "endless"])
@pytest.mark.parametrize("name", ["key.pem", "cert.pem", "ca.pem", "cert.new.pem"])
def test_what_is_no_file_does_not_keep_root_waiting(
    centre: Centre, place: Path, name: str, kind: str
) -> None:
    """It is told what stands there, or it is replaced."""
    identity = folder(folder(place / "state") / "identity")
    given = code(centre)
    enrolled(centre, place, given)
    (identity / name).unlink(missing_ok=True)
    laid(identity / name, kind)
    belongs(identity / name)
    (identity / name).chmod(0o600)
    with pytest.raises((IdentityError, OSError), match=name):
        enrolled(centre, place, given, fingerprint="")
