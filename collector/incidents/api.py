"""The interface to incidents: lists, one with its alarms, and acknowledging."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from sqlalchemy import Connection

from collector import queries
from collector.database import Database
from collector.incidents import views
from collector.incidents.desk import IncidentDesk, IncidentError, UnknownIncidentError
from collector.incidents.views import AcknowledgeRequest, IncidentView, IncidentWithMembersView, MemberView
from collector.people.acting import allowed
from collector.people.roles import Actor, Role
from collector.views import Page, RefusalView

ALARMS_SHOWN_MAX = 100

IncidentId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Limit = Annotated[int, Query(ge=1, le=1_000, description="At most so many items.")]
Cursor = Annotated[str, Query(pattern="^[0-9]{0,18}$", description="`next` of the page before.")]
Filter = Annotated[str, Query(max_length=64, description="Only of this one; empty for all.")]


@dataclass(frozen=True)
class Sources:
    """What the interface works with."""

    state: Database
    desk: IncidentDesk
    now_ms: Callable[[], int]


def router(sources: Sources) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/incidents", responses={404: {"model": RefusalView}})

    @routes.get("")
    async def get_incidents(
        open: Annotated[bool | None, Query(description="Only those that are open, or are not.")] = None,  # noqa: A002
        merged: Annotated[bool, Query(description="Also those whose alarms went over to another.")] = False,
        rule: Filter = "",
        area: Filter = "",
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Page[IncidentView]:
        """Incidents, the newest first."""

        def work(connection: Connection) -> Page[IncidentView]:
            rows = views.page_rows(
                connection,
                is_open=open,
                merged=merged,
                rule=rule,
                area=area,
                before=int(cursor or 0),
                limit=limit,
            )
            numbers = {row.id: row.row for row in rows}
            items = [views.view(row) for row in rows]
            return queries.page(items, limit, lambda item: str(numbers[item.id]))

        return await sources.state.read(work)

    @routes.get("/{incident_id}")
    async def get_incident(incident_id: IncidentId) -> IncidentWithMembersView:
        """One incident with its newest alarms."""
        return await sources.state.read(lambda db: _with_members(db, incident_id))

    @routes.get("/{incident_id}/alarms")
    async def get_incident_alarms(
        incident_id: IncidentId, limit: Limit = 100, cursor: Cursor = ""
    ) -> Page[MemberView]:
        """All alarms of an incident, the newest first."""

        def work(connection: Connection) -> Page[MemberView]:
            if views.one(connection, incident_id) is None:
                raise _unknown(incident_id)
            rows = views.member_rows(connection, incident_id, int(cursor or 0), limit)
            numbers = {(row.gateway, row.alarm_id): row.row for row in rows}
            items = [views.member_view(row) for row in rows]
            return queries.page(items, limit, lambda item: str(numbers[item.gateway, item.alarm_id]))

        return await sources.state.read(work)

    @routes.post("/{incident_id}/acknowledge", responses={409: {"model": RefusalView}})
    async def post_acknowledge(
        incident_id: IncidentId,
        asked: AcknowledgeRequest,
        actor: Annotated[Actor, Depends(allowed(Role.COMMAND))],
    ) -> IncidentWithMembersView:
        """Acknowledge an incident and the alarms that it holds; 409 where it is not as it was shown."""

        def work(connection: Connection) -> IncidentWithMembersView:
            sources.desk.acknowledge(connection, incident_id, asked.version, actor, sources.now_ms())
            return _with_members(connection, incident_id)

        try:
            return await sources.state.write(work)
        except UnknownIncidentError as error:
            raise HTTPException(404, str(error)) from error
        except IncidentError as error:
            raise HTTPException(409, str(error)) from error

    return routes


def _with_members(connection: Connection, incident_id: str) -> IncidentWithMembersView:
    row = views.one(connection, incident_id)
    if row is None:
        raise _unknown(incident_id)
    alarms = [
        views.member_view(each) for each in views.member_rows(connection, incident_id, 0, ALARMS_SHOWN_MAX)
    ]
    shown = alarms[:ALARMS_SHOWN_MAX]
    more = {"alarms": shown, "alarms_left_out": max(0, row.members - len(shown))}
    return IncidentWithMembersView.model_validate(views.told(row) | more)


def _unknown(incident_id: str) -> HTTPException:
    return HTTPException(404, f"there is no incident {incident_id}, or it was too long ago")
