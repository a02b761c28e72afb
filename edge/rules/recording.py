"""Recorded samples of a file, row by row: JSON lines or CSV, with the names that the centre's API gives them.

A row has time_ms, device, point, value and quality (good where it is left out); other keys are passed over.
In CSV the first row names the columns, an empty value is none, and true, false and numbers are what they are.
"""

import csv
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from contract.samples import Quality, Sample, Value

ROW_CHARACTERS_MAX = 64 * 1024
COLUMNS = ("time_ms", "device", "point", "value", "quality")
NEEDED = COLUMNS[:4]


class BadRow(NamedTuple):
    """A row that cannot be used; lines count from 1."""

    line: int
    what: str


_decoder = msgspec.json.Decoder(dict[str, Any])


def read(lines: Iterable[str]) -> Iterator[Sample | BadRow]:
    """Yield a sample or a mistake for each row; which of the two forms it is the first row tells.

    Only one row is held at a time.
    """
    numbered = enumerate(lines, 1)
    for number, line in numbered:
        if line.strip():
            if line.lstrip("\ufeff \t").startswith("{"):
                yield _json(number, line)
                yield from (_json(number, line) for number, line in numbered if line.strip())
            else:
                yield from _table(number, line, numbered)
            return


def _table(first: int, header: str, numbered: Iterable[tuple[int, str]]) -> Iterator[Sample | BadRow]:
    columns = [name.strip() for name in next(csv.reader([header.lstrip("\ufeff")]))]
    if missing := [name for name in NEEDED if name not in columns]:
        told = f"no column {', '.join(missing)}; the first row must name {', '.join(COLUMNS)}"
        yield BadRow(first, told)
        return
    for number, line in numbered:
        if len(line) > ROW_CHARACTERS_MAX:
            yield BadRow(number, f"longer than {ROW_CHARACTERS_MAX} characters")
        elif line.strip():
            fields = next(csv.reader([line]))
            row: dict[str, Any] = dict(zip(columns, map(str.strip, fields), strict=False))
            yield _sample(number, row | {"value": _value(row.get("value", ""))}, len(fields) - len(columns))


def _json(number: int, line: str) -> Sample | BadRow:
    if len(line) > ROW_CHARACTERS_MAX:
        return BadRow(number, f"longer than {ROW_CHARACTERS_MAX} characters")
    try:
        return _sample(number, _decoder.decode(line.lstrip("\ufeff")))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return BadRow(number, f"no JSON object: {error}")


def _sample(number: int, row: dict[str, Any], surplus: int = 0) -> Sample | BadRow:
    if surplus > 0:
        return BadRow(number, f"{surplus} fields too many")
    if missing := [name for name in NEEDED if name not in row]:
        return BadRow(number, f"no {', '.join(missing)}")
    told = {name: row[name] for name in COLUMNS if name in row}
    if not told.get("quality"):
        told["quality"] = Quality.GOOD.value
    try:
        sample = msgspec.convert(told, Sample, strict=not isinstance(told["time_ms"], str))
    except msgspec.ValidationError as error:
        return BadRow(number, str(error))
    if isinstance(sample.value, float) and not math.isfinite(sample.value):
        return BadRow(number, "value must be a finite number")
    return sample


def _value(text: str) -> Value:
    """Return what a field of a table means."""
    if text in ("", "true", "false"):
        return None if not text else text == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
