"""What cases know of incidents: which case an incident has, and which cases its members had before it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, or_, select, update

from collector.incidents.tables import incident_members, incidents
from collector.tables import alarms, cases

MEMBERS_LOOKED_AT_MAX = 200
CASES_MAX = 20


_ORDER = (cases.c.closed_ms.is_not(None), cases.c.row)
_NAME = (
    update(incidents)
    .where(
        incidents.c.id == bindparam("of_incident"),
        or_(incidents.c.case_id.is_(None), incidents.c.case_id != bindparam("its_case")),
    )
    .values(case_id=bindparam("its_case"), revision=incidents.c.revision + 1)
)
_CASES = (
    select(cases).where(cases.c.incident_id == bindparam("incident_id")).order_by(*_ORDER).limit(CASES_MAX)
)
_CASES_OF_MEMBERS = (
    select(alarms.c.case_id)
    .join(
        incident_members,
        and_(incident_members.c.gateway == alarms.c.gateway, incident_members.c.alarm_id == alarms.c.id),
    )
    .where(incident_members.c.incident_id == bindparam("incident_id"))
    .order_by(incident_members.c.row)
    .limit(MEMBERS_LOOKED_AT_MAX)
)
"""Made once: to put a statement together costs more than to execute it."""


def name_case(connection: Connection, incident_id: str, case_id: str) -> None:
    """Write on an incident which case it has."""
    connection.execute(_NAME, {"of_incident": incident_id, "its_case": case_id})


def cases_of(connection: Connection, incident_id: str) -> Sequence[Row[Any]]:
    """Return the cases of an incident, open ones first; where it has none, those of its members.

    Members have cases where they were incidents of their own before a rule brought them together.
    """
    if found := connection.execute(_CASES, {"incident_id": incident_id}).all():
        return found
    members = connection.scalars(_CASES_OF_MEMBERS, {"incident_id": incident_id})
    ids = {case_id for case_id in members if case_id is not None}
    if not ids:
        return []
    query = select(cases).where(cases.c.id.in_(ids))
    return connection.execute(query.order_by(*_ORDER).limit(CASES_MAX)).all()
