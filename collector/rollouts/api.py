"""The interface to rollouts: begun with settings for each gateway, looked at, stopped."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, func, select

from collector import queries
from collector.database import Database
from collector.desired.api import GATEWAYS_PER_PUSH_MAX, document_problems, refused
from collector.desired.book import PushError
from collector.people import audit
from collector.people.acting import allowed, named
from collector.people.roles import Actor, Role
from collector.rollouts.book import Plan, RolloutBook, RolloutError
from collector.rollouts.stepping import RolloutState, TargetState
from collector.rollouts.tables import rollout_targets, rollouts
from collector.views import Page, RefusalView
from contract.desired import configuration_problems

MAKERS = allowed(Role.TECHNICIAN)
WAVES_MAX = 20
RolloutId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


class RolloutRequest(BaseModel):
    """Settings by gateway, in this order; waves of these sizes, the rest in one more.

    More than ``failures_max`` gateways that refuse or roll back stop it; one that has not answered after
    ``absent_after_s`` is waited for no longer, and keeps what was pushed to it.
    """

    model_config = ConfigDict(extra="forbid")

    documents: dict[str, str] = Field(min_length=1, max_length=GATEWAYS_PER_PUSH_MAX)
    waves: list[Annotated[int, Field(ge=1, le=GATEWAYS_PER_PUSH_MAX)]] = Field(
        default=[1], max_length=WAVES_MAX
    )
    failures_max: int = Field(default=0, ge=0, le=GATEWAYS_PER_PUSH_MAX)
    absent_after_s: float = Field(default=3600, ge=10, le=30 * 86_400)
    who: str | None = Field(default=None, min_length=1, max_length=200)
    note: str = Field(default="", max_length=500)


class RolloutView(BaseModel):
    """A rollout and how many of its gateways stand how; ``reason`` says why it was stopped."""

    id: str
    who: str
    note: str
    state: RolloutState
    reason: str
    failures_max: int
    begun_ms: int
    changed_ms: int
    counts: dict[TargetState, int]


class TargetView(BaseModel):
    """A gateway of a rollout; waves count from 0, ``pushed_ms`` is null until its wave comes."""

    gateway: str
    wave: int
    state: TargetState
    reason: str
    pushed_ms: int | None


class WholeRolloutView(RolloutView):
    """A rollout with its gateways, by wave and name."""

    targets: list[TargetView]


@dataclass(frozen=True)
class Sources:
    """What the interface works with."""

    state: Database
    book: RolloutBook
    now_ms: Callable[[], int]


def router(sources: Sources) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/rollouts", responses={404: {"model": RefusalView}})

    @routes.post("", responses={409: {"model": RefusalView}})
    async def post_rollout(
        asked: RolloutRequest, actor: Annotated[Actor, Depends(MAKERS)]
    ) -> WholeRolloutView:
        """Begin a rollout: its first wave is pushed now, or nothing is where one document is refused."""
        if problems := document_problems(asked.documents, configuration_problems):
            raise refused(problems)
        who, now_ms = named(actor, asked.who), sources.now_ms()
        plan = Plan(
            asked.documents,
            asked.waves,
            asked.failures_max,
            round(asked.absent_after_s * 1000),
            who,
            asked.note,
        )

        def work(connection: Connection) -> WholeRolloutView:
            rollout_id = sources.book.begin(connection, plan)
            detail = {"who": who, "gateways": len(plan.documents), "waves": asked.waves, "note": plan.note}
            audit.note(connection, actor, now_ms, "rollout.begin", f"rollout/{rollout_id}", detail)
            return _whole(connection, rollout_id)

        try:
            return await sources.state.write(work)
        except RolloutError as error:
            raise HTTPException(409, str(error)) from error
        except PushError as error:
            if not error.problems:
                raise HTTPException(409, str(error)) from error
            raise refused(error.problems) from error

    @routes.get("")
    async def get_rollouts(
        limit: Annotated[int, Query(ge=1, le=100, description="At most so many items.")] = 20,
        cursor: Annotated[str, Query(pattern="^[0-9]{0,18}$", description="`next` of the page before.")] = "",
    ) -> Page[RolloutView]:
        """The newest rollouts first."""
        before = int(cursor) if cursor else None
        rows = await sources.state.read(lambda db: _listed(db, before, limit + 1))
        found = queries.page(rows, limit, lambda item: str(item[0]))
        return Page(items=[view for _, view in found.items], next=found.next)

    @routes.get("/{rollout_id}")
    async def get_rollout(rollout_id: RolloutId) -> WholeRolloutView:
        """One rollout with its gateways."""
        return await sources.state.read(lambda db: _whole(db, rollout_id))

    @routes.post("/{rollout_id}/stop", responses={409: {"model": RefusalView}})
    async def post_stop(rollout_id: RolloutId, actor: Annotated[Actor, Depends(MAKERS)]) -> WholeRolloutView:
        """Push to nobody else; what was pushed stays."""

        def work(connection: Connection) -> WholeRolloutView:
            _whole(connection, rollout_id)
            sources.book.stop(connection, rollout_id, actor.name)
            audit.note(connection, actor, sources.now_ms(), "rollout.stop", f"rollout/{rollout_id}", {})
            return _whole(connection, rollout_id)

        try:
            return await sources.state.write(work)
        except RolloutError as error:
            raise HTTPException(409, str(error)) from error

    return routes


def _listed(connection: Connection, before: int | None, limit: int) -> list[tuple[int, RolloutView]]:
    query = select(rollouts).order_by(rollouts.c.row.desc()).limit(limit)
    if before is not None:
        query = query.where(rollouts.c.row < before)
    rows = connection.execute(query).all()
    counts = _counts(connection, [row.id for row in rows])
    return [
        (row.row, RolloutView.model_validate(dict(row._mapping) | {"counts": counts.get(row.id, {})}))
        for row in rows
    ]


def _counts(connection: Connection, ids: list[str]) -> dict[str, dict[str, int]]:
    columns = (rollout_targets.c.rollout_id, rollout_targets.c.state)
    query = select(*columns, func.count()).where(rollout_targets.c.rollout_id.in_(ids)).group_by(*columns)
    found: dict[str, dict[str, int]] = {}
    for rollout_id, state, count in connection.execute(query):
        found.setdefault(rollout_id, {})[state] = count
    return found


def _whole(connection: Connection, rollout_id: str) -> WholeRolloutView:
    row = connection.execute(select(rollouts).where(rollouts.c.id == rollout_id)).first()
    if row is None:
        raise HTTPException(404, f"there is no rollout {rollout_id}, or it is too long ago")
    query = (
        select(rollout_targets)
        .where(rollout_targets.c.rollout_id == rollout_id)
        .order_by(rollout_targets.c.wave, rollout_targets.c.gateway)
    )
    targets = [dict(target._mapping) for target in connection.execute(query)]
    counts = _counts(connection, [rollout_id]).get(rollout_id, {})
    return WholeRolloutView.model_validate(dict(row._mapping) | {"counts": counts, "targets": targets})
