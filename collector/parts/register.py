"""The register of city parts (GB/T 30428.2): what a device watches, where it stands and who owns it."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, delete
from sqlalchemy import insert as plain_insert

from collector.parts import model
from collector.parts.book import row_of
from collector.parts.tables import parts as parts_table
from toml_files import Problem, TomlFileError, plain_words

HEADER = "ObjID,ObjName,DeptName1,DeptName2,DeptName3,BGID,lon,lat"
FILE_BYTES_MAX = 64 * 1024 * 1024
PARTS_MAX = 200_000
PROBLEMS_MAX = 100

Text = Annotated[str, Field(max_length=200)]


class Part(BaseModel):
    """One part: departments are in charge, owner, maintainer; lon and lat in degrees."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ObjID: str = Field(pattern=r"^[0-9]{16}$")
    ObjName: Annotated[str, Field(min_length=1, max_length=200)]
    DeptName1: Text
    DeptName2: Text
    DeptName3: Text
    BGID: str = Field(pattern=r"^([0-9]{14,15})?$")
    lon: float = Field(ge=-180, le=180, allow_inf_nan=False)
    lat: float = Field(ge=-90, le=90, allow_inf_nan=False)


_REMEDIES = {
    "ObjID": "16 digits: division, major, minor, sequence",
    "BGID": "14 or 15 digits of the unit grid, or nothing",
    "lon": "degrees, -180 to 180",
    "lat": "degrees, -90 to 90",
}


_CODES = ("ObjID", "BGID")
_NUMBER_OF_EXCEL = re.compile(r"[0-9](\.[0-9]{1,30})?[Ee]\+?[0-9]{1,3}")


def load_parts(path: Path) -> dict[str, Part]:
    """Read the CSV file (UTF-8, with a header line); parts by ObjID.

    Nothing is half-read: TomlFileError names every bad row with its line, up to 100 of them.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _refused(
            path, 0, "", f"cannot be read: {reason}", "check the path, or leave out parts_file"
        ) from error
    if len(raw) > FILE_BYTES_MAX:
        raise _refused(path, 0, "", f"longer than {FILE_BYTES_MAX} bytes", "keep only this district's parts")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        remedy = "save it as UTF-8 (in Excel: CSV UTF-8)"
        raise _refused(path, line, "", "not UTF-8 text", remedy) from error
    parts: dict[str, Part] = {}
    problems = list(_read(path, text, parts))
    if problems:
        if len(problems) > PROBLEMS_MAX:
            rest = Problem(str(path), 0, "", f"{len(problems) - PROBLEMS_MAX} more bad rows follow", "")
            problems = [*problems[:PROBLEMS_MAX], rest]
        raise TomlFileError(problems)
    return parts


def _read(path: Path, text: str, parts: dict[str, Part]) -> Iterator[Problem]:
    """Fill ``parts``; yield what is wrong, row by row."""
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        names = rows.fieldnames or []
        if sorted(names) != sorted(HEADER.split(",")):
            yield Problem(str(path), 1, "", f"the first line is {','.join(names)[:200]!r}", f"write {HEADER}")
            return
        for row in rows:
            if len(parts) >= PARTS_MAX:
                yield Problem(
                    str(path), rows.line_num, "", f"more than {PARTS_MAX} parts", "split the district"
                )
                return
            yield from _take(path, rows.line_num, row, parts)
    except csv.Error as error:
        start = rows.line_num + 1  # of the row that never ended
        yield Problem(str(path), start, "", f"not CSV: {error}", "mend the quotes there")


def _take(path: Path, line: int, row: dict[str, str], parts: dict[str, Part]) -> Iterator[Problem]:
    if None in row or None in row.values():
        yield Problem(str(path), line, "", "not as many fields as the header", f"write {HEADER}")
        return
    try:
        part = Part.model_validate({key: value.strip() for key, value in row.items()})
    except ValidationError as error:
        for details in error.errors():
            key = str(details["loc"][0])
            what = f"{str(details['input'])[:60]!r}: {plain_words(details)[0]}"
            remedy = _REMEDIES.get(key, "mend the field")
            if key in _CODES and _NUMBER_OF_EXCEL.fullmatch(str(details["input"])):
                what = f"{details['input']!r} is no code"
                remedy = (
                    "Excel turned the code into a number; format the column as text and enter the codes again"
                )
            yield Problem(str(path), line, key, what, remedy)
        return
    if part.ObjID in parts:
        yield Problem(str(path), line, "ObjID", f"{part.ObjID} is given twice", "remove one of the rows")
    parts[part.ObjID] = part


def _refused(path: Path, line: int, key: str, what: str, remedy: str) -> TomlFileError:
    return TomlFileError([Problem(str(path), line, key, what, remedy)])


def seed(connection: Connection, parts: dict[str, Part]) -> None:
    """Write the parts of the settings' file into the register."""
    for part in parts.values():
        known = model.Part(
            part.ObjID,
            part.ObjName,
            part.lon,
            part.lat,
            part.BGID,
            in_charge=part.DeptName1,
            owner=part.DeptName2,
            maintainer=part.DeptName3,
        )
        connection.execute(delete(parts_table).where(parts_table.c.code == known.code))
        connection.execute(plain_insert(parts_table).values(row_of(known)))
