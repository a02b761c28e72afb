"""The marks that a group of messages touches, as they move with it: read once, written once at its end."""

from collections.abc import Set
from dataclasses import dataclass

import msgspec
from sqlalchemy import ColumnElement, Connection, select

from collector import epochs, journal
from collector.database import insert
from collector.marks import Mark, advanced
from collector.tables import marks
from contract import batches
from contract.stretches import Stretch
from contract.topics import Lane


@dataclass(frozen=True, slots=True)
class LaneKey:
    """What a mark belongs to."""

    gateway: str
    epoch: str
    lane: Lane


class GroupMarks:
    """Marks inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        """Nothing was read yet."""
        self._connection = connection
        self._marks: dict[LaneKey, Mark | None] = {}
        self._moved: dict[LaneKey, int] = {}

    def of(self, key: LaneKey) -> Mark | None:
        """Return a lane's mark as it is by now; None where there is none."""
        if key not in self._marks:
            query = select(marks.c.upto, marks.c.digest, marks.c.stretches).where(*_is(key))
            row = self._connection.execute(query).first()
            self._marks[key] = Mark(row.upto, row.digest, _stretches(row.stretches)) if row else None
        return self._marks[key]

    def move(self, key: LaneKey, mark: Mark, moved_ms: int) -> None:
        """Move a lane's mark."""
        self._marks[key] = mark
        self._moved[key] = moved_ms

    def recall(self, key: LaneKey, now_ms: int) -> Mark | None:
        """Return the mark of an epoch that gave way once, as the journal tells it; None where it cannot.

        Else what is in the journal would be taken again, which that refuses for ever.
        """
        last = journal.last(self._connection, key.gateway, key.epoch, key.lane)
        if last is None:
            return None
        mark = advanced(None, last[0], batches.digest(last[1]), batches.read_header(last[1]).boot_id)
        self.move(key, mark, now_ms)
        return mark

    def stored_ms(self, key: LaneKey) -> int | None:
        """Return when the mark moved last before this group; None where it was not stored."""
        return self._connection.execute(select(marks.c.moved_ms).where(*_is(key))).scalar()

    def epochs(self, gateway: str) -> dict[str, int]:
        """Return a gateway's epochs, and when a mark of each moved last."""
        standing = epochs.known(self._connection, gateway)
        for moved, moved_ms in self._moved.items():
            if moved.gateway == gateway:
                standing[moved.epoch] = max(moved_ms, standing.get(moved.epoch, 0))
        return standing

    def make_room(self, key: LaneKey, listed: Set[str], epochs_max: int) -> None:
        """Let old epochs give way to a new one that a hello lists: no gateway is ever locked out."""
        standing = self.epochs(key.gateway)
        if key.epoch in standing:
            return
        for epoch in epochs.giving_way(standing, listed, epochs_max):
            epochs.forget(self._connection, key.gateway, epoch)
            for lane in Lane:
                lane_key = LaneKey(key.gateway, epoch, lane)
                self._marks[lane_key] = None
                self._moved.pop(lane_key, None)

    def write(self) -> None:
        """Write those that moved."""
        rows = []
        for key, moved_ms in self._moved.items():
            mark = self.of(key) or Mark(0)
            stretches = msgspec.json.encode(mark.stretches).decode()
            moved = {"upto": mark.upto, "digest": mark.digest, "moved_ms": moved_ms, "stretches": stretches}
            rows.append(_keyed(key) | moved)
        if rows:
            statement = insert(self._connection, marks)
            new = statement.excluded
            statement = statement.on_conflict_do_update(
                index_elements=["gateway", "epoch", "lane"],
                set_={name: new[name] for name in ("upto", "digest", "moved_ms", "stretches")},
            )
            self._connection.execute(statement, rows)


def _stretches(written: str) -> tuple[Stretch, ...]:
    return msgspec.json.decode(written, type=tuple[Stretch, ...]) if written else ()


def _keyed(key: LaneKey) -> dict[str, str | int]:
    return {"gateway": key.gateway, "epoch": key.epoch, "lane": str(key.lane)}


def _is(key: LaneKey) -> list[ColumnElement[bool]]:
    return [marks.c.gateway == key.gateway, marks.c.epoch == key.epoch, marks.c.lane == str(key.lane)]
