"""Documents on disk: each in a file of its own, an index a kind that says which is what.

Whatever a crash interrupts, the index names documents that are wholly there: a file is written aside, synced
and renamed, the folder synced; documents come before the index that names them, and what no index names any
more goes last. A file's name holds its digest; one that is not what its name says is set aside.
"""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

import owned_files
from contract import batches, desired
from contract.desired import DesiredKind, Outcome
from contract.errors import ContractError
from contract.limits import MESSAGE_BYTES_MAX
from contract.names import Digest, Mark
from contract.signing import payload_of
from edge.desired.held import Document, Held, Highest
from edge.state_folder import synced
from edge.state_json import UndecodableError, decoded
from owned_files import NotAFileError

FILE_MODE, FOLDER_MODE = 0o600, 0o700
INDEX_BYTES_MAX = 4096
SET_ASIDE_MAX = 5
"""So many damaged files are kept for a person."""
PEEKED_MAX = 64
"""Three are held; whoever only looks takes no more of what somebody has laid there."""
_FRESH, _DAMAGED = ".new", ".damaged"


class _Index(msgspec.Struct, frozen=True):
    """Which document is what, by digest, or empty."""

    highest: Highest | None
    current: Digest | None
    former: Digest | None
    waiting: Digest | None
    tries: Mark


class Found(NamedTuple):
    """What a kind's files hold, and what was wrong with them, in sentences."""

    held: Held
    damaged: list[str]


class Shelf:
    """The files of all kinds in one folder. Its calls block; OSError where the disk refuses."""

    def __init__(self, folder: Path) -> None:
        """The folder is made when the first document comes."""
        self._folder = folder
        self._standing: set[str] = set()
        """Names of documents that are on disk for certain."""

    def peek(self, kind: DesiredKind) -> Held:
        """Return what is held, for somebody who only looks: whatever is damaged is passed over."""
        documents = {}
        named = (path for path in self._files(kind) if _is_document(path.name, kind))
        for path in islice(named, PEEKED_MAX):
            with contextlib.suppress(ContractError, OSError):
                document = _document(path, kind)
                documents[document.digest] = document
        try:
            index = _index(_read(self._folder / f"{kind}.index", INDEX_BYTES_MAX))
        except (ContractError, OSError):
            index = _index_of(documents)
        return _of_index(index, documents)

    def read(self, kind: DesiredKind) -> Found:
        """Return what is held; a damaged file is set aside, and what stands beside it is used."""
        damaged: list[str] = []
        documents = {each.digest: each for each in self._documents(kind, damaged)}
        index = self._index(kind, damaged)
        if index is None:
            index = _index_of(documents)
        else:
            named = {index.current, index.former, index.waiting} - {None}
            damaged += [
                f"{kind} {digest} is not there" for digest in sorted(map(str, named - set(documents)))
            ]
            self._standing |= {_name(each) for each in documents.values() if each.digest in named}
        return Found(_of_index(index, documents), damaged)

    def write(self, kind: DesiredKind, held: Held) -> None:
        """Keep what is held in place of what was; where this fails, the one or the other stands."""
        if not self._folder.is_dir():
            self._folder.mkdir(FOLDER_MODE)
            synced(self._folder.parent)
        fresh = [each for each in held.documents if _name(each) not in self._standing]
        for document in fresh:
            self._replace(_name(document), document.message)
        if fresh:
            synced(self._folder)
        current, former, waiting = (
            each.digest if each else None for each in (held.current, held.former, held.waiting)
        )
        told = msgspec.json.encode(_Index(held.highest, current, former, waiting, held.tries))
        self._replace(f"{kind}.index", batches.digest(told).encode() + b"\n" + told)
        synced(self._folder)
        self._standing |= set(map(_name, fresh))
        self._tidy(kind, {_name(each) for each in held.documents})

    def _replace(self, name: str, data: bytes) -> None:
        fresh = self._folder / f"{name}{_FRESH}"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(self._folder / name)

    def _tidy(self, kind: DesiredKind, names: set[str]) -> None:
        """Remove documents that are held no more, and what crashes have left; it can wait if it must."""
        with contextlib.suppress(OSError):
            for path in self._files(kind):
                if path.name.endswith(_FRESH) or (_is_document(path.name, kind) and path.name not in names):
                    self._standing.discard(path.name)
                    path.unlink()

    def _files(self, kind: DesiredKind) -> list[Path]:
        if not self._folder.is_dir():
            return []
        return sorted(path for path in self._folder.iterdir() if path.name.startswith(f"{kind}."))

    def _documents(self, kind: DesiredKind, damaged: list[str]) -> Iterator[Document]:
        for path in self._files(kind):
            if not _is_document(path.name, kind):
                continue
            try:
                document = _document(path, kind)
            except (ContractError, OSError) as error:
                damaged.append(self._set_aside(path, _reason(error)))
            else:
                yield document

    def _index(self, kind: DesiredKind, damaged: list[str]) -> _Index | None:
        path = self._folder / f"{kind}.index"
        try:
            return _index(_read(path, INDEX_BYTES_MAX))
        except FileNotFoundError:
            return None
        except (ContractError, OSError) as error:
            damaged.append(self._set_aside(path, f"{_reason(error)}, and made anew of the documents"))
            return None

    def _set_aside(self, path: Path, reason: str) -> str:
        """Move a damaged file out of the way, if the disk allows; say what was done."""
        aside = path.with_name(f"{path.name}{_DAMAGED}")
        try:
            path.replace(aside)
            others = sorted(path.parent.glob(f"*{_DAMAGED}"), key=lambda each: each.stat().st_mtime_ns)
            for old in others[:-SET_ASIDE_MAX]:
                old.unlink()
        except OSError as error:
            return f"{path}: {reason}; it cannot be set aside: {error.strerror}"
        return f"{path}: {reason}; it is {aside.name} now"


