"""The interface to event periods: what rules, and lamps, are told to hold for a time, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from collector import registry
from collector.database import Database
from collector.desired.book import UNHEARD, PushError
from collector.desired.periods import PeriodDesk, PeriodError
from collector.lamps.desk_api import ToldView
from collector.people import audit
from collector.people.acting import NamedBy, allowed, named
from collector.people.roles import Actor, Role
from collector.views import Page, RefusalView
from contract.limits import NAME_CHARACTERS_MAX, TIME_MS_MAX
from lighting.documents import Condition

HOLDERS = allowed(Role.COMMAND, Role.LIGHTING)
GATEWAYS_MAX = 2_000


class PeriodRequest(BaseModel):
    """A period that holds for a time, 0: no more; ``start_ms`` null: from now on."""

    model_config = ConfigDict(extra="forbid")

    period: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=NAME_CHARACTERS_MAX)
    gateways: list[str] = Field(min_length=1, max_length=GATEWAYS_MAX)
    who: NamedBy | None = Field(default=None, max_length=200)
    for_s: float = Field(ge=0, le=31 * 86400)
    start_ms: Annotated[int, Field(ge=0, le=TIME_MS_MAX)] | None = None


class PeriodView(BaseModel):
    """A period of a gateway that is not over; UTC milliseconds."""

    period: str
    from_ms: int
    until_ms: int


@dataclass(frozen=True)
class Sources:
    """What the interface works with."""

    state: Database
    desk: PeriodDesk
    now_ms: Callable[[], int]


def router(sources: Sources) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/periods", responses={409: {"model": RefusalView}})

    @routes.post("")
    async def post_period(asked: PeriodRequest, actor: Annotated[Actor, Depends(HOLDERS)]) -> ToldView:
        """Say that a period holds at some gateways; ``/desired/lamp_conditions`` says who has it."""
        who, now_ms = named(actor, asked.who), sources.now_ms()

        def work(connection: Connection) -> ToldView:
            told = sources.desk.hold(
                connection,
                asked.period,
                who,
                gateways=asked.gateways,
                start_ms=asked.start_ms,
                for_s=asked.for_s,
            )
            detail = {"who": who, "for_s": asked.for_s, "start_ms": asked.start_ms, "gateways": told[:20]}
            audit.note(connection, actor, now_ms, "period.hold", f"period/{asked.period}", detail)
            return ToldView(gateways=told)

        try:
            return await sources.state.write(work)
        except (PushError, PeriodError) as error:
            by_gateway = getattr(error, "problems", {})
            told = "; ".join(f"{gateway}: {text}" for gateway, text in sorted(by_gateway.items())[:20])
            raise HTTPException(409, told or str(error)) from error

    @routes.get("", responses={404: {"model": RefusalView}})
    async def get_periods(
        gateway: Annotated[str, Query(max_length=NAME_CHARACTERS_MAX, description="Of this one.")],
    ) -> Page[PeriodView]:
        """The periods of a gateway that are not over."""

        def work(connection: Connection) -> list[Condition]:
            if not registry.is_known(connection, gateway):
                raise HTTPException(404, f"{gateway}: {UNHEARD}")
            return sources.desk.standing(connection, gateway)

        standing = await sources.state.read(work)
        items = [PeriodView(period=it.condition, from_ms=it.from_ms, until_ms=it.until_ms) for it in standing]
        return Page(items=items, next=None)

    return routes
