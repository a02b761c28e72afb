"""The interface to alarms' life: where each source stands, what operators do with it, silences, figures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Path, Query, Response
from sqlalchemy import Connection, select, tuple_

from collector import queries
from collector.alarms import figures, silence_api, silences, standings
from collector.alarms.operating import Asked, ConflictError, Operators, UnknownError
from collector.alarms.settings import AlarmSettings
from collector.alarms.tables import conditions
from collector.alarms.transitions import Happening
from collector.alarms.views import NO_NUL, ConditionView, List, Shelve, Suppress, Told, condition_view
from collector.database import Database
from collector.people.acting import allowed
from collector.people.roles import Actor, Role
from collector.views import Page, RefusalView
from contract.events import Priority

COMMAND = Depends(allowed(Role.COMMAND))
SERVICE = Depends(allowed(Role.COMMAND, Role.TECHNICIAN))

Number = Annotated[int, Path(ge=1, le=2**53)]
Filter = Annotated[str, Query(max_length=500, pattern=NO_NUL, description="Only of this one; empty for all.")]
IfMatch = Annotated[
    str | None,
    Header(pattern='^"?[0-9]{1,16}"?$', description="The version that was seen, in place of `version`."),
]
Commander = Annotated[Actor, COMMAND]
Server = Annotated[Actor, SERVICE]


@dataclass(frozen=True)
class Sources:
    """What the interface works with."""

    state: Database
    operators: Operators
    settings: AlarmSettings
    now_ms: Callable[[], int]
    new_id: Callable[[], str]


def router(sources: Sources) -> APIRouter:
    """Return the routes."""
    routes = APIRouter()
    _add_lists(routes, sources)
    _add_operations(routes, sources)
    silence_api.add(routes, sources.state, sources.settings, sources.now_ms, sources.new_id)

    @routes.get("/alarms/figures")
    async def get_figures() -> figures.Figures:
        """How the alarms of the last day do, against the targets of ISA-18.2 for one operator position."""
        now_ms, stale_ms = sources.now_ms(), sources.settings.stale_ms
        flood = sources.settings.flood
        return await sources.state.read(lambda db: figures.read(db, now_ms, stale_ms=stale_ms, flood=flood))

    return routes


def _add_lists(routes: APIRouter, sources: Sources) -> None:
    @routes.get("/conditions")
    async def get_conditions(
        state: Annotated[List | None, Query(description="One of the lists; none for all sources.")] = None,
        gateway: Filter = "",
        problem: Filter = "",
        area: Filter = "",
        priority: Priority | None = None,
        limit: Annotated[int, Query(ge=1, le=1_000, description="At most so many items.")] = 100,
        cursor: Annotated[
            str, Query(pattern="^([0-9]{1,18}-[0-9]{1,18})?$", description="`next` of the page before.")
        ] = "",
    ) -> Page[ConditionView]:
        """Alarm sources, those that were raised last first."""
        query = select(conditions).order_by(conditions.c.activated_ms.desc(), conditions.c.row.desc())
        if state:
            query = query.where(figures.listed(state))
        wanted = {"gateway": gateway, "problem": problem, "area": area, "priority": priority or ""}
        for name, value in wanted.items():
            query = query.where(conditions.c[name] == value) if value else query
        if cursor:
            at_ms, _, row = cursor.partition("-")
            before = tuple_(conditions.c.activated_ms, conditions.c.row) < tuple_(int(at_ms), int(row))
            query = query.where(before)

        def work(connection: Connection) -> list[ConditionView]:
            silenced = silences.active(connection, sources.now_ms())
            return [condition_view(row, silenced) for row in connection.execute(query.limit(limit + 1))]

        items = await sources.state.read(work)
        return queries.page(items, limit, lambda item: f"{item.activated_ms}-{item.row}")

    @routes.get("/conditions/{row}", responses={404: {"model": RefusalView}})
    async def get_condition(row: Number, response: Response) -> ConditionView:
        """One alarm source; its version is the ETag too."""
        found = await sources.state.read(lambda db: _found(db, row, sources.now_ms()))
        response.headers["ETag"] = f'"{found.version}"'
        return found


def _add_operations(routes: APIRouter, sources: Sources) -> None:
    refused: dict[int | str, dict[str, Any]] = {code: {"model": RefusalView} for code in (403, 404, 409)}
    operations = APIRouter(prefix="/conditions/{row}", responses=refused)

    async def act(
        row: int,
        told: Told,
        if_match: str | None,
        actor: Actor,
        happening: Happening,
        for_ms: int | None = None,
        reason: str = "",
    ) -> ConditionView:
        version = int(if_match.strip('"')) if if_match else told.version
        if version is None:
            raise HTTPException(422, "version: say which version you have seen, here or as If-Match")
        asked, now_ms = Asked(happening, version, for_ms, reason, told.comment), sources.now_ms()

        def work(connection: Connection) -> ConditionView:
            sources.operators.act(connection, row, asked, actor, now_ms)
            return _found(connection, row, now_ms)

        try:
            return await sources.state.write(work)
        except UnknownError as error:
            raise HTTPException(404, str(error)) from error
        except ConflictError as error:
            raise HTTPException(409, str(error)) from error

    @operations.post("/acknowledge")
    async def acknowledge(
        row: Number, told: Told, actor: Commander, if_match: IfMatch = None
    ) -> ConditionView:
        """Say that somebody knows of it. What is acknowledged already is answered with who did it."""
        return await act(row, told, if_match, actor, Happening.ACKNOWLEDGED)

    @operations.post("/reset")
    async def reset(row: Number, told: Told, actor: Commander, if_match: IfMatch = None) -> ConditionView:
        """End an alarm that is over and was latched here."""
        return await act(row, told, if_match, actor, Happening.RESET)

    @operations.post("/shelve")
    async def shelve(row: Number, told: Shelve, actor: Commander, if_match: IfMatch = None) -> ConditionView:
        """Put it aside for a time, or once until it returns to normal. Not the highest priority."""
        if told.one_shot is (told.for_s is not None):
            raise HTTPException(422, "for_s: give either for_s or one_shot")
        if told.for_s is None:
            return await act(row, told, if_match, actor, Happening.SHELVED_ONE_SHOT)
        return await act(row, told, if_match, actor, Happening.SHELVED, for_ms=round(told.for_s * 1000))

    @operations.post("/unshelve")
    async def unshelve(row: Number, told: Told, actor: Commander, if_match: IfMatch = None) -> ConditionView:
        """Take it back; where it is active, it is unacknowledged again."""
        return await act(row, told, if_match, actor, Happening.UNSHELVED)

    @operations.post("/suppress")
    async def suppress(
        row: Number, told: Suppress, actor: Commander, if_match: IfMatch = None
    ) -> ConditionView:
        """Suppress it for a reason, until that is taken back."""
        return await act(row, told, if_match, actor, Happening.SUPPRESSED, reason=told.reason)

    @operations.post("/unsuppress")
    async def unsuppress(
        row: Number, told: Suppress, actor: Commander, if_match: IfMatch = None
    ) -> ConditionView:
        """Take a reason back; where it was the last and the alarm is active, it is unacknowledged again."""
        return await act(row, told, if_match, actor, Happening.UNSUPPRESSED, reason=told.reason)

    @operations.post("/out-of-service")
    async def take_out_of_service(
        row: Number, told: Told, actor: Server, if_match: IfMatch = None
    ) -> ConditionView:
        """Take the source out of service: what it says is not told."""
        return await act(row, told, if_match, actor, Happening.OUT_OF_SERVICE)

    @operations.post("/in-service")
    async def put_in_service(
        row: Number, told: Told, actor: Server, if_match: IfMatch = None
    ) -> ConditionView:
        """Put it in service again; where it is active, it is unacknowledged."""
        return await act(row, told, if_match, actor, Happening.IN_SERVICE)

    routes.include_router(operations)


def _found(connection: Connection, row: int, now_ms: int) -> ConditionView:
    found = standings.one(connection, row)
    if found is None:
        raise HTTPException(404, f"there is no alarm {row}")
    return condition_view(found, silences.active(connection, now_ms))
