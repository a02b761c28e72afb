"""Incidents as telling reads them: from the tables of incidents, their alarms, and what is quiet now."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, func, select

from collector.alarms.conditions import quiet
from collector.incidents.tables import incident_members as members
from collector.incidents.tables import incidents
from collector.tables import alarms
from collector.telling.facts import HighestAlarm, IncidentFacts
from collector.telling.tables import told
from contract.events import Priority

MEMBERS_LOOKED_MAX = 50
"""Of an incident's active alarms: where none of the newest so many is to be told, the incident is quiet."""
HIGHEST_MAX = 500
"""Of an incident's alarms of the highest priority, the newest."""
IDS_AT_ONCE = 500
BACKFILLED = "backfilled"


_COLUMNS = (
    members.c.row,
    members.c.incident_id,
    members.c.gateway,
    members.c.alarm_id,
    members.c.at_ms,
    members.c.cleared_ms,
    alarms.c.problem,
    alarms.c.priority,
    alarms.c.message,
    alarms.c.backfill,
)
_WITH_ALARM = (alarms.c.gateway == members.c.gateway) & (alarms.c.id == members.c.alarm_id)


def _newest(count_max: int, *where: ColumnElement[bool]) -> Select[Any]:
    """Return the query for the newest so many members of each of the incidents ``ids``."""
    nth = func.row_number().over(partition_by=members.c.incident_id, order_by=members.c.row.desc())
    of_these = members.c.incident_id.in_(bindparam("ids", expanding=True))
    ranked = select(*_COLUMNS, nth.label("nth")).join(alarms, _WITH_ALARM).where(of_these, *where).subquery()
    return select(ranked).where(ranked.c.nth <= count_max)


_NEWEST_ACTIVE = _newest(
    MEMBERS_LOOKED_MAX, members.c.cleared_ms.is_(None), alarms.c.priority != Priority.HIGHEST
)
_NEWEST_HIGHEST = _newest(HIGHEST_MAX, alarms.c.priority == Priority.HIGHEST)
_FIRST = (
    select(members.c.row)
    .where(members.c.incident_id == incidents.c.id)
    .order_by(members.c.row)
    .limit(1)
    .correlate(incidents)
    .scalar_subquery()
)
_ANY = (
    select(*_COLUMNS)
    .select_from(incidents)
    .join(members, members.c.row == _FIRST)
    .join(alarms, _WITH_ALARM)
    .where(incidents.c.id.in_(bindparam("ids", expanding=True)))
)


class SqlIncidents:
    """See Incidents."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        """``now_ms`` decides which silences hold."""
        self._now_ms = now_ms

    def news(self, connection: Connection, after_row: int, count_max: int) -> list[IncidentFacts]:
        """Return those that began after this row."""
        query = select(incidents).where(incidents.c.row > after_row).order_by(incidents.c.row)
        return self._facts(connection, connection.execute(query.limit(count_max)).all())

    def newest_row(self, connection: Connection) -> int:
        """Return the row of the newest; 0 where there is none."""
        return connection.scalar(select(func.max(incidents.c.row))) or 0

    def changed(self, connection: Connection, count_max: int) -> list[str]:
        """Return those whose revision is not the one looked at."""
        query = (
            select(incidents.c.id)
            .join(told, told.c.incident_id == incidents.c.id)
            .where(~told.c.done, told.c.alarm == "", told.c.version != incidents.c.revision)
            .order_by(incidents.c.row)
            .limit(count_max)
        )
        return list(connection.scalars(query))

    def by_id(self, connection: Connection, ids: Collection[str]) -> list[IncidentFacts]:
        """Return these, as far as they are there."""
        query = select(incidents).where(incidents.c.id.in_(ids)).order_by(incidents.c.row)
        return self._facts(connection, connection.execute(query).all())

    def _facts(self, connection: Connection, rows: Sequence[Row[Any]]) -> list[IncidentFacts]:
        found = []
        for begin in range(0, len(rows), IDS_AT_ONCE):
            found += _some_facts(connection, rows[begin : begin + IDS_AT_ONCE], self._now_ms())
        return found


def _some_facts(connection: Connection, rows: Sequence[Row[Any]], now_ms: int) -> list[IncidentFacts]:
    by_incident: dict[str, list[Row[Any]]] = {}
    for member in _members(connection, rows):
        by_incident.setdefault(member.incident_id, []).append(member)
    keys = [(each.gateway, each.alarm_id) for some in by_incident.values() for each in some]
    reasons = quiet(connection, keys, now_ms)
    return [_one(row, by_incident.get(row.id, []), reasons) for row in rows]


def _members(connection: Connection, rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Return what is looked at of each incident: the newest that are active, and of the highest priority.

    Only incidents of that priority have such alarms. Of one without either it is any one alarm.
    """
    found: dict[int, Row[Any]] = {}
    highest = [row.id for row in rows if row.priority == Priority.HIGHEST]
    for asked, some in (
        (_NEWEST_ACTIVE, [row.id for row in rows if row.active]),
        (_NEWEST_HIGHEST, highest),
        (_ANY, [row.id for row in rows if not row.active]),
    ):
        if some:
            found |= {each.row: each for each in connection.execute(asked, {"ids": some})}
    return [found[number] for number in sorted(found)]


def _one(
    row: Row[Any], its_members: Sequence[Row[Any]], reasons: dict[tuple[str, str], str]
) -> IncidentFacts:
    active = [member for member in its_members if member.cleared_ms is None]
    quiet_ones = [_why_quiet(member, reasons) for member in active]
    place = None if row.west is None else ((row.west + row.east) / 2, (row.south + row.north) / 2)
    return IncidentFacts(
        id=row.id,
        title_en=row.title_en,
        title_zh=row.title_zh,
        area=row.area,
        problem=its_members[0].problem if its_members else "",
        priority=Priority(row.priority),
        opened_ms=row.opened_ms,
        last_ms=row.last_ms,
        closed_ms=row.closed_ms,
        members=row.members,
        active=row.active,
        acked_ms=row.acked_ms,
        quiet=quiet_ones[0] if quiet_ones and all(quiet_ones) else "",
        highest=tuple(
            HighestAlarm(
                key=f"{member.gateway}/{member.alarm_id}",
                at_ms=member.at_ms,
                active=member.cleared_ms is None,
                quiet=_why_quiet(member, reasons),
                message=member.message,
            )
            for member in its_members
            if member.priority == Priority.HIGHEST
        ),
        position=place,
        merged_into=row.merged_into or "",
        version=row.revision,
        row=row.row,
    )


def _why_quiet(member: Row[Any], reasons: dict[tuple[str, str], str]) -> str:
    """Return why nobody is to be told of an alarm: one that was backfilled is old, but for the highest."""
    if member.backfill and member.priority != Priority.HIGHEST:
        return BACKFILLED
    return reasons.get((member.gateway, member.alarm_id), "")
