"""Rows of an import made into parts and grids, or everything said that is wrong with them. Pure.

Attributes are called as in GB/T 30428.2; numbers of departments: 1 in charge, 2 owner, 3 maintainer.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from collector.parts.codes import CodeRules, is_area, wrong_grid_code, wrong_part_code
from collector.parts.files import Columns, Row
from collector.parts.gcj02 import to_wgs84
from collector.parts.model import Grid, GridKind, Part
from collector.parts.places import VERTICES_MAX, in_china, polygon, position
from collector.parts.problems import BadRow, shown

PART_TEXTS = {
    "ObjName": ("name", 200),
    "DeptCode1": ("in_charge_code", 64),
    "DeptName1": ("in_charge", 200),
    "DeptCode2": ("owner_code", 64),
    "DeptName2": ("owner", 200),
    "DeptCode3": ("maintainer_code", 64),
    "DeptName3": ("maintainer", 200),
    "ObjState": ("state", 64),
    "DataSource": ("source", 200),
    "Note": ("note", 500),
}
"""Attributes that are plain text: how we call them, and how long they may be."""
PART_DATES = {"ORDate": "recorded_on", "CHDate": "changed_on"}
PART_COLUMNS = Columns(
    needed=("ObjID", "ObjName", "DeptName1", "DeptName2", "DeptName3", "BGID"),
    places=("lon", "lat"),
    optional=(
        *("DeptCode1", "DeptCode2", "DeptCode3"),
        *("ObjState", "ORDate", "CHDate", "DataSource", "Note"),
    ),
)
GRID_COLUMNS = Columns(needed=("BGID",), optional=("Kind", "Name", "Parent"))
PARTS_HEADER = ",".join((*PART_COLUMNS.needed, *PART_COLUMNS.places))
_KINDS = {"单元": "unit", "责任": "responsibility", "处置": "handling"}
_ODD = re.compile("[\\x00-\\x1f\\x7f\\ud800-\\udfff]")
_DATE = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})(?:[ T]0{1,2}:00(?::00)?)?")
_DAY = re.compile("([0-9]{4})([0-9]{2})([0-9]{2})")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?")
_DIGITS_MAX = 40


@dataclass(frozen=True)
class Rules:
    """What is taken, and whether places are given in GCJ-02."""

    codes: CodeRules = field(default_factory=CodeRules)
    gcj02: bool = False


class _Reading:
    """One row being read: what is wrong with it is collected."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.wrong: list[BadRow] = []

    def no(self, name: str, kind: str, *values: str) -> None:
        """Note a mistake."""
        self.wrong.append(BadRow(self.row.unit, self.row.number, name, kind, values))

    def text(self, name: str, characters_max: int) -> str:
        """Return an attribute as text, without blanks around it."""
        given = self.row.values.get(name)
        if isinstance(given, int) and not isinstance(given, bool) and abs(given) < 10**_DIGITS_MAX:
            given = str(given)
        if not isinstance(given, str | None):
            self.no(name, "no_text", shown(given))
            return ""
        told = (given or "").strip()
        if len(told) > characters_max:
            self.no(name, "long_text", shown(told), str(characters_max))
        elif _ODD.search(told):
            self.no(name, "characters", ascii(told[:60]))
        return told

    def day(self, name: str) -> str:
        """Return an attribute as YYYY-MM-DD, or empty."""
        told = self.text(name, _DIGITS_MAX)
        if not told:
            return ""
        found = _DATE.fullmatch(told) or _DAY.fullmatch(told)
        try:
            if found:
                return date(*map(int, found.groups())).isoformat()
        except ValueError:
            pass  # as the 30th of February
        self.no(name, "date", shown(told))
        return ""

    def place(self, rules: Rules) -> tuple[float, float]:
        """Return where a row says that it is, in WGS 84."""
        if self.row.unit == "line":
            lon, lat = self._degrees("lon"), self._degrees("lat")
            if lon is None or lat is None:
                return 0.0, 0.0
        else:
            try:
                lon, lat = _point(self.row.geometry)
            except ValueError as error:
                self.no("geometry", str(error))
                return 0.0, 0.0
        name, told = "lon" if self.row.unit == "line" else "geometry", f"{lon:.10g}, {lat:.10g}"
        if in_china(lon, lat):
            return to_wgs84(lon, lat) if rules.gcj02 else (lon, lat)
        if in_china(lat, lon):
            self.no(name, "swapped", told)
        else:
            self.no(name, "projected" if max(abs(lon), abs(lat)) > 1000 else "outside_china", told)
        return 0.0, 0.0

    def _degrees(self, name: str) -> float | None:
        told = self.text(name, _DIGITS_MAX)
        if _NUMBER.fullmatch(told):
            return float(told)
        self.no(name, *(("number", shown(told)) if told else ("empty",)))
        return None


