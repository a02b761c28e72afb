"""What was annunciated, written down; and the floods recognised in it, for the whole centre."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Integer, Row, bindparam, func, select, update
from sqlalchemy import insert as plain_insert

from collector.alarms.flood import Flood, summary
from collector.alarms.tables import annunciations, floods
from collector.held import Held
from contract.events import Priority

_ANNUNCIATE = plain_insert(annunciations)
_OPEN_FLOOD = (
    select(floods.c.row, floods.c.began_ms)
    .where(floods.c.ended_ms.is_(None))
    .order_by(floods.c.began_ms)
    .limit(1)
)
_SOME = (
    select(annunciations.c.row)
    .where(annunciations.c.at_ms > bindparam("after_ms"))
    .limit(bindparam("count_max", type_=Integer))
)


def annunciated(row: Row[Any] | Held, priority: Priority, at_ms: int) -> dict[str, Any]:
    """Return that the alarm of a condition was told, to be written down."""
    told = {"at_ms": at_ms, "condition": row.row, "problem": row.problem, "area": row.area}
    return told | {"priority": str(priority)}


def write(connection: Connection, told: Sequence[dict[str, Any]], flood: Flood) -> None:
    """Write down what was told, in order, and see whether that makes a flood."""
    written = 0
    if open_flood(connection) is None:  # one by one, as long as few are told
        for one in told:
            connection.execute(_ANNUNCIATE, one)
            written += 1
            if flood.lasts(False, _count(connection, one["at_ms"], flood)):
                began = {"began_ms": one["at_ms"], "ended_ms": None, "alarms": 0, "summary": "{}"}
                connection.execute(plain_insert(floods).values(began))
                break
    if told[written:]:
        connection.execute(_ANNUNCIATE, told[written:])


def flood_is_over(connection: Connection, now_ms: int, flood: Flood) -> tuple[int, int] | None:
    """Return row and beginning of a flood that is to end now."""
    lasting = open_flood(connection)
    return None if lasting and flood.lasts(True, _count(connection, now_ms, flood)) else lasting


def end_flood(connection: Connection, now_ms: int, flood: Flood) -> None:
    """End the flood where there are few enough."""
    over = flood_is_over(connection, now_ms, flood)
    if over is None:
        return
    row, began_ms = over
    count, told = summarised(connection, began_ms - flood.window_ms, now_ms)
    ended = {"ended_ms": now_ms, "alarms": count, "summary": json.dumps(told, ensure_ascii=False)}
    connection.execute(update(floods).where(floods.c.row == row).values(ended))


def open_flood(connection: Connection) -> tuple[int, int] | None:
    """Return row and beginning of the flood that lasts."""
    found = connection.execute(_OPEN_FLOOD).first()
    return (found[0], found[1]) if found else None


def summarised(connection: Connection, after_ms: int, until_ms: int) -> tuple[int, dict[str, dict[str, int]]]:
    """Return how many were annunciated in after_ms < time <= until_ms, and of what most."""
    counted = func.count()
    query = (
        select(annunciations.c.problem, annunciations.c.area, counted)
        .where(annunciations.c.at_ms > after_ms, annunciations.c.at_ms <= until_ms)
        .group_by(annunciations.c.problem, annunciations.c.area)
    )
    told = [(row[0], row[1], row[2]) for row in connection.execute(query)]
    return sum(count for _, _, count in told), summary(told)


def _count(connection: Connection, now_ms: int, flood: Flood) -> int:
    """Count the annunciations in the window, as far as it matters."""
    asked = {"after_ms": now_ms - flood.window_ms, "count_max": flood.begins_above + 1}
    return len(connection.execute(_SOME, asked).all())
