"""Commits what the disk has room for: all of it, or on a full one events, and telemetry in place of older."""

import logging
import sqlite3
from dataclasses import dataclass
from typing import Any

from contract import batches
from contract.batches import Content
from contract.samples import ClockState
from contract.topics import Lane
from edge.buffer.batch import Append, Stored
from edge.buffer.file import is_full
from edge.buffer.losses import Loss
from edge.buffer.retention import ROW_BYTES
from edge.buffer.store import Buffer
from edge.clock import Moment
from edge.telling import Told

_log = logging.getLogger(__name__)

KEPT_BYTES_MIN = 64 * 1024
"""So much telemetry is kept on a full disk, however much is new."""
SLACK_BYTES = 16 * 1024
"""What is freed is freed in pages."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What is to be on disk together."""

    items: list[Append]
    lost: list[Loss]
    now: Moment
    remember: dict[str, Any] | None = None
    learnt: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """What is on disk; ``refused`` says why the commit's telemetry is not."""

    stored: list[Stored]
    refused: str = ""


class Writer:
    """Commits into a buffer and keeps it within its limit; blocking."""

    def __init__(self, buffer: Buffer, bytes_max: int) -> None:
        """Begin with a disk that has room, as far as anybody knows."""
        self._buffer, self._bytes_max = buffer, bytes_max
        self._full = False
        self._making_room = Told(f"making room in the buffer {buffer.path}")

    def commit(self, commit: Commit) -> Committed:
        """Put it on disk, with what is owed and lost as gaps; sqlite3.OperationalError where nothing is."""
        try:
            committed = Committed(self._append(commit.items, commit))
        except sqlite3.OperationalError as error:
            if not is_full(error):
                raise
            committed = self._squeezed(commit, error)
        try:
            self._buffer.keep_within(self._bytes_max)
            self._making_room.works()
            if self._buffer.ballast.build() and self._full:
                self._buffer.may_grow()
                self._full = False
        except sqlite3.OperationalError as error:
            self._making_room.failed(str(error))
        return committed

    def _append(self, items: list[Append], commit: Commit) -> list[Stored]:
        """Commit these with the gaps; each try tells what is owed by then: one that failed may have added."""
        owed = self._buffer.owed
        gaps = self._gaps([*commit.lost, *owed], commit.now)
        return self._buffer.append([*gaps, *items], commit.remember, commit.learnt, owed)

    def _squeezed(self, commit: Commit, refusal: sqlite3.OperationalError) -> Committed:
        """The disk is full: telemetry has to do with the room of older, events may have the ballast."""
        if not self._full:
            _log.warning("the disk of %s is full: %s", self._buffer.path, refusal)
        self._full = True
        self._buffer.stop_growing()
        needed = sum(ROW_BYTES + len(item.payload) for item in commit.items)
        for times in (0, 1, 2, 4, 8):  # pages are not free before everything in them is
            try:
                if times:
                    self._make_room(times * needed)
                return Committed(self._append(commit.items, commit))
            except sqlite3.OperationalError as error:
                if not is_full(error):
                    raise
        vital = [item for item in commit.items if item.lane is Lane.EVENTS]
        if not (vital or commit.lost or self._buffer.owed):
            raise refusal
        self._buffer.may_grow()
        try:
            stored = self._append(vital, commit)
            return Committed(stored, str(refusal) if len(vital) < len(commit.items) else "")
        finally:
            self._stop_growing()

    def _stop_growing(self) -> None:
        """Whatever fails here, what was committed before is on disk, and is not to be given again."""
        try:
            self._buffer.stop_growing()
        except sqlite3.OperationalError as error:
            self._making_room.failed(str(error))

    def _make_room(self, needed: int) -> None:
        least = self._buffer.events_octets + KEPT_BYTES_MIN
        target = max(least, self._buffer.octets - needed - SLACK_BYTES)
        self._buffer.keep_within(min(self._bytes_max, target))
        self._buffer.stop_growing()

    def _gaps(self, losses: list[Loss], now: Moment) -> list[Append]:
        if not losses:
            return []
        gaps = [loss.told(self._buffer.new_id(), now) for loss in losses]
        payload = batches.events_payload(list(gaps))
        unset = now.clock is ClockState.UNSET
        return [
            Append(
                Lane.EVENTS,
                Content.EVENTS,
                payload,
                now.wall_ms,
                now.wall_ms,
                now.wall_ms,
                len(gaps),
                unset=unset,
            )
        ]
