"""The releases on the disk. Whatever happens in between, ``current`` is one whole release or the other.

A release gets its name when all of it is on the disk, and the link is replaced in one step.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from releases import archive as archives
from releases.archive import Manifest, ReleaseError
from releases.deciding import Trial, kept

ROOT = Path("/opt/gengfu")
_NAME = re.compile(r"[0-9][0-9a-z.]*-[0-9a-f]{8}")
_JSON_BYTES_MAX = 16 * 1024


class Shelf:
    """What stands below /opt/gengfu."""

    def __init__(self, root: Path = ROOT) -> None:
        """Nothing is looked at yet."""
        self.root = root
        self._folder = root / "releases"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other changes away; ReleaseError where one is under way."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        with (self.root / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ReleaseError(f"{self.root}: an update is under way; wait until it has ended") from error
            yield

    def names(self) -> frozenset[str]:
        """Return the releases that are whole."""
        with contextlib.suppress(OSError):
            return frozenset(each.name for each in self._folder.iterdir() if _NAME.fullmatch(each.name))
        return frozenset()

    def current(self) -> str:
        """Return the release in force, or nothing."""
        return self._pointed("current")

    def previous(self) -> str:
        """Return the one before, or nothing."""
        return self._pointed("previous")

    def path(self, name: str) -> Path:
        """Return a release's folder."""
        return self._folder / name

    def manifest(self, name: str) -> Manifest:
        """Return what a release says of itself; ReleaseError where it says nothing."""
        try:
            data = json.loads((self._folder / name / archives.MANIFEST).read_bytes())
            return Manifest(**{field: data[field] for field in Manifest.__dataclass_fields__})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ReleaseError(f"{self._folder / name}: is no release: {error}") from error

    def add(self, archive: Path) -> str:
        """Unpack a release beside the others, and return its name; ReleaseError where that cannot be done."""
        said = archives.manifest(archive)
        name = archives.name_of(said.version, archives.digest(archive))
        if name in self.names():
            return name
        fresh = self._folder / f".{name}"
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            archives.unpack(archive, fresh)
            os.sync()  # all of it is on the disk before it has its name
            fresh.rename(self._folder / name)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        _sync(self._folder)
        return name

    def switch(self, name: str) -> None:
        """Put a release in force, in one step."""
        if name not in self.names():
            raise ReleaseError(f"{self._folder / name}: is not there")
        self._point("current", name)

    def trial(self) -> Trial | None:
        """Return the trial under way, if there is one; what nobody can read is none."""
        data = _read(self.root / "trial.json")
        if not isinstance(data, dict):
            return None
        try:
            names = str(data["release"]), str(data["previous"])
            # Another release may have noted it, which says nothing of contact.
            return Trial(*names, int(data["starts"]), data.get("needs_contact") is True)
        except (KeyError, TypeError, ValueError):
            return None

    def begin_trial(self, name: str, *, needs_contact: bool = False) -> Trial:
        """Put a release in force on trial; the one to go back to is the last that has proved itself."""
        before = self.trial()
        current = self.current()
        previous = before.previous if before is not None and before.release == current else current
        trial = Trial(name, previous, needs_contact=needs_contact)
        self.note_trial(trial)
        self.switch(name)
        return trial

    def note_trial(self, trial: Trial) -> None:
        """Keep it, in one step."""
        self._write("trial.json", asdict(trial))

    def confirm(self, trial: Trial) -> None:
        """The release on trial stays; the one before it is what one can go back to."""
        if trial.previous in self.names():
            self._point("previous", trial.previous)
        self.forget_trial()

    def roll_back(self, trial: Trial, reason: str) -> None:
        """Take up the one before again, and note why."""
        self._write("failed.json", {"release": trial.release, "reason": reason[:500]})
        self.switch(trial.previous)
        self.forget_trial()

    def failed(self) -> tuple[str, str]:
        """Return the release that was left last and why, or two empty texts."""
        data = _read(self.root / "failed.json")
        if not isinstance(data, dict):
            return "", ""
        return str(data.get("release", "")), str(data.get("reason", ""))

    def forget_trial(self) -> None:
        """There is none any more."""
        (self.root / "trial.json").unlink(missing_ok=True)
        _sync(self.root)

    def prune(self) -> None:
        """Remove the releases that nobody needs, and what was never finished."""
        names = self.names()
        needed = kept(names, current=self.current(), previous=self.previous(), trial=self.trial())
        if not needed:
            return
        for name in names - needed:  # what has lost its name is no release, however much of it is left
            gone = self._folder / f".{name}"
            shutil.rmtree(gone, ignore_errors=True)
            (self._folder / name).rename(gone)
        _sync(self._folder)
        for each in self._folder.iterdir():
            if each.name not in needed:
                shutil.rmtree(each, ignore_errors=True)

    def _pointed(self, link: str) -> str:
        try:
            name = (self.root / link).readlink().name
        except OSError:
            return ""
        return name if name in self.names() else ""

    def _point(self, link: str, name: str) -> None:
        fresh = self.root / f".{link}"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(f"releases/{name}")
        fresh.replace(self.root / link)
        _sync(self.root)

    def _write(self, file: str, data: object) -> None:
        fresh = self.root / f".{file}"
        with fresh.open("w") as out:
            json.dump(data, out)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(self.root / file)
        _sync(self.root)


def _read(path: Path) -> object:
    try:
        with path.open("rb") as file:
            return json.loads(file.read(_JSON_BYTES_MAX))
    except (OSError, ValueError, RecursionError):
        return None


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
