"""What the interface tells of parts, grids and imports. Places are degrees of WGS 84."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel

from collector.deadlines.calendar import Remark
from collector.parts.gcj02 import to_gcj02
from collector.parts.importing import Report
from collector.parts.model import Grid, GridKind, Part
from collector.parts.problems import BadRow
from collector.views import TitleView
from toml_files import Title


class PlaceView(BaseModel):
    """A place in degrees."""

    lon: float
    lat: float


class PartView(BaseModel):
    """A part of the city; ``gcj02`` is its place on a Chinese web map. What is not known is empty.

    ``minor`` is its class, ``minor_name`` null where the class is declared no more.
    """

    code: str
    name: str
    minor: str
    minor_name: TitleView | None
    lon: float
    lat: float
    gcj02: PlaceView
    grid: str
    in_charge_code: str
    in_charge: str
    owner_code: str
    owner: str
    maintainer_code: str
    maintainer: str
    state: str
    recorded_on: str
    changed_on: str
    source: str
    note: str


class NearPartView(PartView):
    """A part and how far away it is."""

    distance_m: float


class NearView(BaseModel):
    """Parts around a place, the nearest first."""

    items: list[NearPartView]


class GridView(BaseModel):
    """A grid; ``polygon`` is a GeoJSON geometry, null where there is none or it was not asked for."""

    code: str
    kind: GridKind
    name: str
    parent: str
    has_polygon: bool
    polygon: dict[str, Any] | None


class BadRowView(BaseModel):
    """A mistake in a file; ``field`` is empty where it is of the whole row."""

    place: TitleView
    field: str
    what: TitleView
    remedy: TitleView


class ImportView(BaseModel):
    """What an import would do, or has done where it is ``written``.

    ``gone`` is in the register and not in the file, ``removed`` was removed. ``bad`` counts all mistakes,
    ``problems`` are the first of them; where there is one, nothing is written. ``unknown_grids`` counts rows
    whose grid the register does not have, though it has grids.
    """

    rows: int
    added: int
    changed: int
    unchanged: int
    gone: int
    removed: int
    unknown_grids: int
    bad: int
    problems: list[BadRowView]
    written: bool


def part_view(part: Part, minors: Mapping[str, Title]) -> PartView:
    """Return a part as it is told."""
    return PartView(**_told(part, minors))


def near_view(part: Part, distance_m: float, minors: Mapping[str, Title]) -> NearPartView:
    """Return a part with its distance, to the centimetre."""
    return NearPartView(**_told(part, minors), distance_m=round(distance_m, 2))


def _told(part: Part, minors: Mapping[str, Title]) -> dict[str, Any]:
    lon, lat = to_gcj02(part.lon, part.lat)
    name = minors.get(part.minor)
    return asdict(part) | {
        "minor": part.minor,
        "minor_name": TitleView(en=name.en, zh=name.zh) if name else None,
        "gcj02": PlaceView(lon=round(lon, 7), lat=round(lat, 7)),
    }


def import_view(report: Report) -> ImportView:
    """Return a report as it is told."""
    told = {name: getattr(report, name) for name in ImportView.model_fields if name != "problems"}
    return ImportView(**told, problems=[_problem(bad) for bad in report.problems])


def _problem(bad: BadRow) -> BadRowView:
    return BadRowView(place=_both(bad.place), field=bad.field, what=_both(bad.what), remedy=_both(bad.remedy))


def _both(words: Remark) -> TitleView:
    return TitleView(en=words.en, zh=words.zh)


def grid_view(grid: Grid, polygon: dict[str, Any] | None) -> GridView:
    """Return a grid as it is told."""
    return GridView(
        code=grid.code,
        kind=grid.kind,
        name=grid.name,
        parent=grid.parent,
        has_polygon=bool(grid.polygon),
        polygon=polygon,
    )
