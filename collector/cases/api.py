"""The interface to cases: the list, one case's life, its steps, what inspectors answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, NoReturn

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from sqlalchemy import Connection

from collector.cases import confirming, reading
from collector.cases.desk import CaseDesk
from collector.cases.life import Stage, Step
from collector.cases.reading import Filters
from collector.cases.views import CaseLifeView, ConfirmationRequest, PersonStep, StepRequest
from collector.cases.words import CaseError, UnknownCaseError
from collector.database import Database
from collector.people.acting import allowed
from collector.people.roles import LOCAL, Actor, Role
from collector.views import CaseView, Page, RefusalView

CaseId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Limit = Annotated[int, Query(ge=1, le=1_000, description="At most so many items.")]
Cursor = Annotated[str, Query(pattern="^[0-9]{0,18}$", description="`next` of the page before.")]
Filter = Annotated[str, Query(max_length=200, description="Only of this one; empty for all.")]
GridBegin = Annotated[str, Query(pattern="^[0-9]{0,15}$", description="The first digits of the grid.")]
Incident = Annotated[str, Query(pattern="^([0-9a-f]{32})?$", description="Only of this incident.")]


@dataclass(frozen=True)
class Sources:
    """What the interface works with."""

    state: Database
    desk: CaseDesk
    now_ms: Callable[[], int]


def router(sources: Sources) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(
        prefix="/cases",
        responses={code: {"model": RefusalView} for code in (403, 404, 409)},
    )
    _add_reading(routes, sources)
    _add_confirmations(routes, sources)
    _add_steps(routes, sources)
    return routes


def _add_reading(routes: APIRouter, sources: Sources) -> None:
    @routes.get("")
    async def get_cases(
        stage: Annotated[Stage | None, Query(description="Only in this stage.")] = None,
        case_class: Annotated[str, Query(alias="class", max_length=64, description="Code or problem.")] = "",
        area: GridBegin = "",
        department: Filter = "",
        part: Filter = "",
        number: Annotated[str, Query(max_length=100, description="Ours or the platform's.")] = "",
        incident: Incident = "",
        waits_for: Annotated[str, Query(pattern="^(confirmation|decision)?$")] = "",
        overdue: bool | None = None,
        open_: Annotated[bool | None, Query(alias="open")] = None,
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Page[CaseView]:
        """Cases, the newest first."""
        filters = Filters(
            stage or "", case_class, area, department, part, number, incident, waits_for, overdue, open_
        )
        before, now_ms = int(cursor or 0), sources.now_ms()
        return await sources.state.read(lambda db: reading.case_page(db, filters, before, limit, now_ms))

    @routes.get("/{case_id}")
    async def get_case(case_id: CaseId, request: Request) -> CaseLifeView:
        """One case with its life: stages, events, evidence, alarms, what is similar, what may be done."""
        actor: Actor = getattr(request.state, "actor", LOCAL)
        try:
            return await sources.state.read(lambda db: reading.life(db, case_id, actor, sources.now_ms()))
        except CaseError as error:
            refuse(request, error)


def _add_confirmations(routes: APIRouter, sources: Sources) -> None:
    @routes.post("/{case_id}/confirmations")
    async def post_confirmation(
        case_id: CaseId,
        told: ConfirmationRequest,
        request: Request,
        actor: Annotated[Actor, Depends(allowed(Role.TECHNICIAN, Role.COMMAND))],
    ) -> CaseLifeView:
        """Say whether the problem is there, as an inspector who was asked."""
        now_ms = sources.now_ms()
        try:
            await sources.state.write(
                lambda db: confirming.answer(
                    db,
                    sources.desk,
                    case_id,
                    actor,
                    now_ms,
                    is_there=told.is_there,
                    lon=told.lon,
                    lat=told.lat,
                    note=told.note,
                )
            )
            return await sources.state.read(lambda db: reading.life(db, case_id, actor, now_ms))
        except CaseError as error:
            refuse(request, error)


def _add_steps(routes: APIRouter, sources: Sources) -> None:
    @routes.post("/{case_id}/{step}")
    async def post_step(
        case_id: CaseId,
        step: PersonStep,
        told: StepRequest,
        request: Request,
        actor: Annotated[Actor, Depends(allowed(Role.TECHNICIAN, Role.COMMAND))],
    ) -> CaseLifeView:
        """Take a step: 409 says why the life of the case does not allow it, 403 whose step it is."""
        now_ms = sources.now_ms()

        def work(connection: Connection) -> None:
            sources.desk.step(connection, case_id, Step(step), actor, now_ms, **told.model_dump())

        try:
            await sources.state.write(work)
            return await sources.state.read(lambda db: reading.life(db, case_id, actor, now_ms))
        except CaseError as error:
            refuse(request, error)


def refuse(request: Request, error: CaseError) -> NoReturn:
    """Answer with the sentence, in the language that is asked for."""
    wanted = request.headers.get("accept-language", "")
    words = error.words("zh" if wanted.lower().startswith("zh") else "en")
    code = 404 if isinstance(error, UnknownCaseError) else 403 if error.key == "not_yours" else 409
    raise HTTPException(code, words) from error
