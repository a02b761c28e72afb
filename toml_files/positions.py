"""Where each key of a TOML document stands, which tomllib does not tell.

The document is known to be valid, so this only has to follow headers, keys and brackets.
"""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

Key = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*(\[\[?)(?P<name>.+?)(\]\]?)\s*(#.*)?$")
_KEY = re.compile(r"""^\s*(?P<key>(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
                  r"""(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*'))*)\s*=""")  # fmt: skip


def positions(text: str) -> dict[Key, int]:
    """Return the line (from 1) of every table and key of a valid TOML document.

    Items of an inline array or table share the line on which their outermost key stands.
    """
    found: dict[Key, int] = {(): 1}
    table: Key = ()
    counts: dict[Key, int] = {}
    for number, statement in _statements(text):
        if header := _HEADER.match(statement):
            is_array = header[1] == "[["
            table = _resolved(_parts(header["name"]), counts, is_array)
            found.setdefault(table, number)
        elif match := _KEY.match(statement):
            key = table
            for part in _parts(match["key"]):
                key = (*key, part)
                found.setdefault(key, number)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) of each header or key, following values over several lines."""
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        start = number
        statement = lines[number]
        number += 1
        if not statement.strip() or statement.lstrip().startswith("#"):
            continue
        while _KEY.match(statement) and not _complete(statement) and number < len(lines):
            statement += "\n" + lines[number]
            number += 1
        yield start + 1, statement


def _complete(statement: str) -> bool:
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _parts(name: str) -> list[str]:
    node: Any = tomllib.loads(name + " = 0")
    parts = []
    while isinstance(node, dict):
        [(part, node)] = node.items()
        parts.append(part)
    return parts


def _resolved(parts: list[str], counts: dict[Key, int], is_array: bool) -> Key:
    key: Key = ()
    for index, part in enumerate(parts):
        key = (*key, part)
        if is_array and index == len(parts) - 1:
            counts[key] = counts.get(key, -1) + 1
        if key in counts:
            key = (*key, counts[key])
    return key
