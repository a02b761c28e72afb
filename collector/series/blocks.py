"""Blocks in the tables: written, laid over each other, compacted, read; ``contract.blocks`` packs them.

Blocks of a series never overlap: what is written over older samples is merged with them, and wins. So a
replay changes nothing, and reading is a walk along the key. All functions run inside a transaction of their
caller.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, case, delete, func, select, update
from sqlalchemy import insert as plain_insert

from collector.database import insert
from collector.series.tables import FRAGMENTS_MAX, blocks, newest, newest_due
from contract.blocks import last, pack, unpack
from contract.errors import ContractError
from contract.runs import Run, combined, divided, part

_log = logging.getLogger(__name__)

BLOCK_SAMPLES_MAX = 4_000
BLOCK_SPAN_MS_MAX = 86_400_000
"""So late at most is a sample dropped that is past its retention."""

BLOCK_BYTES_MAX = 950
"""What fits into a page of SQLite beside others; a larger block is divided (but never a sample)."""

FRAGMENT_BYTES_MAX = BLOCK_BYTES_MAX // 3
"""A block with fewer bytes counts as a fragment."""

COMPACTED_BYTES_MAX = 16_384

OVERLAP_BLOCKS_MAX = 32
COMPACTED_BLOCKS_MAX = 2_048


def put(connection: Connection, runs: Mapping[int, Run], newest_ms: Mapping[int, int]) -> None:
    """Write runs by series id; ``newest_ms`` has the time of the newest sample where there is one.

    What has the same time as an older sample replaces it.
    """
    rows: list[dict[str, Any]] = []
    tops = []
    for series_id, run in runs.items():
        if run.times[0] > newest_ms.get(series_id, -1):
            new = _rows(series_id, run)
            rows += new
            fragments = _fragments(new)
        else:
            pieces = divided(run, BLOCK_SAMPLES_MAX, BLOCK_SPAN_MS_MAX)
            fragments = sum(_lay_over(connection, series_id, piece) for piece in pieces)
        tops.append(
            {
                "series_id": series_id,
                "time_ms": run.times[-1],
                "data": last(run),
                "fragments": fragments,
            }
        )
    if rows:
        connection.execute(plain_insert(blocks), rows)
    if tops:
        _put_newest(connection, tops)


def _put_newest(connection: Connection, tops: list[dict[str, Any]]) -> None:
    statement = insert(connection, newest)
    new = statement.excluded
    is_newer = new.time_ms >= newest.c.time_ms
    statement = statement.on_conflict_do_update(
        index_elements=["series_id"],
        set_={
            "time_ms": case((is_newer, new.time_ms), else_=newest.c.time_ms),
            "data": case((is_newer, new.data), else_=newest.c.data),
            "fragments": newest.c.fragments + new.fragments,
        },
    )
    connection.execute(statement, tops)


def _lay_over(connection: Connection, series_id: int, run: Run) -> int:
    """Write a run over what is there; return how many fragments there are more."""
    query = overlapping(series_id, run.times[0], run.times[-1]).limit(OVERLAP_BLOCKS_MAX + 1)
    found = connection.execute(query).all()
    if len(found) > OVERLAP_BLOCKS_MAX and len(run.times) > 1:
        middle = len(run.times) // 2
        halves = (part(run, 0, middle), part(run, middle, len(run.times)))
        return sum(_lay_over(connection, series_id, half) for half in halves)
    older = [block for _, block in laid_open(found)]  # a damaged one is given up: nobody can read it
    rows = _rows(series_id, combined([*older, run]))
    _replace(connection, series_id, found, rows)
    return _fragments(rows) - sum(1 for row in found if len(row.data) < FRAGMENT_BYTES_MAX)


def _replace(
    connection: Connection, series_id: int, old: Sequence[Row[Any]], rows: list[dict[str, Any]]
) -> None:
    """Write rows in place of old ones, between which there are no others."""
    if old:
        reach = and_(blocks.c.first_ms >= old[0].first_ms, blocks.c.first_ms <= old[-1].first_ms)
        connection.execute(delete(blocks).where(blocks.c.series_id == series_id, reach))
    connection.execute(plain_insert(blocks), rows)


def _rows(series_id: int, run: Run) -> list[dict[str, Any]]:
    return [
        {
            "series_id": series_id,
            "first_ms": piece.times[0],
            "last_ms": piece.times[-1],
            "samples": len(piece.times),
            "data": data,
        }
        for large in divided(run, BLOCK_SAMPLES_MAX, BLOCK_SPAN_MS_MAX)
        for piece, data in _packed(large)
    ]


def _packed(run: Run) -> Iterator[tuple[Run, bytes]]:
    """Yield the run in blocks of a good size."""
    data = pack(run)
    if len(data) <= BLOCK_BYTES_MAX or len(run.times) == 1:
        yield run, data
        return
    many = -(-len(data) // (BLOCK_BYTES_MAX * 9 // 10))  # they are not all alike
    for piece in divided(run, -(-len(run.times) // many), BLOCK_SPAN_MS_MAX):
        yield piece, pack(piece)


def _fragments(rows: Iterable[dict[str, Any]]) -> int:
    return sum(1 for row in rows if len(row["data"]) < FRAGMENT_BYTES_MAX)


def overlapping(series_id: int, from_ms: int, to_ms: int) -> Select[Any]:
    """Return a query of a series' blocks with samples from ``from_ms`` to ``to_ms`` (included), in order."""
    begins = select(func.max(blocks.c.first_ms)).where(
        blocks.c.series_id == series_id, blocks.c.first_ms <= from_ms
    )
    return (
        select(blocks)
        .where(
            blocks.c.series_id == series_id,
            # Only the last of those that begin before can reach into it.
            blocks.c.first_ms >= func.coalesce(begins.scalar_subquery(), from_ms),
            blocks.c.first_ms <= to_ms,
            blocks.c.last_ms >= from_ms,
        )
        .order_by(blocks.c.first_ms)
    )


