"""What codes of parts and grids can be (GB/T 30428, GB/T 2260). Pure but for the shipped classes."""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from toml_files import Strict, Title, TomlFile

MINORS = Path(__file__).with_name("minors.toml")
_PROVINCE = "1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|81|82"
_DIVISION = re.compile(rf"(?:{_PROVINCE})(?!00)[0-9]{{4}}")
_NUMBER_OF_EXCEL = re.compile(r"[0-9](\.[0-9]{1,30})?[Ee]\+?[0-9]{1,3}")

MinorCode = Annotated[
    str,
    Field(pattern="^[0-9]{4}$", json_schema_extra={"form": "4 digits: two of the major, two of the minor"}),
]


class Minor(Strict):
    """One class of parts."""

    code: MinorCode
    name: Title


class MinorsFile(Strict):
    """The classes that are shipped."""

    schema_version: Literal[1] = Field(alias="schema")
    minors: list[Minor]


@functools.cache
def shipped_minors() -> Mapping[str, Title]:
    """Return the names of the classes that every city has, by code."""
    return {each.code: each.name for each in TomlFile.read(MINORS).parse(MinorsFile).minors}


@dataclass(frozen=True)
class CodeRules:
    """What a city takes: classes by code, and what its codes begin with (nothing: any division)."""

    minors: Mapping[str, Title] = field(default_factory=shipped_minors)
    divisions: tuple[str, ...] = ()


def wrong_part_code(code: str, rules: CodeRules) -> Iterator[str]:
    """Yield what is wrong with a part's code, as kinds of problems."""
    if _NUMBER_OF_EXCEL.fullmatch(code):
        yield "excel_number"
    elif not re.fullmatch("[0-9]{16}", code):
        yield "part_code"
    else:
        yield from _wrong_division(code, rules)
        if code[6:10] not in rules.minors:
            yield "minor"
        if code[10:] == "000000":
            yield "sequence"


def wrong_grid_code(code: str, rules: CodeRules) -> Iterator[str]:
    """Yield what is wrong with a grid's code."""
    if _NUMBER_OF_EXCEL.fullmatch(code):
        yield "excel_number"
    elif not re.fullmatch("[0-9]{14,15}", code):
        yield "grid_code"
    else:
        yield from _wrong_division(code, rules)


def is_area(code: str) -> bool:
    """Say whether this is the code of a district, street, community or grid."""
    return bool(re.fullmatch("[0-9]{6}|[0-9]{9}|[0-9]{12}|[0-9]{14,15}", code)) and is_division(code[:6])


def is_division(digits: str) -> bool:
    """Say whether six digits can be a division of GB/T 2260."""
    return bool(_DIVISION.fullmatch(digits))


def _wrong_division(code: str, rules: CodeRules) -> Iterator[str]:
    if not is_division(code[:6]):
        yield "division"
    elif rules.divisions and not code.startswith(rules.divisions):
        yield "other_division"
