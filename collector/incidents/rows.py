"""Incidents, members and candidates as rows: a statement or two each, in the caller's transaction."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, select, update

from collector.database import insert
from collector.held import Held, Lookup
from collector.incidents.correlating import Box, Candidate, Place
from collector.incidents.tables import incident_candidates as candidates
from collector.incidents.tables import incident_members as members
from collector.incidents.tables import incidents
from collector.tables import alarms
from contract.events import Priority

Key = tuple[str, str]
"""Of an alarm: its gateway and its id."""
PRIORITIES = list(Priority)
_ANEW = {"revision": incidents.c.revision + 1, "version": incidents.c.version + 1}

_HAS_SOURCE = (
    select(members.c.row)
    .where(members.c.incident_id == bindparam("incident_id"), members.c.source == bindparam("source"))
    .limit(1)
)
_OF_ALARMS = Lookup(
    select(members.c.gateway, members.c.alarm_id, members.c.incident_id),
    members.c.gateway,
    members.c.alarm_id,
)
_CHANGE = update(incidents).where(incidents.c.id == bindparam("of_incident"))
"""Made once: to put a statement together costs more than to execute it."""


def incidents_of(connection: Connection, alarm_keys: Collection[Key]) -> dict[Key, str]:
    """Return the incidents of alarms; followers were never told of those that are not there."""
    return {(row.gateway, row.alarm_id): row.incident_id for row in _OF_ALARMS.rows(connection, alarm_keys)}


def has_source(connection: Connection, incident_id: str, source: str) -> bool:
    """Say whether an alarm of this source is a member already."""
    asked = {"incident_id": incident_id, "source": source}
    return connection.execute(_HAS_SOURCE, asked).first() is not None


def change(connection: Connection, incident_id: str, values: Mapping[str, Any]) -> None:
    """Write what is new of an incident."""
    connection.execute(_CHANGE, {"of_incident": incident_id, **values})


def note_candidate(
    connection: Connection, grouping: str, candidate: Candidate, noted_ms: int, forgotten_ms: int
) -> None:
    """Note what may be part of something larger; those noted before ``forgotten_ms`` are forgotten."""
    old = [candidates.c.grouping == grouping, candidates.c.noted_ms < forgotten_ms]
    connection.execute(delete(candidates).where(*old))
    place = candidate.place
    statement = insert(connection, candidates).values(
        grouping=grouping,
        incident_id=candidate.incident_id,
        source=candidate.source,
        at_ms=candidate.at_ms,
        noted_ms=noted_ms,
        lon=place.lon if place else None,
        lat=place.lat if place else None,
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["grouping", "source"],
            set_={"incident_id": candidate.incident_id, "at_ms": candidate.at_ms, "noted_ms": noted_ms},
        )
    )


def other_candidates(
    connection: Connection, grouping: str, source: str, from_rules: Collection[str], count_max: int
) -> list[Candidate]:
    """Return the other sources that are noted, the newest so many.

    They are in open incidents of ``from_rules``: from others nothing is taken away.
    """
    query = (
        select(candidates)
        .join(incidents, incidents.c.id == candidates.c.incident_id)
        .where(candidates.c.grouping == grouping, candidates.c.source != source)
        .where(incidents.c.closed_ms.is_(None), incidents.c.rule.in_(from_rules))
        .order_by(candidates.c.noted_ms.desc(), candidates.c.row.desc())
        .limit(count_max)
    )
    return [
        Candidate(
            row.incident_id, row.source, row.at_ms, None if row.lon is None else Place(row.lon, row.lat)
        )
        for row in connection.execute(query)
    ]


def forget_candidates(connection: Connection, incident_ids: Collection[str]) -> None:
    """Forget what incidents that are closed were noted for."""
    connection.execute(delete(candidates).where(candidates.c.incident_id.in_(incident_ids)))


def candidates_moved(connection: Connection, sources: Collection[str], into: str) -> None:
    """Note that sources are in another incident now."""
    connection.execute(update(candidates).where(candidates.c.source.in_(sources)).values(incident_id=into))


def by_id(connection: Connection, incident_ids: Collection[str]) -> Sequence[Row[Any]]:
    """Return incidents, the oldest first."""
    query = select(incidents).where(incidents.c.id.in_(incident_ids)).order_by(incidents.c.row)
    return connection.execute(query).all()


def move_members(
    connection: Connection, from_ids: Collection[str], sources: Collection[str], into: str, now_ms: int
) -> list[str]:
    """Give the members of some sources to another incident; return those that have others left.

    What has none left is closed for that.
    """
    theirs = [members.c.incident_id.in_(from_ids), members.c.source.in_(sources)]
    connection.execute(update(members).where(*theirs).values(incident_id=into))
    left = select(members.c.incident_id).where(members.c.incident_id.in_(from_ids)).distinct()
    remaining = list(connection.scalars(left))
    connection.execute(
        update(incidents)
        .where(incidents.c.id.in_(set(from_ids) - set(remaining)))
        .values(closed_ms=now_ms, merged_into=into, sources=0, members=0, active=0, **_ANEW)
    )
    return remaining


def counted(connection: Connection, incident_id: str) -> dict[str, Any]:
    """Count the members of an incident anew."""
    query = select(
        func.count(func.distinct(members.c.source)),
        func.count(),
        func.count().filter(members.c.cleared_ms.is_(None)),
    ).where(members.c.incident_id == incident_id)
    sources, all_of_them, active = connection.execute(query).one()
    return {"sources": sources, "members": all_of_them, "active": active}


def priority_of(connection: Connection, incident_id: str, otherwise: str) -> str:
    """Return the highest priority of an incident's alarms; ``otherwise`` where none of them is there."""
    query = (
        select(alarms.c.priority)
        .join(members, (members.c.gateway == alarms.c.gateway) & (members.c.alarm_id == alarms.c.id))
        .where(members.c.incident_id == incident_id)
        .distinct()
    )
    found = connection.scalars(query).all()
    return str(max(found, key=lambda each: PRIORITIES.index(Priority(each)), default=otherwise))


def keys_of(connection: Connection, incident_id: str) -> list[tuple[str, str]]:
    """Return the alarms of an incident, by gateway and id, in order."""
    query = select(members.c.gateway, members.c.alarm_id).where(members.c.incident_id == incident_id)
    return [(row.gateway, row.alarm_id) for row in connection.execute(query.order_by(members.c.row))]


def box_of(row: Row[Any] | Held) -> Box | None:
    """Return where an incident's members stand."""
    return None if row.west is None else Box(row.west, row.south, row.east, row.north)


def sides(box: Box | None) -> dict[str, float]:
    """Return a box as columns."""
    return box._asdict() if box else {}


def higher(one: str, other: str) -> str:
    """Return the higher one of two priorities."""
    return max(one, other, key=lambda each: PRIORITIES.index(Priority(each)))


def close_idle(connection: Connection, idle_before_ms: int, now_ms: int, count_max: int) -> list[str]:
    """Close incidents without an active member since then; return their ids."""
    some: Select[Any] = (
        select(incidents.c.row)
        .where(incidents.c.closed_ms.is_(None), incidents.c.idle_ms <= idle_before_ms)
        .order_by(incidents.c.idle_ms)
        .limit(count_max)
    )
    closing = (
        update(incidents)
        .where(incidents.c.row.in_(some))
        .values(closed_ms=now_ms, **_ANEW)
        .returning(incidents.c.id)
    )
    return list(connection.scalars(closing))
