"""The support bundle: every part bounded and without secrets, what is missing named with its reason."""

import io
import json
import sqlite3
import tarfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

import owned_files
from edge.bundle.parts import Part, PartError
from edge.bundle.redacting import is_secret_name, redacted, redacted_data, secrets_in, secrets_of
from edge.local.client import NoAnswerError
from edge.settings import Support
from toml_files import FILE_BYTES_MAX, TomlFileError

CUT = "\n[cut: it is longer]\n"
REASON_CHARACTERS_READ_MAX = 4_000
REASON_CHARACTERS_MAX = 500
EXPECTED = (OSError, PartError, NoAnswerError, TomlFileError, msgspec.MsgspecError, sqlite3.Error)
"""Errors whose text says what is wrong; that of any other follows its type."""


class Written(NamedTuple):
    """What became of a part: its bytes, or why it is ``missing``; ``cut``: it was longer."""

    name: str
    octets: int
    cut: bool
    missing: str


def settings_text(path: Path) -> str:
    """Return the text of a file of settings, as far as it can be read."""
    try:
        return owned_files.read(path, FILE_BYTES_MAX, follow=True).decode("utf-8-sig", errors="replace")
    except OSError:
        return ""


def raw_settings(text: str) -> dict[str, Any]:
    """Return settings as far as they are TOML; nothing of what is not, or is nested too deep."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}


def literals_of(text: str, raw: Mapping[str, Any], environment: Mapping[str, str]) -> set[str]:
    """Return secrets that are known by name or place here, to be taken out wherever they stand."""
    named = {value for name, value in environment.items() if value and is_secret_name(name)}
    return secrets_of(raw) | secrets_in(text) | named


def write(
    file: BinaryIO, folder: str, parts: Iterable[Part], literals: set[str], limits: Support, now_s: int
) -> list[Written]:
    """Write a tar.gz; return what is in it. Its ``bundle.json`` says the like."""
    told: list[Written] = []
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for part in parts:
            text, missing = _text(part, literals)
            data = text.encode(errors="replace")  # half of a pair can stand in JSON, and not in UTF-8
            cut = len(data) > limits.part_bytes_max
            if cut:  # the end is what happened last
                data = CUT.encode() + data[-limits.part_bytes_max :]
            told.append(Written(part.name, 0 if missing else len(data), cut, missing))
            if not missing:
                _add(archive, f"{folder}/{part.name}", data, now_s)
        index = json.dumps([each._asdict() for each in told], ensure_ascii=False, indent=1)
        _add(archive, f"{folder}/bundle.json", index.encode(errors="replace"), now_s)
    return told


def _text(part: Part, literals: set[str]) -> tuple[str, str]:
    """Return a part's text without secrets, or why there is none.

    Whoever asks for help has something odd here: it may cost its own part, and never the bundle.
    """
    try:
        content = part.read()
        if isinstance(content, str):
            return redacted(content, literals), ""
        return json.dumps(redacted_data(content, literals), ensure_ascii=False, indent=1, default=str), ""
    except EXPECTED as error:
        return "", _reason(str(error), literals)
    except Exception as error:
        return "", _reason(f"{type(error).__name__}: {error}", literals)


def _reason(text: str, literals: set[str]) -> str:
    shown = text[:REASON_CHARACTERS_READ_MAX].encode(errors="replace").decode()
    return redacted(shown, literals)[:REASON_CHARACTERS_MAX]


def _add(archive: tarfile.TarFile, name: str, data: bytes, now_s: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(data), now_s, 0o600
    archive.addfile(entry, io.BytesIO(data))
