"""The interface to the lamp desk: plans, overrides and conditions of lamps."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from collector.database import Database
from collector.desired.book import PushError
from collector.lamps import desk as lamp_desk
from collector.lamps import hand as lamp_hand
from collector.lamps.desk import DeskError, LampDesk
from collector.people import audit
from collector.people.acting import allowed, named
from collector.people.roles import Actor, Role
from collector.views import Page, RefusalView
from contract.limits import TEXT_CHARACTERS_MAX, TIME_MS_MAX
from lighting import nights
from lighting.addresses import AddressError
from lighting.documents import Condition, Override, parts_of
from lighting.plan import Plan
from lighting.preview import LampsView, TooManyNightsError, previewed, viewed
from toml_files import TomlFile, TomlFileError

Planner = Annotated[Actor, Depends(allowed(Role.LIGHTING))]
Hand = Annotated[Actor, Depends(allowed(Role.LIGHTING, Role.COMMAND))]
PLAN_CHARACTERS_MAX = 1024 * 1024
ADDRESSES_MAX = 2_000
NIGHTS_MAX = 31
PREVIEW_NIGHTS_MAX = 5_000
"""Of all lamps that do the same together; so many take less than a second and a few MB."""
PROBLEMS_TOLD_MAX = 100

Result = TypeVar("Result")
TimeMs = Annotated[int, Field(ge=0, le=TIME_MS_MAX)]
Who = Annotated[str, Field(min_length=1, max_length=200)]
Addresses = Annotated[list[str], Field(min_length=1, max_length=ADDRESSES_MAX)]


class Asked(BaseModel):
    """No unknown keys."""

    model_config = ConfigDict(extra="forbid")


class PlanRequest(Asked):
    """A plan's TOML; ``file`` is how mistakes call it.

    ``effective_ms`` null means now, ``expires_ms`` null never.
    """

    text: str = Field(max_length=PLAN_CHARACTERS_MAX)
    file: str = Field(default="plan", max_length=255)
    who: Who | None = None
    effective_ms: TimeMs | None = None
    expires_ms: TimeMs | None = None


class OverrideRequest(Asked):
    """Lamps at a level for a time; ``for_s`` null: as the plan says, ``start_ms`` null: from now on."""

    addresses: Addresses
    level: int = Field(ge=0, le=100)
    reason: str = Field(min_length=1, max_length=TEXT_CHARACTERS_MAX // 2)
    who: Who | None = None
    for_s: float | None = Field(default=None, gt=0, le=31 * 86400)
    start_ms: TimeMs | None = None


class CancelRequest(Asked):
    """Lamps that shall follow their plan again."""

    addresses: Addresses
    who: Who | None = None


class ConditionRequest(Asked):
    """A condition that holds for a time, 0: no more; ``gateways`` empty: in all cabinets of the plan."""

    condition: str = Field(max_length=64)
    who: Who | None = None
    for_s: float = Field(ge=0, le=31 * 86400)
    gateways: list[str] = Field(default=[], max_length=ADDRESSES_MAX)
    start_ms: TimeMs | None = None


class ToldView(BaseModel):
    """Gateways that are told, and what is worth knowing; ``/api/v1/desired/…`` says who has it."""

    gateways: list[str]
    remarks: list[str] = []


class PlanView(BaseModel):
    """The plan that was pushed last."""

    name: str
    file: str
    who: str
    pushed_ms: int
    text: str


class StandingView(BaseModel):
    """What was said by hand for a gateway, without what it refused."""

    gateway: str
    overrides: list[Override]
    conditions: list[Condition]


class PreviewView(Page[LampsView]):
    """What lamps will do, and what is worth knowing of the plan that says so."""

    remarks: list[str]


@dataclass(frozen=True)
class Sources:
    """What the interface works with."""

    state: Database
    desk: LampDesk
    now_ms: Callable[[], int]


def router(sources: Sources) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/lamps", responses={404: {"model": RefusalView}, 409: {"model": RefusalView}})
    _add_plan(routes, sources)
    _add_hand(routes, sources)
    return routes


def _add_plan(routes: APIRouter, sources: Sources) -> None:
    @routes.put("/plan")
    async def put_plan(asked: PlanRequest, actor: Planner) -> ToldView:
        """Push a plan: every cabinet gets its part, or none where anything is wrong."""

        def work(connection: Connection) -> ToldView:
            file = TomlFile(asked.text, asked.file)
            remarks = sources.desk.push_plan(
                connection,
                file,
                asked.text,
                named(actor, asked.who),
                effective_ms=asked.effective_ms,
                expires_ms=asked.expires_ms,
            )
            found = lamp_desk.kept(connection)
            cabinets = found.plan.cabinets if found else []
            _note(sources, connection, actor, "lamps.plan", file.name, asked, {"text"})
            return ToldView(gateways=sorted(it.gateway for it in cabinets), remarks=remarks)

        return await _done(sources, work)

    @routes.get("/plan")
    async def get_plan() -> PlanView:
        """The plan that was pushed last."""
        found = await sources.state.read(lamp_desk.kept)
        if found is None:
            raise HTTPException(404, "no lamp plan was pushed yet")
        return PlanView(
            name=found.plan.name, file=found.file, who=found.who, pushed_ms=found.pushed_ms, text=found.text
        )

    one_at_a_time = asyncio.Semaphore()

    @routes.get("/preview", response_model=PreviewView)
    async def get_preview(
        first: Annotated[date, Query(description="The first night.")],
        count: Annotated[int, Query(alias="nights", ge=1, le=NIGHTS_MAX)] = 3,
        lamp: Annotated[list[str] | None, Query(max_length=ADDRESSES_MAX)] = None,
    ) -> Response:
        """What lamps will do by the plan that was pushed last, and why."""
        found = await sources.state.read(lamp_desk.kept)
        if found is None:
            raise HTTPException(404, "no lamp plan was pushed yet")
        remarks = await sources.state.read(lambda db: lamp_desk.unread(db, parts_of(found.plan)))
        try:
            async with one_at_a_time:
                text = await asyncio.to_thread(_previewed, found.plan, first, count, lamp or (), remarks)
        except AddressError as error:
            raise _refused([("address", ["query", "lamp"], f"{error}; {error.remedy}")]) from error
        except TooManyNightsError as error:
            told = f"{error}; ask for fewer nights, or name lamps, as lamp={found.plan.cabinets[0].gateway}/*"
            raise _refused([("preview", ["query", "nights"], told)]) from error
        return Response(text, media_type="application/json")


def _previewed(plan: Plan, first: date, count: int, addresses: Sequence[str], remarks: list[str]) -> str:
    """Return what the lamps will do, as JSON; this takes a while, and is for a thread of its own."""
    zone = nights.zone(plan.time_zone)
    shown = previewed(plan, first, count, addresses, nights_max=PREVIEW_NIGHTS_MAX)
    items = [viewed(one, zone) for one in shown]
    return PreviewView(items=items, next=None, remarks=remarks).model_dump_json()


def _add_hand(routes: APIRouter, sources: Sources) -> None:
    @routes.post("/overrides")
    async def post_override(asked: OverrideRequest, actor: Hand) -> ToldView:
        """Put lamps at a level for a time; it always ends. Remarks name the overrides that it goes before."""

        def work(connection: Connection) -> ToldView:
            said = sources.desk.override(
                connection,
                asked.addresses,
                asked.level,
                asked.reason,
                named(actor, asked.who),
                start_ms=asked.start_ms,
                for_s=asked.for_s,
            )
            _note(sources, connection, actor, "lamps.override", "hand", asked)
            return ToldView(gateways=said.gateways, remarks=said.remarks)

        return await _done(sources, work)

    @routes.post("/overrides/cancel")
    async def cancel_override(asked: CancelRequest, actor: Hand) -> ToldView:
        """Let lamps follow their plan again; remarks name what was set for later and goes as well."""

        def work(connection: Connection) -> ToldView:
            said = sources.desk.cancel(connection, asked.addresses, named(actor, asked.who))
            _note(sources, connection, actor, "lamps.override.cancel", "hand", asked)
            return ToldView(gateways=said.gateways, remarks=said.remarks)

        return await _done(sources, work)

    @routes.post("/conditions")
    async def post_condition(asked: ConditionRequest, actor: Hand) -> ToldView:
        """Say that a condition of the plan holds for a time."""

        def work(connection: Connection) -> ToldView:
            said = sources.desk.hold(
                connection,
                asked.condition,
                named(actor, asked.who),
                gateways=asked.gateways,
                start_ms=asked.start_ms,
                for_s=asked.for_s,
            )
            _note(sources, connection, actor, "lamps.condition", asked.condition, asked)
            return ToldView(gateways=said.gateways, remarks=said.remarks)

        return await _done(sources, work)

    @routes.get("/standing")
    async def get_standing() -> Page[StandingView]:
        """What was said by hand for each cabinet of the plan, and is not over."""

        def work(connection: Connection) -> list[StandingView]:
            found = lamp_desk.kept(connection)
            cabinets = found.plan.cabinets if found else []
            return [_standing(connection, cabinet.gateway, sources.now_ms()) for cabinet in cabinets]

        return Page(items=await sources.state.read(work), next=None)


def _standing(connection: Connection, gateway: str, now_ms: int) -> StandingView:
    stands, _, _ = lamp_hand.overrides(connection, gateway, now_ms)
    return StandingView(
        gateway=gateway, overrides=stands, conditions=lamp_hand.conditions(connection, gateway, now_ms)
    )


def _note(
    sources: Sources,
    connection: Connection,
    actor: Actor,
    action: str,
    target: str,
    asked: PlanRequest | OverrideRequest | CancelRequest | ConditionRequest,
    without: set[str] | None = None,
) -> None:
    """Note what was asked for; of many lamps or gateways the first few."""
    told = asked.model_dump(mode="json", exclude=without)
    detail = {key: it[:20] if isinstance(it, list) else it for key, it in told.items()}
    detail["who"] = named(actor, asked.who)
    audit.note(connection, actor, sources.now_ms(), action, f"lamps/{target}", detail)


async def _done(sources: Sources, work: Callable[[Connection], Result]) -> Result:
    """Do it in one transaction; a refusal is an answer."""
    try:
        return await sources.state.write(work)
    except TomlFileError as error:
        told = [("toml", ["body", "text"], str(problem)) for problem in error.problems]
        raise _refused(told) from error
    except AddressError as error:
        raise _refused([("address", ["body", "addresses"], f"{error}; {error.remedy}")]) from error
    except DeskError as error:
        raise _refused([("desk", ["body", error.key] if error.key else ["body"], str(error))]) from error
    except PushError as error:
        if not error.problems:
            raise HTTPException(409, str(error)) from error
        by_gateway = sorted(error.problems.items())
        raise _refused(
            [("document", ["body", "cabinets", gateway], text) for gateway, text in by_gateway]
        ) from error


def _refused(problems: Iterable[tuple[str, list[str], str]]) -> HTTPException:
    """Return a refusal in the form in which parameters out of bounds are told."""
    told = [{"type": kind, "loc": at, "msg": text} for kind, at, text in problems]
    return HTTPException(422, told[:PROBLEMS_TOLD_MAX])
