"""Which settings a gateway starts with: the file's, a document's that is in force, or one on trial.

Decided before anything runs, and on disk before it is acted on: however often the power fails, a document
that is begun STARTS_MAX times and never proved is not begun again. A file that a person has changed since the
last document was begun is newer than it, and holds.
"""

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from contract.desired import DesiredKind, Outcome
from device_profiles.schema import Profile
from edge import checks, state_folder
from edge.configuration import note as notes
from edge.configuration.note import Note
from edge.configuration.trial import Expected, expected
from edge.desired.held import Document, Held
from edge.desired.judging import told
from edge.desired.shelf import Shelf
from edge.lines import endpoints
from edge.settings import Settings
from toml_files import TomlFile, TomlFileError

KIND = DesiredKind.CONFIGURATION
STARTS_MAX = 3
FOLDER = "desired"

_log = logging.getLogger(__name__)


class Loaded(NamedTuple):
    """Settings that are sound, with each device's profile by its name."""

    settings: Settings
    profiles: dict[str, Profile]


class Ended(NamedTuple):
    """What became of a document at the start, for the centre."""

    document: Document
    outcome: Outcome
    reason: str
    lasts: bool = True
    """False: the disk keeps it in force, and the next start looks again."""


@dataclass(frozen=True)
class Chosen:
    """What to start with; ``document`` None where it is the file's own."""

    loaded: Loaded
    local: str
    """The digest of the file of settings at this start."""
    document: Document | None = None
    on_trial: bool = False
    expected: Expected = field(default_factory=Expected)
    answering: tuple[str, ...] = ()
    """Who answered before the trial."""
    trial_timeout_s: float = 0.0
    ended: tuple[Ended, ...] = ()
    damaged: tuple[str, ...] = ()
    unread: bool = False
    """The disk could not be read: what it holds is not known yet."""

    def origin(self, settings_file: Path) -> str:
        """Say where the settings come from."""
        if self.document is None:
            return settings_file.name
        return f"configuration {self.document.desired.sequence}{' on trial' if self.on_trial else ''}"


def loaded_of(document: Document, settings_file: Path) -> Loaded:
    """Return a document's settings; TomlFileError lists every mistake that hinders a start."""
    return Loaded(*checks.judged(_text_of(document), settings_file, endpoints.written_of))


def _text_of(document: Document) -> TomlFile:
    return TomlFile(document.desired.body, f"configuration {document.desired.sequence}")


def given_up(settings_file: Path, chosen: Chosen, reason: str) -> Ended | None:
    """End the trial that let the gateway fall; None where it was proved or had failed before. It blocks.

    If the disk refuses, ``choose`` is told by what is returned; after a power cut its starts are counted on.
    """
    document = chosen.document
    if document is None:
        raise ValueError("nothing is on trial")
    shelf = Shelf(settings_file.parent / chosen.loaded.settings.state_folder / FOLDER)
    try:
        held = shelf.read(KIND).held
        if held.waiting is None or held.waiting.digest != document.digest:
            return None
        shelf.write(KIND, held.gone(Outcome.ROLLED_BACK))
    except OSError as error:
        _log.error("that configuration %d failed cannot be kept: %s", document.desired.sequence, error)
    return Ended(document, Outcome.ROLLED_BACK, reason)


def _owned_already(_state: Path) -> None:
    """The caller owns the folder of state."""


def choose(
    settings_file: Path, before: Sequence[Ended] = (), *, own: Callable[[Path], None] = _owned_already
) -> Chosen:
    """Decide; ``before`` is what became of documents that the disk may not have.

    ``own`` makes the folder of state this process's before anything of it is read or changed. TomlFileError
    where the file itself has mistakes, BufferUnusableError where root would work in another user's folder,
    and whatever ``own`` raises. It blocks.
    """
    local = Loaded(*checks.load(settings_file, endpoints.written_of))
    digest = notes.local_digest(settings_file)
    state = settings_file.parent / local.settings.state_folder
    state_folder.check(state)
    own(state)
    shelf = Shelf(state / FOLDER)
    try:
        found = shelf.read(KIND)
    except OSError as error:
        _log.error("whether the centre has sent settings cannot be read: %s; the file's hold", error)
        return Chosen(local, digest, ended=tuple(before), unread=True)
    if not _is_ours(found.held, local.settings):
        return Chosen(local, digest)
    held = found.held
    for ended in before:  # where the disk has not taken that
        held = held.without(ended.document, ended.outcome)
    start = _Start(settings_file, shelf, local, digest, notes.read(state), held)
    chosen = start.chosen()
    return replace(chosen, ended=(*before, *start.ended), damaged=tuple(found.damaged))


