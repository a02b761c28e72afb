"""The interface to silences."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from sqlalchemy import ColumnElement, Connection, Row, select

from collector import queries
from collector.alarms import silences as silencing
from collector.alarms.labels import MatcherError
from collector.alarms.settings import AlarmSettings
from collector.alarms.silences import SilenceError, SilenceState, Wanted
from collector.alarms.tables import silences
from collector.alarms.views import SilenceRequest, SilenceView, silence_view
from collector.database import Database
from collector.people.acting import allowed
from collector.people.roles import Actor, Role
from collector.views import Page, RefusalView

SilenceId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Commander = Annotated[Actor, Depends(allowed(Role.COMMAND))]


def add(
    routes: APIRouter,
    state: Database,
    settings: AlarmSettings,
    now_ms: Callable[[], int],
    new_id: Callable[[], str],
) -> None:
    """Add the routes."""

    @routes.post("/silences", responses={403: {"model": RefusalView}, 409: {"model": RefusalView}})
    async def post_silence(asked: SilenceRequest, actor: Commander) -> SilenceView:
        """Silence the alarms that match, for a time. The highest priority is told all the same."""
        at_ms, silence_id = now_ms(), new_id()
        starts_ms = max(at_ms, asked.starts_at_ms or 0)
        if (asked.ends_at_ms is None) is (asked.for_s is None):
            raise HTTPException(422, "ends_at_ms: give either ends_at_ms or for_s")
        ends_ms = asked.ends_at_ms if asked.for_s is None else starts_ms + round(asked.for_s * 1000)
        wanted = Wanted(asked.matchers, starts_ms, ends_ms or 0, asked.comment)

        def work(connection: Connection) -> Row[Any]:
            silencing.add(
                connection,
                wanted,
                actor,
                at_ms,
                silence_id=silence_id,
                longest_ms=settings.silence_max_ms,
                count_max=settings.silences_max,
            )
            return _found(connection, silence_id)

        try:
            return silence_view(await state.write(work), at_ms)
        except MatcherError as error:
            raise HTTPException(422, f"matchers: {error}") from error
        except SilenceError as error:
            raise HTTPException(409, str(error)) from error

    @routes.get("/silences")
    async def get_silences(
        state_: Annotated[SilenceState | None, Query(alias="state", description="Only these.")] = None,
        limit: Annotated[int, Query(ge=1, le=1_000, description="At most so many items.")] = 100,
        cursor: Annotated[str, Query(pattern="^[0-9]{0,18}$", description="`next` of the page before.")] = "",
    ) -> Page[SilenceView]:
        """Silences, the newest first."""
        at_ms = now_ms()
        query = select(silences).order_by(silences.c.row.desc())
        query = query.where(*_is(state_, at_ms)) if state_ else query
        query = query.where(silences.c.row < int(cursor)) if cursor else query
        rows = await state.read(lambda db: db.execute(query.limit(limit + 1)).all())
        items = [silence_view(row, at_ms) for row in rows]
        return queries.page(items, limit, lambda item: str(item.row))

    @routes.get("/silences/{silence_id}", responses={404: {"model": RefusalView}})
    async def get_silence(silence_id: SilenceId) -> SilenceView:
        """One silence."""
        return silence_view(await state.read(lambda db: _found(db, silence_id)), now_ms())

    @routes.delete(
        "/silences/{silence_id}", responses={code: {"model": RefusalView} for code in (403, 404, 409)}
    )
    async def delete_silence(silence_id: SilenceId, actor: Commander) -> SilenceView:
        """End a silence now; it stays to be seen."""
        at_ms = now_ms()

        def work(connection: Connection) -> Row[Any]:
            silencing.expire(connection, silence_id, actor, at_ms)
            return _found(connection, silence_id)

        try:
            return silence_view(await state.write(work), at_ms)
        except SilenceError as error:
            raise HTTPException(409, str(error)) from error


def _is(state: SilenceState, now_ms: int) -> list[ColumnElement[bool]]:
    if state is SilenceState.EXPIRED:
        return [silences.c.ends_at_ms <= now_ms]
    begun = silences.c.starts_at_ms <= now_ms
    return [silences.c.ends_at_ms > now_ms, begun if state is SilenceState.ACTIVE else ~begun]


def _found(connection: Connection, silence_id: str) -> Row[Any]:
    row = connection.execute(select(silences).where(silences.c.id == silence_id)).first()
    if row is None:
        raise HTTPException(404, f"there is no silence {silence_id}")
    return row
