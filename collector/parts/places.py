"""Places in WGS 84 degrees: distances, boxes, polygons. Pure.

Polygons are of a city's size, so that a degree is taken as equally long all over one.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

EARTH_M = 6_371_008.8
DEGREE_M = math.radians(1) * EARTH_M
CHINA = (73.4, 3.7, 135.2, 53.7)
"""West, south, east, north."""
AREA_DEGREES2_MIN = 1 / DEGREE_M**2
"""About a square metre."""
VERTICES_MAX = 5_000
DECIMALS = 8
"""A millimetre."""

Ring = tuple[tuple[float, float], ...]


def in_china(lon: float, lat: float) -> bool:
    """Say whether a place may be in China: a box around it."""
    west, south, east, north = CHINA
    return west <= lon <= east and south <= lat <= north


def distance_m(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    """Return the distance of two places on the sphere."""
    phi, other_phi = math.radians(lat), math.radians(other_lat)
    half = math.sin((other_phi - phi) / 2) ** 2
    half += math.cos(phi) * math.cos(other_phi) * math.sin(math.radians(other_lon - lon) / 2) ** 2
    return 2 * EARTH_M * math.asin(min(1.0, math.sqrt(half)))


@dataclass(frozen=True, slots=True)
class Box:
    """West, south, east, north."""

    west: float
    south: float
    east: float
    north: float


def around(lon: float, lat: float, radius_m: float) -> Box:
    """Return a box that holds everything within ``radius_m`` of a place."""
    up = radius_m / DEGREE_M * 1.000_001
    farthest = min(89.9, abs(lat) + up)
    aside = min(180.0, up / math.cos(math.radians(farthest)))
    return Box(lon - aside, lat - up, lon + aside, lat + up)


@dataclass(frozen=True, slots=True)
class Polygon:
    """One or more outlines, each with its holes; rings are closed."""

    outlines: tuple[tuple[Ring, ...], ...]

    @property
    def box(self) -> Box:
        """Return the box around it."""
        lons, lats = zip(*(place for rings in self.outlines for place in rings[0]), strict=True)
        return Box(min(lons), min(lats), max(lons), max(lats))

    def contains(self, lon: float, lat: float) -> bool:
        """Say whether a place is inside, and in no hole."""
        return any(
            _inside(rings[0], lon, lat) and not any(_inside(hole, lon, lat) for hole in rings[1:])
            for rings in self.outlines
        )

    def distance_m(self, lon: float, lat: float) -> float:
        """Return how far outside a place is; 0 inside."""
        if self.contains(lon, lat):
            return 0.0
        scale = math.cos(math.radians(lat))
        edges = (edge for rings in self.outlines for ring in rings for edge in pairwise(ring))
        return DEGREE_M * min(
            _distance(
                ((start[0] - lon) * scale, start[1] - lat),
                ((end[0] - lon) * scale, end[1] - lat),
            )
            for start, end in edges
        )

    def moved(self, shift: Any) -> "Polygon":
        """Return it with every place (lon, lat) put through ``shift``."""
        return Polygon(
            tuple(tuple(tuple(shift(*place) for place in ring) for ring in rings) for rings in self.outlines)
        )

    def geometry(self) -> dict[str, Any]:
        """Return it as a GeoJSON geometry."""
        told = [
            [[[round(lon, DECIMALS), round(lat, DECIMALS)] for lon, lat in ring] for ring in rings]
            for rings in self.outlines
        ]
        if len(told) == 1:
            return {"type": "Polygon", "coordinates": told[0]}
        return {"type": "MultiPolygon", "coordinates": told}


def polygon(geometry: Any) -> Polygon:
    """Return a GeoJSON geometry as a polygon; ValueError, its text a kind of problem, else."""
    if not isinstance(geometry, dict) or geometry.get("type") not in ("Polygon", "MultiPolygon"):
        raise ValueError("no_polygon")
    told = geometry.get("coordinates")
    outlines = [told] if geometry["type"] == "Polygon" else told
    if not isinstance(outlines, list) or not outlines:
        raise ValueError("polygon")
    found = tuple(tuple(_rings(rings)) for rings in outlines)
    if sum(len(ring) for rings in found for ring in rings) > VERTICES_MAX:
        raise ValueError("vertices")
    if not all(rings and abs(_area(rings[0])) > AREA_DEGREES2_MIN for rings in found):
        raise ValueError("polygon")
    if not all(in_china(*place) for rings in found for ring in rings for place in ring):
        raise ValueError("polygon_outside")
    return Polygon(found)


def _rings(rings: Any) -> Iterator[Ring]:
    if not isinstance(rings, list):
        raise ValueError("polygon")  # noqa: TRY004  a kind of problem, as above
    for told in rings:
        if not isinstance(told, list) or len(told) < 4:
            raise ValueError("polygon")
        ring = tuple(map(position, told))
        if ring[0] != ring[-1]:
            raise ValueError("ring_open")
        yield ring


def position(told: Any) -> tuple[float, float]:
    """Return a GeoJSON position as (lon, lat); ValueError as ``polygon``."""
    if (
        not isinstance(told, list)
        or not 2 <= len(told) <= 4
        or not all(isinstance(each, int | float) and not isinstance(each, bool) for each in told)
        or not all(math.isfinite(each) for each in told[:2])
    ):
        raise ValueError("position")
    return float(told[0]), float(told[1])


def _area(ring: Ring) -> float:
    """Return what a ring encloses, in square degrees, less than 0 where it runs clockwise."""
    return 0.5 * sum(one[0] * other[1] - other[0] * one[1] for one, other in pairwise(_from_first(ring)))


def _from_first(ring: Ring) -> Sequence[tuple[float, float]]:
    """Small numbers, so that small areas are not lost in rounding."""
    return [(lon - ring[0][0], lat - ring[0][1]) for lon, lat in ring]


def _inside(ring: Ring, lon: float, lat: float) -> bool:
    """Count the edges that a line to the east crosses."""
    inside = False
    for (lon_1, lat_1), (lon_2, lat_2) in pairwise(ring):
        if (lat_1 > lat) != (lat_2 > lat) and lon < lon_1 + (lat - lat_1) * (lon_2 - lon_1) / (lat_2 - lat_1):
            inside = not inside
    return inside


def _distance(start: tuple[float, float], end: tuple[float, float]) -> float:
    """Return the distance of an edge from the origin."""
    along = end[0] - start[0], end[1] - start[1]
    length_2 = along[0] ** 2 + along[1] ** 2
    part = 0.0 if not length_2 else -(start[0] * along[0] + start[1] * along[1]) / length_2
    part = min(1.0, max(0.0, part))
    return math.hypot(start[0] + part * along[0], start[1] + part * along[1])
