"""The memory of commands on disk: one file of notes, each a line with its digest, synced before it counts.

A last line without its end is a note that was never promised. A damaged one may have been a command: then of
what was issued before it was found, nothing is known. The file is written anew when most of it is past:
aside, synced, renamed, the folder synced.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

import owned_files
from contract import batches
from edge.remote.memory import UNKNOWN_MS, Memory, Note, Since
from edge.state_folder import synced

FILE_NAME = "commands.log"
FILE_MODE = 0o600
BYTES_MAX = 16 * 1024 * 1024
LINES_BEYOND_MAX = 1_000
"""So many lines more than are needed make the file be written anew."""
DAMAGED = ".damaged"

_decoder = msgspec.json.Decoder(Note)


class Ledger:
    """The file. Its calls block; OSError where the disk refuses, and then nothing has been noted."""

    def __init__(self, path: Path) -> None:
        """``path`` need not be there."""
        self._path = path
        self._lines = 0
        self._length: int | None = None
        """Up to where the file is sound; None where it is to be written anew before anything is added."""

    def read(self) -> tuple[Memory, str]:
        """Return what was noted, and what was found damaged, in words; the first call of all."""
        try:
            data = self._data()
        except FileNotFoundError:
            return Memory(), ""
        lines = data.split(b"\n")
        notes = [_note(line) for line in lines[:-1]]
        memory = Memory.of(note for note in notes if note is not None)
        bad = [number for number, note in enumerate(notes, 1) if note is None]
        if bad:
            self._set_aside()
            memory.since = Since(memory.since.sequence, UNKNOWN_MS)
            return (
                memory,
                f"{self._path}: line {bad[0]} is damaged; the file is {self._path.name}{DAMAGED} now",
            )
        self._lines = len(notes)
        self._length = None if lines[-1] else len(data)
        return memory, ""

    def add(self, notes: Sequence[Note], memory: Memory, *, anew: bool = False) -> None:
        """Note, in a file that holds ``memory`` already; where it is to be written anew, both at once."""
        if anew or self._length is None or self._lines > 3 * len(memory.entries) + LINES_BEYOND_MAX:
            self._write_anew([*memory.notes(), *notes])
            return
        told = b"".join(map(_line, notes))
        length, self._length = self._length, None  # unless all of this comes to an end
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.lseek(descriptor, length, os.SEEK_SET)
            written = 0
            while written < len(told):
                written += os.write(descriptor, told[written:])
            os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):  # a note that is refused shall not be found at the next start
                os.ftruncate(descriptor, length)
            raise
        finally:
            os.close(descriptor)
        self._length, self._lines = length + len(told), self._lines + len(notes)

    def _write_anew(self, notes: Sequence[Note]) -> None:
        fresh = self._path.with_name(f"{self._path.name}.new")
        told = b"".join(map(_line, notes))
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(told)
            file.flush()
            os.fsync(descriptor)
        self._length = None
        fresh.replace(self._path)
        synced(self._path.parent)
        self._length, self._lines = len(told), len(notes)

    def _data(self) -> bytes:
        data = owned_files.read(self._path, BYTES_MAX, follow=True)
        return data if len(data) <= BYTES_MAX else b"?\n?\n"  # no file of ours: damaged as a whole

    def _set_aside(self) -> None:
        self._path.replace(self._path.with_name(f"{self._path.name}{DAMAGED}"))


def _line(note: Note) -> bytes:
    told = msgspec.json.encode(note)
    return batches.digest(told).encode() + b" " + told + b"\n"


def _note(line: bytes) -> Note | None:
    digest, _, told = line.partition(b" ")
    if batches.digest(told).encode() != digest:
        return None
    try:
        note: Note = _decoder.decode(told)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return note
