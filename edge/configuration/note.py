"""What a trial of settings goes by, kept beside the documents: a small file of the state folder."""

import hashlib
import logging
from pathlib import Path

import msgspec

import owned_files
from contract.limits import DEVICES_PER_GATEWAY_MAX
from contract.names import Name
from edge import report_file
from edge.state_folder import synced
from edge.state_json import UndecodableError, decoded
from toml_files import FILE_BYTES_MAX

FILE_NAME = "configuration.json"
NOTE_BYTES_MAX = 256 * 1024

_log = logging.getLogger(__name__)


class Note(msgspec.Struct, frozen=True):
    """``local`` is the digest of the file of settings when the last document was begun."""

    local: str
    answering: list[Name]
    """Devices that answered before it."""


def read(state: Path) -> Note | None:
    """Return it; None where there is none, or none that can be read: then only contact proves a trial."""
    try:
        note = decoded(owned_files.read(state / FILE_NAME, NOTE_BYTES_MAX), Note)
    except FileNotFoundError:
        return None
    except (OSError, UndecodableError) as error:
        _log.error("%s: cannot be read: %s", state / FILE_NAME, error)
        return None
    return note if len(note.answering) <= DEVICES_PER_GATEWAY_MAX else None


def write(state: Path, note: Note) -> None:
    """Replace it durably; OSError where the disk refuses."""
    report_file.write_bytes(state / FILE_NAME, msgspec.json.encode(note), synced=True)
    synced(state)


def local_digest(settings_file: Path) -> str:
    """Return the digest of the file of settings as it is now; empty where it cannot be read."""
    try:
        told = owned_files.read(settings_file, FILE_BYTES_MAX, follow=True)[:FILE_BYTES_MAX]
    except OSError:
        return ""
    return hashlib.sha256(told).hexdigest()
