"""Part files and registers for tests."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from collector.database import Database
from collector.parts.checking import Rules
from collector.parts.files import Form
from collector.parts.importing import GRIDS, PARTS, Import, ImportLimits, Register, Report
from collector.people.roles import LOCAL

NOW_MS = 1_795_783_200_000
PART: Mapping[str, Any] = {
    "ObjID": "5001030132000007",
    "ObjName": "供水器",
    "DeptName1": "城管局",
    "DeptName2": "自来水公司",
    "DeptName3": "抢修队",
    "BGID": "500103001001001",
    "lon": "106.55",
    "lat": "29.56",
}
SQUARE = (106.549, 29.559, 106.551, 29.561)
"""West, south, east, north of the grid in which PART lies."""


def csv_text(*rows: Mapping[str, Any]) -> bytes:
    """Return a CSV file; its columns are the first row's."""
    lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def part(number: int = 7, **changes: Any) -> dict[str, Any]:
    """Return the row of a part."""
    return {**PART, "ObjID": f"5001030132{number:06}", **changes}


def geojson(*features: Any, **members: Any) -> bytes:
    """Return a GeoJSON file."""
    told = {"type": "FeatureCollection", **members, "features": list(features)}
    return json.dumps(told, ensure_ascii=False).encode()


def point(row: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a row as a feature."""
    values = {key: value for key, value in row.items() if key not in ("lon", "lat")}
    place = [float(row["lon"]), float(row["lat"])]
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": place},
        "properties": values,
    } | changes


def square(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    """Return a polygon of four corners."""
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def grid(code: str = "500103001001001", geometry: Any = None, **values: Any) -> dict[str, Any]:
    """Return a grid as a feature; its polygon is SQUARE where nothing is said."""
    shape = square(*SQUARE) if geometry is None else geometry
    return {"type": "Feature", "geometry": shape, "properties": {"BGID": code, **values}}


@contextmanager
def state_of(folder: Path) -> Iterator[Database]:
    """Open the state of a centre."""
    database = Database(folder / "collector.db", "state")
    try:
        yield database
    finally:
        database.close()


def looked(
    database: Database,
    raw: bytes,
    form: Form = Form.CSV,
    register: Register[Any] = PARTS,
    rules: Rules | None = None,
    limits: ImportLimits | None = None,
) -> Report:
    """Say what an import would do."""
    with Import(register, io.BytesIO(raw), form, rules or Rules(), limits or ImportLimits()) as work:
        return database.read_now(work.look)


def imported(
    database: Database,
    raw: bytes,
    form: Form = Form.CSV,
    register: Register[Any] = PARTS,
    rules: Rules | None = None,
    *,
    remove_gone: bool = False,
) -> Report:
    """Import a file."""
    with Import(register, io.BytesIO(raw), form, rules or Rules(), ImportLimits()) as work:
        database.read_now(work.look)
        return database.write_now(
            lambda connection: work.write(connection, LOCAL, NOW_MS, "a file", remove_gone=remove_gone)
        )


def imported_grids(database: Database, *features: Any) -> Report:
    """Import grids."""
    return imported(database, geojson(*features), Form.GEOJSON, GRIDS)


def told(report: Report) -> Sequence[str]:
    """Return the mistakes as people read them."""
    return [
        ": ".join(filter(None, (each.place.en, each.field, each.what.en))) + f"; {each.remedy.en}"
        for each in report.problems
    ]
