"""How the alarms of the centre do, against ISA-18.2's targets for one operator position."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from collector.alarms.annunciating import open_flood, summarised
from collector.alarms.flood import Flood
from collector.alarms.tables import annunciations, conditions, floods
from collector.metrics import Metrics
from contract.events import Priority

WINDOW_MS = 600_000
DAY_MS = 86_400_000
TOP_MAX = 10
FLOODS_MAX = 100
PER_10MIN_TARGET = 1.0
PER_DAY_TARGET = 150
STALE_TARGET = 5
SHARES_TARGET = {Priority.LOW: 0.8, Priority.MEDIUM: 0.15, Priority.HIGH: 0.05}
"""HIGH stands for the highest as well."""


@dataclass(frozen=True, slots=True)
class FloodFigures:
    """One flood; the counts are of the most frequent problems and areas. ``ended_ms`` None: it lasts."""

    began_ms: int
    ended_ms: int | None
    count: int
    problems: dict[str, int]
    areas: dict[str, int]


@dataclass(frozen=True, slots=True)
class Source:
    """A source that annunciated often, with its share of all."""

    row: int
    gateway: str
    rule: str
    device: str
    point: str
    condition: str
    problem: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How many sources are in each list now."""

    active: int
    unacked: int
    shelved: int
    suppressed: int
    out_of_service: int
    chattering: int
    stale: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the last day, up to ``at_ms``; what is annunciated counts. Shares are of 1."""

    at_ms: int
    last_10min: int
    per_10min_mean: float
    per_10min_peak: int
    last_day: int
    flooded_share: float
    floods: list[FloodFigures]
    standing: Standing
    top: list[Source]
    shares: dict[str, float]
    beyond: list[str] = field(default_factory=list)
    """Which of the figures are beyond their targets."""


def read(connection: Connection, now_ms: int, *, stale_ms: int, flood: Flood) -> Figures:
    """Read them all."""
    day_ms = now_ms - DAY_MS
    counts = dict(_windows(connection, day_ms, now_ms))
    total = sum(counts.values())
    told = _floods(connection, day_ms, now_ms, flood)
    shares = _shares(connection, day_ms)
    standing = count_lists(connection, now_ms, stale_ms)
    mean = total * WINDOW_MS / DAY_MS
    return Figures(
        at_ms=now_ms,
        last_10min=counts.get(0, 0),
        per_10min_mean=round(mean, 3),
        per_10min_peak=max(counts.values(), default=0),
        last_day=total,
        flooded_share=round(_flooded_ms(told, day_ms, now_ms) / DAY_MS, 4),
        floods=told,
        standing=standing,
        top=_top(connection, day_ms, total),
        shares=shares,
        beyond=beyond(mean, total, told, standing, shares),
    )


def beyond(
    mean: float, total: int, told: list[FloodFigures], standing: Standing, shares: dict[str, float]
) -> list[str]:
    """Return what is beyond its target: by the names of the figures; pure."""
    high = shares.get("high", 0) + shares.get("highest", 0)
    missed = {
        "per_10min_mean": mean > PER_10MIN_TARGET,
        "last_day": total > PER_DAY_TARGET,
        "floods": bool(told),
        "chattering": standing.chattering > 0,
        "stale": standing.stale >= STALE_TARGET,
        "shares": total > 0
        and (high > SHARES_TARGET[Priority.HIGH] or shares["low"] < SHARES_TARGET[Priority.LOW]),
    }
    return [name for name, is_missed in missed.items() if is_missed]


def last_10min(connection: Connection, now_ms: int) -> int:
    """Count what was annunciated in the last ten minutes."""
    query = select(func.count()).select_from(annunciations)
    return connection.execute(query.where(annunciations.c.at_ms > now_ms - WINDOW_MS)).scalar_one()


def count_lists(connection: Connection, now_ms: int, stale_ms: int) -> Standing:
    """Count the lists that operators have."""
    lists = {name: listed(name) for name in ("active", "unacked", "shelved", "suppressed", "out_of_service")}
    lists["chattering"] = conditions.c.chattering_since_ms.is_not(None)
    lists["stale"] = listed("active") & (conditions.c.activated_ms <= now_ms - stale_ms)
    return Standing(
        **{
            name: connection.execute(select(func.count()).select_from(conditions).where(where)).scalar_one()
            for name, where in lists.items()
        }
    )


def listed(name: str) -> ColumnElement[bool]:
    """Return which sources are in a list; what is shelved, suppressed or out of service is in these alone."""
    shelved, suppressed = conditions.c.shelving != "unshelved", conditions.c.suppressed != "[]"
    told = ~(shelved | suppressed | conditions.c.out_of_service)
    lists: dict[str, ColumnElement[bool]] = {
        "active": conditions.c.active & told,
        "unacked": ~conditions.c.acked & told,
        "latched": conditions.c.latched & told,
        "shelved": shelved,
        "suppressed": suppressed,
        "out_of_service": conditions.c.out_of_service,
    }
    return lists[name]


def _windows(connection: Connection, after_ms: int, now_ms: int) -> list[tuple[int, int]]:
    """Return how many there were in each ten minutes before now; 0 are the last ones."""
    ago = ((now_ms - annunciations.c.at_ms) // WINDOW_MS).label("ago")
    each = select(ago).where(annunciations.c.at_ms > after_ms, annunciations.c.at_ms <= now_ms).subquery()
    query = select(each.c.ago, func.count()).group_by(each.c.ago)
    return [(int(row[0]), row[1]) for row in connection.execute(query)]


def _shares(connection: Connection, after_ms: int) -> dict[str, float]:
    query = select(annunciations.c.priority, func.count()).where(annunciations.c.at_ms > after_ms)
    rows = connection.execute(query.group_by(annunciations.c.priority))
    counts = dict.fromkeys(map(str, Priority), 0) | {row[0]: row[1] for row in rows}
    total = sum(counts.values())
    return {name: round(count / total, 4) if total else 0.0 for name, count in counts.items()}


def _top(connection: Connection, after_ms: int, total: int) -> list[Source]:
    counted = func.count().label("annunciated")
    some = (
        select(annunciations.c.condition, counted)
        .where(annunciations.c.at_ms > after_ms)
        .group_by(annunciations.c.condition)
        .order_by(counted.desc(), annunciations.c.condition)
        .limit(TOP_MAX)
        .subquery()
    )
    query = (
        select(conditions, some.c.annunciated)
        .join(some, some.c.condition == conditions.c.row)
        .order_by(some.c.annunciated.desc(), conditions.c.row)
    )
    return [
        Source(
            row=row.row,
            gateway=row.gateway,
            rule=row.rule,
            device=row.device,
            point=row.point,
            condition=row.condition,
            problem=row.problem,
            count=row.annunciated,
            share=round(row.annunciated / max(1, total), 4),
        )
        for row in connection.execute(query)
    ]


def _floods(connection: Connection, after_ms: int, now_ms: int, flood: Flood) -> list[FloodFigures]:
    """Return the newest floods that lasted in the day, the newest first."""
    where = floods.c.ended_ms.is_(None) | (floods.c.ended_ms > after_ms)
    query = select(floods).where(where).order_by(floods.c.began_ms.desc()).limit(FLOODS_MAX)
    told = []
    for row in connection.execute(query):
        counted: tuple[int, dict[str, Any]] = (row.alarms, json.loads(row.summary))
        if row.ended_ms is None:
            counted = summarised(connection, row.began_ms - flood.window_ms, now_ms)
        count, summary = counted
        told.append(FloodFigures(row.began_ms, row.ended_ms, count, summary["problems"], summary["areas"]))
    return told


def _flooded_ms(told: list[FloodFigures], after_ms: int, now_ms: int) -> int:
    return sum(
        (each.ended_ms if each.ended_ms is not None else now_ms) - max(each.began_ms, after_ms)
        for each in told
    )


def measure(connection: Connection, metrics: Metrics, now_ms: int, stale_ms: int) -> None:
    """Bring the gauges up to date."""
    for name, count in asdict(count_lists(connection, now_ms, stale_ms)).items():
        metrics.alarm_lists.labels(name).set(count)
    metrics.alarms_per_10min.set(last_10min(connection, now_ms))
    metrics.alarm_flood.set(open_flood(connection) is not None)
