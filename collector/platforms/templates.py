"""Paths into JSON, and templates that are filled from it: what mapping files are made of. Pure.

A path is ``data.items[0].id``. A template holds ``{path}``, ``{path|filter}`` or ``{path|filter:argument}``;
``{{`` and ``}}`` are the brackets themselves. A template that is one field and nothing else gives the field's
value as it is; any other gives text, in which nothing stands for null.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

PATH = re.compile(
    r"[A-Za-z0-9_$@-]+(\[[0-9]{1,4}\])*(\.[A-Za-z0-9_$@-]+(\[[0-9]{1,4}\])*)*|(\[[0-9]{1,4}\])+"
)
_STEP = re.compile(r"([A-Za-z0-9_$@-]+)|\[([0-9]+)\]")
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|([{}])|([^{}]+)")
TEXT_CHARACTERS_MAX = 20_000


class TemplateError(ValueError):
    """A template cannot be used, or cannot be filled in; the text says why."""


class Missing:
    """Nothing stands there."""


MISSING = Missing()


@dataclass(frozen=True)
class Words:
    """What filters translate by: tables of codes, our stages in the platform's words, local time."""

    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)
    offset_min: int = 480


def value_at(data: Any, path: str) -> Any:
    """Return what stands there, or MISSING; an empty path is the whole."""
    node = data
    for name, index in _STEP.findall(path):
        if index:
            if not isinstance(node, list) or int(index) >= len(node):
                return MISSING
            node = node[int(index)]
        elif isinstance(node, Mapping) and name in node:
            node = node[name]
        else:
            return MISSING
    return node


def text_at(data: Any, path: str) -> str:
    """Return the text or number that stands there as text; empty where nothing, or no such thing, does."""
    found = value_at(data, path) if path else MISSING
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return ""
    return str(found)[:1000].replace("\0", "?").encode(errors="replace").decode()  # or half a character


def fields_of(template: str) -> list[tuple[str, str, str]]:
    """Return path, filter and argument of each field; TemplateError where it is none."""
    found = []
    for match in _PIECE.finditer(template):
        if match[2]:
            raise TemplateError(f"a lone {match[2]} ; write {{{{ or }}}} for the bracket itself")
        if match[1] is not None:
            found.append(_field(match[1]))
    return found


def _field(inside: str) -> tuple[str, str, str]:
    path, _, rest = inside.partition("|")
    name, _, argument = rest.partition(":")
    if not PATH.fullmatch(path):
        raise TemplateError(f"{{{inside}}}: {path!r} is no path; write it as {{class.code}}")
    if name and name not in FILTERS:
        raise TemplateError(f"{{{inside}}}: no filter {name!r}; there are {', '.join(FILTERS)}")
    return path, name, argument


def problems(template: str, words: Words, known: Callable[[str], bool]) -> list[str]:
    """Return what is wrong with a template, before it meets a case."""
    try:
        fields = fields_of(template)
    except TemplateError as error:
        return [str(error)]
    found = []
    for path, name, argument in fields:
        if not known(path):
            found.append(f"{{{path}}}: a case has no such field")
        try:
            _check_filter(name, argument, words)
        except TemplateError as error:
            found.append(f"{{{path}|{name}}}: {error}")
    return found


def _check_filter(name: str, argument: str, words: Words) -> None:
    if name == "code" and argument not in words.codes:
        raise TemplateError(f"no table [codes.{argument}]")
    if name == "fixed" and not (argument.isascii() and argument.isdigit() and int(argument) <= 12):
        raise TemplateError("write how many decimals, as {place.lon|fixed:6}")
    if name == "upto" and not (argument.isascii() and argument.isdigit() and 0 < int(argument) <= 10_000):
        raise TemplateError("write how many characters, as {description|upto:100}")
    if name == "time":
        _time(0, argument, words)


def filled(template: Any, data: Mapping[str, Any], words: Words) -> Any:
    """Fill a template, or each template in tables and arrays; TemplateError where a code is unknown."""
    if isinstance(template, str):
        return _filled(template, data, words)
    if isinstance(template, Mapping):
        return {key: filled(each, data, words) for key, each in template.items()}
    if isinstance(template, list):
        return [filled(each, data, words) for each in template]
    return template


def text(template: str, data: Mapping[str, Any], words: Words, quote: Callable[[str], str] = str) -> str:
    """Fill a template into text; ``quote`` is for what is filled in."""
    parts = []
    for match in _PIECE.finditer(template):
        if match[1] is not None:
            parts.append(quote(_plain(_value(match[1], data, words))))
        else:
            parts.append(match[0][:1] if match[0] in ("{{", "}}") else match[0])
    return "".join(parts)[:TEXT_CHARACTERS_MAX]


def _filled(template: str, data: Mapping[str, Any], words: Words) -> Any:
    whole = _PIECE.fullmatch(template)
    if whole and whole[1] is not None:
        return _value(whole[1], data, words)
    return text(template, data, words)


def _value(inside: str, data: Mapping[str, Any], words: Words) -> Any:
    path, name, argument = _field(inside)
    found = value_at(data, path)
    value = None if isinstance(found, Missing) else found
    return FILTERS[name](value, argument, words) if name else value


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _code(value: Any, table: str, words: Words) -> Any:
    codes = words.codes.get(table, {})
    known = codes.get(_plain(value), codes.get("*"))
    if known is None:
        raise TemplateError(
            f'no code for {_plain(value)!r} in the table [codes.{table}]; add it, or a line for "*"'
        )
    return known


def _stage(value: Any, _argument: str, words: Words) -> Any:
    known = words.stages.get(_plain(value))
    if known is None:
        raise TemplateError(f"no word for stage {_plain(value)!r} in the table [stages]; add it")
    return known


def _time(value: Any, form: str, words: Words) -> Any:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise TemplateError(f"{value!r} is no time; the fields that are end in _ms")
    if form == "ms":
        return value
    if form == "s":
        return value // 1000
    at = datetime.fromtimestamp(value / 1000, UTC).astimezone(timezone(timedelta(minutes=words.offset_min)))
    if form in ("", "iso"):
        return at.isoformat(timespec="seconds")
    try:
        return at.strftime(form)
    except ValueError as error:
        raise TemplateError(f"{form!r} is no form of a time; write iso, ms, s or as %Y-%m-%d") from error


def _fixed(value: Any, decimals: str, _words: Words) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:.{decimals}f}"
    return None


FILTERS: dict[str, Callable[[Any, str, Words], Any]] = {
    "code": _code,
    "stage": _stage,
    "time": _time,
    "fixed": _fixed,
    "text": lambda value, _argument, _words: _plain(value),
    "upto": lambda value, argument, _words: _plain(value)[: int(argument)],
    "or": lambda value, argument, _words: argument if value in (None, "") else value,
}
