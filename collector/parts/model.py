"""What the register knows of a part of the city and of a grid (GB/T 30428)."""

import hashlib
import json
from dataclasses import dataclass, fields
from enum import StrEnum
from operator import attrgetter
from typing import Any, Protocol

from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Part:
    """One part. ``code`` has 16 digits; lon and lat are WGS 84 degrees; what is not known is empty.

    Departments: in charge (主管), owner (权属), maintainer (养护). Dates are YYYY-MM-DD.
    """

    code: str
    name: str
    lon: float
    lat: float
    grid: str = ""
    in_charge_code: str = ""
    in_charge: str = ""
    owner_code: str = ""
    owner: str = ""
    maintainer_code: str = ""
    maintainer: str = ""
    state: str = ""
    recorded_on: str = ""
    changed_on: str = ""
    source: str = ""
    note: str = ""

    @property
    def minor(self) -> str:
        """Return its class: two digits of the major one, two of the minor."""
        return self.code[6:10]

    @property
    def digest(self) -> str:
        """Return what differs when anything of it does."""
        return _digest(_part_values(self))


class GridKind(StrEnum):
    """What a grid is for."""

    UNIT = "unit"
    """单元网格: the smallest, of about 10,000 m², by which everything is placed."""
    RESPONSIBILITY = "responsibility"
    """责任网格: whose inspectors look after it."""
    HANDLING = "handling"
    """处置网格: who mends things in it."""


@dataclass(frozen=True, slots=True)
class Grid:
    """One grid. ``code`` has 15 digits (14 in the edition of 2005); ``polygon`` is GeoJSON, or empty."""

    code: str
    kind: GridKind
    name: str = ""
    parent: str = ""
    polygon: str = ""

    @property
    def digest(self) -> str:
        """Return what differs when anything of it does."""
        return _digest(_grid_values(self))


_part_values = attrgetter(*(field.name for field in fields(Part)))
_grid_values = attrgetter(*(field.name for field in fields(Grid)))


class Parts(Protocol):
    """Where parts are looked up."""

    def find(self, connection: Connection, code: str) -> Part | None:
        """Return the part of this code, or None."""
        ...


def _digest(values: tuple[Any, ...]) -> str:
    told = json.dumps(values, ensure_ascii=False)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
