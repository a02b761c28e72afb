"""The interface to the register: parts and grids in pages, by place, and imported."""

import asyncio
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from sqlalchemy import Connection

from collector import queries
from collector.database import Database
from collector.parts import book
from collector.parts.book import PartFilter
from collector.parts.files import Form
from collector.parts.importing import GRIDS, PARTS, Import, Register, Report
from collector.parts.model import Grid, GridKind
from collector.parts.settings import PartSettings
from collector.parts.views import (
    GridView,
    ImportView,
    NearView,
    PartView,
    grid_view,
    import_view,
    near_view,
    part_view,
)
from collector.people import audit
from collector.people.acting import allowed
from collector.people.roles import Actor, Role
from collector.views import Page, RefusalView

RADIUS_M_MAX = 2_000
RECEIVE_TIMEOUT_S = 600.0
FORMS = {
    "text/csv": Form.CSV,
    "application/geo+json": Form.GEOJSON,
    "application/json": Form.GEOJSON,
}

Digits = Annotated[str, Query(pattern="^[0-9]{0,16}$", description="Only codes that begin with this.")]
MinorClass = Annotated[str, Query(pattern="^([0-9]{4})?$", description="Only of this class; empty for all.")]
Limit = Annotated[int, Query(ge=1, le=1_000, description="At most so many items.")]
Cursor = Annotated[str, Query(pattern="^[0-9]{0,16}$", description="`next` of the page before.")]
Lon = Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False)]
Lat = Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False)]
Radius = Annotated[float, Query(gt=0, le=RADIUS_M_MAX, allow_inf_nan=False, description="Metres.")]
PartCode = Annotated[str, Path(pattern="^[0-9]{16}$")]
GridCode = Annotated[str, Path(pattern="^[0-9]{14,15}$")]
Administrator = Annotated[Actor, Depends(allowed(Role.ADMINISTRATOR))]
DryRun = Annotated[bool, Query(description="Look at the file, and write nothing but a note of it.")]
Gcj02 = Annotated[bool, Query(description="The file's places are GCJ-02.")]
RemoveGone = Annotated[bool, Query(description="Remove what is not in the file.")]
Source = Annotated[
    str,
    Query(
        min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$", description="How the file is called."
    ),
]

_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": RefusalView} for status in (403, 408, 409, 413, 415)
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            "application/geo+json": {"schema": {"type": "object"}},
            "application/json": {"schema": {"type": "object"}},
        },
    }
}


