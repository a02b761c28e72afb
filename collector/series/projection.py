"""The embedded series store: a projection of the journal's samples into ``series.db``, and its retention.

A key is (gateway, device, point, time), all from the batch, so a replay overwrites and never doubles. Samples
are kept in blocks: those that a series has in one slice of the journal become one, without a look at each.
"""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from sqlalchemy import Connection, delete, select
from sqlalchemy import insert as plain_insert

from collector import journal
from collector.database import Database, insert
from collector.journal import Entry, Slice
from collector.metrics import Metrics
from collector.projections import Redone
from collector.series import blocks as series_blocks
from collector.series.tables import blocks, cursor, is_series, series, undecodable
from collector.series.tables import newest as newest_table
from contract import blocks as packing
from contract.errors import ContractError
from contract.runs import Gathering

UNDECODABLE_MAX = 1_000
REDONE_AT_ONCE_MAX = 100
SAMPLES_AT_ONCE_MAX = 200_000
PLAIN_BYTES_AT_ONCE_MAX = 16 * 1024 * 1024
"""So much is gathered before it is written, within one transaction."""

SERIES_KNOWN_MAX = 200_000
SERIES_PER_PASS_MAX = 200
SERIES_COMPACTED_MAX = 100
"""In one transaction."""

_ONLY = 1


class SeriesProjection:
    """Samples, every one, as they were."""

    name = "series"

    def __init__(self, state: Database, store: Database, metrics: Metrics, batches_max: int) -> None:
        """``state`` holds the journal, ``store`` the series."""
        self._state, self._store, self._metrics = state, store, metrics
        self._batches_max = batches_max
        self._ids: dict[tuple[str, str, str], int] = {}
        self._newest_ms: dict[int, int] = {}

    def prepare(self) -> None:
        """Fit the cursor to the journal: one of another journal, or ahead of a restored one, starts again."""
        end = self._state.read_now(journal.head)
        self._store.write_now(lambda connection: _fit(connection, end))

    async def position(self) -> int:
        """Return the journal id up to which everything is projected."""
        return await self._store.read(_position)

    async def advance(self) -> bool:
        """Project the next batches of samples; False where there are none."""
        after = await self.position()
        following = await self._state.read(
            lambda connection: journal.read(connection, after, samples=True, batches_max=self._batches_max)
        )
        if following.upto == after:
            return False
        try:
            stored, failed = await self._store.write(lambda connection: self._project(connection, following))
        except BaseException:
            self._forget()  # ids given in a transaction that was rolled back
            raise
        self._metrics.samples.inc(stored)
        self._metrics.undecodable.labels(self.name).inc(failed)
        return not following.reaches_end

    async def rewind(self) -> None:
        """Begin anew from what the journal holds."""
        await self._store.write(lambda connection: _move_cursor(connection, 0))

    async def may_redo(self) -> bool:
        """Say whether any of the batches that could not be decoded can be now."""
        waiting = await self._store.read(waiting_to_decode)
        for begin in range(0, len(waiting), REDONE_AT_ONCE_MAX):
            some = waiting[begin : begin + REDONE_AT_ONCE_MAX]
            for entry in await self._state.read(partial(journal.entries, ids=some)):
                with suppress(ContractError):
                    packing.lift(entry.message)
                    return True
        return False

    async def redo(self) -> Redone:
        """Try the batches again that could not be decoded, as long as the journal has them."""
        waiting = await self._store.read(waiting_to_decode)
        done = Redone()
        for begin in range(0, len(waiting), REDONE_AT_ONCE_MAX):
            some = waiting[begin : begin + REDONE_AT_ONCE_MAX]
            standing = await self._state.read(partial(journal.entries, ids=some))
            try:
                done += await self._store.write(partial(self._redo, ids=some, standing=standing))
            except BaseException:
                self._forget()
                raise
        return done

    def _redo(self, connection: Connection, ids: list[int], standing: list[Entry]) -> Redone:
        settled = set(ids) - {entry.id for entry in standing}
        gone = len(settled)
        for entry in standing:
            try:
                lifted = packing.lift(entry.message)
            except ContractError:
                continue
            gathered: defaultdict[int, Gathering] = defaultdict(Gathering)
            for device, point, run in lifted.series:
                gathered[self._id(connection, (entry.gateway, device, point))].add(run)
            self._put(connection, gathered)
            settled.add(entry.id)
        connection.execute(delete(undecodable).where(undecodable.c.journal_id.in_(settled)))
        return Redone(len(settled) - gone, len(ids) - len(settled), gone)

    def _project(self, connection: Connection, following: Slice) -> tuple[int, int]:
        if len(self._ids) > SERIES_KNOWN_MAX:
            self._forget()
        gathered: defaultdict[int, Gathering] = defaultdict(Gathering)
        stored = failed = count = plain_bytes = 0
        for entry in following.entries:
            try:
                lifted = packing.lift(entry.message)
            except ContractError as error:
                _note_undecodable(connection, entry, error)
                failed += 1
                continue
            if count + lifted.samples > SAMPLES_AT_ONCE_MAX or plain_bytes > PLAIN_BYTES_AT_ONCE_MAX:
                self._put(connection, gathered)
                gathered.clear()
                count = plain_bytes = 0
            gateway, ids = entry.gateway, self._ids
            for device, point, run in lifted.series:
                key = (gateway, device, point)
                gathered[ids[key] if key in ids else self._look_up(connection, key)].add(run)
            count += lifted.samples
            plain_bytes += lifted.plain_bytes
            stored += lifted.samples
        self._put(connection, gathered)
        _move_cursor(connection, following.upto)
        return stored, failed

    def _put(self, connection: Connection, gathered: dict[int, Gathering]) -> None:
        found = {series_id: some.run() for series_id, some in gathered.items()}
        series_blocks.put(connection, found, self._newest_ms)
        for series_id, run in found.items():
            self._newest_ms[series_id] = max(run.times[-1], self._newest_ms.get(series_id, -1))

    def _id(self, connection: Connection, key: tuple[str, str, str]) -> int:
        return self._ids[key] if key in self._ids else self._look_up(connection, key)

    def _look_up(self, connection: Connection, key: tuple[str, str, str]) -> int:
        """Return the id of a series, new where there is none, and remember how far it reaches."""
        query = select(series.c.id, newest_table.c.time_ms).outerjoin(newest_table).where(*is_series(key))
        row = connection.execute(query).first()
        if row is None:
            names = {"gateway": key[0], "device": key[1], "point": key[2]}
            connection.execute(plain_insert(series).values(**names))
            row = connection.execute(query).one()
        self._ids[key] = row.id
        if row.time_ms is not None:
            self._newest_ms[row.id] = row.time_ms
        return self._ids[key]

    def _forget(self) -> None:
        self._ids.clear()
        self._newest_ms.clear()


