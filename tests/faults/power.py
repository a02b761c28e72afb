"""A disk whose power fails: what of a recorded life could stand on it afterwards.

What was synced is there. Of what a file was written after its last sync, each sector of 512 bytes holds any
of the contents it had since, or, where ``torn``, the beginning or the end of one over the one before. Changes
of size arrive in their order, and it may be that not all do; what a file has grown by without its data is
filled with zeros, noise or stale sectors of this life. A name that was made, moved or removed is sure once
its folder was synced; until then the changes of each name arrive in their order, perhaps not all. A folder's
own name is sure once it was synced itself, as on file systems with one log for names (ext4, xfs).
SQLite's index of a WAL (-shm) is not recorded: it is missing afterwards, or full of noise.
"""

import os
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.faults.cuts import Cut, Filler
from tests.faults.recording import Kind, Operation

SECTOR_BYTES = 512
TORN_SHARE = 0.3
"""Of the sectors that were being written, where a cut tears them."""

STALE_WRITES_MAX = 64
INDEX_BYTES, INDEX_SHARE = 32_768, 0.25


Contents = dict[str, bytes | None]
"""What stands on a disk: files by path, None for a folder, "" for the whole."""


@dataclass(frozen=True, slots=True)
class _Write:
    offset: int
    data: bytes

    def sectors(self) -> range:
        return range(self.offset // SECTOR_BYTES, (self.offset + len(self.data) - 1) // SECTOR_BYTES + 1)


@dataclass(frozen=True, slots=True)
class _Resize:
    size: int


@dataclass(slots=True)
class _File:
    safe: bytearray = field(default_factory=bytearray)
    pending: list[_Write | _Resize] = field(default_factory=list)

    def sync(self) -> None:
        self.safe = self.whole()
        self.pending = []

    def whole(self) -> bytearray:
        """Return what a reader sees as long as the power is there."""
        image = self.safe
        for change in self.pending:
            if isinstance(change, _Resize):
                _resize(image, change.size)
            else:
                _place(image, change.offset, change.data)
        return image


_Node = _File | None
"""A file, or a folder."""


@dataclass(frozen=True, slots=True)
class _Naming:
    """A change of names that happens as a whole; "" stands for nothing under that name any more."""

    names: tuple[tuple[str, "_Node | str"], ...]


class Disk:
    """The disk during a recorded life; give it the operations one after the other."""

    def __init__(self, contents: Contents | None = None) -> None:
        """Begin with an empty folder, or with what an earlier cut has left; all of that is sure."""
        self._safe: dict[str, _Node] = {
            path: None if data is None else _File(bytearray(data))
            for path, data in (contents or {"": None}).items()
            if not path.endswith("-shm")
        }
        self._now = dict(self._safe)
        self._pending: list[_Naming] = []
        self._open: dict[int, tuple[str, _Node]] = {}
        self._written: deque[bytes] = deque(maxlen=STALE_WRITES_MAX)

    def apply(self, operation: Operation) -> None:
        """Do one operation; KeyError or ValueError where the record makes no sense."""
        match operation.kind:
            case Kind.OPEN:
                self._open_file(operation)
            case Kind.CLOSE:
                del self._open[operation.fd]
            case Kind.WRITE:
                self._file(operation.fd).pending.append(_Write(operation.offset, operation.data))
                self._written.append(operation.data)
            case Kind.RESIZE:
                self._file(operation.fd).pending.append(_Resize(operation.offset))
            case Kind.MKDIR:
                self._name((operation.path, None))
            case Kind.UNLINK:
                self._name((operation.path, ""))
            case Kind.RENAME:
                node = self._now[operation.path]
                self._name((operation.path, ""), (operation.data.decode(), node))
            case Kind.SYNC:
                self._sync(*self._open[operation.fd])
            case Kind.MARK:
                pass

    def contents(self) -> Contents:
        """Return everything as a running system sees it."""
        for node in self._now.values():
            if node is not None:
                node.sync()
        return {path: None if node is None else bytes(node.safe) for path, node in self._now.items()}

    def after(self, cut: Cut) -> Contents:
        """Return what stands on the disk after a power cut at this moment; the disk itself lives on."""
        random = Random(cut.seed)
        names = dict(self._safe)
        stopped: set[str] = set()
        for naming in self._pending:
            touched = {path for path, _ in naming.names}
            if stopped & touched or random.random() >= cut.arrives:
                stopped |= touched
            else:
                _rename(names, naming)
        left: Contents = {
            path: None if node is None else self._remains(node, cut, random)
            for path, node in sorted(names.items())
            if all(parent in names for parent in _parents(path))
        }
        for path in [path for path in left if path.endswith("-wal") and random.random() < INDEX_SHARE]:
            left[path.removesuffix("-wal") + "-shm"] = random.randbytes(INDEX_BYTES)
        return left

    def _open_file(self, operation: Operation) -> None:
        path, flags = operation.path, operation.offset
        if path not in self._now:
            self._name((path, _File()))
        node = self._now[path]
        if flags & os.O_TRUNC and node is not None:
            node.pending.append(_Resize(0))
        self._open[operation.fd] = path, node

    def _file(self, fd: int) -> _File:
        path, node = self._open[fd]
        if node is None:
            raise ValueError(f"a write into the folder {path!r}")
        return node

    def _name(self, *names: tuple[str, "_Node | str"]) -> None:
        naming = _Naming(names)
        self._pending.append(naming)
        _rename(self._now, naming)

    def _sync(self, path: str, node: _Node) -> None:
        if node is not None:
            node.sync()
            return
        kept = []
        for naming in self._pending:
            if any(_folder(name) == path or name in (path, *_parents(path)) for name, _ in naming.names):
                _rename(self._safe, naming)
            else:
                kept.append(naming)
        self._pending = kept

    def _remains(self, file: _File, cut: Cut, random: Random) -> bytes:
        if not file.pending:
            return bytes(file.safe)
        size, reached = len(file.safe), len(file.safe)
        versions = _versions(file.pending, cut.arrives, random)
        seen: Counter[int] = Counter()
        image = bytearray(file.safe)
        halted = False
        for change in file.pending:
            grown = change.size if isinstance(change, _Resize) else change.offset + len(change.data)
            is_resize = isinstance(change, _Resize) or grown > size
            if is_resize:
                size = grown
                halted = halted or random.random() >= cut.arrives
                reached = reached if halted else size
            if isinstance(change, _Resize):
                if not halted:
                    self._fill(image, change.size, cut, random)
                continue
            for sector in change.sectors():
                seen[sector] += 1
                if seen[sector] <= versions[sector]:
                    torn = cut.torn and seen[sector] == versions[sector] and random.random() < TORN_SHARE
                    self._arrive(image, change, sector, cut, random, torn=torn)
        self._fill(image, reached, cut, random)
        return bytes(image)

    def _arrive(
        self, image: bytearray, write: _Write, sector: int, cut: Cut, random: Random, *, torn: bool
    ) -> None:
        """Put the part of a write that lies in one sector on the disk, or one end of that part."""
        start, end = sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES
        if torn:
            middle = random.randrange(start + 1, end)
            start, end = (start, middle) if random.random() < 0.5 else (middle, end)
        start, end = max(start, write.offset), min(end, write.offset + len(write.data))
        if start < end:
            if len(image) < start:
                self._fill(image, start, cut, random)
            image[start:end] = write.data[start - write.offset : end - write.offset]

    def _fill(self, image: bytearray, size: int, cut: Cut, random: Random) -> None:
        """Cut the image to ``size``, or let it grow to that by what the filler says."""
        missing = size - len(image)
        if missing <= 0:
            del image[size:]
        elif cut.filler is Filler.ZEROS:
            image.extend(bytes(missing))
        elif cut.filler is Filler.NOISE or not self._written:
            image.extend(random.randbytes(missing))
        else:
            while missing > 0:
                stale = random.choice(self._written)[:missing]
                image.extend(stale)
                missing -= len(stale)


def _versions(pending: list[_Write | _Resize], arrives: float, random: Random) -> dict[int, int]:
    """Return for each written sector how many of its writes have arrived."""
    touched = Counter(
        sector for change in pending if isinstance(change, _Write) for sector in change.sectors()
    )
    return {
        sector: (count if arrives == 1.0 else random.randint(1, count)) if random.random() < arrives else 0
        for sector, count in touched.items()
    }


def _rename(names: dict[str, _Node], naming: _Naming) -> None:
    for path, node in naming.names:
        if isinstance(node, str):
            names.pop(path, None)
        else:
            names[path] = node


def _parents(path: str) -> list[str]:
    """Return the folders that a path lies in, "" for the whole disk."""
    return [""] if "/" not in path else [path[: path.rindex("/")], *_parents(path[: path.rindex("/")])]


def _folder(path: str) -> str:
    return _parents(path)[0]


def _resize(image: bytearray, size: int) -> None:
    if size < len(image):
        del image[size:]
    else:
        image.extend(bytes(size - len(image)))


def _place(image: bytearray, offset: int, data: bytes) -> None:
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    image[offset : offset + len(data)] = data


def lay_out(contents: Contents, folder: Path) -> None:
    """Write what a disk holds into a new folder."""
    for path, data in contents.items():
        if data is None:
            (folder / path).mkdir(exist_ok=True)
        else:
            (folder / path).write_bytes(data)
