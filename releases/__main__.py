"""``/usr/lib/gengfu/releases``: what the package's scripts and the unit do with releases."""

import argparse
import sys
from pathlib import Path

from releases import service
from releases.archive import ReleaseError, manifest, unfit
from releases.deciding import Trial
from releases.guarding import PROOF, guard, judge
from releases.shelf import Shelf
from releases.versions import is_older, is_version


def main() -> None:
    """Do one thing; a mistake is one sentence and exit status 1."""
    parser = argparse.ArgumentParser(prog="releases", description=__doc__)
    parser.add_argument("--root", type=Path, default=Shelf().root, help="Where the releases are.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("guard", help="Before a start: count, confirm or leave a release on trial.")
    judged = commands.add_parser("judge", help="Confirm or leave a release whose time on trial is over.")
    judged.add_argument("release")
    commands.add_parser("list", help="Print the releases; * is in force, - the one before.")
    put = commands.add_parser("put", help="Unpack a release and put it in force.")
    put.add_argument("archive", type=Path)
    put.add_argument("--trial", action="store_true", help="It has to prove itself, or is left again.")
    put.add_argument("--upgrade-from", default="", metavar="VERSION", help="What the package was before.")
    given = parser.parse_args()
    shelf = Shelf(given.root)
    try:
        if given.command == "guard":
            told = guard(shelf)
            if (trial := shelf.trial()) and trial.needs_contact:  # one that works alone is started by nobody
                service.have_judged(trial.release)
        elif given.command == "judge":
            told = _judged(shelf, given.release)
        elif given.command == "list":
            told = "\n".join(_mark(shelf, name) + name for name in sorted(shelf.names()))
        else:
            told = _put(shelf, given.archive, trial=given.trial, upgrade_from=given.upgrade_from)
    except (ReleaseError, OSError) as error:
        sys.exit(f"gengfu: {error}")
    if told:
        sys.stdout.write(f"{told}\n" if given.command == "list" else f"gengfu: {told}\n")


def _judged(shelf: Shelf, release: str) -> str:
    """One that was stopped meanwhile is judged after its next start; while an update is under way, later."""
    if not service.is_at_work():
        return ""
    try:
        told, was_left = judge(shelf, release)
    except (ReleaseError, OSError):
        service.have_judged(release)  # nobody else would: no start need come
        raise
    if was_left:
        service.restart()
    return told


def _mark(shelf: Shelf, name: str) -> str:
    return {shelf.current(): "* ", shelf.previous(): "- "}.get(name, "  ")


def _put(shelf: Shelf, archive: Path, *, trial: bool, upgrade_from: str) -> str:
    """Put the package's release in force; where a signed update brought a newer one, that one stays."""
    said = manifest(archive)
    if reason := unfit(said):
        raise ReleaseError(reason)
    with shelf.alone():
        current = shelf.current()
        if current and is_version(upgrade_from) and is_older(upgrade_from, said.version):
            there = shelf.manifest(current).version
            if is_older(said.version, there):
                return f"{there} is in force, by an update, and newer than {said.version}: it stays"
        name = shelf.add(archive)
        if name == current:
            return ""
        if trial and current:
            PROOF.unlink(missing_ok=True)
            shelf.begin_trial(name)
        else:
            shelf.confirm(Trial(name, current))
            shelf.switch(name)
        shelf.prune()
    return f"{name} is in force"


if __name__ == "__main__":
    main()