@dataclass(frozen=True)
class Sources:
    """What the interface works with."""

    state: Database
    settings: PartSettings
    now_ms: Callable[[], int]
    importing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One import at a time."""


def router(sources: Sources) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(responses={404: {"model": RefusalView}})
    _add_parts(routes, sources)
    _add_grids(routes, sources)
    _add_imports(routes, sources)
    return routes


def _add_parts(routes: APIRouter, sources: Sources) -> None:
    minors = sources.settings.rules(gcj02=False).codes.minors

    @routes.get("/parts")
    async def get_parts(
        code: Digits = "", grid: Digits = "", minor: MinorClass = "", limit: Limit = 100, cursor: Cursor = ""
    ) -> Page[PartView]:
        """Parts of the city by code."""
        wanted = PartFilter(code, grid, minor)
        found = await sources.state.read(lambda db: book.part_page(db, wanted, cursor, limit + 1))
        items = [part_view(each, minors) for each in found]
        return queries.page(items, limit, lambda item: item.code)

    @routes.get("/parts/near")
    async def get_near(
        lon: Lon, lat: Lat, distance_m: Radius = 100, minor: MinorClass = "", limit: Limit = 100
    ) -> NearView:
        """Parts around a WGS 84 place, the nearest first."""
        found = await sources.state.read(lambda db: book.near(db, lon, lat, distance_m, minor, limit))
        return NearView(items=[near_view(each, away_m, minors) for each, away_m in found])

    @routes.get("/parts/{code}")
    async def get_part(code: PartCode) -> PartView:
        """One part."""
        found = await sources.state.read(lambda db: book.find(db, code))
        if found is None:
            raise HTTPException(404, f"the register has no part {code}")
        return part_view(found, minors)


def _add_grids(routes: APIRouter, sources: Sources) -> None:
    @routes.get("/grids")
    async def get_grids(
        kind: GridKind | None = None,
        code: Digits = "",
        polygons: Annotated[bool, Query(description="Tell their polygons, too.")] = False,
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Page[GridView]:
        """Grids by code; `kind` is empty for all."""
        found = await sources.state.read(lambda db: book.grid_page(db, kind, code, cursor, limit + 1))
        items = [grid_view(each, _polygon(each) if polygons else None) for each in found]
        return queries.page(items, limit, lambda item: item.code)

    @routes.get("/grids/of")
    async def get_grid_of(lon: Lon, lat: Lat, kind: GridKind = GridKind.UNIT) -> GridView:
        """The grid in which a WGS 84 place lies, the smallest where several do."""
        found = await sources.state.read(lambda db: book.grid_of(db, lon, lat, kind))
        if found is None:
            raise HTTPException(404, f"no {kind} grid of the register holds {lon}, {lat}")
        return grid_view(found, _polygon(found))

    @routes.get("/grids/{code}")
    async def get_grid(code: GridCode) -> GridView:
        """One grid."""
        found = await sources.state.read(lambda db: book.find_grid(db, code))
        if found is None:
            raise HTTPException(404, f"the register has no grid {code}")
        return grid_view(found, _polygon(found))


def _polygon(grid: Grid) -> dict[str, Any] | None:
    return json.loads(grid.polygon) if grid.polygon else None


def _add_imports(routes: APIRouter, sources: Sources) -> None:
    @routes.post("/parts/import", responses=_REFUSALS, openapi_extra=_BODY)
    async def post_parts(
        request: Request,
        actor: Administrator,
        dry_run: DryRun = False,
        gcj02: Gcj02 = False,
        remove_gone: RemoveGone = False,
        source: Source = "import",
    ) -> ImportView:
        """Import parts from CSV (the attributes of GB/T 30428.2) or GeoJSON points: all of them, or none."""
        asked = _Asked(PARTS, actor, source, dry_run=dry_run, gcj02=gcj02, remove_gone=remove_gone)
        return await _imported(sources, request, asked)

    @routes.post("/grids/import", responses=_REFUSALS, openapi_extra=_BODY)
    async def post_grids(
        request: Request,
        actor: Administrator,
        dry_run: DryRun = False,
        gcj02: Gcj02 = False,
        remove_gone: RemoveGone = False,
        source: Source = "import",
    ) -> ImportView:
        """Import grids from CSV (BGID, Kind, Name, Parent) or GeoJSON polygons: all of them, or none."""
        asked = _Asked(GRIDS, actor, source, dry_run=dry_run, gcj02=gcj02, remove_gone=remove_gone)
        return await _imported(sources, request, asked)


@dataclass(frozen=True)
class _Asked:
    register: Register[Any]
    actor: Actor
    source: str
    dry_run: bool
    gcj02: bool
    remove_gone: bool


async def _imported(sources: Sources, request: Request, asked: _Asked) -> ImportView:
    """Receive the file, look at it, write it where nothing is wrong; HTTPException where it is refused."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in FORMS:
        raise HTTPException(415, f"{kind[:60] or 'no content type'}: send {', '.join(FORMS)}")
    if sources.importing.locked():
        raise HTTPException(409, "another import is under way; try again when it is over")
    async with sources.importing:
        with tempfile.TemporaryFile() as file:
            await _received(request, file, sources.settings.import_bytes_max)
            rules, limits = sources.settings.rules(gcj02=asked.gcj02), sources.settings.limits()
            with Import(asked.register, file, FORMS[kind], rules, limits) as work:
                report: Report = await sources.state.read(work.look)
                if report.bad and not asked.dry_run:
                    raise HTTPException(422, _refusal(report))
                report = await sources.state.write(lambda db: _done(db, work, asked, sources.now_ms()))
    return import_view(report)


def _done(connection: Connection, work: Import[Any], asked: _Asked, at_ms: int) -> Report:
    """Write what was looked at; of a dry run only the note that there was one."""
    if not asked.dry_run:
        return work.write(connection, asked.actor, at_ms, asked.source, remove_gone=asked.remove_gone)
    told = {name: getattr(work.report, name) for name in ("rows", "added", "changed", "gone", "bad")}
    audit.note(connection, asked.actor, at_ms, f"{asked.register.name}.check", asked.source, told)
    return work.report


async def _received(request: Request, file: BinaryIO, bytes_max: int) -> None:
    received = 0
    try:
        async with asyncio.timeout(RECEIVE_TIMEOUT_S):
            async for chunk in request.stream():
                received += len(chunk)
                if received > bytes_max:
                    raise HTTPException(
                        413, f"the file is longer than {bytes_max} bytes; split it by district"
                    )
                file.write(chunk)
    except TimeoutError as error:
        raise HTTPException(408, f"the file did not arrive within {RECEIVE_TIMEOUT_S:.0f} s") from error


def _refusal(report: Report) -> list[dict[str, Any]]:
    """Return every mistake that is told, behind their number."""
    told = [
        {
            "type": bad.kind,
            "loc": ["body", *filter(None, (bad.place.en, bad.field))],
            "msg": f"{bad.what.en}; {bad.remedy.en}",
        }
        for bad in report.problems
    ]
    count = {"type": "refused", "loc": ["body"], "msg": f"{report.bad} mistakes; nothing was written"}
    return [count, *told]