class _Start:
    """One decision: ``held`` is what will be held once it is made."""

    def __init__(
        self, settings_file: Path, shelf: Shelf, local: Loaded, digest: str, note: Note | None, held: Held
    ) -> None:
        self._settings_file, self._shelf, self._local = settings_file, shelf, local
        self._digest, self._note, self.held = digest, note, held
        self.ended: list[Ended] = []

    def chosen(self) -> Chosen:
        """Return what to start with; what became of documents is in ``ended``, and on disk."""
        begun = self.held.waiting is not None and self.held.tries > 0
        if not begun and self.held.current is None:
            return Chosen(self._local, self._digest)
        if self._note is not None and self._note.local != self._digest:
            self._overridden()
            return Chosen(self._local, self._digest)
        former, current = self._former()
        if begun and self.held.waiting and (trial := self._trial(self.held.waiting, former)):
            return trial
        return Chosen(former, self._digest, current)

    def _overridden(self) -> None:
        reason = f"{self._settings_file.name} was changed at the gateway since: it holds"
        for document in (self.held.current, self.held.waiting):
            if document is not None:
                self.ended.append(Ended(document, Outcome.OVERRIDDEN, reason))
        self._keep(self.held.overridden())

    def _former(self) -> tuple[Loaded, Document | None]:
        """Return what was in force before any trial; for good a document gives way by its text alone."""
        while (current := self.held.current) is not None:
            try:
                loaded = loaded_of(current, self._settings_file)
            except TomlFileError as error:
                if _is_sound(current):  # a profile, a folder or a certificate is not there now
                    return self._stands_in(current, error)
                self.ended.append(Ended(current, Outcome.ROLLED_BACK, _words(error)))
                self._keep(self.held.back())
            else:
                self._again(current)
                return loaded, current
        return self._local, None

    def _stands_in(self, current: Document, error: TomlFileError) -> tuple[Loaded, Document | None]:
        """Return what holds in this life in place of what the disk keeps in force."""
        reason = f"not at this start, and the next start looks again: {_words(error)}"
        self.ended.append(Ended(current, Outcome.ROLLED_BACK, reason, lasts=False))
        self._note_if_new(current, Outcome.ROLLED_BACK)
        if (former := self.held.former) is not None:
            with contextlib.suppress(TomlFileError):
                return loaded_of(former, self._settings_file), former
        return self._local, None

    def _again(self, current: Document) -> None:
        """Tell that it is in force, where a former start has told that it could not be."""
        highest = self.held.highest
        if highest and highest.digest == current.digest and highest.outcome is Outcome.ROLLED_BACK:
            self.ended.append(Ended(current, Outcome.IN_FORCE, "it can be executed again", lasts=False))
            self._note_if_new(current, Outcome.IN_FORCE)

    def _note_if_new(self, document: Document, outcome: Outcome) -> None:
        if (noted := self.held.told(document, outcome)) != self.held:
            self._keep(noted)

    def _trial(self, document: Document, former: Loaded) -> Chosen | None:
        """Begin the trial once more; None where it is over."""
        failed = ""
        if self.held.tries > STARTS_MAX:
            failed = f"it was begun {STARTS_MAX} times, and the gateway ended each time before it was proved"
        try:
            loaded = loaded_of(document, self._settings_file)
        except TomlFileError as error:
            failed = failed or _words(error)
        if failed:
            self.ended.append(Ended(document, Outcome.ROLLED_BACK, failed))
            self._keep(self.held.gone(Outcome.ROLLED_BACK))
            return None
        if not self._keep(self.held.begun()):
            return None  # what is not counted is not begun: it might never end
        answering = tuple(self._note.answering) if self._note else ()
        return Chosen(
            loaded,
            self._digest,
            document,
            on_trial=True,
            expected=expected(former.settings, loaded.settings, answering),
            answering=answering,
            trial_timeout_s=former.settings.configuration.confirm_timeout_s,
        )

    def _keep(self, held: Held) -> bool:
        self.held = held
        try:
            self._shelf.write(KIND, held)
        except OSError as error:
            _log.error("what became of the centre's settings cannot be kept: %s", error)
            return False
        return True


def _is_ours(held: Held, settings: Settings) -> bool:
    names = {(each.desired.district, each.desired.gateway) for each in held.documents}
    return names <= {(settings.district, settings.gateway)}


def _is_sound(document: Document) -> bool:
    """Whether its text alone is, whatever the machine lacks."""
    try:
        checks.of_text(_text_of(document))
    except TomlFileError:
        return False
    return True


def _words(error: TomlFileError) -> str:
    return told([str(problem) for problem in error.problems])
