"""The interface to the evaluation: figures of a period, formulas in words, stretches that are left out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from collector.database import Database
from collector.evaluation import exclusions, views
from collector.evaluation.days import By, day_ms, day_of
from collector.evaluation.exclusions import Exclusion, ExclusionError
from collector.evaluation.formulas import BY_VERSION, DEFAULT
from collector.evaluation.projection import EvaluationProjection
from collector.evaluation.reading import Figures, Period, figures
from collector.evaluation.views import EvaluationView, ExclusionView, FormulasView
from collector.people.acting import allowed
from collector.people.roles import Actor, Role
from collector.views import RefusalView
from contract.limits import TIME_MS_MAX

DAYS_MAX = 3_700
"""Of a period: ten years."""
CATCH_UP_MAX = 20
"""So many steps behind the raw rows is waited for; further behind, it is said."""
EPOCH = date(1970, 1, 1)


class ExclusionRequest(BaseModel):
    """A stretch that is not to be assessed, ``from_ms`` to before ``until_ms``, and why."""

    model_config = ConfigDict(extra="forbid")

    area: str = Field(default="", pattern=r"^([0-9]{6}|[0-9]{9})?$", description="6 or 9 digits; empty: all.")
    class_code: str = Field(default="", max_length=32)
    from_ms: int = Field(ge=0, le=TIME_MS_MAX)
    until_ms: int = Field(ge=0, le=TIME_MS_MAX)
    reason: str = Field(min_length=1, max_length=500)


@dataclass(frozen=True)
class Sources:
    """What the interface works with."""

    state: Database
    projection: EvaluationProjection
    utc_offset_min: int
    now_ms: Callable[[], int]
    new_id: Callable[[], str]


def router(sources: Sources) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/evaluation")
    behind: dict[int | str, dict[str, Any]] = {
        503: {"model": RefusalView, "description": "The figures are being made anew."}
    }

    @routes.get("", responses=behind)
    async def get_evaluation(
        first: Annotated[date, Query(alias="from", description="The first local day, as 2026-01-01.")],
        until: Annotated[date, Query(description="The local day after the last.")],
        by: By = By.DEPARTMENT,
        formulas: Annotated[str, Query(max_length=16, description="A version of them.")] = DEFAULT,
        limit: Annotated[int, Query(ge=1, le=1_000, description="At most so many keys.")] = 1_000,
        cursor: Annotated[str, Query(max_length=200, description="`next` of the page before.")] = "",
    ) -> EvaluationView:
        """Rates, counts and mean times from ``from`` to before ``until``, with the formulas in words."""
        if formulas not in BY_VERSION:
            raise HTTPException(422, f"there are no formulas {formulas!r}; there are {', '.join(BY_VERSION)}")
        if not timedelta(0) < until - first <= timedelta(days=DAYS_MAX):
            raise HTTPException(422, f"until must be after from, and at most {DAYS_MAX} days after it")
        await _caught_up(sources)
        asked = _Asked(first, until, by, formulas, limit, cursor)
        return await sources.state.read(lambda connection: _evaluation(connection, sources, asked))

    @routes.get("/formulas")
    async def get_formulas() -> list[FormulasView]:
        """Every version of the formulas, in words."""
        return views.all_formulas()

    _add_exclusions(routes, sources)
    return routes


def _add_exclusions(routes: APIRouter, sources: Sources) -> None:
    @routes.get("/exclusions")
    async def get_exclusions() -> list[ExclusionView]:
        """Return the stretches that are left out now."""
        found = await sources.state.read(lambda db: exclusions.holding(db, 0, TIME_MS_MAX + 1))
        return [ExclusionView.of(each) for each in found]

    @routes.post("/exclusions", status_code=201, responses={409: {"model": RefusalView}})
    async def post_exclusion(
        asked: ExclusionRequest, actor: Annotated[Actor, Depends(allowed(Role.ADMINISTRATOR))]
    ) -> ExclusionView:
        """Leave a stretch out of all figures from now on."""
        exclusion = Exclusion(
            sources.new_id(), **asked.model_dump(), who=actor.name, made_ms=sources.now_ms()
        )
        try:
            await sources.state.write(lambda db: exclusions.exclude(db, exclusion, actor))
        except ExclusionError as error:
            raise HTTPException(409, str(error)) from error
        return ExclusionView.of(exclusion)

    @routes.delete("/exclusions/{exclusion_id}", status_code=204, responses={404: {"model": RefusalView}})
    async def delete_exclusion(
        exclusion_id: str, actor: Annotated[Actor, Depends(allowed(Role.ADMINISTRATOR))]
    ) -> None:
        """Assess a stretch again."""
        now_ms = sources.now_ms()
        if not await sources.state.write(lambda db: exclusions.withdraw(db, exclusion_id, actor, now_ms)):
            raise HTTPException(404, "there is no such stretch that is left out")


@dataclass(frozen=True, slots=True)
class _Asked:
    first: date
    until: date
    by: By
    formulas: str
    limit: int
    cursor: str


async def _caught_up(sources: Sources) -> None:
    """Bring the figures up to date; 503 where that takes long."""
    for _ in range(CATCH_UP_MAX):
        if not await sources.projection.advance():
            return
    left = await sources.projection.behind()
    raise HTTPException(503, f"the figures are being made anew, {left} rows are left; ask again later")


def _evaluation(connection: Connection, sources: Sources, asked: _Asked) -> EvaluationView:
    offset_min, now_ms = sources.utc_offset_min, sources.now_ms()
    first, end = (asked.first - EPOCH).days, (asked.until - EPOCH).days
    period = Period(first, end, day_of(now_ms, offset_min))
    left_out = exclusions.holding(connection, day_ms(first, offset_min), day_ms(end, offset_min))
    every = figures(connection, period, asked.by, left_out, utc_offset_min=offset_min)
    total = Figures("")
    for each in every:
        total += each
    formulas = BY_VERSION[asked.formulas]
    page = [each for each in every if not asked.cursor or each.key > asked.cursor]
    shown = page[: asked.limit]
    return EvaluationView(
        first=asked.first.isoformat(),
        last=(asked.until - timedelta(days=1)).isoformat(),
        by=asked.by,
        at_ms=now_ms,
        formulas=views.formulas_view(formulas),
        excluded=[ExclusionView.of(each) for each in left_out],
        figures=[views.figures_view(each.key, each.sums, formulas) for each in shown],
        total=views.figures_view("", total.sums, formulas),
        next=shown[-1].key if len(page) > len(shown) else None,
    )
