"""The embedded series store: a projection of the journal's samples into ``series.db``, and how to read it.

A key is (gateway, device, point, time), all from the batch, so a replay overwrites and never doubles.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, delete, func, select, tuple_
from sqlalchemy import insert as plain_insert

from collector import journal
from collector.database import Database, insert
from collector.journal import Entry, Slice
from collector.metrics import Metrics
from collector.series_tables import CLOCKS, QUALITIES, cursor, samples, series, undecodable
from contract import batches
from contract.errors import ContractError
from contract.samples import ClockState, Quality, Sample, Value

UNDECODABLE_MAX = 1_000
ROWS_AT_ONCE_MAX = 10_000
SERIES_PER_PASS_MAX = 200
FUTURE_MS_MAX = 600_000
"""A gateway's clock may be so much ahead of ours."""

_NONE, _BOOL, _INT, _FLOAT, _TEXT = range(5)
_ONLY = 1


@dataclass(frozen=True, slots=True)
class Reading:
    """One stored sample with its series."""

    gateway: str
    device: str
    point: str
    sample: Sample


class SeriesProjection:
    """Samples, every one, as they were."""

    name = "series"

    def __init__(self, state: Database, store: Database, metrics: Metrics, batches_max: int) -> None:
        """``state`` holds the journal, ``store`` the series."""
        self._state, self._store, self._metrics = state, store, metrics
        self._batches_max = batches_max
        self._ids: dict[tuple[str, str, str], int] = {}

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
            self._ids.clear()  # ids given in a transaction that was rolled back
            raise
        self._metrics.samples.inc(stored)
        self._metrics.undecodable.labels(self.name).inc(failed)
        return not following.reaches_end

    async def rewind(self) -> None:
        """Begin anew from what the journal holds."""
        await self._store.write(lambda connection: _move_cursor(connection, 0))

    def _project(self, connection: Connection, following: Slice) -> tuple[int, int]:
        rows: list[dict[str, Any]] = []
        stored = failed = 0
        for entry in following.entries:
            try:
                decoded = batches.decode(entry.message).samples
            except ContractError as error:
                _note_undecodable(connection, entry, error)
                failed += 1
                continue
            rows += (self._row(connection, entry.gateway, sample) for sample in decoded)
            stored += len(decoded)
            if len(rows) >= ROWS_AT_ONCE_MAX:
                _store(connection, rows)
                rows = []
        _store(connection, rows)
        _move_cursor(connection, following.upto)
        return stored, failed

    def _row(self, connection: Connection, gateway: str, sample: Sample) -> dict[str, Any]:
        kind, number, text = _spelled(sample.value)
        return {
            "series_id": self._series_id(connection, (gateway, sample.device, sample.point)),
            "time_ms": sample.time_ms,
            "kind": kind,
            "number": number,
            "text": text,
            "quality": QUALITIES.index(sample.quality),
            "error": sample.error or None,
            "clock": CLOCKS.index(sample.clock),
        }

    def _series_id(self, connection: Connection, key: tuple[str, str, str]) -> int:
        if key not in self._ids:
            names = {"gateway": key[0], "device": key[1], "point": key[2]}
            statement = insert(connection, series).values(**names)
            connection.execute(
                statement.on_conflict_do_nothing(index_elements=["gateway", "device", "point"])
            )
            where = [series.c[name] == value for name, value in names.items()]
            self._ids[key] = connection.execute(select(series.c.id).where(*where)).scalar_one()
        return self._ids[key]


