"""What of incidents is old."""

from sqlalchemy import ColumnElement, select

from collector.incidents.tables import incident_members, incidents
from collector.old_rows import Old
from collector.tables import alarms, cases


def old(before_ms: int, *still_needed: ColumnElement[bool]) -> list[Old]:
    """Return incidents that were closed before then, members first, unless an open case is of them.

    ``still_needed`` says of ``incidents`` what others need them for.
    """
    has_open_case = (
        select(cases.c.row).where(cases.c.incident_id == incidents.c.id, cases.c.closed_ms.is_(None)).exists()
    )
    closed = [incidents.c.closed_ms < before_ms, ~has_open_case, *(~each for each in still_needed)]
    of_closed = incident_members.c.incident_id.in_(select(incidents.c.id).where(*closed))
    is_empty = (
        ~select(incident_members.c.row).where(incident_members.c.incident_id == incidents.c.id).exists()
    )
    return [
        Old((incident_members.c.row,), [of_closed]),
        Old((incidents.c.row,), [*closed, is_empty], is_numbered=True),
    ]


def has_member() -> ColumnElement[bool]:
    """Say of ``alarms`` that one is in an incident that is there: that incident is read with its alarms."""
    return (
        select(incident_members.c.row)
        .where(incident_members.c.gateway == alarms.c.gateway, incident_members.c.alarm_id == alarms.c.id)
        .exists()
    )
