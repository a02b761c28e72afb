"""Whether parts lie inside the grids that they name."""

from collections.abc import Iterator

from sqlalchemy import Connection, select

from collector.parts.book import polygon_of
from collector.parts.files import Row
from collector.parts.gcj02 import to_wgs84
from collector.parts.model import Grid, Part
from collector.parts.places import Polygon
from collector.parts.problems import BadRow
from collector.parts.tables import grids

POLYGONS_MAX = 256
"""So many are kept at hand."""


class Outside:
    """Holds parts against the polygons of their grids, where they have one."""

    def __init__(self, connection: Connection | None, tolerance_m: float, *, gcj02: bool) -> None:
        """``tolerance_m`` is how far outside a part may be; ``gcj02``: its place was given so.

        Without a connection nothing is known of grids.
        """
        self.unknown = 0
        """How many parts name a grid that is not in the register."""
        self._tolerance_m, self._gcj02 = tolerance_m, gcj02
        query = select(grids.c.code).limit(1)
        has_grids = connection is not None and connection.execute(query).first() is not None
        self._connection = connection if has_grids else None
        self._polygons: dict[str, tuple[bool, Polygon | None]] = {}

    def wrong(self, row: Row, read: Part | Grid) -> Iterator[BadRow]:
        """Yield the mistake where a part lies outside its grid."""
        if isinstance(read, Grid) or not read.grid or self._connection is None:
            return
        found = self._polygon(self._connection, read.grid)
        if found is None:
            return
        off_m = found.distance_m(read.lon, read.lat)
        if off_m <= self._tolerance_m:
            return
        shifted = not self._gcj02 and found.distance_m(*to_wgs84(read.lon, read.lat)) <= self._tolerance_m
        kind = "outside_grid_gcj02" if shifted else "outside_grid"
        name = "lon" if row.unit == "line" else "geometry"
        yield BadRow(row.unit, row.number, name, kind, (f"{off_m:.0f}", read.grid))

    def _polygon(self, connection: Connection, code: str) -> Polygon | None:
        if code not in self._polygons:
            if len(self._polygons) >= POLYGONS_MAX:
                self._polygons.clear()
            query = select(grids.c.polygon).where(grids.c.code == code)
            told = connection.execute(query).scalar()
            self._polygons[code] = (told is not None, polygon_of(told) if told else None)
        known, found = self._polygons[code]
        self.unknown += not known
        return found