def _store(connection: Connection, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    statement = insert(connection, samples)
    new = statement.excluded
    columns = ("kind", "number", "text", "quality", "error", "clock")
    statement = statement.on_conflict_do_update(
        index_elements=["series_id", "time_ms"], set_={name: new[name] for name in columns}
    )
    connection.execute(statement, rows)


def newest(
    connection: Connection,
    *,
    gateway: str,
    device: str,
    after: tuple[str, str, str] | None,
    limit: int,
    now_ms: int,
) -> list[Reading]:
    """Return the newest sample of each series, by name; empty ``gateway`` or ``device`` means all.

    One that lies in the future, by a clock that was wrong, hides no other: it is the newest only where there
    is nothing else.
    """
    older = samples.alias()
    last = select(func.max(older.c.time_ms)).where(older.c.series_id == series.c.id)
    believed = last.where(older.c.time_ms <= now_ms + FUTURE_MS_MAX)
    query = (
        _readings()
        .where(samples.c.time_ms == func.coalesce(believed.scalar_subquery(), last.scalar_subquery()))
        .order_by(series.c.gateway, series.c.device, series.c.point)
        .limit(limit)
    )
    if gateway:
        query = query.where(series.c.gateway == gateway)
    if device:
        query = query.where(series.c.device == device)
    if after:
        query = query.where(tuple_(series.c.gateway, series.c.device, series.c.point) > tuple_(*after))
    return [_reading(row) for row in connection.execute(query)]


def is_known(connection: Connection, key: tuple[str, str, str]) -> bool:
    """Whether anything of this series has ever been stored."""
    query = select(series.c.id).where(
        and_(series.c.gateway == key[0], series.c.device == key[1], series.c.point == key[2])
    )
    return connection.execute(query).first() is not None


def history(
    connection: Connection, key: tuple[str, str, str], *, from_ms: int, to_ms: int, limit: int
) -> list[Sample]:
    """Return the samples of one series with from_ms <= time < to_ms, oldest first."""
    query = (
        _readings()
        .where(
            and_(series.c.gateway == key[0], series.c.device == key[1], series.c.point == key[2]),
            samples.c.time_ms >= from_ms,
            samples.c.time_ms < to_ms,
        )
        .order_by(samples.c.time_ms)
        .limit(limit)
    )
    return [_reading(row).sample for row in connection.execute(query)]


def drop_older(
    connection: Connection, before_ms: int, after_series: int, samples_max: int
) -> tuple[int, bool]:
    """Delete samples before ``before_ms`` of the next series, up to ``samples_max`` of them.

    Return the id to go on from, 0 at the end, and whether it stopped early because there were so many.
    """
    query = select(series.c.id).where(series.c.id > after_series).order_by(series.c.id)
    ids = list(connection.scalars(query.limit(SERIES_PER_PASS_MAX)))
    left, done = samples_max, after_series
    for series_id in ids:
        old = [samples.c.series_id == series_id, samples.c.time_ms < before_ms]
        first_kept = select(samples.c.time_ms).where(*old).order_by(samples.c.time_ms).offset(left).limit(1)
        stop_ms = connection.execute(first_kept).scalar()
        if stop_ms is not None:
            connection.execute(delete(samples).where(*old, samples.c.time_ms < stop_ms))
            return done, True
        left -= connection.execute(delete(samples).where(*old)).rowcount
        done = series_id
    return (done if len(ids) == SERIES_PER_PASS_MAX else 0), False


def _readings() -> Select[Any]:
    return select(
        series.c.gateway,
        series.c.device,
        series.c.point,
        samples.c.time_ms,
        samples.c.kind,
        samples.c.number,
        samples.c.text,
        samples.c.quality,
        samples.c.error,
        samples.c.clock,
    ).join(samples, samples.c.series_id == series.c.id)


def _reading(row: Row[Any]) -> Reading:
    quality: Quality = QUALITIES[row.quality]
    clock: ClockState = CLOCKS[row.clock]
    value = _read_back(row.kind, row.number, row.text)
    sample = Sample(row.time_ms, row.device, row.point, value, quality, row.error or "", clock)
    return Reading(row.gateway, row.device, row.point, sample)


def _spelled(value: Value) -> tuple[int, float | None, str | None]:
    """Return kind, number and text; NaN has no number, because SQL has none for it."""
    match value:
        case None:
            return _NONE, None, None
        case bool():
            return _BOOL, float(value), None
        case int():
            return _INT, float(value), None  # the contract ends at 2**53: exact
        case float():
            return _FLOAT, None if math.isnan(value) else value, None
        case str():
            return _TEXT, None, value


def _read_back(kind: int, number: float | None, text: str | None) -> Value:
    match kind:
        case 0:
            return None
        case 1:
            return bool(number)
        case 2:
            return int(number or 0)
        case 3:
            return math.nan if number is None else number
        case _:
            return text


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


def recent_undecodable(connection: Connection, limit: int) -> Iterable[tuple[int, str]]:
    """Return journal id and mistake of the newest batches that did not decode."""
    query = select(undecodable).order_by(undecodable.c.journal_id.desc()).limit(limit)
    return [(row.journal_id, row.detail) for row in connection.execute(query)]
