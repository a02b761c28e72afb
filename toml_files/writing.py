"""Writing TOML as people write it: tables of tables below each other, what lies deeper on one line each."""

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

LINE_CHARACTERS_MAX = 110
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def as_toml(data: Mapping[str, Any]) -> str:
    """Return a document that tomllib reads as ``data``; TypeError for what TOML has no form of, as None."""
    plain = {key: value for key, value in data.items() if not _is_tables(value)}
    parts = ["".join(_lines(plain))]
    for key, tables in data.items():
        if _is_tables(tables):
            parts += [f"[[{_key(key)}]]\n" + "".join(_lines(table)) for table in tables]
    return "\n".join(part for part in parts if part)


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _lines(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        line = f"{_key(key)} = {_value(value)}\n"
        if isinstance(value, list) and (len(line) > LINE_CHARACTERS_MAX or (_is_tables(value) and value[1:])):
            line = f"{_key(key)} = [\n" + "".join(f"  {row},\n" for row in _rows(value)) + "]\n"
        yield line


def _rows(values: Sequence[Any]) -> Iterator[str]:
    """Yield values, tables on a line of their own, as many of the others on a line as fit."""
    row = ""
    for value in values:
        told = _value(value)
        if row and (isinstance(value, Mapping) or len(row) + len(told) + 5 > LINE_CHARACTERS_MAX):
            yield row
            row = ""
        row = f"{row}, {told}" if row else told
    yield row


def _value(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _text(value)
        case int() | float():
            return repr(value)
        case dt.date() | dt.time():
            return value.isoformat()
        case Mapping():
            inner = ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case list():
            return f"[{', '.join(map(_value, value))}]"
    raise TypeError(f"{value!r} has no form in TOML")


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    """JSON's strings are TOML's but for one character, which must not stand there as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
