"""Root in another user's folder is that user."""

import os
import threading
from pathlib import Path

import pytest

from owned_files import as_owner, check_runs_as_owner
from tests.owned_files.strangers import STRANGER, belongs, folder, needs_root, secret, site, untouched

pytestmark = needs_root
place = pytest.fixture(site, name="place")


def who() -> tuple[int, int, list[int]]:
    """Return as whom this process acts."""
    return os.geteuid(), os.getegid(), os.getgroups()


def test_root_is_the_owner_there_and_root_again_afterwards(place: Path) -> None:
    """Also where what is done there fails; inside of it nothing is asked again."""
    state, before = folder(place / "state"), who()
    with as_owner(state):
        assert who() == (STRANGER, STRANGER, [STRANGER])
        with as_owner(place):
            assert os.geteuid() == STRANGER
        (state / "made").write_text("")
    assert who() == before
    assert (state / "made").stat().st_uid == STRANGER
    with pytest.raises(PermissionError), as_owner(state):
        (place / "made").write_text("")
    assert who() == before


def test_no_link_leads_root_anywhere(place: Path) -> None:
    """Whatever the owner has laid: links to files and folders of root's, and hard links, lead nowhere."""
    state, mine = folder(place / "state"), secret(place / "mine")
    (place / "etc").mkdir(mode=0o755)
    (state / "file").symlink_to(mine)
    (state / "folder").symlink_to(place / "etc")
    (state / "hard").hardlink_to(mine)
    for act in (
        lambda: (state / "file").write_text("x"),
        (state / "file").read_bytes,
        lambda: os.chown(state / "file", STRANGER, STRANGER),
        lambda: (state / "hard").write_text("x"),
        lambda: (state / "hard").chmod(0o666),
        lambda: (state / "folder" / "new").write_text("x"),
    ):
        with pytest.raises(PermissionError), as_owner(state):
            act()
    assert untouched(mine)
    assert list((place / "etc").iterdir()) == []


def test_of_a_folder_that_is_not_there_the_one_around_it_tells(place: Path) -> None:
    """Root makes it as whom it will belong to; where all is root's, as root."""
    with as_owner(folder(place / "state") / "identity" / "deeper"):
        assert os.geteuid() == STRANGER
    with as_owner(place / "none" / "such"):
        assert os.geteuid() == 0


def test_a_link_of_roots_is_followed_and_a_strangers_to_root_is_refused(place: Path) -> None:
    """A disk of its own behind a link is common; a link that somebody else laid is a trap."""
    folder(place / "disk")
    (place / "state").symlink_to("disk")
    with as_owner(place / "state"):
        assert os.geteuid() == STRANGER
    (place / "mine").mkdir()
    for leads_to in (place / "mine", Path("../mine"), Path("../mine/deeper")):
        belongs_to = place / "disk" / leads_to.name
        belongs_to.symlink_to(leads_to)
        belongs(belongs_to)
        with (
            pytest.raises(PermissionError, match=f"a link of user {STRANGER} leads there"),
            as_owner(belongs_to),
        ):
            pytest.fail("root acts there")
        belongs_to.unlink()
    (place / "round").symlink_to(place / "round")
    with pytest.raises(OSError, match="symbolic links"), as_owner(place / "round"):
        pytest.fail("there is no such place")


@pytest.mark.parametrize(("mode", "group"), [(0o777, 0), (0o1777, 0), (0o770, STRANGER)])
def test_where_others_may_write_in_roots_own_folder_root_does_nothing(
    place: Path, mode: int, group: int
) -> None:
    """It is told what to do."""
    (place / "state").mkdir()
    os.chown(place / "state", 0, group)
    (place / "state").chmod(mode)
    with pytest.raises(PermissionError, match="chmod go-w"), as_owner(place / "state"):
        pytest.fail("root acts there")


def test_a_second_thread_waits_and_is_never_root_in_between(place: Path) -> None:
    """A process has one user: whoever comes second begins as root and becomes the owner himself."""
    state, seen = folder(place / "state"), list[int]()
    begun = threading.Event()

    def second() -> None:
        begun.set()
        with as_owner(state):
            seen.append(os.geteuid())

    with as_owner(state):
        thread = threading.Thread(target=second)
        thread.start()
        begun.wait()
        assert seen == []
    thread.join()
    assert seen == [STRANGER]
    assert os.geteuid() == 0


def test_root_does_not_run_for_long_in_anothers_folder(place: Path) -> None:
    """In its own, and in one that is not there yet, it may."""
    with pytest.raises(PermissionError, match=f"belongs to user {STRANGER}, .* run it as user {STRANGER}"):
        check_runs_as_owner(folder(place / "state"), "run it as {user}")
    check_runs_as_owner(place, "")
    check_runs_as_owner(place / "none", "")