def _point(geometry: Any) -> tuple[float, float]:
    if not isinstance(geometry, dict) or geometry.get("type") != "Point":
        raise ValueError("no_point")
    return position(geometry.get("coordinates"))


def part_of(row: Row, rules: Rules) -> Part | list[BadRow]:
    """Return a row as a part, or everything that is wrong with it."""
    reading = _Reading(row)
    code = reading.text("ObjID", _DIGITS_MAX)
    for kind in wrong_part_code(code, rules.codes):
        reading.no("ObjID", *_values(kind, code, rules))
    texts = {name: reading.text(key, longest) for key, (name, longest) in PART_TEXTS.items()}
    if not texts["name"]:
        reading.no("ObjName", "empty")
    days = {name: reading.day(key) for key, name in PART_DATES.items()}
    grid = reading.text("BGID", _DIGITS_MAX)
    if grid:
        for kind in wrong_grid_code(grid, rules.codes):
            reading.no("BGID", *_values(kind, grid, rules))
        if not reading.wrong and grid[:6] != code[:6]:
            reading.no("BGID", "grid_division", shown(grid))
    lon, lat = reading.place(rules)
    return reading.wrong or Part(code=code, lon=lon, lat=lat, grid=grid, **texts, **days)


def grid_of(row: Row, rules: Rules) -> Grid | list[BadRow]:
    """Return a row as a grid, or everything that is wrong with it."""
    reading = _Reading(row)
    code = reading.text("BGID", _DIGITS_MAX)
    for kind in wrong_grid_code(code, rules.codes):
        reading.no("BGID", *_values(kind, code, rules))
    told = reading.text("Kind", _DIGITS_MAX)
    grid_kind = _KINDS.get(told.removesuffix("网格"), told.lower() or "unit")
    if grid_kind not in GridKind.__members__.values():
        reading.no("Kind", "grid_kind", shown(told))
    parent = reading.text("Parent", _DIGITS_MAX)
    if parent and not is_area(parent):
        reading.no("Parent", "parent", shown(parent))
    elif parent and parent == code:
        reading.no("Parent", "own_parent", shown(parent))
    name = reading.text("Name", 200)
    geometry = "" if row.geometry is None else _polygon(reading, row.geometry, rules)
    if reading.wrong:
        return reading.wrong
    return Grid(code, GridKind(grid_kind), name, parent, geometry)


def _polygon(reading: _Reading, geometry: Any, rules: Rules) -> str:
    try:
        found = polygon(geometry)
    except ValueError as error:
        kind = str(error)
        reading.no("geometry", kind, *((str(VERTICES_MAX),) if kind == "vertices" else ()))
        return ""
    return json.dumps((found.moved(to_wgs84) if rules.gcj02 else found).geometry(), separators=(",", ":"))


def _values(kind: str, code: str, rules: Rules) -> Iterator[str]:
    yield kind
    yield shown(code)
    if kind == "minor":
        yield code[6:10]
    elif kind == "other_division":
        yield ", ".join(rules.codes.divisions)