def _name(document: Document) -> str:
    return f"{document.desired.kind}.{document.desired.sequence}.{document.digest}.jws"


def _is_document(name: str, kind: DesiredKind) -> bool:
    return re.match(rf"{kind}\.[0-9]{{1,19}}\.[0-9a-f]{{32}}\.jws\Z", name) is not None


def _document(path: Path, kind: DesiredKind) -> Document:
    message = _read(path, MESSAGE_BYTES_MAX)
    digest = batches.digest(message)
    if digest != path.name.split(".")[2]:
        raise ContractError("it is damaged")
    document = Document(desired.decode(payload_of(message)), digest, message)
    if document.desired.kind is not kind or path.name != _name(document):
        raise ContractError("it is not what its name says")
    return document


def _reason(error: Exception) -> str:
    """Say what is wrong with a file; a bad spot of the disk is damage, its other faults are raised."""
    if isinstance(error, OSError) and not isinstance(error, NotAFileError) and error.errno != errno.EIO:
        raise error
    return str(getattr(error, "strerror", None) or error).lower()


def _read(path: Path, bytes_max: int) -> bytes:
    data = owned_files.read(path, bytes_max)
    if len(data) > bytes_max:
        raise ContractError(f"it takes more than {bytes_max} bytes")
    return data


def _index(data: bytes) -> _Index:
    digest, _, told = data.partition(b"\n")
    if batches.digest(told).encode() != digest:
        raise ContractError("it is damaged")
    try:
        return decoded(told, _Index)
    except UndecodableError as error:
        raise ContractError(f"it is of another version: {error}") from error


def _index_of(documents: dict[str, Document]) -> _Index:
    """Make an index of documents alone: the newest is tried once more, the one before it is in force."""
    newest = sorted(documents.values(), key=lambda each: each.desired.sequence, reverse=True)
    if not newest:
        return _Index(None, None, None, None, 0)
    last = newest[0].desired
    highest = Highest(last.sequence, newest[0].digest, last.issued_ms, Outcome.STORED)
    waiting, current, former = [*(each.digest for each in newest[:3]), None, None][:3]
    return _Index(highest, current, former, waiting, 0)


def _of_index(index: _Index, documents: dict[str, Document]) -> Held:
    """Return what the index says, as far as its documents are there; the former stands in for the current."""
    current, former, waiting = (
        documents.get(digest) if digest else None for digest in (index.current, index.former, index.waiting)
    )
    highest = index.highest
    is_held = highest is not None and highest.outcome in (Outcome.STORED, Outcome.IN_FORCE)
    if highest is not None and is_held and highest.digest not in documents:  # it may come again
        highest = msgspec.structs.replace(highest, outcome=None)
    if current is None and index.current is not None:
        current, former = former, None
    return Held(highest, current, former, waiting, index.tries if waiting else 0)
