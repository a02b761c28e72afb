"""Reading: every mistake is told with file, line, key, what is wrong and what to do."""

from pathlib import Path
from typing import Annotated, Literal, Self

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from toml_files import Problem, TomlFile, TomlFileError
from toml_files.reading import FILE_BYTES_MAX


class Strict(BaseModel):
    """As settings and profiles are."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Serial(Strict):
    """A line of one kind."""

    kind: Literal["serial"]
    port: str
    serial: int = 9600


class Tcp(Strict):
    """A line of another kind."""

    kind: Literal["tcp"]
    host: str


class Timing(Strict):
    """Numbers under a name the file chooses."""

    timeout_s: float = 1


class Gateway(Strict):
    """A model with what settings need: tables, arrays, unions, free names."""

    name: str
    schema_version: int = Field(default=1, alias="schema")
    lines: list[Annotated[Serial | Tcp, Field(discriminator="kind")]] = []
    timing: dict[str, Timing] = {}
    value: bool | int | str = 0


def problems(text: str) -> list[str]:
    """Return the mistakes of a document as they are printed."""
    with pytest.raises(TomlFileError) as caught:
        TomlFile(text, "gw.toml").parse(Gateway)
    return str(caught.value).split("\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ["gw.toml:1: name: is missing; add it"]),
        ("\nname = 7", ['gw.toml:2: name: must be text; write it in quotes: "7"']),
        (
            'name = "a"\n\n[timing.slow]\n# c\ntimout_s = 2',
            ["gw.toml:5: timing.slow.timout_s: is not a key of this table; did you mean timeout_s?"],
        ),
        (
            'name = "a"\nlinse = []',
            ["gw.toml:2: linse: is not a key of this table; did you mean lines?"],
        ),
        (
            'name = "a"\nschemer = 1',
            ["gw.toml:2: schemer: is not a key of this table; did you mean schema?"],
        ),
        (
            'name = "a"\n[[lines]]\nkind = "tcp"\nhost = "h"\n[[lines]]\nkind = "serial"\n[timing]',
            ["gw.toml:5: lines[1].port: is missing; add it"],
        ),
        (
            'name = "a"\nlines = [\n  { kind = "tcp",  host = 1 },\n  { kind = "tcp" },\n]',
            [
                'gw.toml:3: lines[0].host: must be text; write it in quotes: "1"',
                "gw.toml:4: lines[1].host: is missing; add it",
            ],
        ),
        (
            'name = "a"\n[[lines]]\nkind = "serial"\nserial = "x"',
            [
                "gw.toml:2: lines[0].port: is missing; add it",
                "gw.toml:4: lines[0].serial: must be a whole number; 'x' was given",
            ],
        ),
        (
            'name = "a"\n[[lines]]\nkind = "can"\nhost = "h"',
            ["gw.toml:3: lines[0].kind: 'can' is unknown; write one of 'serial', 'tcp'"],
        ),
        ('name = "a"\n[[lines]]\nhost = "h"', ["gw.toml:2: lines[0]: has no 'kind'; add it"]),
        (
            'name = "a"\nvalue = 1.5',
            [
                "gw.toml:2: value: must be true or false, or must be a whole number, or must be text; "
                "1.5 was given"
            ],
        ),
        (
            'name = "a"\n[timing."north gate"]\ntimeout_s = true',
            ['gw.toml:3: timing."north gate".timeout_s: must be a number; write a number, not true'],
        ),
        (
            f'name = "a"\n[timing]\nslow = "{"x" * 80}"',
            [f"gw.toml:3: timing.slow: must be a table; '{'x' * 56}... was given"],
        ),
    ],
)
def test_a_mistake_is_told_where_it_stands(text: str, told: list[str]) -> None:
    """Line, dotted key, what, remedy; every mistake of the file at once."""
    assert problems(text) == told


def test_an_unknown_key_is_compared_with_the_keys_of_its_own_table() -> None:
    """A suggestion from another table would not help."""
    [told] = problems('name = "a"\n[[lines]]\nkind = "tcp"\nhost = "h"\nporte = 1')
    assert told.endswith("lines[0].porte: is not a key of this table; did you mean port?")
    [told] = problems('name = "a"\n[timing.x]\nporte = 1')
    assert told.endswith("timing.x.porte: is not a key of this table; remove it; also known here: timeout_s")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb = \nc = 2", 2),
        ('a = "open\nb = 1', 1),
        ("a = 1\na = 2", 2),
        ("[a]\n[b]\n[a]\n", 3),
        ("a = [1,\n2\nb = 3", 3),
        ('a = 1\n\n"(at line 9, " = 1\n"(at line 9, " = 2', 4),
        ("a = 1\n[b", 2),
        ("a = 1\nb = " + "[" * 5_000, 2),
        ("a = " + "1" * 5_000, 1),
    ],
)
def test_a_syntax_error_is_told_with_its_line(text: str, line: int) -> None:
    """Whatever tomllib raises, one named error comes out."""
    with pytest.raises(TomlFileError, match="not valid TOML") as caught:
        TomlFile(text, "some.toml")
    assert caught.value.problems[0].line == line


def test_an_unreadable_file_is_told(tmp_path: Path) -> None:
    """Missing, or a folder: the path and the reason."""
    with pytest.raises(TomlFileError, match=r"none\.toml: cannot be read: no such file or directory; check"):
        TomlFile.read(tmp_path / "none.toml")
    with pytest.raises(TomlFileError, match="is a directory"):
        TomlFile.read(tmp_path)


def test_a_file_over_the_limit_is_refused_without_reading_on() -> None:
    """A device that never ends, named by mistake, must not fill the memory."""
    with pytest.raises(TomlFileError, match=f"/dev/zero: longer than {FILE_BYTES_MAX} bytes"):
        TomlFile.read(Path("/dev/zero"))


def test_a_file_at_the_limit_is_read(tmp_path: Path) -> None:
    """The limit itself is allowed."""
    path = tmp_path / "full.toml"
    path.write_bytes(b"a = 1\n#" + b"x" * (FILE_BYTES_MAX - 7))
    assert TomlFile.read(path).data == {"a": 1}


def test_text_in_another_encoding_is_told_with_its_line(tmp_path: Path) -> None:
    """GBK is what an older editor saves."""
    path = tmp_path / "gbk.toml"
    path.write_bytes("a = 1\n# 井盖\n".encode("gbk"))
    with pytest.raises(TomlFileError, match=r"gbk\.toml:2: not UTF-8 text; save the file as UTF-8"):
        TomlFile.read(path)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    """Some editors write one, and nobody sees it."""
    path = tmp_path / "bom.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1")
    assert TomlFile.read(path).data == {"a": 1}


def test_a_mistake_of_the_whole_document_stands_on_its_first_line() -> None:
    """Where keys contradict each other, no single one is to blame."""

    class Odd(Strict):
        name: str

        @model_validator(mode="after")
        def _never(self) -> Self:
            raise ValueError("odd; make it even")

    with pytest.raises(TomlFileError, match=r"^gw\.toml:1: odd; make it even$"):
        TomlFile('name = "a"', "gw.toml").parse(Odd)


def test_problems_stand_in_the_order_of_files_and_lines() -> None:
    """So that a person can work through them."""
    error = TomlFileError(
        [Problem("b", 1, "", "x"), Problem("a", 9, "k", "y", "z"), Problem("a", 0, "", "w")]
    )
    assert str(error) == "a: w\na:9: k: y; z\nb:1: x"
