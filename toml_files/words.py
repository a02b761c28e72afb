"""What pydantic and tomllib complain of, in the words of somebody who edits a file."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

GIVEN_CHARACTERS_MAX = 60
_PUNCTUATION = {
    "“": ("quote", '"'),
    "”": ("quote", '"'),
    "‘": ("quote", "'"),
    "’": ("quote", "'"),
    "、": ("comma", ","),
    "。": ("full stop", "."),
    "【": ("bracket", "["),
    "】": ("bracket", "]"),
    "\u3000": ("space", "a plain space"),
    "，": ("comma", ","),
    "．": ("full stop", "."),
    "＝": ("equals sign", "="),
    "＂": ("quote", '"'),
    "＇": ("quote", "'"),
    "［": ("bracket", "["),
    "］": ("bracket", "]"),
    "｛": ("brace", "{"),
    "｝": ("brace", "}"),
    "＃": ("number sign", "#"),
}
"""What a Chinese keyboard types where TOML wants ASCII: its name, and what is meant."""


def plain_words(details: ErrorDetails, forms: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Return what is wrong and what to do; ``forms`` says in words what a pattern asks for."""
    kind, given, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "missing":
        return "is missing", "add it"
    if kind == "value_error":  # our own, with its remedy behind the semicolon
        what, _, remedy = details["msg"].removeprefix("Value error, ").partition("; ")
    elif kind == "string_pattern_mismatch":
        form = (forms or {}).get(context["pattern"])
        what, remedy = f"must be {form}" if form else "has not the right form", ""
    elif kind in _WORDS:
        shown = {key: f"{limit:g}" if isinstance(limit, float) else limit for key, limit in context.items()}
        words = "must not be empty" if context.get("min_length") == 1 else _WORDS[kind]
        what, remedy = words.format(**shown), _remedy(kind, given)
    else:
        what, remedy = details["msg"], ""
    return what[:1].lower() + what[1:], remedy or f"{_shown(given)} was given"


_WORDS = {
    "bool_type": "must be true or false",
    "dict_type": "must be a table",
    "enum": "must be {expected}",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_type": "must be a whole number",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "list_type": "must be a list in [ ]",
    "literal_error": "must be {expected}",
    "model_attributes_type": "must be a table",
    "model_type": "must be a table",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "string_type": "must be text",
    "too_long": "must have at most {max_length} entries, not {actual_length}",
    "too_short": "must have at least {min_length} entries, not {actual_length}",
}
"""Pydantic's names of mistakes, and how we say them."""


def forms_of(model: type[BaseModel]) -> dict[str, str]:
    """Return pattern → words, for the fields that give their form as ``json_schema_extra={"form": ...}``."""
    return dict(_forms(model.model_json_schema()))


def _forms(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str) and isinstance(node.get("form"), str):
            yield node["pattern"], node["form"]
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from _forms(inner)


def full_width(line: str, column: int) -> tuple[str, str] | None:
    """Return what is wrong and what to do where a syntax error at ``column`` (from 1) is one of typing.

    The character stands there, or it is a quote before it that was to end a string.
    """
    at = column - 1
    if at >= len(line):
        before = [index for index, character in enumerate(line) if character in "“”‘’＂＇"]
        at = before[-1] if before else at
    character = line[at : at + 1]
    name, meant = _PUNCTUATION.get(character, ("", ""))
    if not name and "\uff01" <= character <= "\uff5e":  # letters and digits of double width
        name, meant = "character", chr(ord(character) - 0xFEE0)
    return (f"{character} in column {at + 1} is a full-width {name}", f"use {meant}") if name else None


def _remedy(kind: str, given: object) -> str:
    """Return what to write instead, where the value given lets us guess; else nothing."""
    whole, number = kind == "int_type", kind in ("int_type", "float_type")
    digits = r"[+-]?[0-9]+" if whole else r"[+-]?[0-9]+(\.[0-9]+)?"
    remedy = ""
    if number and isinstance(given, bool):
        remedy = f"write a number, not {_toml(given)}"
    elif number and isinstance(given, str) and re.fullmatch(digits, given):
        remedy = f"write it without quotes: {given}"
    elif whole and isinstance(given, float) and given.is_integer() and abs(given) < 2**53:
        remedy = f"write {int(given)}"
    elif kind == "string_type" and isinstance(given, bool | int | float):
        remedy = f'write it in quotes: "{_toml(given)}"'
    elif kind == "bool_type" and given in ("true", "false"):
        remedy = f"write it without quotes: {given}"
    return remedy


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(given: object) -> str:
    text = _toml(given) if isinstance(given, bool) else repr(given)
    return text if len(text) <= GIVEN_CHARACTERS_MAX else text[: GIVEN_CHARACTERS_MAX - 3] + "..."
