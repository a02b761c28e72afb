"""What the API answers about incidents. Times are UTC milliseconds."""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Row, select

from collector.incidents.tables import incident_members as members
from collector.incidents.tables import incidents
from collector.tables import alarms
from collector.views import TitleView
from contract.events import Priority


class IncidentView(BaseModel):
    """An incident. ``rule`` is "single" for an alarm by itself, or what brought its alarms together.

    ``labels`` are what they have in common; they come from so many different ``sources``. ``merged_into`` is
    the incident that took its alarms over. ``version`` is what acknowledging it has to name.
    """

    id: str
    rule: str
    title: TitleView
    labels: dict[str, str]
    area: str
    priority: Priority
    opened_ms: int
    last_ms: int
    closed_ms: int | None
    merged_into: str | None
    sources: int
    members: int
    active: int
    box: list[float] | None = Field(description="Where its members stand: west, south, east, north, degrees.")
    acked_ms: int | None
    acked_by: str
    case_id: str | None
    version: int


class MemberView(BaseModel):
    """An alarm of an incident, raised ``at_ms``; the rest is null where the alarm itself is kept no more."""

    gateway: str
    alarm_id: str
    at_ms: int
    cleared_ms: int | None
    rule: str | None
    device: str | None
    point: str | None
    problem: str | None
    priority: Priority | None
    message: str | None
    part: str | None


class IncidentWithMembersView(IncidentView):
    """An incident with its newest alarms; ``alarms_left_out`` counts those that are not shown."""

    alarms: list[MemberView]
    alarms_left_out: int


class AcknowledgeRequest(BaseModel):
    """Which state of the incident is acknowledged: the ``version`` that was shown."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, le=2**31 - 1)


def page_rows(
    connection: Connection,
    *,
    is_open: bool | None,
    merged: bool,
    rule: str,
    area: str,
    before: int,
    limit: int,
) -> Sequence[Row[Any]]:
    """Return incidents, the newest first; one more than ``limit``."""
    query = select(incidents).order_by(incidents.c.row.desc()).limit(limit + 1)
    if is_open is not None:
        query = query.where(
            incidents.c.closed_ms.is_(None) if is_open else incidents.c.closed_ms.is_not(None)
        )
    if not merged:
        query = query.where(incidents.c.merged_into.is_(None))
    if rule:
        query = query.where(incidents.c.rule == rule)
    if area:
        query = query.where(incidents.c.area == area)
    if before:
        query = query.where(incidents.c.row < before)
    return connection.execute(query).all()


def one(connection: Connection, incident_id: str) -> Row[Any] | None:
    """Return an incident."""
    return connection.execute(select(incidents).where(incidents.c.id == incident_id)).first()


def member_rows(connection: Connection, incident_id: str, before: int, limit: int) -> Sequence[Row[Any]]:
    """Return an incident's alarms, the newest first; one more than ``limit``."""
    told = [alarms.c[name] for name in ("rule", "device", "point", "problem", "priority", "message", "part")]
    both = (alarms.c.gateway == members.c.gateway) & (alarms.c.id == members.c.alarm_id)
    query = (
        select(members, *told)
        .join(alarms, both, isouter=True)
        .where(members.c.incident_id == incident_id)
        .order_by(members.c.row.desc())
        .limit(limit + 1)
    )
    if before:
        query = query.where(members.c.row < before)
    return connection.execute(query).all()


def view(row: Row[Any]) -> IncidentView:
    """Return a row as it is shown."""
    return IncidentView.model_validate(told(row))


def told(row: Row[Any]) -> dict[str, Any]:
    """Return what is shown of a row."""
    box = None if row.west is None else [row.west, row.south, row.east, row.north]
    title = TitleView(en=row.title_en, zh=row.title_zh)
    return dict(row._mapping) | {"title": title, "labels": json.loads(row.labels), "box": box}


def member_view(row: Row[Any]) -> MemberView:
    """Return a member as it is shown."""
    return MemberView.model_validate(dict(row._mapping))
