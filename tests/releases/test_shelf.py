"""Releases on a disk: whatever is cut short in between, one whole release is in force."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from releases.archive import ReleaseError
from releases.deciding import STARTS_MAX, Proof, Trial
from releases.guarding import guard, judge, proved
from releases.shelf import Shelf
from tests.releases.making import content, release

EFFECTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.chmod", "os.truncate"}


def shelf_with(folder: Path, *versions: str) -> tuple[Shelf, list[str]]:
    """Return a shelf with these releases, the first in force."""
    shelf = Shelf(folder / "opt")
    with shelf.alone():
        names = [shelf.add(release(folder / version, version)) for version in versions]
    shelf.switch(names[0])
    return shelf, names


def gives(proof: Path, name: str, contact: str = "true") -> None:
    """Let a gateway prove a release."""
    proof.write_text(f'{{"release": "{name}", "contact": {contact}}}')


def test_a_release_that_does_not_prove_itself_is_left_after_its_starts(tmp_path: Path) -> None:
    """The one before it is in force again, and why is kept."""
    shelf, [old, new] = shelf_with(tmp_path, "1.0.0", "1.1.0")
    proof = tmp_path / "proof.json"
    gives(proof, old)
    shelf.begin_trial(new)
    for number in range(1, STARTS_MAX + 1):
        assert f"start {number} of {STARTS_MAX}" in guard(shelf, proof)
        assert shelf.current() == new
    assert f"back to {old}" in guard(shelf, proof)
    assert shelf.current() == old
    assert shelf.trial() is None
    assert shelf.failed() == (new, f"started {STARTS_MAX} times and never at work for long")
    assert guard(shelf, proof) == ""


def test_a_release_that_has_proved_itself_stays_and_the_one_before_is_kept(tmp_path: Path) -> None:
    """The proof is read at the next start, where nobody waited for it."""
    shelf, [old, new, rest] = shelf_with(tmp_path, "1.0.0", "1.1.0", "0.9.0")
    proof = tmp_path / "proof.json"
    shelf.begin_trial(new)
    guard(shelf, proof)
    gives(proof, new)
    assert guard(shelf, proof) == f"{new} has proved itself"
    assert (shelf.current(), shelf.previous(), shelf.trial()) == (new, old, None)
    shelf.prune()
    assert shelf.names() == {old, new}
    assert rest not in shelf.names()


def test_a_release_that_needs_contact_is_left_where_it_works_and_has_none(tmp_path: Path) -> None:
    """Whoever put it in force is gone: that it needs some stands beside the releases, count by count."""
    shelf, [old, new] = shelf_with(tmp_path, "1.0.0", "1.1.0")
    proof = tmp_path / "proof.json"
    shelf.begin_trial(new, needs_contact=True)
    gives(proof, new, "false")
    for number in range(1, STARTS_MAX + 1):
        assert f"start {number} of {STARTS_MAX}" in guard(shelf, proof)
        assert shelf.trial() == Trial(new, old, number, needs_contact=True)
    assert f"back to {old}" in guard(shelf, proof)
    assert (shelf.current(), shelf.trial()) == (old, None)
    assert "had no contact with the centre" in shelf.failed()[1]


def test_contact_proves_a_release_that_needs_some(tmp_path: Path) -> None:
    """At the next start, as ever."""
    shelf, [old, new] = shelf_with(tmp_path, "1.0.0", "1.1.0")
    proof = tmp_path / "proof.json"
    shelf.begin_trial(new, needs_contact=True)
    gives(proof, new)
    assert guard(shelf, proof) == f"{new} has proved itself"
    assert (shelf.current(), shelf.previous(), shelf.trial()) == (new, old, None)


@pytest.mark.parametrize(
    ("more", "needs"),
    [("", False), (', "needs_contact": 7', False), (', "needs_contact": true, "later": []', True)],
)
def test_a_trial_that_another_release_has_noted_is_understood(more: str, needs: bool, tmp_path: Path) -> None:
    """One that says nothing of contact needs none; what is not known is passed over."""
    shelf, [old, new] = shelf_with(tmp_path, "1.0.0", "1.1.0")
    text = f'{{"release": "{new}", "previous": "{old}", "starts": 1{more}}}'
    (shelf.root / "trial.json").write_text(text)
    assert shelf.trial() == Trial(new, old, 1, needs_contact=needs)


@pytest.mark.parametrize(
    ("proves", "told", "stays"),
    [
        ("true", "has proved itself", True),
        ("false", "had no contact with the centre", False),
        ("", "was not at work", False),
    ],
)
def test_a_release_that_runs_on_without_contact_is_left_when_its_time_is_over(
    proves: str, told: str, stays: bool, tmp_path: Path
) -> None:
    """It hangs nowhere and is started by nobody: so it is judged while it runs."""
    shelf, [old, new] = shelf_with(tmp_path, "1.0.0", "1.1.0")
    proof = tmp_path / "proof.json"
    shelf.begin_trial(new, needs_contact=True)
    if proves:
        gives(proof, new, proves)
    said, left = judge(shelf, new, proof)
    assert told in said
    assert (shelf.current(), shelf.trial(), left) == (new if stays else old, None, not stays)
    assert shelf.failed()[0] == ("" if stays else new)
    assert judge(shelf, new, proof) == ("", False)


def test_who_judges_leaves_alone_what_is_another_s(tmp_path: Path) -> None:
    """Another trial, one without anything to go back to, and one that somebody waits for."""
    shelf, [_, new, newer] = shelf_with(tmp_path, "1.0.0", "1.1.0", "1.2.0")
    shelf.begin_trial(newer, needs_contact=True)
    assert judge(shelf, new, tmp_path / "none") == ("", False)
    with shelf.alone(), pytest.raises(ReleaseError, match="under way"):
        judge(Shelf(shelf.root), newer, tmp_path / "none")
    shutil.rmtree(shelf.path(trial.previous) if (trial := shelf.trial()) else tmp_path)
    assert judge(shelf, newer, tmp_path / "none") == ("", False)
    assert shelf.current() == newer


def test_on_a_second_trial_one_goes_back_to_what_has_proved_itself(tmp_path: Path) -> None:
    """Not to what was on trial itself."""
    shelf, [old, doubtful, new] = shelf_with(tmp_path, "1.0.0", "1.1.0", "1.2.0")
    shelf.begin_trial(doubtful)
    assert shelf.begin_trial(new) == Trial(new, old)


def test_a_link_that_is_gone_or_leads_nowhere_is_mended_before_a_start(tmp_path: Path) -> None:
    """Anything whole is better than nothing."""
    shelf, _ = shelf_with(tmp_path, "1.0.0", "1.1.0")
    (shelf.root / "current").unlink()
    assert "no release was in force" in guard(shelf, tmp_path / "none")
    assert shelf.current()
    shutil.rmtree(shelf.path(shelf.current()))
    guard(shelf, tmp_path / "none")
    assert shelf.current()


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"release": 7}', "[" * 5000])
def test_what_a_gateway_writes_is_read_as_a_stranger_s(text: str, tmp_path: Path) -> None:
    """No proof, and no harm; nor by a link or a pipe in its place."""
    proof = tmp_path / "proof.json"
    proof.write_text(text)
    assert proved(proof).release in ("", "7")
    proof.unlink()
    proof.symlink_to("/etc/passwd")
    assert proved(proof) == Proof()
    proof.unlink()
    os.mkfifo(proof)  # nobody is waited for
    assert proved(proof) == Proof()


def test_two_updates_at_once_are_not_done(tmp_path: Path) -> None:
    """The second is told to wait."""
    shelf, _ = shelf_with(tmp_path, "1.0.0")
    with shelf.alone(), pytest.raises(ReleaseError, match="under way"), Shelf(shelf.root).alone():
        pass


def test_the_same_release_again_is_there_already(tmp_path: Path) -> None:
    """And the same version with other content stands beside it."""
    shelf, [name] = shelf_with(tmp_path, "1.0.0")
    assert shelf.add(tmp_path / "1.0.0") == name
    assert shelf.add(release(tmp_path / "other", "1.0.0", "rebuilt")) != name
    assert len(shelf.names()) == 2


def cut(root: Path, act: Callable[[Shelf], None], effect: int) -> bool:
    """Do it in a process that is killed before its effect of that number; say whether it was.

    Every effect on files that Python has passes its audit hook; what the kernel has done by then is done.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9
    count = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        is_reading = event == "open" and arguments[1] in ("r", "rb", None) and not _writes(arguments[2])
        if event in EFFECTS and not is_reading:
            count += 1
            if count > effect:
                os.kill(os.getpid(), 9)

    sys.addaudithook(hook)
    try:
        act(Shelf(root))
    except BaseException:  # this process must not go on as a second test run
        os._exit(3)
    os._exit(0)


