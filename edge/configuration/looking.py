"""Which settings a gateway's folder says that it runs with; for people, and read only."""

from pathlib import Path
from typing import NamedTuple

from contract.desired import Outcome
from edge import checks
from edge.configuration import note as notes
from edge.configuration.choosing import FOLDER, KIND
from edge.desired.held import Document
from edge.desired.shelf import Shelf
from edge.lines import endpoints
from owned_files import as_owner


class Look(NamedTuple):
    """Sequences of documents, None for none; ``text`` is what holds, or is tried."""

    in_force: int | None
    on_trial: int | None
    waiting: int | None
    starts: int
    """How often the one on trial was started."""
    last: int | None
    last_outcome: Outcome | None
    file_changed: bool
    """The file of settings was changed since the last document was begun."""
    text: str


def look(settings_file: Path) -> Look:
    """Return what the state folder holds; TomlFileError where the file of settings has mistakes, OSError."""
    settings, _ = checks.load(settings_file, endpoints.written_of)
    state = settings_file.parent / settings.state_folder
    with as_owner(state):
        held, note = Shelf(state / FOLDER).peek(KIND), notes.read(state)
    digest = notes.local_digest(settings_file)
    changed = note is not None and note.local != digest and (held.current or held.waiting) is not None
    trial = held.waiting if held.tries else None
    holds = trial or held.current
    text = holds.desired.body if holds else settings_file.read_text(encoding="utf-8-sig")
    return Look(
        _sequence(held.current),
        _sequence(trial),
        _sequence(held.waiting) if trial is None else None,
        max(0, held.tries - 1),
        held.highest.sequence if held.highest else None,
        held.highest.outcome if held.highest else None,
        changed,
        text,
    )


def _sequence(document: Document | None) -> int | None:
    return document.desired.sequence if document else None
