"""Reading one TOML file into a pydantic model."""

import codecs
import dataclasses
import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from toml_files.positions import Key, positions
from toml_files.words import forms_of, full_width, plain_words

FILE_BYTES_MAX = 1024 * 1024
_BARE = re.compile(r"[A-Za-z0-9_-]+")

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Problem:
    """One mistake in a file: where it stands (line from 1; 0 = the file as a whole) and what to do."""

    file: str
    line: int
    key: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        """``file:line: key: what; remedy``, as compilers print it."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(filter(None, (place, self.key, self.what))) + (
            f"; {self.remedy}" if self.remedy else ""
        )


class TomlFileError(Exception):
    """A file cannot be used; ``problems`` lists everything found wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems in the order of their lines."""
        self.problems = sorted(problems, key=lambda problem: (problem.file, problem.line))
        super().__init__("\n".join(map(str, self.problems)))


def text_of(path: Path) -> str:
    """Return what stands in a file; TomlFileError where it cannot be read, is over 1 MiB or is not UTF-8."""
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TomlFileError(
            [Problem(str(path), 0, "", f"cannot be read: {reason}", "check the path and its permissions")]
        ) from error
    if len(raw) > FILE_BYTES_MAX:
        what = f"longer than {FILE_BYTES_MAX} bytes"
        raise TomlFileError([Problem(str(path), 0, "", what, "split it, or name the file that was meant")])
    raw = raw.removeprefix(codecs.BOM_UTF8)  # some editors write one
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise TomlFileError(
            [Problem(str(path), line, "", "not UTF-8 text", "save the file as UTF-8")]
        ) from error
    return text


class TomlFile:
    """A TOML document whose keys know their lines.

    ``data`` is what tomllib read. Syntax errors, unreadable files and files over 1 MiB raise TomlFileError.
    """

    def __init__(self, text: str, name: str) -> None:
        """Parse ``text``; ``name`` is how the file is called in messages."""
        self.name = name
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # a number of 5000 digits is a plain ValueError
            raise TomlFileError([_syntax_error(name, str(error), text)]) from error
        self.lines = positions(text)

    @classmethod
    def read(cls, path: Path) -> "TomlFile":
        """Read and parse the file."""
        return cls(text_of(path), str(path))

    def problem(self, key: Key, what: str, remedy: str = "") -> Problem:
        """Return a Problem at ``key``, or at the nearest table around it that the file has."""
        around = key
        while around and around not in self.lines:
            around = around[:-1]
        return Problem(self.name, self.lines[around], dotted(key), what, remedy)

    def parse(self, model: type[Model]) -> Model:
        """Return the document as ``model``; TomlFileError names every mistake at once."""
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            forms = forms_of(model)
            told = [self._told(details, model, forms) for details in error.errors()]
            raise TomlFileError(_merged(told)) from error

    def _told(self, details: ErrorDetails, model: type[BaseModel], forms: dict[str, str]) -> Problem:
        key = self._real(details["loc"], details["type"])
        match details["type"]:
            case "extra_forbidden":
                what, remedy = "is not a key of this table", self._remedy_of_unknown(key, model)
            case "union_tag_not_found":
                what, remedy = f"has no {details['ctx']['discriminator']}", "add it"
            case "union_tag_invalid":
                context = details["ctx"]
                key = (*key, context["discriminator"].strip("'"))
                what = f"{context['tag']!r} is unknown"
                remedy = f"write one of {context['expected_tags']}"
            case _:
                what, remedy = plain_words(details, forms)
        return self.problem(key, what, remedy)

    def _remedy_of_unknown(self, key: Key, model: type[BaseModel]) -> str:
        given = self._at(key[:-1])
        names = {name for owner in _owners(model, key[:-1]) for name in _fields(owner)}
        missing = sorted(names - set(given if isinstance(given, dict) else ()))
        if close := difflib.get_close_matches(str(key[-1]), missing, n=1):
            return f"did you mean {close[0]}?"
        return f"remove it; also known here: {', '.join(missing)}" if missing else "remove it"

    def _at(self, key: Key) -> Any:
        node: Any = self.data
        for part in key:
            node = node[part]
        return node

    def _real(self, location: tuple[str | int, ...], kind: str) -> Key:
        """Drop what pydantic adds to a location: tags of unions, names of validators."""
        key: Key = ()
        node: Any = self.data
        for part, following in zip_longest(location, location[1:]):
            if _has(node, part) and not _is_tag(node, part, following, kind):
                node = node[part]
                key = (*key, part)
            elif following is None and kind == "missing":
                key = (*key, part)
        return key


def dotted(key: Key) -> str:
    """Return ``points[3].scale`` for ("points", 3, "scale"); names that TOML would quote are quoted."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE.fullmatch(part) else f'"{part}"')
    return text


def _syntax_error(name: str, message: str, text: str) -> Problem:
    lines = text.split("\n")
    place = re.search(r"\(at line ([0-9]+), column ([0-9]+)\)$", message)
    number, column = (int(place[1]), int(place[2])) if place else (len(lines), 0)
    if place and (typed := full_width(lines[number - 1], column)):
        what, remedy = typed
    else:
        what, remedy = message, "mend the syntax there"
    return Problem(name, number, "", f"not valid TOML: {what}", remedy)


def _has(node: Any, part: str | int) -> bool:
    if isinstance(node, list):
        return isinstance(part, int) and part < len(node)
    return isinstance(node, dict) and part in node


def _is_tag(node: Any, part: str | int, following: str | int | None, kind: str) -> bool:
    """Whether ``part`` is no key, though the table has a key of that name, but the tag of a union."""
    if following is None or isinstance(node, list):
        return False
    if isinstance(node[part], dict | list):
        return following in node and not _has(node[part], following) and part in node.values()
    return following in node or kind == "missing"


def _merged(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Make one problem of the refusals of all members of a union."""
    by_key: dict[tuple[int, str], list[Problem]] = {}
    for problem in problems:
        by_key.setdefault((problem.line, problem.key), []).append(problem)
    for same in by_key.values():
        whats = list(dict.fromkeys(problem.what for problem in same))
        given = [problem.remedy for problem in same if problem.remedy.endswith(" was given")]
        remedy = given[0] if given and len(whats) > 1 else same[0].remedy
        yield dataclasses.replace(same[0], what=", or ".join(whats), remedy=remedy)


def _owners(model: type[BaseModel], key: Key) -> set[type[BaseModel]]:
    """Return the models that may stand at ``key``: several where there is a union."""
    owners = {model}
    for part in key:
        inner = {
            found
            for owner in owners
            for name, field in _fields(owner).items()
            if name == part
            for found in _models_in(field.annotation)
        }
        owners = inner or owners  # an index, or a name that the file may choose
    return owners


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
