"""Times and areas of which nothing is collected (不采集): an alarm makes no case there, and is counted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, or_, select, update
from sqlalchemy import insert as plain_insert

from collector.alarms.happening import Alarm
from collector.cases.tables import no_collection, uncollected
from collector.cases.words import CaseError, UnknownCaseError
from collector.database import insert
from collector.people import audit
from collector.people.roles import Actor

DAY_MIN = 1440
_SETTLED = (
    update(uncollected)
    .where(uncollected.c.gateway == bindparam("of_gateway"), uncollected.c.alarm_id == bindparam("of_alarm"))
    .values(waits=0)
)


@dataclass(frozen=True, slots=True)
class Rule:
    """From when until when (None: until it is ended), each day between two minutes or all day (None)."""

    area: str
    problem: str
    from_ms: int
    until_ms: int | None
    daily_from_min: int | None
    daily_until_min: int | None
    reason: str


def applies(rule: Rule, *, grid: str, problem: str, at_ms: int, minute: int) -> bool:
    """Say whether an alarm falls under it; ``minute`` is that of the local day. Pure."""
    if rule.problem not in ("", problem) or not grid.startswith(rule.area):
        return False
    if at_ms < rule.from_ms or (rule.until_ms is not None and at_ms >= rule.until_ms):
        return False
    first, last = rule.daily_from_min, rule.daily_until_min
    if first is None or last is None or first == last:
        return True
    return first <= minute < last if first < last else minute >= first or minute < last


def in_the_way(connection: Connection, *, grid: str, problem: str, at_ms: int, offset: timedelta) -> str:
    """Return the id of the first rule that an alarm falls under now, empty where there is none."""
    local = datetime.fromtimestamp(at_ms / 1000, UTC) + offset
    minute = local.hour * 60 + local.minute
    for row in _in_force(connection, at_ms):
        if applies(_rule(row), grid=grid, problem=problem, at_ms=at_ms, minute=minute):
            return str(row.id)
    return ""


def count(connection: Connection, rule_id: str, alarm: Alarm, at_ms: int, *, most: int) -> None:
    """Note that an alarm made no case because of a rule; the newest ``most`` are kept one by one."""
    statement = insert(connection, uncollected).values(
        gateway=alarm.gateway, alarm_id=alarm.id, rule_id=rule_id, at_ms=at_ms, waits=1
    )
    if not connection.execute(statement.on_conflict_do_nothing()).rowcount:
        return
    connection.execute(
        update(no_collection)
        .where(no_collection.c.id == rule_id)
        .values(hits=no_collection.c.hits + 1, hit_ms=at_ms)
    )
    newest = connection.scalar(select(func.max(uncollected.c.row))) or 0
    connection.execute(
        delete(uncollected).where(uncollected.c.row <= newest - most, uncollected.c.waits == 0)
    )


def settled(connection: Connection, keys: Iterable[tuple[str, str]]) -> None:
    """Alarms that made no case, by (gateway, id), are over, or have their case now."""
    asked = [{"of_gateway": gateway, "of_alarm": alarm_id} for gateway, alarm_id in keys]
    connection.execute(_SETTLED, asked)


def waiting(connection: Connection, after_row: int, count_max: int) -> Sequence[Row[Any]]:
    """Return alarms that are active and made no case, in the order of their rows."""
    query = select(uncollected).where(uncollected.c.waits == 1, uncollected.c.row > after_row)
    return connection.execute(query.order_by(uncollected.c.row).limit(count_max)).all()


def add(connection: Connection, rule_id: str, rule: Rule, actor: Actor, at_ms: int, *, most: int) -> None:
    """Make a rule; CaseError where there are too many."""
    standing = select(func.count()).where(no_collection.c.ended_ms.is_(None), _not_over(at_ms))
    if (connection.scalar(standing) or 0) >= most:
        raise CaseError("too_many", most=most)
    values = {name: getattr(rule, name) for name in Rule.__slots__}
    connection.execute(
        plain_insert(no_collection).values(
            id=rule_id, who=actor.name, made_ms=at_ms, ended_ms=None, hits=0, hit_ms=None, **values
        )
    )
    audit.note(connection, actor, at_ms, "no_collection.add", rule_id, values)


def end(connection: Connection, rule_id: str, actor: Actor, at_ms: int) -> None:
    """End a rule: what is still active and made no case makes one with the next look of the timers."""
    row = one(connection, rule_id)
    if row.ended_ms is not None or (row.until_ms is not None and row.until_ms <= at_ms):
        raise CaseError("ended")
    connection.execute(update(no_collection).where(no_collection.c.id == rule_id).values(ended_ms=at_ms))
    audit.note(connection, actor, at_ms, "no_collection.end", rule_id, {"hits": row.hits})


def one(connection: Connection, rule_id: str) -> Row[Any]:
    """Return a rule's row; UnknownCaseError."""
    row = connection.execute(select(no_collection).where(no_collection.c.id == rule_id)).first()
    if row is None:
        raise UnknownCaseError("unknown_rule", rule_id=rule_id)
    return row


def page(connection: Connection, before: int, limit: int) -> Sequence[Row[Any]]:
    """Return rules, the newest first; ``before`` 0 begins."""
    query = select(no_collection).order_by(no_collection.c.row.desc()).limit(limit)
    if before:
        query = query.where(no_collection.c.row < before)
    return connection.execute(query).all()


def _in_force(connection: Connection, at_ms: int) -> Sequence[Row[Any]]:
    query = select(no_collection).where(
        no_collection.c.ended_ms.is_(None), no_collection.c.from_ms <= at_ms, _not_over(at_ms)
    )
    return connection.execute(query.order_by(no_collection.c.row)).all()


def _not_over(at_ms: int) -> Any:
    return or_(no_collection.c.until_ms.is_(None), no_collection.c.until_ms > at_ms)


def _rule(row: Row[Any]) -> Rule:
    return Rule(**{name: getattr(row, name) for name in Rule.__slots__})
