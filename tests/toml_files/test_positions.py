"""The line told for a key is the line on which it stands, however the document is written."""

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from toml_files import TomlFile
from toml_files.positions import Key, positions

BARE = ["a", "b", "key_2", "c-1", "7"]
QUOTED = {
    '"x.y"': "x.y",
    "'br]ack'": "br]ack",
    '"ha#sh"': "ha#sh",
    '"q\\"="': 'q"=',
    '""': "",
    '"井盖"': "井盖",
}
NAMES = {name: name for name in BARE} | QUOTED
SCALARS = [
    "1",
    "-2.5e3",
    "true",
    '""',
    '"# ] }"',
    "'[x] = {'",
    '"\\"\\\\"',
    "1979-05-27 07:32:00",
    "'''one'''",
]
LONG = ['"""\n[not]\nk = 1"""', "'''\n''x = ]'''''", '"""a\\\n  "" b\\""""""', '"""\n# no\n\\\\"""']
BLANKS = ["", " ", "\n", "\n\n  ", "  # ] , } [a]\n", "\t"]


class Writer:
    """Writes a document and keeps the line of every key."""

    def __init__(self, draw: st.DrawFn) -> None:
        """Begin on line 1."""
        self.draw = draw
        self.text = ""
        self.lines: dict[Key, int] = {}

    def write(self, text: str) -> None:
        """Append to the document."""
        self.text += text

    def note(self, key: Key) -> None:
        """Remember where a key stands, unless it has appeared before."""
        self.lines.setdefault(key, self.text.count("\n") + 1)

    def names(self, most: int) -> list[str]:
        """Draw different names, as they are written."""
        return self.draw(st.lists(st.sampled_from(sorted(NAMES)), max_size=most, unique=True))

    def pair(self, table: Key, name: str, depth: int) -> None:
        """Write ``name = value``, or a dotted name."""
        key = (*table, NAMES[name])
        self.note(key)
        self.write(name)
        if self.draw(st.booleans()):
            self.write(self.draw(st.sampled_from([".", " . "])))
            rest = self.draw(st.sampled_from(sorted(NAMES)))
            key = (*key, NAMES[rest])
            self.note(key)
            self.write(rest)
        self.write(self.draw(st.sampled_from(["=", " = "])))
        self.value(key, depth)

    def value(self, key: Key, depth: int) -> None:
        """Write a scalar, a text of several lines, an array or an inline table."""
        kinds = ["scalar", "long", "array", "inline"] if depth else ["scalar", "long"]
        match self.draw(st.sampled_from(kinds)):
            case "scalar":
                self.write(self.draw(st.sampled_from(SCALARS)))
            case "long":
                self.write(self.draw(st.sampled_from(LONG)))
            case "array":
                self.array(key, depth - 1)
            case "inline":
                self.write("{ ")
                for index, name in enumerate(self.names(3)):
                    self.write(", " if index else "")
                    self.pair(key, name, depth - 1)
                self.write(" }")

    def array(self, key: Key, depth: int) -> None:
        """Write an array over one line or several."""
        blanks = st.sampled_from(BLANKS)
        self.write("[" + self.draw(blanks))
        count = self.draw(st.integers(0, 3))
        for index in range(count):
            self.note((*key, index))
            self.value((*key, index), depth)
            self.write(self.draw(blanks))
            if index < count - 1 or self.draw(st.booleans()):
                self.write("," + self.draw(blanks))
        self.write("]")

    def body(self, table: Key, names: list[str]) -> None:
        """Write the pairs of a table, with blank lines and comments between them."""
        for name in names:
            self.write(self.draw(st.sampled_from(["", "\n", "  ", "# [a] b = 1\n"])))
            self.pair(table, name, 2)
            self.write(self.draw(st.sampled_from(["\n", " # c = [\n"])))

    def tables(self, path: str, table: Key, names: list[str], depth: int) -> None:
        """Write tables and arrays of tables under ``table``, some of them implied by what is below."""
        for name in names:
            dotted = f"{path}.{name}" if path else name
            key = (*table, NAMES[name])
            if self.draw(st.booleans()):
                for index in range(self.draw(st.integers(1, 2))):
                    self.section(f"[[{dotted}]]", dotted, (*key, index), depth)
            elif depth and self.draw(st.booleans()):
                below = self.draw(st.sampled_from(sorted(NAMES)))
                self.section(f"[{dotted}.{below}]", f"{dotted}.{below}", (*key, NAMES[below]), depth - 1)
                if self.draw(st.booleans()):  # what was implied may still get its header
                    del self.lines[key]
                    self.section(f"[{dotted}]", dotted, key, 0, {below})
            else:
                self.section(f"[ {dotted} ]", dotted, key, depth)

    def section(self, header: str, path: str, key: Key, depth: int, taken: set[str] | None = None) -> None:
        """Write one header with its pairs and what is below it."""
        for length in range(1, len(key) + 1):
            self.note(key[:length])
        self.write(header + self.draw(st.sampled_from(["\n", "  # [x] ]]\n"])))
        names = [name for name in self.names(4) if name not in (taken or set())]
        half = len(names) // 2
        self.body(key, names[:half])
        if depth:
            self.tables(path, key, names[half:], depth - 1)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[Key, int]]:
    """Draw a document and the line of each of its keys."""
    writer = Writer(draw)
    names = writer.names(6)
    half = len(names) // 2
    writer.body((), names[:half])
    writer.tables("", (), names[half:], 2)
    return writer.text.replace("\n", draw(st.sampled_from(["\n", "\r\n"]))), writer.lines


def keys_of(node: Any, key: Key = ()) -> set[Key]:
    """Return every key and index of a parsed document."""
    if isinstance(node, dict | list):
        inside = node.items() if isinstance(node, dict) else enumerate(node)
        below: set[Key] = {found for part, item in inside for found in keys_of(item, (*key, part))}
        return below | ({key} if key else set())
    return {key}


@settings(max_examples=250, deadline=None)
@given(documents())
def test_every_key_is_found_on_its_line(document: tuple[str, dict[Key, int]]) -> None:
    """Tables, arrays of tables, dotted and quoted keys, values over several lines, comments, line ends."""
    text, lines = document
    file = TomlFile(text, "some.toml")
    assert keys_of(file.data) == set(lines), "the generator must know what it wrote"
    assert {key: file.problem(key, "").line for key in lines} == lines


def test_items_on_the_line_of_their_array_are_not_listed() -> None:
    """A long array of numbers costs nothing."""
    assert positions("a = [1, 2, 3]") == {(): 1, ("a",): 1}


def test_a_key_inside_an_array_of_inline_tables_has_its_own_line() -> None:
    """People write points this way."""
    found = positions("codes = [\n  { code = 1 },\n  { code = 2, factor = 1 },\n]\n")
    assert found["codes", 1, "factor"] == 3


def test_the_largest_file_is_read_once_from_front_to_back() -> None:
    """A megabyte in one array: reading it again for each line would not end within the test's time."""
    text = "a = [" + "1,\n" * 300_000 + "]\nb = 2\n"
    assert tomllib.loads(text)["b"] == 2
    assert positions(text)["b",] == 300_002