def laid_open(rows: Iterable[Row[Any]]) -> Iterator[tuple[Row[Any], Run]]:
    """Yield the blocks that can be read, each with its row; tell of those that cannot."""
    for row in rows:
        try:
            run = unpack(row.data)
            if (run.times[0], run.times[-1], len(run.times)) != (row.first_ms, row.last_ms, row.samples):
                raise ContractError("a block that is not the one its row tells of")
            yield row, run
        except ContractError as error:
            _log.error(
                "series %d: %d samples from %d to %d ms cannot be read: %s; "
                "rewinding the projection brings back what the journal still holds",
                row.series_id,
                row.samples,
                row.first_ms,
                row.last_ms,
                error,
            )


def compact(connection: Connection, series_max: int) -> int:
    """Merge the small blocks of up to ``series_max`` series that have many; return of how many."""
    query = select(newest.c.series_id, newest.c.fragments).where(newest_due).limit(series_max)
    due = connection.execute(query).all()
    for row in due:
        blocks_max = min(row.fragments + FRAGMENTS_MAX, COMPACTED_BLOCKS_MAX)
        _compact(connection, row.series_id, blocks_max)
        left = max(0, row.fragments - blocks_max)
        connection.execute(update(newest).where(newest.c.series_id == row.series_id).values(fragments=left))
    return len(due)


def _compact(connection: Connection, series_id: int, blocks_max: int) -> None:
    """Merge neighbours among the latest blocks of a series."""
    plain = select(
        blocks.c.first_ms, blocks.c.last_ms, blocks.c.samples, func.length(blocks.c.data).label("bytes")
    )
    query = plain.where(blocks.c.series_id == series_id).order_by(blocks.c.first_ms.desc()).limit(blocks_max)
    for group in _groups(connection.execute(query).all()[::-1]):
        if len(group) < 2:
            continue
        reach = and_(blocks.c.first_ms >= group[0].first_ms, blocks.c.first_ms <= group[-1].first_ms)
        rows = connection.execute(
            select(blocks).where(blocks.c.series_id == series_id, reach).order_by(blocks.c.first_ms)
        ).all()
        readable = list(laid_open(rows))
        if len(readable) == len(rows):  # else they stay as they are
            _replace(connection, series_id, rows, _rows(series_id, combined(run for _, run in readable)))


def _groups(rows: Sequence[Row[Any, Any, Any, Any]]) -> Iterator[list[Row[Any, Any, Any, Any]]]:
    """Yield neighbours that may be written as one; a block of a good size stays as it is."""
    group: list[Row[Any, Any, Any, Any]] = []
    samples = size = 0
    for row in rows:
        samples, size = samples + row.samples, size + row.bytes
        if group and (
            row.bytes > BLOCK_BYTES_MAX // 2
            or group[-1].bytes > BLOCK_BYTES_MAX // 2
            or samples > BLOCK_SAMPLES_MAX
            or size > COMPACTED_BYTES_MAX
            or row.last_ms - group[0].first_ms > BLOCK_SPAN_MS_MAX
        ):
            yield group
            group, samples, size = [], row.samples, row.bytes
        group.append(row)
    if group:
        yield group
