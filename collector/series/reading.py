"""How the embedded series store is read: the newest sample of each series, the history of one."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, tuple_

from collector.series import blocks as series_blocks
from collector.series.tables import blocks, is_series, series
from collector.series.tables import newest as newest_table
from contract import blocks as packing
from contract import runs
from contract.samples import Sample

FUTURE_MS_MAX = 600_000
"""A gateway's clock may be so much ahead of ours."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One stored sample with its series."""

    gateway: str
    device: str
    point: str
    sample: Sample


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
    query = (
        select(series, newest_table.c.time_ms, newest_table.c.data)
        .join(newest_table)
        .order_by(series.c.gateway, series.c.device, series.c.point)
        .limit(limit)
    )
    if gateway:
        query = query.where(series.c.gateway == gateway)
    if device:
        query = query.where(series.c.device == device)
    if after:
        query = query.where(tuple_(series.c.gateway, series.c.device, series.c.point) > tuple_(*after))
    found = []
    for row in connection.execute(query).all():
        believed = None
        if row.time_ms > now_ms + FUTURE_MS_MAX:
            believed = _newest_until(connection, row, now_ms + FUTURE_MS_MAX)
        sample = believed or packing.sample(row.data, row.time_ms, row.device, row.point)
        found.append(Reading(row.gateway, row.device, row.point, sample))
    return found


def _newest_until(connection: Connection, row: Row[Any], until_ms: int) -> Sample | None:
    query = (
        select(blocks)
        .where(blocks.c.series_id == row.id, blocks.c.first_ms <= until_ms)
        .order_by(blocks.c.first_ms.desc())
        .limit(1)
    )
    for _, run in series_blocks.laid_open(connection.execute(query).all()):
        return runs.samples(runs.between(run, 0, until_ms + 1), row.device, row.point)[-1]
    return None


def is_known(connection: Connection, key: tuple[str, str, str]) -> bool:
    """Whether anything of this series has ever been stored."""
    return connection.execute(select(series.c.id).where(*is_series(key))).first() is not None


def history(
    connection: Connection, key: tuple[str, str, str], *, from_ms: int, to_ms: int, limit: int
) -> list[Sample]:
    """Return the samples of one series with from_ms <= time < to_ms, oldest first.

    What a damaged block held is left out and logged.
    """
    series_id = connection.execute(select(series.c.id).where(*is_series(key))).scalar()
    if series_id is None:
        return []
    found: list[Sample] = []
    with connection.execute(series_blocks.overlapping(series_id, from_ms, to_ms - 1)) as rows:
        for _, run in series_blocks.laid_open(rows):
            wanted = runs.between(run, from_ms, to_ms)
            wanted = runs.part(wanted, 0, min(limit - len(found), len(wanted.times)))
            found += runs.samples(wanted, key[1], key[2])
            if len(found) >= limit:
                break
    return found
