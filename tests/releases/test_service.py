"""A release on trial that needs contact is judged while it runs; systemd's programs only note what is asked.

Under a real systemd it is played by ``tests/faults/updates.py``.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from releases.service import JUDGED_AFTER_S, PROGRAM
from releases.shelf import Shelf
from tests.releases.making import release

NOTING = '#!/bin/sh\necho "${0##*/} $*" >> "$NOTES"\n[ "$1" != show ] || echo "$STATE"\n'


class Site:
    """A shelf with a release on trial, and what systemd is told."""

    def __init__(self, folder: Path, *, needs_contact: bool) -> None:
        """Lay it down."""
        self._folder, self.shelf = folder, Shelf(folder / "opt")
        with self.shelf.alone():
            self.old, self.new = (self.shelf.add(release(folder / it, it)) for it in ("1.0.0", "1.1.0"))
        self.shelf.switch(self.old)
        self.shelf.begin_trial(self.new, needs_contact=needs_contact)
        for name in ("systemctl", "systemd-run"):
            (folder / name).write_text(NOTING)
            (folder / name).chmod(0o755)

    def told(self, *words: str, state: str = "active", status: int = 0) -> list[str]:
        """Do one thing as the unit does, which ends with ``status``; return what systemd was told by it."""
        notes = self._folder / "notes"
        notes.write_text("")
        command = [sys.executable, "-m", "releases", "--root", str(self.shelf.root), *words]
        path = f"{self._folder}:{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "NOTES": str(notes), "STATE": state}
        done = subprocess.run(command, env=env, check=False, timeout=60, capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        return notes.read_text().splitlines()


def unit_of(site: Site, told: list[str]) -> str:
    """Return the unit that is to judge the release, and stop earlier ones."""
    stopped, run = told
    assert stopped == f"systemctl stop gengfu-trial-{site.new}*.timer"
    how = rf"--quiet --no-block --collect --unit=(\S+) --on-active={JUDGED_AFTER_S:.0f}"
    found = re.fullmatch(rf"systemd-run {how} {PROGRAM} judge {re.escape(site.new)}", run)
    assert found
    assert found[1].startswith(f"gengfu-trial-{site.new}-")
    return found[1]


def test_each_start_of_a_release_that_needs_contact_has_it_judged_in_time(tmp_path: Path) -> None:
    """Anew from this start on, by the program that stands outside of all releases."""
    site = Site(tmp_path, needs_contact=True)
    assert unit_of(site, site.told("guard")) != unit_of(site, site.told("guard"))


def test_a_release_whose_judgement_falls_into_another_update_is_judged_after_it(tmp_path: Path) -> None:
    """By a unit of another name: systemd takes none whose service runs, as that of the judge itself does."""
    site = Site(tmp_path, needs_contact=True)
    first = unit_of(site, site.told("guard"))
    with site.shelf.alone():
        [_, *told] = site.told("judge", site.new, status=1)
    assert unit_of(site, told) != first
    assert site.shelf.trial() is not None
    site.told("judge", site.new)
    assert (site.shelf.current(), site.shelf.trial()) == (site.old, None)


def test_a_release_that_needs_none_is_judged_by_its_starts_alone(tmp_path: Path) -> None:
    """Nothing is asked of systemd."""
    assert Site(tmp_path, needs_contact=False).told("guard") == []


@pytest.mark.parametrize("state", ["active", "activating", "inactive", "failed", ""])
def test_a_release_that_is_left_while_it_runs_gives_way_at_once(state: str, tmp_path: Path) -> None:
    """One that was stopped meanwhile had no chance to prove itself: it is judged after its next start."""
    site = Site(tmp_path, needs_contact=True)
    [asked, *told] = site.told("judge", site.new, state=state)
    assert asked.startswith("systemctl show --property=ActiveState")
    if state.startswith("activ"):
        assert told == ["systemctl restart --no-block gengfu-edge.service"]
        assert (site.shelf.current(), site.shelf.trial()) == (site.old, None)
    else:
        assert told == []
        assert site.shelf.current() == site.new
        assert site.shelf.trial() is not None
