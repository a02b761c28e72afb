"""The small values that the file keeps beside the batches, by key; each function works over the open file."""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

import msgspec

from contract.messages import EpochRange, LaneRange

RULES, LEARNT, RUN, EPOCH, TURN = "rules", "learnt", "run", "epoch", "turn"
OFFSETS, FORMER, LINK_USE, STRETCHES = "offsets", "former", "link_use", "stretches"
HELD = "held"
"""Keys in ``meta``; ``run`` holds since when a gateway has been at work, and is gone after a clean end,
``held`` since when telemetry was still to come that is older than the last on disk, ``offsets`` by boot what
was missing in its times before its clock was synchronised."""

BOOTS_MAX = 16
"""Of so many boots it is kept what was missing in their times."""
FORMER_EPOCHS_MAX = 8
"""So many are remembered, so that a centre that was restored learns what it had of them."""

_VALUE = "SELECT value FROM meta WHERE key = ?"


def value(db: sqlite3.Connection, key: str) -> str | None:
    """Return a value as it was written; None if there is none."""
    row: tuple[str] | None = db.execute(_VALUE, (key,)).fetchone()
    return row[0] if row else None


def set_value(db: sqlite3.Connection, key: str, value: str) -> None:
    """Keep a value."""
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def delete(db: sqlite3.Connection, key: str) -> None:
    """Let go of a value."""
    db.execute("DELETE FROM meta WHERE key = ?", (key,))


def found(db: sqlite3.Connection, key: str) -> dict[str, Any]:
    """Return what was kept by ``keep``; empty if nothing was."""
    written = value(db, key)
    kept: dict[str, Any] = json.loads(written) if written else {}
    return kept


def keep(db: sqlite3.Connection, key: str, values: Mapping[str, Any]) -> None:
    """Keep a small table."""
    set_value(db, key, json.dumps(values))


def epoch(db: sqlite3.Connection) -> str:
    """Return the random id of this buffer's life."""
    held: str = db.execute(_VALUE, (EPOCH,)).fetchone()[0]
    return held


def former(db: sqlite3.Connection) -> list[EpochRange]:
    """Return the epochs before this one, the newest first, by where each lane of theirs ended."""
    kept = value(db, FORMER)
    return msgspec.json.decode(kept, type=list[EpochRange]) if kept else []


def begin_epoch(db: sqlite3.Connection, epoch: str, held: EpochRange) -> None:
    """Begin a new epoch; the one that is ``held`` becomes the newest of the former."""
    ended = {lane: LaneRange(lanes.first, lanes.first) for lane, lanes in held.lanes.items()}
    set_value(db, EPOCH, epoch)
    keep_former(db, [EpochRange(held.epoch, ended, held.stretches), *former(db)])


def keep_former(db: sqlite3.Connection, epochs: list[EpochRange]) -> None:
    """Keep the newest of the epochs before this one."""
    set_value(db, FORMER, msgspec.json.encode(epochs[:FORMER_EPOCHS_MAX]).decode())


def offsets(db: sqlite3.Connection) -> dict[str, int]:
    """Return by boot what is missing in its times from before its clock was set."""
    return found(db, OFFSETS)


def keep_offset(db: sqlite3.Connection, boot_id: str, offset_ms: int) -> None:
    """Keep what is missing in the times of this boot; the oldest of too many boots is forgotten."""
    newest = list(offsets(db).items())[-(BOOTS_MAX - 1) :]
    keep(db, OFFSETS, {**dict(newest), boot_id: offset_ms})
