"""A corrupt buffer file: whatever of it can still be read."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from contract import batches
from contract.batches import Content, Header
from contract.errors import ContractError
from contract.limits import TIME_MS_MAX
from contract.messages import EpochRange
from contract.topics import Lane
from edge.buffer.file import COMMITTED
from edge.buffer.meta import EPOCH, FORMER, LEARNT, LINK_USE, OFFSETS, RULES, RUN

MISSES_MAX = 10_000
"""So many rows in a row that cannot be read end a search."""


@dataclass(frozen=True, slots=True)
class Row:
    """A batch as the table has it, without its number."""

    lane: Lane
    content: Content
    boot_id: str
    created_ms: int
    first_ms: int
    last_ms: int
    count: int
    live: int
    unset: int
    offset_ms: int | None
    payload: bytes


class Wreck:
    """A corrupt file: whatever of it can still be read."""

    def __init__(self, path: Path) -> None:
        """Open it; nothing raises here or later for what it may hold."""
        self._db: sqlite3.Connection | None = None
        self.unreadable = False
        """Whether anything was not there, or not readable, that should be; true where nobody can know."""
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA query_only = ON")
        except sqlite3.Error:
            self.unreadable = True

    def rows(self) -> Iterator[Row]:
        """Yield the batches that can be read and decoded, in the order in which they were kept."""
        kept = dict.fromkeys(Lane, 0)
        following = {lane: self._following(lane) for lane in Lane}
        last = self._value("SELECT max(rowid) FROM batches")
        if not isinstance(last, int):
            last = sum(each or 0 for each in following.values()) + MISSES_MAX
        first = self._value("SELECT min(rowid) FROM batches")
        rowid, misses = first if isinstance(first, int) else 1, 0
        seen: dict[Lane, int] = {}
        while rowid <= last and misses < MISSES_MAX:
            sequence_and_row = self._row(rowid)
            if sequence_and_row and sequence_and_row[0] <= seen.get(sequence_and_row[1].lane, 0):
                sequence_and_row = None  # pages that lead to each other give the same rows without end
                self.unreadable = True
            misses = 0 if sequence_and_row else misses + 1
            if sequence_and_row:
                sequence, row = sequence_and_row
                # Sequences are contiguous: a hole is a batch that could not be read.
                self.unreadable |= sequence != seen.get(row.lane, sequence - 1) + 1
                seen[row.lane] = sequence
                kept[row.lane] += 1
                yield row
            rowid = self._after(rowid)
        for lane, number in following.items():
            first_held = self._acked(lane)
            held = None if number is None or first_held is None else number - 1 - first_held
            self.unreadable |= held is None or held != kept[lane]

    def remembered(self) -> dict[str, str]:
        """Return what rules and drivers had kept, as it was written."""
        found = {}
        for key in (RULES, LEARNT, OFFSETS, LINK_USE):
            value = self._value("SELECT value FROM meta WHERE key = ?", key)
            with contextlib.suppress(TypeError, ValueError):
                if isinstance(value, str) and isinstance(json.loads(value), dict):
                    found[key] = value
        return found

    def epochs(self) -> list[EpochRange]:
        """Return its own epoch and those before it, the newest first, by where each lane of theirs ended."""
        ends = {lane: (self._acked(lane), self._following(lane)) for lane in Lane}
        lanes = {
            lane: {"first": acked + 1, "next": acked + 1}
            for lane, (acked, following) in ends.items()
            if acked is not None and following is not None and acked < following
        }
        own = {"epoch": self._value("SELECT value FROM meta WHERE key = ?", EPOCH), "lanes": lanes}
        try:
            known = [msgspec.convert(own, EpochRange)] if lanes else []
        except msgspec.ValidationError:
            known = []
        former = self._value("SELECT value FROM meta WHERE key = ?", FORMER)
        with contextlib.suppress(msgspec.MsgspecError, UnicodeError):
            known += msgspec.json.decode(former, type=list[EpochRange]) if isinstance(former, str) else []
        # A centre refuses a hello with a lane that ends before it begins.
        return [each for each in known if all(held.first <= held.next for held in each.lanes.values())]

    def since_ms(self) -> int | None:
        """Return since when something is missing if the last run had no clean end; None if it had."""
        begun = self._value("SELECT value FROM meta WHERE key = ?", RUN)
        if not isinstance(begun, str) or not begun.isdecimal():
            return None
        committed = self._value(COMMITTED)
        return max(int(begun), committed if isinstance(committed, int) else 0)

    def owed(self) -> list[tuple[Any, ...]]:
        """Return the rows of losses that were not told yet."""
        try:
            rows = self._db.execute("SELECT * FROM owed").fetchall() if self._db else []
        except (sqlite3.Error, OverflowError, ValueError):
            return []
        return [row for row in rows if len(row) == 6 and _is_loss(row)]

    def close(self) -> None:
        """Let go of it."""
        if self._db:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()

    def _after(self, rowid: int) -> int:
        """Return the next row there is, or just the next number where the table does not say."""
        value = self._value("SELECT min(rowid) FROM batches WHERE rowid > ?", rowid)
        return value if isinstance(value, int) else rowid + 1

    def _following(self, lane: Lane) -> int | None:
        value = self._value("SELECT next_sequence FROM lanes WHERE lane = ?", lane)
        return value if isinstance(value, int) else None

    def _acked(self, lane: Lane) -> int | None:
        value = self._value("SELECT acked_upto FROM lanes WHERE lane = ?", lane)
        return value if isinstance(value, int) else None

    def _value(self, query: str, *arguments: str | int) -> object:
        try:
            row = self._db.execute(query, arguments).fetchone() if self._db else None
        except (sqlite3.Error, OverflowError, ValueError):
            self.unreadable = True
            return None
        return row[0] if row else None

    def _row(self, rowid: int) -> tuple[int, Row] | None:
        try:
            row = (
                self._db.execute(
                    "SELECT sequence, lane, content, boot_id, created_ms, first_ms, last_ms, count, live,"
                    " unset, offset_ms, payload FROM batches WHERE rowid = ?",
                    (rowid,),
                ).fetchone()
                if self._db
                else None
            )
        except (sqlite3.Error, OverflowError, ValueError):
            self.unreadable = True
            return None
        if row is None:
            return None
        sequence, lane, content, *columns = row
        try:
            batch = Row(Lane(lane), Content(content), *columns)
            _check(sequence, batch)
        except (ContractError, ValueError, TypeError):
            self.unreadable = True
            return None
        return sequence, batch


def told(corrupt: Path) -> tuple[list[EpochRange], dict[str, str]]:
    """Return the epochs that a corrupt file names, for the hello, and what rules and drivers kept in it."""
    wreck = Wreck(corrupt)
    try:
        return wreck.epochs(), wreck.remembered()
    finally:
        wreck.close()


def _check(sequence: int, row: Row) -> None:
    """ContractError, ValueError or TypeError where no centre would take it."""
    times = (row.created_ms, row.first_ms, row.last_ms)
    if not all(0 <= time_ms <= TIME_MS_MAX for time_ms in times) or row.count < 0 or sequence < 1:
        raise ValueError("no batch")
    if row.live not in (0, 1) or row.unset not in (0, 1):
        raise ValueError("no batch")
    header = Header(
        "x",
        "x",
        "0" * 32,
        row.lane,
        sequence,
        row.content,
        row.boot_id,
        row.created_ms,
        offset_ms=row.offset_ms,
    )
    batches.decode(batches.message(header, row.payload))


def _is_loss(row: tuple[Any, ...]) -> bool:
    reason, from_ms, to_ms, count, first, last = row
    numbers = (from_ms, to_ms, 0 if count is None else count, first, last)
    return isinstance(reason, str) and all(isinstance(each, int) and each >= 0 for each in numbers)
