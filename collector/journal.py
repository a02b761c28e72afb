"""The journal: the received bytes of every batch, in the order they were taken. The only store of record.

Ids rise by one a batch and are never reused, so a projection's cursor is one number. All functions run inside
the transaction of the connection they are given.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy import insert as plain_insert

from collector.tables import journal, journal_head
from contract.batches import Content, Header

SLICE_BYTES_MAX = 2 * 1024 * 1024
PRUNE_BATCHES_MAX = 2_000
PRUNE_BYTES_MAX = 16 * 1024 * 1024
_ONLY = 1


class JournalFullError(Exception):
    """The journal is at its limit and what is in it is still needed; nothing more can be taken now."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where the journal ends and what it holds; ``identity`` tells it from any other journal."""

    identity: str
    last_id: int
    batches: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """A batch that is to be journalled."""

    header: Header
    message: bytes
    received_ms: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A journalled batch."""

    id: int
    gateway: str
    epoch: str
    lane: str
    sequence: int
    backfill: bool
    received_ms: int
    message: bytes


@dataclass(frozen=True, slots=True)
class Slice:
    """What follows a cursor: the entries asked for, and how far the cursor may move once they are done."""

    entries: list[Entry]
    upto: int
    last_id: int

    @property
    def reaches_end(self) -> bool:
        """Say whether nothing follows."""
        return self.upto >= self.last_id


def begin(connection: Connection, identity: str) -> None:
    """Give a new journal its head; an old one keeps the identity it has."""
    if connection.execute(select(journal_head.c.only)).first() is None:
        connection.execute(
            plain_insert(journal_head).values(only=_ONLY, identity=identity, last_id=0, batches=0, bytes=0)
        )


def head(connection: Connection) -> Head:
    """Return the head."""
    row = connection.execute(select(journal_head)).one()
    return Head(row.identity, row.last_id, row.batches, row.bytes)


def append(connection: Connection, arrived: Sequence[Arrived], bytes_max: int) -> int:
    """Add the batches in this order and return the last id; JournalFullError where they do not fit."""
    end = head(connection)
    size = sum(len(batch.message) for batch in arrived)
    if end.bytes + size > bytes_max:
        raise JournalFullError(
            f"the journal holds {end.bytes} bytes of {bytes_max} (journal_bytes_max), all still needed"
        )
    rows = [
        {
            "id": end.last_id + index,
            "gateway": batch.header.gateway,
            "epoch": batch.header.epoch,
            "lane": str(batch.header.lane),
            "sequence": batch.header.sequence,
            "content": str(batch.header.content),
            "backfill": batch.header.backfill,
            "received_ms": batch.received_ms,
            "bytes": len(batch.message),
            "message": batch.message,
        }
        for index, batch in enumerate(arrived, 1)
    ]
    if rows:
        connection.execute(plain_insert(journal), rows)
        _move_head(connection, end.last_id + len(rows), end.batches + len(rows), end.bytes + size)
    return end.last_id + len(rows)


def first_id(connection: Connection) -> int:
    """Return the id of the oldest batch there is; of the next to come where there is none."""
    first: int | None = connection.execute(select(func.min(journal.c.id))).scalar()
    return head(connection).last_id + 1 if first is None else first


def read(connection: Connection, after: int, *, samples: bool, batches_max: int) -> Slice:
    """Return batches of samples, or all the others (events, tombstones), with ids above ``after``."""
    end = head(connection)
    wanted = (
        journal.c.content == Content.SAMPLES.value if samples else journal.c.content != Content.SAMPLES.value
    )
    query = (
        select(
            journal.c.id,
            journal.c.gateway,
            journal.c.epoch,
            journal.c.lane,
            journal.c.sequence,
            journal.c.backfill,
            journal.c.received_ms,
            journal.c.message,
        )
        .where(journal.c.id > after, wanted)
        .order_by(journal.c.id)
        .limit(batches_max)
    )
    entries: list[Entry] = []
    size = 0
    cut = False
    with connection.execute(query) as rows:
        for row in rows:
            entries.append(Entry(*row))
            size += len(row.message)
            if cut := size >= SLICE_BYTES_MAX:
                break
    if entries and (cut or len(entries) == batches_max):
        return Slice(entries, entries[-1].id, end.last_id)
    return Slice(entries, end.last_id, end.last_id)


def find(connection: Connection, gateway: str, epoch: str, lane: str, sequence: int) -> bytes | None:
    """Return the message of one batch, if it is still there."""
    query = select(journal.c.message).where(
        journal.c.gateway == gateway,
        journal.c.epoch == epoch,
        journal.c.lane == str(lane),
        journal.c.sequence == sequence,
    )
    message: bytes | None = connection.execute(query).scalar()
    return message


def last(connection: Connection, gateway: str, epoch: str, lane: str) -> tuple[int, bytes] | None:
    """Return sequence and message of a lane's last batch that is still there."""
    query = (
        select(journal.c.sequence, journal.c.message)
        .where(journal.c.gateway == gateway, journal.c.epoch == epoch, journal.c.lane == str(lane))
        .order_by(journal.c.sequence.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return (row.sequence, row.message) if row else None


def entries(connection: Connection, ids: Sequence[int]) -> list[Entry]:
    """Return those of the batches that are still there, in the order of the journal."""
    columns = [journal.c[name] for name in Entry.__dataclass_fields__]
    query = select(*columns).where(journal.c.id.in_(ids)).order_by(journal.c.id)
    return [Entry(*row) for row in connection.execute(query)]


def spared(connection: Connection, ids: Collection[int], *, bytes_max: int, before_ms: int) -> set[int]:
    """Return which of the batches may stay though their turn to go has come: the newest, up to so many bytes.

    Those that are older than ``before_ms`` go with the others.
    """
    query = select(journal.c.id, journal.c.bytes).where(
        journal.c.id.in_(ids), journal.c.received_ms >= before_ms
    )
    found: set[int] = set()
    for row in connection.execute(query.order_by(journal.c.id.desc())):
        bytes_max -= row.bytes
        if bytes_max < 0:
            break
        found.add(row.id)
    return found


def prune(
    connection: Connection, *, passed: int, bytes_max: int, before_ms: int, spare: Collection[int] = ()
) -> list[int]:
    """Drop the oldest batches that are older than ``before_ms`` or beyond ``bytes_max``; return their ids.

    Only what every projection has ``passed`` may go, and nothing of ``spare``. A call drops a little, so that
    no commit waits long for it; none says that nothing is left to drop.
    """
    end = head(connection)
    query = (
        select(journal.c.id, journal.c.bytes, journal.c.received_ms)
        .where(journal.c.id <= passed, journal.c.id.not_in(spare))
        .order_by(journal.c.id)
        .limit(PRUNE_BATCHES_MAX)
    )
    left = end.bytes
    dropped: list[int] = []
    for row in connection.execute(query):
        if left <= bytes_max and row.received_ms >= before_ms:
            break
        if end.bytes - left >= PRUNE_BYTES_MAX:
            break
        left -= row.bytes
        dropped.append(row.id)
    if dropped:
        connection.execute(delete(journal).where(journal.c.id <= dropped[-1], journal.c.id.not_in(spare)))
        _move_head(connection, end.last_id, end.batches - len(dropped), left)
    return dropped


def _move_head(connection: Connection, last_id: int, batches: int, size: int) -> None:
    connection.execute(update(journal_head).values(last_id=last_id, batches=batches, bytes=size))
