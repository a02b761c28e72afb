"""Rows of CSV and GeoJSON files, read as they come: a file of any length takes the memory of one row."""

import codecs
import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from json import JSONDecodeError
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from collector.parts.problems import BadRow, Unit

LINE_BYTES_MAX = 64 * 1024
CHUNK_BYTES = 64 * 1024
FEATURE_CHARACTERS_MAX = 1024 * 1024
DEGREES = re.compile(r"(CRS84|EPSG:{1,2}([0-9.]+:)?(4326|4490))\Z", re.IGNORECASE)
"""Names of coordinate systems whose coordinates are degrees of WGS 84 or CGCS2000."""


class Form(StrEnum):
    """How a file is written."""

    CSV = "csv"
    GEOJSON = "geojson"


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it is given; ``geometry`` is of a feature."""

    unit: Unit
    number: int
    values: Mapping[str, Any]
    geometry: Any = None


class FileProblem(Exception):  # noqa: N818  what is wrong ends the reading, and is one of the report
    """A file cannot be read on."""

    def __init__(self, bad: BadRow) -> None:
        """Keep what is wrong."""
        self.bad = bad
        super().__init__(bad.what.en)


@dataclass(frozen=True, slots=True)
class Columns:
    """What a file may hold: attributes that every row needs, and those it may have."""

    needed: Sequence[str]
    optional: Sequence[str]
    places: Sequence[str] = ()
    """Needed in CSV only: GeoJSON has a geometry."""


def form_of(path: Path) -> Form:
    """Return a file's form by its name."""
    return Form.GEOJSON if path.suffix.lower() in (".geojson", ".json") else Form.CSV


def rows(file: BinaryIO, form: Form, columns: Columns) -> Iterator[Row | BadRow]:
    """Yield a file's rows, and those that are none; FileProblem where nothing can be read any more."""
    if form == Form.CSV:
        yield from _csv_rows(file, columns)
    else:
        yield from _features(_Text(file))


def _csv_rows(file: BinaryIO, columns: Columns) -> Iterator[Row | BadRow]:
    reader = csv.reader(_lines(file), strict=True)
    begins = 1
    try:
        names = [name.strip() for name in next(reader, [])]
        _check_header(names, columns)
        while True:
            begins = reader.line_num + 1
            row = next(reader, None)
            if row is None:
                return
            if row and len(row) != len(names):
                yield BadRow("line", begins, "", "fields")
            elif row:  # else an empty line
                yield Row("line", begins, dict(zip(names, row, strict=True)))
    except csv.Error as error:
        raise FileProblem(BadRow("line", begins, "", "csv", (str(error),))) from error


def _lines(file: BinaryIO) -> Iterator[str]:
    number = 0
    while line := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        if len(line) > LINE_BYTES_MAX:
            raise FileProblem(BadRow("line", number, "", "line_length", (str(LINE_BYTES_MAX),)))
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise FileProblem(BadRow("line", number, "", "encoding")) from error


def _check_header(names: list[str], columns: Columns) -> None:
    needed = [*columns.needed, *columns.places]
    known = [*needed, *columns.optional]
    if missing := [name for name in needed if name not in names]:
        raise FileProblem(BadRow("line", 1, "", "header", (", ".join(missing), ",".join(needed))))
    if unknown := [name for name in names if name not in known]:
        rest = [name for name in known if name not in names]
        raise FileProblem(BadRow("line", 1, "", "column", (repr(unknown[0][:60]), ", ".join(rest))))
    if twice := [name for name in names if names.count(name) > 1]:
        raise FileProblem(BadRow("line", 1, "", "column_twice", (twice[0],)))


class _Text:
    """A JSON text of which so much is kept as one value needs."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._json = json.JSONDecoder(parse_constant=_no_number)
        self._kept, self._at, self._ended = "", 0, False

    def peek(self) -> str:
        """Return the next character that is no white space; empty at the end."""
        while True:
            while self._at < len(self._kept) and self._kept[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._kept) or not self._fill():
                return self._kept[self._at : self._at + 1]

    def take(self, characters: str, kind: str = "json") -> str:
        """Take one of these characters; FileProblem where another stands there."""
        found = self.peek()
        if not found or found not in characters:
            self.fail(
                kind, f"{found!r} stands where one of {characters} should" if found else "it ends early"
            )
        self._at += 1
        return found

    def value(self) -> Any:
        """Take one value."""
        self.peek()
        while True:
            try:
                value, end = self._json.raw_decode(self._kept, self._at)
            except (JSONDecodeError, RecursionError) as error:
                if isinstance(error, RecursionError) or not self._may_grow():
                    self.fail("json", getattr(error, "msg", "nested too deep"))
            except ValueError as error:
                self.fail("json", str(error))
            else:
                if end < len(self._kept) or self._ended or not self._fill():
                    self._at = end
                    return value

    def fail(self, kind: str, *values: str) -> NoReturn:
        """Say that this is not what was expected."""
        raise FileProblem(BadRow("file", 0, "", kind, values))

    def _may_grow(self) -> bool:
        """Read on where a value may end later."""
        if len(self._kept) - self._at > FEATURE_CHARACTERS_MAX:
            self.fail("json", f"a value is longer than {FEATURE_CHARACTERS_MAX} characters")
        return not self._ended and self._fill()

    def _fill(self) -> bool:
        if self._ended:
            return False
        chunk = self._file.read(CHUNK_BYTES)
        self._ended = not chunk
        try:
            text = self._decode(chunk, self._ended)
        except UnicodeDecodeError as error:
            raise FileProblem(BadRow("file", 0, "", "encoding")) from error
        self._kept, self._at = self._kept[self._at :] + text, 0
        return True


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _features(text: _Text) -> Iterator[Row | BadRow]:
    """Yield the features of a collection."""
    text.take("{", "collection")
    kind, seen = "", False
    while text.peek() != "}":
        name = text.value()
        text.take(":")
        if name == "features" and not seen and text.peek() == "[":
            seen = True
            yield from _members(text)
        else:
            value = text.value()
            kind = value if name == "type" else kind
            if name == "crs":
                _check_crs(text, value)
        if text.take(",}") == "}":
            break
    if kind != "FeatureCollection" or not seen:
        text.fail("collection")
    if text.peek():
        text.fail("json", "something follows its end")


def _members(text: _Text) -> Iterator[Row | BadRow]:
    text.take("[")
    number = 0
    while text.peek() != "]":
        number += 1
        feature = text.value()
        if isinstance(feature, dict) and feature.get("type") == "Feature":
            values = feature.get("properties")
            yield Row("feature", number, values if isinstance(values, dict) else {}, feature.get("geometry"))
        else:
            yield BadRow("feature", number, "", "feature")
        if text.take(",]") == "]":
            return
    text.take("]")


def _check_crs(text: _Text, crs: Any) -> None:
    """Refuse coordinates that are no degrees, as former editions of GeoJSON could name them."""
    try:
        name = crs["properties"]["name"] if crs is not None else "CRS84"
    except (LookupError, TypeError):
        name = "?"
    if not isinstance(name, str) or not DEGREES.search(name):
        text.fail("crs", repr(name)[:60])
