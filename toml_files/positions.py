"""Where each key of a TOML document stands, which tomllib does not tell.

The document is known to be valid, so this only has to follow headers, keys, strings and brackets; it reads
each character once.
"""

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass, field

Key = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_STRING = (
    r'"""(?:[^"\\]++|\\.|"{1,2}+(?!"))*+"{3,5}+'
    r"|'''(?:[^']++|'{1,2}+(?!'))*+'{3,5}+"
    r'|"(?:[^"\\]++|\\.)*+"'
    r"|'[^']*+'"
)
_SCALAR = re.compile(rf"(?:{_STRING}|[^,\]}}#\n]++)", re.DOTALL)
_PART = re.compile(rf"[ \t]*+({_STRING}|[A-Za-z0-9_-]++)[ \t]*+", re.DOTALL)


def positions(text: str) -> dict[Key, int]:
    """Return the line (from 1) of every table and key of a valid TOML document.

    A table stands where its header does; one that is only implied, or made by dotted keys, where it first
    appears. Items of an array are listed where they begin on another line than the array.
    """
    return _Scanner(text).scan()


@dataclass
class _Open:
    """An array or inline table that is being read; ``items`` of an array were begun so far."""

    key: Key
    bracket: str
    line: int
    items: int = 0


@dataclass
class _Scanner:
    text: str
    at: int = 0
    found: dict[Key, int] = field(default_factory=lambda: {(): 1})
    counts: dict[Key, int] = field(default_factory=dict)
    """How many tables each array of tables has so far."""

    def __post_init__(self) -> None:
        self.line_ends = [match.start() for match in re.finditer("\n", self.text)]

    def scan(self) -> dict[Key, int]:
        table: Key = ()
        while self._skip_blank():
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._value(self._key(table))
        return self.found

    def _skip_blank(self) -> bool:
        """Pass white space, line ends and comments; False at the end of the document."""
        if blank := _BLANK.match(self.text, self.at):
            self.at = blank.end()
        return self.at < len(self.text)

    def _line(self, at: int) -> int:
        return bisect_right(self.line_ends, at - 1) + 1

    def _parts(self) -> list[str]:
        """Read a dotted key, and the one character that ends it."""
        parts: list[str] = []
        while match := _PART.match(self.text, self.at):
            token = match[1]
            self.at = match.end() + 1
            parts.append(tomllib.loads(f"key = {token}")["key"] if token[0] in "\"'" else token)
            if self.text[self.at - 1] != ".":
                break
        return parts

    def _header(self) -> Key:
        line = self._line(self.at)
        in_array = self.text.startswith("[[", self.at)
        self.at += 1 + in_array
        parts = self._parts()
        self.at += in_array
        key: Key = ()
        for part in parts[:-1]:
            key = self._last_of((*key, part), line)
        key = (*key, parts[-1])
        if in_array:
            self.counts[key] = self.counts.get(key, 0) + 1
            return self._last_of(key, line)
        self.found[key] = line  # a table may be implied before its own header comes
        return key

    def _last_of(self, key: Key, line: int) -> Key:
        """Note a table; return it, or the newest table of the array of tables that the key names."""
        self.found.setdefault(key, line)
        if key in self.counts:
            key = (*key, self.counts[key] - 1)
            self.found.setdefault(key, line)
        return key

    def _key(self, table: Key) -> Key:
        line = self._line(self.at)
        for part in self._parts():
            table = (*table, part)
            self.found.setdefault(table, line)
        return table

    def _value(self, key: Key) -> None:
        """Read the value of ``key`` with everything inside it."""
        opened: list[_Open] = []
        inside: Key | None = key
        while inside is not None:
            self._skip_blank()
            bracket = self.text[self.at]
            if bracket in "[{":
                opened.append(_Open(inside, bracket, self._line(self.at)))
                self.at += 1
            elif scalar := _SCALAR.match(self.text, self.at):
                self.at = scalar.end()
            inside = self._next(opened)

    def _next(self, opened: list[_Open]) -> Key | None:
        """Go to the next value inside what is open, closing what ends; None when all is closed."""
        while opened:
            self._skip_blank()
            if self.text[self.at] == ",":
                self.at += 1
            elif self.text[self.at] in "]}":
                self.at += 1
                opened.pop()
            elif opened[-1].bracket == "{":
                return self._key(opened[-1].key)
            else:
                return self._item(opened[-1])
        return None

    def _item(self, array: _Open) -> Key:
        key = (*array.key, array.items)
        array.items += 1
        line = self._line(self.at)
        if line != array.line:
            self.found[key] = line
        return key
