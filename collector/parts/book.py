"""The register in SQL: parts found by code or place, the grid of a place, pages of both."""

import heapq
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, select

from collector.held import Lookup
from collector.parts.model import Grid, GridKind, Part
from collector.parts.places import Polygon, around, distance_m, polygon
from collector.parts.tables import grids, parts

NEAR_MAX = 1_000
CODE_DIGITS_MAX = 16
_PART = [parts.c[field.name] for field in fields(Part)]
_GRID = [grids.c[field.name] for field in fields(Grid)]
_FIND = select(*_PART).where(parts.c.code == bindparam("code"))
_FOUND = Lookup(select(*_PART), parts.c.code)


class PartBook:
    """Looks parts up in the register; a ``Parts``."""

    def find(self, connection: Connection, code: str) -> Part | None:
        """Return the part of this code, or None."""
        return find(connection, code)


def find(connection: Connection, code: str) -> Part | None:
    """Return the part of this code, or None."""
    row = connection.execute(_FIND, {"code": code}).one_or_none()
    return None if row is None else part_of(row)


def found(connection: Connection, codes: Iterable[str]) -> dict[str, Part]:
    """Return the parts of these codes, as far as they are there."""
    return {row.code: part_of(row) for row in _FOUND.rows(connection, codes)}


def near(
    connection: Connection, lon: float, lat: float, radius_m: float, minor: str = "", limit: int = NEAR_MAX
) -> list[tuple[Part, float]]:
    """Return parts within ``radius_m`` of a WGS 84 place with their distances in metres, the nearest first.

    ``minor`` leaves those of one class (4 digits). At most ``limit`` of them, the nearest.
    """
    box = around(lon, lat, radius_m)
    query = select(*_PART).where(
        parts.c.lat.between(box.south, box.north), parts.c.lon.between(box.west, box.east)
    )
    if minor:
        query = query.where(parts.c.minor == minor)
    found = ((distance_m(lon, lat, row.lon, row.lat), row.code, row) for row in connection.execute(query))
    nearest = heapq.nsmallest(limit, (each for each in found if each[0] <= radius_m))
    return [(part_of(row), away_m) for away_m, _, row in nearest]


def find_grid(connection: Connection, code: str) -> Grid | None:
    """Return the grid of this code, or None."""
    row = connection.execute(select(*_GRID).where(grids.c.code == code)).one_or_none()
    return None if row is None else grid_from(row)


def grid_of(connection: Connection, lon: float, lat: float, kind: GridKind = GridKind.UNIT) -> Grid | None:
    """Return the grid of this kind in which a WGS 84 place lies, or None; the smallest where several do."""
    query = select(*_GRID, grids.c.west, grids.c.south, grids.c.east, grids.c.north).where(
        grids.c.kind == kind.value,
        grids.c.south <= lat,
        grids.c.north >= lat,
        grids.c.west <= lon,
        grids.c.east >= lon,
    )
    rows: list[Row[Any]] = list(connection.execute(query))
    rows.sort(key=lambda row: ((row.east - row.west) * (row.north - row.south), row.code))
    return next((grid_from(row) for row in rows if polygon_of(row.polygon).contains(lon, lat)), None)


@dataclass(frozen=True, slots=True)
class PartFilter:
    """Which parts are asked for: beginnings of code and grid code, a class; empty for all."""

    code: str = ""
    grid: str = ""
    minor: str = ""


def part_page(connection: Connection, wanted: PartFilter, after: str, limit: int) -> list[Part]:
    """Return up to ``limit`` parts by code, those after a code."""
    query = _beginning(select(*_PART).where(parts.c.code > after), parts.c.code, wanted.code)
    query = _beginning(query, parts.c.grid, wanted.grid)
    if wanted.minor:
        query = query.where(parts.c.minor == wanted.minor)
    return [part_of(row) for row in connection.execute(query.order_by(parts.c.code).limit(limit))]


def grid_page(connection: Connection, kind: GridKind | None, code: str, after: str, limit: int) -> list[Grid]:
    """Return up to ``limit`` grids by code, those after a code; of one kind, and beginning with ``code``."""
    query = _beginning(select(*_GRID).where(grids.c.code > after), grids.c.code, code)
    if kind is not None:
        query = query.where(grids.c.kind == kind.value)
    return [grid_from(row) for row in connection.execute(query.order_by(grids.c.code).limit(limit))]


def _beginning(query: Select[Any], column: Any, digits: str) -> Select[Any]:
    """Leave codes that begin with these digits, as a range, which an index serves in any collation."""
    return query.where(column.between(digits, digits.ljust(CODE_DIGITS_MAX, "9"))) if digits else query


def part_of(row: Row[Any]) -> Part:
    """Return a row of the register as a part."""
    told = row._mapping
    return Part(**{field.name: told[field.name] for field in fields(Part)})


def row_of(part: Part) -> dict[str, Any]:
    """Return a part as a row of the register."""
    told: dict[str, Any] = {field.name: getattr(part, field.name) for field in fields(Part)}
    return told | {"minor": part.minor, "digest": part.digest}


def grid_from(row: Row[Any]) -> Grid:
    """Return a row of the register as a grid."""
    return Grid(row.code, GridKind(row.kind), row.name, row.parent, row.polygon)


def grid_row_of(grid: Grid) -> dict[str, Any]:
    """Return a grid as a row of the register."""
    told: dict[str, Any] = {field.name: getattr(grid, field.name) for field in fields(Grid)}
    box = polygon_of(grid.polygon).box if grid.polygon else None
    sides = {name: getattr(box, name) if box else None for name in ("west", "south", "east", "north")}
    return told | sides | {"kind": grid.kind.value, "digest": grid.digest}


def polygon_of(told: str) -> Polygon:
    """Return a polygon as the register holds it."""
    return polygon(json.loads(told))
