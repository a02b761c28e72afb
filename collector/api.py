"""The HTTP interface, typed; every list is limited and goes on by a cursor.

Here everything is read-only; what is written stands in the rooms. Who asks is found out by the doors before
(``people/doors.py``); every route that changes something depends on ``people.acting.allowed``.
"""

import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from fastapi.routing import APIRoute
from sqlalchemy.exc import DataError

from collector import queries
from collector.database import Database
from collector.health import Health
from collector.live import Listener, Live, TooManyListenersError
from collector.people.roles import LOCAL
from collector.series import reading as series_reading
from collector.series.reading import Reading
from collector.views import (
    AlarmView,
    DeviceView,
    GapView,
    GatewayView,
    HealthView,
    IndexView,
    LiveSampleView,
    LiveView,
    Page,
    PointView,
    RefusalView,
    SampleView,
    TitleView,
)
from contract.desired import DesiredKind
from contract.errors import ContractError
from contract.limits import TIME_MS_MAX
from contract.names import checked_name
from device_profiles.schema import Derived, Point, Profile

_log = logging.getLogger(__name__)

PREFIX = "/api/v1"
LISTS = (
    "gateways",
    "devices",
    "points",
    "alarms",
    "conditions",
    "silences",
    "incidents",
    "cases",
    "case-classes",
    "no-collection",
    "gaps",
    "lamps/nights",
    "messages",
    "parts",
    "grids",
)

REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": RefusalView} for code in (400, 401, 403, 413, 422)
}
"""Every request may be refused so: 400 where it is no JSON at all, 401 and 403 by ``collector.people``,
413 by ``collector.bodies``.
"""

SHUT: dict[int | str, dict[str, Any]] = {401: REFUSALS[401], 403: REFUSALS[403]}

LIVE_SIGN_S = 10.0
"""So often at least something is sent, so that a listener who is gone is noticed."""

Limit = Annotated[int, Query(ge=1, le=1_000, description="At most so many items.")]
HistoryLimit = Annotated[int, Query(ge=1, le=10_000, description="At most so many samples.")]
Cursor = Annotated[str, Query(max_length=200, description="`next` of the page before; empty to begin.")]
Filter = Annotated[str, Query(max_length=64, description="Only of this one; empty for all.")]
TimeMs = Annotated[int, Query(ge=0, le=TIME_MS_MAX + 1)]


@dataclass(frozen=True)
class Sources:
    """What the interface reads from."""

    state: Database
    store: Database
    profiles: Mapping[str, Profile]
    health: Health
    live: Live
    now_ms: Callable[[], int]


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


def application(sources: Sources, *routers: APIRouter) -> FastAPI:
    """Return the interface over these sources; each of ``routers`` has lists of its own."""
    app = FastAPI(
        title="Gengfu collector",
        docs_url=None,  # its page would fetch scripts from the internet
        redoc_url=None,
    )
    app.add_exception_handler(RequestValidationError, _told_without_input)
    app.add_exception_handler(DataError, _told_as_no_value)
    lists = APIRouter()
    _add_registry(lists, sources)
    _add_series(lists, sources)
    _add_alarms(lists, sources)
    _add_live(lists, sources)
    for router in (lists, *routers):  # not one in another: every level works out each route once more
        app.include_router(router, prefix=PREFIX, dependencies=[Depends(_known_only)], responses=REFUSALS)
    _add_index(app, [f"{PREFIX}/{name}" for name in (*LISTS, *(f"desired/{kind}" for kind in DesiredKind))])
    _add_operation(app, sources)
    return app


