"""The console's pages: alarms, incidents, cases, devices. They read; changes go by the interface."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse
from sqlalchemy import Connection

from collector.cases import reading as case_reading
from collector.cases.life import Stage
from collector.cases.reading import Filters
from collector.cases.words import CaseError
from collector.console import data
from collector.console.drawing import Drawer
from collector.console.files import ASSETS, FOLDER
from collector.console.trend import Span, trend
from collector.database import Database
from collector.people.roles import LOCAL, Actor
from collector.series import reading as series_reading
from contract.samples import Sample
from device_profiles.schema import Profile

PREFIX = "/console"
TREND_BEFORE_MS, TREND_AFTER_MS = 3_600_000, 1_800_000
TREND_MS_MAX = 7 * 86_400_000
TREND_SAMPLES_MAX = 20_000
DEVICES_PER_PAGE = 50
CASES_PER_STAGE = 50

CaseId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Cursor = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True)
class Sources:
    """What the pages read."""

    state: Database
    store: Database
    profiles: Mapping[str, Profile]
    district: str
    utc_offset_min: int
    now_ms: Callable[[], int]


def router(sources: Sources) -> APIRouter:
    """Return the routes; they are no part of the interface's description."""
    routes = APIRouter(prefix=PREFIX, include_in_schema=False)
    drawer = Drawer(utc_offset_min=sources.utc_offset_min, district=sources.district)
    _add_frame(routes, sources, drawer)
    _add_alarms(routes, sources, drawer)
    _add_incidents(routes, sources, drawer)
    _add_cases(routes, sources, drawer)
    _add_devices(routes, sources, drawer)
    return routes


def _add_frame(routes: APIRouter, sources: Sources, drawer: Drawer) -> None:
    @routes.get("")
    @routes.get("/")
    async def get_console() -> Response:
        return RedirectResponse(f"{PREFIX}/alarms", 303)

    @routes.get("/sign-in")
    async def get_sign_in(request: Request) -> Response:
        return drawer.page(request, "sign_in", sources.now_ms(), {})

    @routes.get("/static/{name}")
    async def get_static(name: str, request: Request) -> Response:
        if name not in ASSETS:
            return _gone(request, sources, drawer)
        return FileResponse(FOLDER / name, media_type=ASSETS[name], headers={"Cache-Control": "no-cache"})


def _add_alarms(routes: APIRouter, sources: Sources, drawer: Drawer) -> None:
    @routes.get("/alarms")
    async def get_alarms(
        request: Request, shown: Annotated[data.Shown, Query()] = data.Shown.OPEN
    ) -> Response:
        now_ms = sources.now_ms()
        listed = await sources.state.read(lambda db: data.alarms(db, shown, now_ms))
        return drawer.page(request, "alarms", now_ms, {"listed": listed, "shown": shown, "lists": data.Shown})

    @routes.get("/alarms/{row}")
    async def get_alarm(row: Annotated[int, Path(ge=1, le=2**53)], request: Request) -> Response:
        now_ms = sources.now_ms()
        found = await sources.state.read(lambda db: data.alarm(db, row, now_ms))
        if found is None:
            return _gone(request, sources, drawer)
        span = _span(found.condition.raised_ms, found.condition.cleared_ms, now_ms)
        samples = await sources.store.read(lambda db: _samples(db, found, span))
        chart = trend(samples, _fitted(span, samples), found.limit, sources.utc_offset_min)
        return drawer.page(request, "alarm", now_ms, {"found": found, "it": found.condition, "chart": chart})


def _add_incidents(routes: APIRouter, sources: Sources, drawer: Drawer) -> None:
    @routes.get("/incidents")
    async def get_incidents(request: Request) -> Response:
        now_ms = sources.now_ms()
        listed = await sources.state.read(data.incidents)
        return drawer.page(request, "incidents", now_ms, {"listed": listed})

    @routes.get("/incidents/{incident_id}")
    async def get_incident(incident_id: CaseId, request: Request) -> Response:
        now_ms = sources.now_ms()
        found = await sources.state.read(lambda db: data.incident(db, incident_id))
        if found is None:
            return _gone(request, sources, drawer)
        return drawer.page(request, "incident", now_ms, {"it": found})


def _add_cases(routes: APIRouter, sources: Sources, drawer: Drawer) -> None:
    @routes.get("/cases")
    async def get_cases(request: Request) -> Response:
        now_ms = sources.now_ms()

        def work(connection: Connection) -> list[tuple[Stage, int, list[Any]]]:
            counts = data.case_counts(connection)
            return [
                (
                    stage,
                    counts.get(stage, 0),
                    case_reading.case_page(
                        connection, Filters(stage=stage), 0, CASES_PER_STAGE, now_ms
                    ).items,
                )
                for stage in Stage
                if stage is not Stage.VOIDED
            ]

        return drawer.page(request, "cases", now_ms, {"columns": await sources.state.read(work)})

    @routes.get("/cases/{case_id}")
    async def get_case(case_id: CaseId, request: Request) -> Response:
        now_ms = sources.now_ms()
        actor: Actor = getattr(request.state, "actor", LOCAL)
        try:
            found = await sources.state.read(lambda db: case_reading.life(db, case_id, actor, now_ms))
        except CaseError:
            return _gone(request, sources, drawer)
        return drawer.page(request, "case", now_ms, {"it": found, "stages": list(Stage)[:7]})


def _add_devices(routes: APIRouter, sources: Sources, drawer: Drawer) -> None:
    @routes.get("/devices")
    async def get_devices(request: Request, after: Cursor = "") -> Response:
        now_ms = sources.now_ms()
        first, _, second = after.partition("/")
        devices, following = await sources.state.read(
            lambda db: data.devices(db, (first, second), DEVICES_PER_PAGE)
        )
        shown = await sources.store.read(lambda db: data.with_values(db, devices, sources.profiles, now_ms))
        return drawer.page(request, "devices", now_ms, {"shown": shown, "following": following})


def _gone(request: Request, sources: Sources, drawer: Drawer) -> Response:
    return drawer.page(request, "gone", sources.now_ms(), {}, status=404)


def _span(raised_ms: int, cleared_ms: int | None, now_ms: int) -> Span:
    """Return what the trend shows: an hour before, and half an hour after, or until now."""
    ends_ms = min(now_ms, (cleared_ms or now_ms) + TREND_AFTER_MS)
    ends_ms = max(ends_ms, raised_ms + 60_000)
    return Span(max(raised_ms - TREND_BEFORE_MS, ends_ms - TREND_MS_MAX), ends_ms, raised_ms, cleared_ms)


def _fitted(span: Span, samples: Sequence[Sample]) -> Span:
    """Begin where there is something to draw."""
    if not samples:
        return span
    margin_ms = (span.until_ms - samples[0].time_ms) // 20
    return replace(span, from_ms=max(span.from_ms, samples[0].time_ms - margin_ms))


def _samples(connection: Connection, found: data.FoundAlarm, span: Span) -> list[Sample]:
    it = found.condition
    return series_reading.history(
        connection,
        (it.gateway, it.device, it.point),
        from_ms=span.from_ms,
        to_ms=span.until_ms + 1,
        limit=TREND_SAMPLES_MAX,
    )
