"""Mistakes in plain words: no pattern, no pydantic speech, and a remedy for what people often do."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from toml_files import TomlFile, TomlFileError

Code = Annotated[str, Field(pattern=r"^[0-9]{4}$", json_schema_extra={"form": "4 digits"})]


class Inner(BaseModel):
    """A table."""

    model_config = ConfigDict(extra="forbid", strict=True)

    code: Code = "0000"


class Everything(BaseModel):
    """A key of each sort."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    whole: int = Field(default=1, ge=1, lt=100)
    number: Annotated[float, Field(gt=0.5)] = 1
    flag: bool = False
    text: str = Field(default="a", min_length=1, max_length=3)
    kind: Literal["a", "b"] = "a"
    codes: list[Code] = Field(default=[], max_length=2)
    undeclared: str = Field(default="x", pattern="^x+$")
    inner: Inner = Inner()


def told(text: str) -> str:
    """Return the one mistake of a document."""
    with pytest.raises(TomlFileError) as caught:
        TomlFile(text, "f").parse(Everything)
    [problem] = caught.value.problems
    return str(problem)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('whole = "9"', "whole: must be a whole number; write it without quotes: 9"),
        ('whole = "nine"', "whole: must be a whole number; 'nine' was given"),
        ('whole = "１２"', "whole: must be a whole number; '１２' was given"),
        ("whole = true", "whole: must be a whole number; write a number, not true"),
        ("whole = 9.0", "whole: must be a whole number; write 9"),
        ("whole = 9.5", "whole: must be a whole number; 9.5 was given"),
        ("whole = 0", "whole: must be at least 1; 0 was given"),
        ("whole = 100", "whole: must be less than 100; 100 was given"),
        ('number = "-1.5"', "number: must be a number; write it without quotes: -1.5"),
        ("number = false", "number: must be a number; write a number, not false"),
        ("number = 0.5", "number: must be more than 0.5; 0.5 was given"),
        ("number = nan", "number: must be a finite number; nan was given"),
        ('flag = "true"', "flag: must be true or false; write it without quotes: true"),
        ("flag = 1", "flag: must be true or false; 1 was given"),
        ("text = 1", 'text: must be text; write it in quotes: "1"'),
        ('text = ["a"]', "text: must be text; ['a'] was given"),
        ('text = ""', "text: must not be empty; '' was given"),
        ('text = "abcd"', "text: must have at most 3 characters; 'abcd' was given"),
        ('kind = "c"', "kind: must be 'a' or 'b'; 'c' was given"),
        ('codes = "1234"', "codes: must be a list in [ ]; '1234' was given"),
        ('codes = ["1234", "12"]', "codes[1]: must be 4 digits; '12' was given"),
        ('codes = ["1111", "2222", "3333"]', "codes: must have at most 2 entries, not 3; ['1111'"),
        ('inner.code = "1"', "inner.code: must be 4 digits; '1' was given"),
        ("inner = 1", "inner: must be a table; 1 was given"),
        ('undeclared = "y"', "undeclared: has not the right form; 'y' was given"),
    ],
)
def test_a_mistake_is_told_in_plain_words(text: str, expected: str) -> None:
    """What the key needs, and what to write where that can be guessed."""
    assert told(text).startswith(f"f:1: {expected}")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("text = “a”", '“ in column 8 is a full-width quote; use "'),
        ('text = "a”', '” in column 10 is a full-width quote; use "'),
        ("text = ‘a’", "‘ in column 8 is a full-width quote; use '"),
        ('text ＝ "a"', "＝ in column 6 is a full-width equals sign; use ="),
        ('codes = ["1"，"2"]', "， in column 13 is a full-width comma; use ,"),
        ("［inner］", "［ in column 1 is a full-width bracket; use ["),
        ("【inner】", "【 in column 1 is a full-width bracket; use ["),
        ("whole = １", "１ in column 9 is a full-width character; use 1"),
        ("whole = 1\u3000# one", "\u3000 in column 10 is a full-width space; use a plain space"),
    ],
)
def test_full_width_punctuation_is_named_with_its_place(line: str, expected: str) -> None:
    """A Chinese keyboard types it, and in many fonts it looks right."""
    assert told(f"# 第一行，“注释”\n{line}\n") == f"f:2: not valid TOML: {expected}"


def test_full_width_punctuation_inside_text_is_no_mistake() -> None:
    """It is what Chinese is written with."""
    assert TomlFile('text = "“，”"', "f").parse(Everything).text == "“，”"
    assert "full-width" not in told('text = "，" x')