async def _told_without_input(_request: Request, error: Exception) -> Response:
    """Say what is wrong without repeating it: it may be what no answer can hold, as half a character."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    told = [{key: each[key] for key in ("type", "loc", "msg")} for each in found]
    return Response(json.dumps({"detail": told}), 422, media_type="application/json")


async def _told_as_no_value(_request: Request, error: Exception) -> Response:
    """Refuse what the database takes for no value, as PostgreSQL does with a NUL; nothing was changed."""
    _log.info("a request held what the database does not take: %s", error)
    told = "it holds what the database cannot keep, such as a NUL or a number out of bounds"
    return JSONResponse({"detail": told}, 422)


def _known_only(request: Request) -> None:
    """Refuse parameters that a list does not know: a filter that is misspelt would return everything."""
    route: APIRoute = request.scope["route"]
    known = [field.alias for field in route.dependant.query_params]
    if unknown := sorted(set(request.query_params) - set(known)):
        raise HTTPException(422, f"unknown: {', '.join(unknown)[:200]}; this list knows {', '.join(known)}")


def _add_index(app: FastAPI, lists: list[str]) -> None:
    @app.get("/", responses=SHUT)
    @app.get(PREFIX, responses=SHUT)
    async def get_index() -> IndexView:
        """Where everything is."""
        return IndexView(lists=lists)


def _add_registry(app: APIRouter, sources: Sources) -> None:
    @app.get("/gateways")
    async def get_gateways(limit: Limit = 100, cursor: Cursor = "") -> Page[GatewayView]:
        """Gateways by name."""
        return await sources.state.read(lambda db: queries.gateway_page(db, cursor, limit))

    @app.get("/devices")
    async def get_devices(gateway: Filter = "", limit: Limit = 100, cursor: Cursor = "") -> Page[DeviceView]:
        """Devices by gateway and name."""
        first, second = names(cursor, 2) or ("", "")
        return await sources.state.read(lambda db: queries.device_page(db, gateway, (first, second), limit))


def _add_series(app: APIRouter, sources: Sources) -> None:
    @app.get("/points")
    async def get_points(
        gateway: Filter = "", device: Filter = "", limit: Limit = 100, cursor: Cursor = ""
    ) -> Page[PointView]:
        """Points by gateway, device and name, each with its newest value."""
        told = names(cursor, 3)
        after = (told[0], told[1], told[2]) if told else None
        now_ms = sources.now_ms()
        readings = await sources.store.read(
            lambda db: series_reading.newest(
                db, gateway=gateway, device=device, after=after, limit=limit + 1, now_ms=now_ms
            )
        )
        keys = {(reading.gateway, reading.device) for reading in readings}
        known = await sources.state.read(lambda db: queries.profiles_of(db, keys))
        items = [
            _point(reading, sources.profiles.get(known.get((reading.gateway, reading.device), "")), now_ms)
            for reading in readings
        ]
        return queries.page(items, limit, lambda item: f"{item.gateway}/{item.device}/{item.point}")

    @app.get("/points/{gateway}/{device}/{point}/history", responses={404: {"model": RefusalView}})
    async def get_history(
        gateway: str,
        device: str,
        point: str,
        from_ms: TimeMs = 0,
        to_ms: TimeMs = TIME_MS_MAX + 1,
        limit: HistoryLimit = 1_000,
        cursor: Cursor = "",
    ) -> Page[SampleView]:
        """Samples with from_ms <= time < to_ms, oldest first; ``next`` may be sent as from_ms as well."""
        if from_ms >= to_ms:
            raise HTTPException(422, f"from_ms {from_ms} is not before to_ms {to_ms}; nothing lies between")
        key, first_ms = (gateway, device, point), max(from_ms, _number(cursor))
        is_known, samples = await sources.store.read(
            lambda db: (
                series_reading.is_known(db, key),
                series_reading.history(db, key, from_ms=first_ms, to_ms=to_ms, limit=limit + 1),
            )
        )
        if not is_known:
            raise HTTPException(
                404, f"no series {'/'.join(key)[:200]}; {PREFIX}/points lists those there are"
            )
        items = [
            SampleView(
                time_ms=sample.time_ms,
                value=sample.value,
                quality=sample.quality,
                error=sample.error,
                clock=sample.clock,
            )
            for sample in samples
        ]
        return queries.page(items, limit, lambda item: str(item.time_ms + 1))


def _add_alarms(app: APIRouter, sources: Sources) -> None:
    @app.get("/alarms")
    async def get_alarms(
        active: bool | None = None, limit: Limit = 100, cursor: Cursor = ""
    ) -> Page[AlarmView]:
        """Alarms, the newest first; ``active`` leaves only those that are, or are not."""
        before = _number(cursor)
        return await sources.state.read(lambda db: queries.alarm_page(db, active, before, limit))

    @app.get("/gaps")
    async def get_gaps(limit: Limit = 100, cursor: Cursor = "") -> Page[GapView]:
        """What will never arrive, the newest first."""
        before = _number(cursor)
        return await sources.state.read(lambda db: queries.gap_page(db, before, limit))


def _add_live(app: APIRouter, sources: Sources) -> None:
    @app.get(
        "/gateways/{gateway}/live",
        response_class=EventStream,
        responses={503: {"model": RefusalView}},
    )
    async def get_live(gateway: str) -> EventStream:
        """Newest values as server-sent events, at once as they come; the gateway sends while one listens."""
        try:
            listener = sources.live.listen(checked_name(gateway, "gateway"))
        except ContractError as error:
            raise HTTPException(422, str(error)) from error
        except TooManyListenersError as error:
            raise HTTPException(503, f"{error}; try again later") from error
        return EventStream(_events(sources.live, listener))


async def _events(live: Live, listener: Listener) -> AsyncIterator[str]:
    try:
        while True:
            samples = await listener.take(LIVE_SIGN_S)
            items = [
                LiveSampleView(
                    device=sample.device,
                    point=sample.point,
                    time_ms=sample.time_ms,
                    value=sample.value,
                    quality=sample.quality,
                    error=sample.error,
                    clock=sample.clock,
                )
                for sample in samples
            ]
            yield f"data: {LiveView(items=items).model_dump_json()}\n\n" if items else ": nothing new\n\n"
    finally:
        live.leave(listener)


def _add_operation(app: FastAPI, sources: Sources) -> None:
    @app.get("/healthz", response_model=HealthView, responses={503: {"model": HealthView}})
    async def get_health(request: Request) -> Response:
        """200 while all is well, else 503; what is stuck is told to whoever is signed in."""
        reasons, actor = sources.health.reasons(), getattr(request.state, "actor", None)
        told = reasons if actor or not reasons else ["what is stuck is told to whoever is signed in"]
        status: Literal["ok", "failing"] = "failing" if reasons else "ok"
        view = HealthView(status=status, reasons=told, sign_in=actor is not LOCAL)
        return JSONResponse(view.model_dump(), 503 if reasons else 200)

    @app.get("/metrics", response_class=PlainTextResponse, responses=SHUT)
    async def get_metrics() -> Response:
        """Counters and gauges in the text form of Prometheus."""
        text = await sources.health.metrics_text()
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _point(reading: Reading, profile: Profile | None, now_ms: int) -> PointView:
    entry = _entry(profile, reading.point) if profile else None
    sample = reading.sample
    return PointView(
        gateway=reading.gateway,
        device=reading.device,
        point=reading.point,
        time_ms=sample.time_ms,
        age_s=(now_ms - sample.time_ms) / 1000,
        value=sample.value,
        quality=sample.quality,
        error=sample.error,
        clock=sample.clock,
        unit=entry.unit if entry else None,
        title=TitleView(en=entry.title.en, zh=entry.title.zh) if entry else None,
    )


def _entry(profile: Profile, name: str) -> Point | Derived | None:
    return profile.point(name) or next((entry for entry in profile.derived if entry.name == name), None)


def names(cursor: str, count: int) -> list[str]:
    """Take a cursor of names apart, nothing for an empty one; HTTPException where it is none of ours."""
    if not cursor:
        return []
    told = cursor.split("/")
    try:
        if len(told) != count:
            raise ContractError(f"{count} names")
        return [checked_name(name, "cursor") for name in told]
    except ContractError as error:
        raise HTTPException(422, "cursor: not one of ours; send `next` of the page before") from error


def _number(cursor: str) -> int:
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise HTTPException(422, "cursor: not one of ours; send `next` of the page before")
    return int(cursor)