def _writes(flags: object) -> bool:
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def test_power_cut_at_every_step_of_an_update_leaves_one_whole_release_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each effect of laying down, trying, confirming, leaving, pruning.

    The whole old one or the whole new one runs, the guard makes sense of the rest, and the next update ends
    as if nothing had been. Control: a switch that removes the link first is found out.
    """
    monkeypatch.setattr("os.sync", lambda: None)  # no disk is waited for where none loses anything
    archives = [release(tmp_path / version, version) for version in ("1.0.0", "1.1.0")]
    whole = {}
    for archive in archives:
        shelf = Shelf(tmp_path / "whole")
        with shelf.alone():
            name = shelf.add(archive)
        whole[name] = content(shelf.path(name))
    [_, new] = whole

    def update(shelf: Shelf) -> None:
        with shelf.alone():
            shelf.add(archives[1])
            shelf.confirm(shelf.begin_trial(new))
            shelf.prune()

    def rollback(shelf: Shelf) -> None:
        with shelf.alone():
            shelf.add(archives[1])
            shelf.roll_back(shelf.begin_trial(new), "did not work")
            shelf.prune()

    def careless(shelf: Shelf) -> None:
        with shelf.alone():
            shelf.add(archives[1])
            (shelf.root / "current").unlink()
            shelf.switch(new)

    def cuts(act: Callable[[Shelf], None]) -> tuple[int, list[str]]:
        effect, found = 0, list[str]()
        while True:
            shutil.rmtree(tmp_path / "opt", ignore_errors=True)
            shelf, _ = shelf_with(tmp_path, "1.0.0")
            was_cut = cut(shelf.root, act, effect)
            in_force = shelf.current()
            if in_force not in whole or content(shelf.path(in_force)) != whole[in_force]:
                found.append(f"cut before effect {effect + 1}: {in_force or 'nothing'} is in force")
            guard(shelf, tmp_path / "none")
            update(shelf)
            if (shelf.current(), shelf.trial()) != (new, None) or content(shelf.path(new)) != whole[new]:
                found.append(f"cut before effect {effect + 1}: the update cannot be done again")
            if not was_cut:
                return effect, found
            effect += 1

    steps, found = cuts(update)
    assert found == []
    assert steps > 15
    steps, found = cuts(rollback)
    assert found == []
    assert steps > 15
    assert cuts(careless)[1] != []


def test_what_a_name_or_a_link_says_is_on_the_disk_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release before it has its name, the trial before the link; and the folder after each."""
    order: list[str] = []
    fsync, replace, rename = os.fsync, Path.replace, Path.rename

    def noted_fsync(descriptor: int) -> None:
        order.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    def noted_replace(path: Path, target: Path) -> Path:
        order.append(f"{target.name} stands")
        return replace(path, target)

    def noted_rename(path: Path, target: Path) -> Path:
        order.append(f"{target.name} stands")
        return rename(path, target)

    archive, newer = release(tmp_path / "a", "1.0.0"), release(tmp_path / "b", "1.1.0")
    shelf = Shelf(tmp_path / "opt")
    with shelf.alone():
        shelf.switch(shelf.add(archive))
    monkeypatch.setattr("os.sync", lambda: order.append("sync"))
    monkeypatch.setattr("os.fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    monkeypatch.setattr(Path, "rename", noted_rename)
    with shelf.alone():
        name = shelf.add(newer)
        shelf.begin_trial(name)
    assert order == [
        *("sync", f"{name} stands", "fsync releases"),
        *("fsync .trial.json", "trial.json stands", "fsync opt"),
        *("current stands", "fsync opt"),
    ]
