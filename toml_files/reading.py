"""Reading one TOML file into a pydantic model."""

import difflib
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from toml_files.positions import Key, positions

FILE_BYTES_MAX = 1024 * 1024

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


class TomlFile:
    """A TOML document whose keys know their lines.

    ``data`` is what tomllib read. Syntax errors, unreadable files and files over 1 MiB raise TomlFileError.
    """

    def __init__(self, text: str, name: str) -> None:
        """Parse ``text``; ``name`` is how the file is called in messages."""
        self.name = name
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            line = _line_of_syntax_error(str(error), text)
            raise TomlFileError(
                [Problem(name, line, "", f"not valid TOML: {error}", "mend the syntax there")]
            ) from error
        self.lines = positions(text)

    @classmethod
    def read(cls, path: Path) -> "TomlFile":
        """Read and parse the file."""
        try:
            raw = path.read_bytes()
            if len(raw) > FILE_BYTES_MAX:
                problem = Problem(
                    str(path), 0, "", f"{len(raw)} bytes long", f"keep it under {FILE_BYTES_MAX}"
                )
                raise TomlFileError([problem])
            text = raw.decode()
        except UnicodeDecodeError as error:
            line = raw[: error.start].count(b"\n") + 1
            raise TomlFileError(
                [Problem(str(path), line, "", "not UTF-8 text", "save the file as UTF-8")]
            ) from error
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise TomlFileError(
                [Problem(str(path), 0, "", f"cannot be read: {reason}", "check the path and its permissions")]
            ) from error
        return cls(text, str(path))

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
            names = sorted(set(_field_names(model, set())))
            raise TomlFileError(self._told(details, names) for details in error.errors()) from error

    def _told(self, details: ErrorDetails, names: list[str]) -> Problem:
        key = self._real(details["loc"])
        what = details["msg"].removeprefix("Value error, ")
        what, _, remedy = what.partition("; ")
        if details["type"] == "missing":
            what, remedy = "is missing", "add it"
        elif details["type"] == "extra_forbidden":
            close = difflib.get_close_matches(str(key[-1]), names, n=1)
            what = "is not a key of this file"
            remedy = f"did you mean {close[0]}?" if close else "remove it, or look up the name in the manual"
        elif not remedy:
            given = repr(details["input"])
            remedy = f"{given if len(given) <= 60 else given[:57] + '...'} was given"
        return self.problem(key, what[:1].lower() + what[1:], remedy)

    def _real(self, location: tuple[str | int, ...]) -> Key:
        """Drop what pydantic adds to a location: tags of unions, names of validators."""
        key: Key = ()
        node: Any = self.data
        for index, part in enumerate(location):
            inside = (isinstance(node, dict) and part in node) or (
                isinstance(node, list) and isinstance(part, int) and part < len(node)
            )
            if inside:
                node = node[part]
                key = (*key, part)
            elif index == len(location) - 1:
                key = (*key, part)
        return key


def dotted(key: Key) -> str:
    """Return ``points[3].scale`` for ("points", 3, "scale")."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _line_of_syntax_error(message: str, text: str) -> int:
    _, _, tail = message.partition("(at line ")
    number = tail.split(",", 1)[0]
    return int(number) if number.isdigit() else text.count("\n") + 1


def _field_names(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[str]:
    """Yield the keys of a model and of the models inside it."""
    seen.add(model)
    for name, field in model.model_fields.items():
        yield field.alias or name
        for inner in _models_in(field.annotation):
            if inner not in seen:
                yield from _field_names(inner, seen)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
