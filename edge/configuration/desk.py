"""Settings of the centre in a running gateway: verified as they come, begun, and proved or given up."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from contract.desired import Outcome
from contract.signing import PublicKey
from edge import checks
from edge.configuration import note as notes
from edge.configuration.choosing import Chosen, Ended
from edge.configuration.note import Note
from edge.configuration.trial import Trial, Verdict
from edge.desired.held import Document, Held
from edge.desired.trials import Begin, Failed, Proved, Standing, Waits
from edge.settings import Settings
from toml_files import TomlFile, TomlFileError

HEARD_WITHIN_S = 120.0
"""A trial is begun where the centre was heard so lately: else nobody could tell that it went well."""

ASKED_WITHIN_S = 120.0
"""So long after its start a gateway waits until it knows who answers; then it may begin a trial without."""


Restart = Callable[[Ended | None], None]
"""Lets the gateway begin anew; told what became of its trial, where the disk has not taken that."""


class Seen(NamedTuple):
    """How the gateway does; ``heard_s`` is when the centre was heard last, monotonic, None for never."""

    heard_s: float | None
    answering: frozenset[str]
    unpowered: frozenset[str]
    all_asked: bool = True
    """Whether it is known of every device if it answers; not so soon after a start."""


class ConfigurationDesk:
    """See edge.desired.trials.Trials."""

    def __init__(
        self,
        chosen: Chosen,
        settings_file: Path,
        began_s: float,
        seen: Callable[[], Seen],
        restart: Restart,
    ) -> None:
        """``began_s`` is when this gateway has started, ``restart`` lets it end and begin anew."""
        self._chosen, self._settings_file, self._restart = chosen, settings_file, restart
        self._state = settings_file.parent / chosen.loaded.settings.state_folder
        self._trial = Trial(chosen.expected, began_s, chosen.trial_timeout_s) if chosen.on_trial else None
        self._seen, self._began_s, self._ends = seen, began_s, False
        self.executing = None if chosen.on_trial else chosen.document
        self.on_trial = chosen.document if chosen.on_trial else None
        self.ended, self.damaged = chosen.ended, chosen.damaged

    def problems(self, document: Document) -> Sequence[str]:
        """Return what is wrong with the settings of a document, in sentences; it blocks."""
        before = self._chosen.loaded.settings
        if not before.configuration.remote:
            return ["settings are changed at the gateway only: it says remote = false in [configuration]"]
        try:
            file = TomlFile(document.desired.body, "configuration")
            settings, _profiles = checks.judged(file, self._settings_file)
        except TomlFileError as error:
            return [str(problem) for problem in error.problems]
        return list(lost(before, settings, document.signer))

    def found(self, held: Held) -> None:
        """Start anew where the disk holds settings, and could not be read when it was decided what to run."""
        if self._chosen.unread and (held.current is not None or held.tries) and not self._ends:
            self._anew()

    def judged(self, now_s: float) -> Waits | Proved | Failed:
        """Say how the one on trial stands, by the monotonic clock alone."""
        if self._trial is None:
            return Waits()
        seen = self._seen()
        heard = seen.heard_s is not None and seen.heard_s >= self._trial.began_s
        verdict, why = self._trial.judge(
            now_s, heard=heard, answering=seen.answering, unpowered=seen.unpowered
        )
        if verdict is Verdict.FAILED:
            return Failed(f"{why} within {self._trial.timeout_s:g} s")
        return Proved() if verdict is Verdict.PROVED else Waits()

    def standing(self, document: Document, now_s: float) -> Standing:
        """Say what is to be done about a document whose time has come, and that does not run here."""
        if self._ends or self.on_trial is not None:
            return Waits()  # a gateway may take a while to stop: that is no second start
        running = self.executing
        if running is not None and running.desired.body == document.desired.body:
            return Proved()
        if notes.local_digest(self._settings_file) != self._chosen.local:
            name = self._settings_file.name
            return Failed(f"{name} was changed at the gateway, which has not been started with it yet")
        seen = self._seen()
        if not seen.all_asked and now_s - self._began_s < ASKED_WITHIN_S:
            return Waits()  # who answers now is who must answer then
        return Waits() if seen.heard_s is None or now_s - seen.heard_s > HEARD_WITHIN_S else Begin()

    def prepare(self, _document: Document) -> None:
        """Note what the trial will be judged by; OSError where the disk refuses. It blocks."""
        notes.write(self._state, Note(self._chosen.local, sorted(self._seen().answering)))

    def begin(self, _document: Document) -> None:
        """Start anew with the document, which is noted as begun."""
        self._anew()

    def proved(self, document: Document) -> None:
        """Let it be what is executed from now on."""
        self._trial, self.on_trial, self.executing = None, None, document

    def failed(self, document: Document, unkept: str = "") -> None:
        """Start anew with what was before, if the document is what runs here."""
        if self.on_trial is not None and self.on_trial.digest == document.digest:
            self._trial = self.on_trial = None
            self._anew(Ended(document, Outcome.ROLLED_BACK, unkept) if unkept else None)

    def _anew(self, unkept: Ended | None = None) -> None:
        self._ends = True
        self._restart(unkept)


def lost(before: Settings, after: Settings, signer: str) -> Sequence[str]:
    """Return why nobody could take such settings back, or why they are not this gateway's.

    ``signer`` is the kid of the key that has signed ``after``: whoever sends settings can send the next.
    """
    told = [
        f"{name} is {getattr(after, name)!r}, and {getattr(before, name)!r} here; settings from afar leave it"
        for name in ("district", "gateway", "state_folder")
        if getattr(after, name) != getattr(before, name)
    ]
    if not after.configuration.remote:
        told.append("configuration.remote = false would let nothing follow; it is said at the gateway only")
    if signer not in {PublicKey(line).kid for line in after.centre.public_keys}:
        told.append(
            f"key {signer} has signed these settings, and is not in their centre.public_keys, so "
            "nothing could follow; keep it, and let the next settings, signed with another, leave it out"
        )
    return told