def drop_older(
    connection: Connection, before_ms: int, after_series: int, blocks_max: int
) -> tuple[int, bool]:
    """Delete blocks that end before ``before_ms`` of the next series, up to ``blocks_max`` of them.

    Return the id to go on from, 0 at the end, and whether it stopped early because there were so many.
    """
    query = select(series.c.id).where(series.c.id > after_series).order_by(series.c.id)
    ids = list(connection.scalars(query.limit(SERIES_PER_PASS_MAX)))
    left, done = blocks_max, after_series
    for series_id in ids:
        # They follow each other without an overlap, so those that begin before end before, but for the last.
        old = [blocks.c.series_id == series_id, blocks.c.first_ms < before_ms, blocks.c.last_ms < before_ms]
        first_kept = select(blocks.c.first_ms).where(*old).order_by(blocks.c.first_ms).offset(left).limit(1)
        stop_ms = connection.execute(first_kept).scalar()
        if stop_ms is not None:
            connection.execute(delete(blocks).where(*old, blocks.c.first_ms < stop_ms))
            return done, True
        left -= connection.execute(delete(blocks).where(*old)).rowcount
        last = [newest_table.c.series_id == series_id, newest_table.c.time_ms < before_ms]
        connection.execute(delete(newest_table).where(*last))
        done = series_id
    return (done if len(ids) == SERIES_PER_PASS_MAX else 0), False


def compact(connection: Connection) -> bool:
    """Merge the small blocks of some series that have many; False where there are none left."""
    return series_blocks.compact(connection, SERIES_COMPACTED_MAX) == SERIES_COMPACTED_MAX


def _position(connection: Connection) -> int:
    journal_id: int = connection.execute(select(cursor.c.journal_id)).scalar_one()
    return journal_id


def _move_cursor(connection: Connection, journal_id: int) -> None:
    connection.execute(cursor.update().values(journal_id=journal_id))


def _fit(connection: Connection, end: journal.Head) -> None:
    row = connection.execute(select(cursor)).first()
    if row is None:
        values = {"only": _ONLY, "journal_identity": end.identity, "journal_id": 0}
        connection.execute(plain_insert(cursor).values(values))
    elif row.journal_identity != end.identity or row.journal_id > end.last_id:
        connection.execute(cursor.update().values(journal_identity=end.identity, journal_id=0))


def _note_undecodable(connection: Connection, entry: Entry, error: ContractError) -> None:
    statement = insert(connection, undecodable).values(journal_id=entry.id, detail=str(error)[:500])
    connection.execute(statement.on_conflict_do_nothing(index_elements=["journal_id"]))
    newest_id = connection.execute(
        select(undecodable.c.journal_id).order_by(undecodable.c.journal_id.desc()).offset(UNDECODABLE_MAX)
    ).scalar()
    if newest_id is not None:
        connection.execute(delete(undecodable).where(undecodable.c.journal_id <= newest_id))


def waiting_to_decode(connection: Connection) -> list[int]:
    """Return the journal ids of batches that did not decode, the oldest first."""
    return list(connection.scalars(select(undecodable.c.journal_id).order_by(undecodable.c.journal_id)))


def recent_undecodable(connection: Connection, limit: int) -> Iterable[tuple[int, str]]:
    """Return journal id and mistake of the newest batches that did not decode."""
    query = select(undecodable).order_by(undecodable.c.journal_id.desc()).limit(limit)
    return [(row.journal_id, row.detail) for row in connection.execute(query)]
