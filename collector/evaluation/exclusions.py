"""Stretches of time that are not assessed, as a typhoon's: set by people, and said with every figure."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update
from sqlalchemy import insert as plain_insert

from collector.evaluation.tables import evaluation_exclusions
from collector.people import audit
from collector.people.roles import Actor

EXCLUSIONS_MAX = 500
"""That hold; more would say that the formulas are wrong."""
AREA_DIGITS = (0, 6, 9)
_E = evaluation_exclusions.c


class ExclusionError(ValueError):
    """A stretch cannot be left out; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """``from_ms`` <= time < ``until_ms`` is not assessed in an area, for a class; empty: in any, for any."""

    id: str
    area: str
    class_code: str
    from_ms: int
    until_ms: int
    reason: str
    who: str
    made_ms: int


def holding(connection: Connection, from_ms: int, until_ms: int) -> list[Exclusion]:
    """Return those that hold and touch the period, the oldest first."""
    query = select(*(_E[name] for name in Exclusion.__dataclass_fields__)).where(
        _E.withdrawn_ms.is_(None), _E.from_ms < until_ms, _E.until_ms > from_ms
    )
    return [
        Exclusion(*row)
        for row in connection.execute(query.order_by(_E.from_ms, _E.row).limit(EXCLUSIONS_MAX))
    ]


def exclude(connection: Connection, exclusion: Exclusion, actor: Actor) -> None:
    """Leave a stretch out from now on; ExclusionError where it is none, or there are too many."""
    if exclusion.until_ms <= exclusion.from_ms:
        raise ExclusionError("the stretch ends before it begins")
    if len(exclusion.area) not in AREA_DIGITS or not (exclusion.area.isdigit() or not exclusion.area):
        raise ExclusionError("an area is a district's 6 digits or a street's 9; empty is everywhere")
    held = connection.scalar(
        select(func.count()).select_from(evaluation_exclusions).where(_E.withdrawn_ms.is_(None))
    )
    if (held or 0) >= EXCLUSIONS_MAX:
        raise ExclusionError(f"there are {EXCLUSIONS_MAX} already; withdraw some")
    row = {name: getattr(exclusion, name) for name in Exclusion.__dataclass_fields__}
    connection.execute(plain_insert(evaluation_exclusions).values(**row))
    audit.note(connection, actor, exclusion.made_ms, "evaluation.exclude", exclusion.id, row)


def withdraw(connection: Connection, exclusion_id: str, actor: Actor, now_ms: int) -> bool:
    """Assess a stretch again; False where it holds no more, or never did."""
    statement = update(evaluation_exclusions).where(_E.id == exclusion_id, _E.withdrawn_ms.is_(None))
    if not connection.execute(statement.values(withdrawn_ms=now_ms)).rowcount:
        return False
    audit.note(connection, actor, now_ms, "evaluation.withdraw", exclusion_id)
    return True
