"""The buffer: one SQLite file, WAL, synchronous=FULL. A batch is on disk before it is published.

The row holds header columns and the payload; the message is made of both when it is sent. Next sequence and
acknowledged mark live in rows of their own, so they survive an empty table. Blocking: call it on one thread.
"""

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from contract import batches
from contract.batches import Content, Header, Tombstone
from contract.messages import EpochRange, LaneRange, Turn
from contract.topics import Lane
from edge.buffer.retention import TOMBSTONE_BYTES, Held, surplus

_log = logging.getLogger(__name__)

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE lanes (
  lane TEXT PRIMARY KEY, next_sequence INTEGER NOT NULL,
  acked_upto INTEGER NOT NULL, acked_digest TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE batches (
  lane TEXT NOT NULL, sequence INTEGER NOT NULL, content TEXT NOT NULL, boot_id TEXT NOT NULL,
  created_ms INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,
  count INTEGER NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (lane, sequence)
);
"""
_RULES, _LEARNT, _TURN = "rules", "learnt", "turn"
"""Keys of what is remembered, in ``meta``."""
_TOMBSTONES_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Append:
    """What is to be kept: a payload, and what its header and a possible tombstone need to know."""

    lane: Lane
    content: Content
    payload: bytes
    created_ms: int
    first_ms: int
    last_ms: int
    count: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A batch as it will be sent."""

    lane: Lane
    sequence: int
    message: bytes


class BufferUnusableError(Exception):
    """The buffer cannot be used; the text says which file and why."""


class Buffer:
    """The open buffer of one gateway."""

    def __init__(self, path: Path, district: str, gateway: str, boot_id: str, ids: Callable[[], str]) -> None:
        """Open or create the file; a corrupt one is set aside and replaced, and ``quarantined`` names it.

        BufferUnusableError where the folder cannot be written.
        """
        self.path = path
        self.district, self.gateway, self.boot_id = district, gateway, boot_id
        self.quarantined: Path | None = None
        self._ids = ids
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._db = _opened(path)
                self._prepare()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                _log.error("the buffer %s is corrupt and is set aside: %s", path, error)
                self.quarantined = _set_aside(path)
                self._db = _opened(path)
                self._prepare()
        except (OSError, sqlite3.Error) as error:
            raise BufferUnusableError(f"{path}: the buffer cannot be opened: {error}") from error

    @property
    def epoch(self) -> str:
        """Random id of this buffer's life."""
        value: str = self._db.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()[0]
        return value

    def append(
        self,
        items: list[Append],
        remember: dict[str, Any] | None = None,
        learnt: dict[str, Any] | None = None,
    ) -> list[Stored]:
        """Commit the items, what the rules remember and what the drivers learnt in one transaction.

        Returns the items as stored; None leaves what was remembered or learnt before.
        """
        stored = []
        with self._transaction() as db:
            for item in items:
                [sequence] = db.execute(
                    "UPDATE lanes SET next_sequence = next_sequence + 1 WHERE lane = ?"
                    " RETURNING next_sequence - 1",
                    (item.lane,),
                ).fetchone()
                db.execute(
                    "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        item.lane,
                        sequence,
                        item.content,
                        self.boot_id,
                        item.created_ms,
                        item.first_ms,
                        item.last_ms,
                        item.count,
                        item.payload,
                    ),
                )
                header = self._header(item.lane, sequence, (item.content, self.boot_id, item.created_ms))
                stored.append(Stored(item.lane, sequence, batches.message(header, item.payload)))
            if remember is not None:
                self._set(_RULES, json.dumps(remember))
            if learnt is not None:
                self._set(_LEARNT, json.dumps(learnt))
        return stored

    def read(self, lane: Lane, sequence: int) -> Stored | None:
        """Return one batch as it will be sent, or None if it is not held."""
        row = self._db.execute(
            "SELECT content, boot_id, created_ms, payload FROM batches WHERE lane = ? AND sequence = ?",
            (lane, sequence),
        ).fetchone()
        if row is None:
            return None
        header = self._header(lane, sequence, row[:3])
        return Stored(lane, sequence, batches.message(header, row[3]))

    def ranges(self) -> list[EpochRange]:
        """Return what each lane holds, for the hello."""
        lanes = {}
        for lane, following in self._db.execute("SELECT lane, next_sequence FROM lanes"):
            [first] = self._db.execute("SELECT min(sequence) FROM batches WHERE lane = ?", (lane,)).fetchone()
            lanes[lane] = LaneRange(first or following, following)
        return [EpochRange(self.epoch, lanes)]

    def acknowledge(self, lane: Lane, upto: int, digest: str) -> bool:
        """Delete what the centre has committed; False, and nothing deleted, where the digest contradicts.

        A contradiction means that this file is a copy or was rolled back: what the centre has under these
        sequences is something else.
        """
        following, acked, acked_digest = self._db.execute(
            "SELECT next_sequence, acked_upto, acked_digest FROM lanes WHERE lane = ?", (lane,)
        ).fetchone()
        if upto >= following:
            return False
        held = self.read(lane, upto)
        if held is not None:
            if not digest:
                return False  # the centre passed over what a buffer had lost; this one has it
            # A tombstone may have replaced what was sent before: the centre then has the better part.
            replaced = batches.read_header(held.message).content is Content.TOMBSTONE
            if not replaced and batches.digest(held.message) != digest:
                return False
        elif upto == acked and digest and acked_digest and digest != acked_digest:
            return False
        if upto <= acked:
            return True
        with self._transaction() as db:
            db.execute("DELETE FROM batches WHERE lane = ? AND sequence <= ?", (lane, upto))
            db.execute(
                "UPDATE lanes SET acked_upto = ?, acked_digest = ? WHERE lane = ?", (upto, digest, lane)
            )
        return True

    def renumber(self) -> None:
        """Begin a new epoch: everything held is numbered anew from 1, in order, and nothing is deleted."""
        with self._transaction() as db:
            for lane in Lane:
                sequences = [
                    row[0]
                    for row in db.execute(
                        "SELECT sequence FROM batches WHERE lane = ? ORDER BY sequence", (lane,)
                    )
                ]
                # Ascending, and the new number is never above the old one: no collision on the way.
                db.executemany(
                    "UPDATE batches SET sequence = ? WHERE lane = ? AND sequence = ?",
                    [(number, lane, old) for number, old in enumerate(sequences, 1)],
                )
                db.execute(
                    "UPDATE lanes SET next_sequence = ?, acked_upto = 0, acked_digest = '' WHERE lane = ?",
                    (len(sequences) + 1, lane),
                )
            self._set("epoch", self._ids())

    def keep_within(self, bytes_max: int) -> int:
        """Replace the oldest telemetry by tombstones until the payloads fit; return how many were dropped."""
        [held] = self._db.execute("SELECT coalesce(sum(length(payload)), 0) FROM batches").fetchone()
        if held <= bytes_max:
            return 0
        rows = self._db.execute(
            "SELECT sequence, length(payload) FROM batches WHERE lane = ? AND content = ?"
            " AND length(payload) > ? ORDER BY sequence LIMIT ?",
            (Lane.TELEMETRY, Content.SAMPLES, TOMBSTONE_BYTES, _TOMBSTONES_AT_ONCE),
        )
        chosen = surplus([Held(*row) for row in rows], held, bytes_max)
        with self._transaction() as db:
            for sequence in chosen:
                first_ms, last_ms, count = db.execute(
                    "SELECT first_ms, last_ms, count FROM batches WHERE lane = ? AND sequence = ?",
                    (Lane.TELEMETRY, sequence),
                ).fetchone()
                tombstone = Tombstone(first_ms, last_ms, count, "buffer full")
                db.execute(
                    "UPDATE batches SET content = ?, payload = ? WHERE lane = ? AND sequence = ?",
                    (Content.TOMBSTONE, batches.tombstone_payload(tombstone), Lane.TELEMETRY, sequence),
                )
        return len(chosen)

    def remembered(self) -> dict[str, Any]:
        """Return what the rules last remembered."""
        return self._get(_RULES)

    def learnt(self) -> dict[str, Any]:
        """Return what the drivers last learnt, by device."""
        return self._get(_LEARNT)

    def turn(self) -> Turn | None:
        """Return the gateway's turn to connect again, as the centre gave it last."""
        found = self._get(_TURN)
        return msgspec.convert(found, Turn) if found else None

    def keep_turn(self, turn: Turn) -> None:
        """Keep the gateway's turn across restarts: when power returns, a whole city starts at once."""
        with self._transaction():
            self._set(_TURN, msgspec.json.encode(turn).decode())

    def forget(self, lane: Lane, upto: int) -> None:
        """Delete without the centre's acknowledgement: only for showing what is lost that way."""
        with self._transaction() as db:
            db.execute("DELETE FROM batches WHERE lane = ? AND sequence <= ?", (lane, upto))

    def close(self) -> None:
        """Close the file; everything committed is on disk already."""
        self._db.close()

    def _header(self, lane: Lane, sequence: int, columns: tuple[str, str, int]) -> Header:
        content, boot_id, created_ms = columns
        return Header(
            self.district, self.gateway, self.epoch, lane, sequence, Content(content), boot_id, created_ms
        )

    def _prepare(self) -> None:
        [version] = self._db.execute("PRAGMA user_version").fetchone()
        if version not in (0, _SCHEMA_VERSION):
            raise BufferUnusableError(
                f"{self.path}: written by another version ({version}); this one knows {_SCHEMA_VERSION}"
            )
        if version == _SCHEMA_VERSION:
            [verdict] = self._db.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
            return
        with self._transaction() as db:
            for statement in _SCHEMA.split(";"):
                if statement.strip():
                    db.execute(statement)
            db.executemany("INSERT INTO lanes VALUES (?, 1, 0, '')", [(lane,) for lane in Lane])
            self._set("epoch", self._ids())
            db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")

    def _get(self, key: str) -> dict[str, Any]:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        found: dict[str, Any] = json.loads(row[0]) if row else {}
        return found

    def _set(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db


def _set_aside(path: Path) -> Path:
    number = 1
    while (target := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm"):
        side = path.with_name(path.name + suffix)
        if side.exists():
            side.rename(target.with_name(target.name + suffix))
    path.rename(target)
    return target
