"""Setting keys in a file that somebody wrote: comments, order and everything else stay as they are."""

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from toml_files.writing import as_toml

_TABLE = re.compile(r"^\s*\[\[?\s*([A-Za-z0-9_.-]+)\s*\]\]?\s*(#.*)?$")
_VALUE = r'(?:"[^"\n]*"|\[[^\]\n]*\]|[^\s#\[\]"]+)'

Value = str | int | float | bool | list[str]


class SettingError(ValueError):
    """A key cannot be set without changing more; the text says what to write by hand."""


def with_keys(text: str, wanted: Mapping[str, Mapping[str, Value]]) -> str:
    """Return the file with keys of tables set, where they stand, or where their default is commented out.

    A key that stands nowhere follows its table's header; a table that stands nowhere comes last. The table
    "" is the head of the file. What comes out is read again: SettingError where anything but these keys
    became another.
    """
    lines = [f"{line}\n" for line in text.removesuffix("\n").split("\n")]
    for table, keys in wanted.items():
        for key, value in keys.items():
            _set(lines, table, key, value)
    made = "".join(lines)
    try:
        was, told = tomllib.loads(text), tomllib.loads(made)
    except tomllib.TOMLDecodeError as error:
        raise SettingError(_by_hand(wanted)) from error
    for table, keys in wanted.items():
        if table:
            was[table] = {**was.get(table, {}), **keys}
        else:
            was |= keys
    if was != told:
        raise SettingError(_by_hand(wanted))
    return made


def _set(lines: list[str], table: str, key: str, value: Value) -> None:
    told = as_toml({key: value}).strip()
    headers = (at + 1 for at, line in enumerate(lines) if _named(line) == table)
    begin = next(headers, None) if table else 0
    if begin is None:
        lines += ["\n", f"[{table}]\n", f"{told}\n"]
        return
    ends = (at for at in range(begin, len(lines)) if _named(lines[at]) is not None)
    section = range(begin, next(ends, len(lines)))
    for prefix in ("", "# ?"):  # what is set before what is only shown
        pattern = re.compile(rf"^\s*{prefix}{re.escape(key)}\s*=\s*{_VALUE}[ \t]*(#.*)?$")
        for at in section:
            if found := pattern.match(lines[at].rstrip("\r\n")):
                lines[at] = _beside(told, found[1], found.start(1))
                return
    lines.insert(begin, f"{told}\n")


def _beside(told: str, comment: str | None, column: int) -> str:
    """Return the line with its comment where it was, as far as that goes."""
    return f"{told:<{column - 1}} {comment}\n" if comment else f"{told}\n"


def _named(line: str) -> str | None:
    found = _TABLE.match(line.rstrip("\r\n"))
    return found[1] if found else None


def _by_hand(wanted: Mapping[str, Mapping[str, Any]]) -> str:
    tables = "\n".join(f"[{table}]\n{as_toml(keys).rstrip()}" for table, keys in wanted.items())
    return f"the settings cannot be filled in without changing more; write by hand:\n{tables}"
