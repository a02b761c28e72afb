"""What cases know of incidents: which case an incident has, and which cases its members had before it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select, update

from collector.incidents.tables import incident_members, incidents
from collector.tables import alarms, cases

MEMBERS_LOOKED_AT_MAX = 200
CASES_MAX = 20


def name_case(connection: Connection, incident_id: str, case_id: str) -> None:
    """Write on an incident which case it has."""
    other = or_(incidents.c.case_id.is_(None), incidents.c.case_id != case_id)
    connection.execute(
        update(incidents)
        .where(incidents.c.id == incident_id, other)
        .values(case_id=case_id, revision=incidents.c.revision + 1)
    )


def cases_of(connection: Connection, incident_id: str) -> Sequence[Row[Any]]:
    """Return the cases of an incident, open ones first; where it has none, those of its members.

    Members have cases where they were incidents of their own before a rule brought them together.
    """
    order = (cases.c.closed_ms.is_not(None), cases.c.row)
    query = select(cases).where(cases.c.incident_id == incident_id).order_by(*order)
    if found := connection.execute(query.limit(CASES_MAX)).all():
        return found
    members = (
        select(alarms.c.case_id)
        .join(
            incident_members,
            and_(incident_members.c.gateway == alarms.c.gateway, incident_members.c.alarm_id == alarms.c.id),
        )
        .where(incident_members.c.incident_id == incident_id)
        .order_by(incident_members.c.row)
        .limit(MEMBERS_LOOKED_AT_MAX)
    )
    ids = {case_id for case_id in connection.scalars(members) if case_id is not None}
    return connection.execute(
        select(cases).where(cases.c.id.in_(ids)).order_by(*order).limit(CASES_MAX)
    ).all()
