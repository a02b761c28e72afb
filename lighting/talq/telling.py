"""What is told of TALQ's objects while they are read: problems, remarks, and names that had to change."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contract.limits import NAME_CHARACTERS_MAX
from contract.names import NAME_PATTERN

PROBLEMS_TOLD_MAX = 50
Json = dict[str, Any]

_NAME = re.compile(NAME_PATTERN)
_STRANGE = re.compile(r"[^a-z0-9_-]+")
_STEM = NAME_CHARACTERS_MAX - 6
"""So much of a name is kept where a number must follow."""


class TalqError(ValueError):
    """TALQ's objects make no plan; ``problems`` says everything because of which."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep as many as people read."""
        self.problems = list(problems[:PROBLEMS_TOLD_MAX])
        super().__init__("\n".join(self.problems))


class Telling:
    """Collects problems and remarks, each once, with the path of the member that they are about."""

    def __init__(self) -> None:
        """Nothing so far."""
        self.problems: list[str] = []
        self.remarks: list[str] = []
        self._names: dict[tuple[str, str], str] = {}

    def refuse(self, at: str, what: str, remedy: str) -> None:
        """Tell a problem."""
        self.problems.append(f"{at}: {what}; {remedy}")

    def remark(self, at: str, what: str) -> None:
        """Tell what was left out, or read in a certain way."""
        self.remarks.append(f"{at}: {what}")

    def left(self, table: Json, at: str, known: Sequence[str], why: Mapping[str, str] | None = None) -> None:
        """Remark on members that are not taken; ``why`` says of some what that means."""
        for key, value in table.items():
            if key not in known and value not in (None, [], {}):
                means = (why or {}).get(key)
                if means is None or value != 0:
                    self.remark(
                        f"{at}.{key}".removeprefix("."), f"is not taken{f': {means}' if means else ''}"
                    )

    def table(self, value: object, at: str) -> Json:
        """Return an object; an empty one, and a problem, where it is something else."""
        if isinstance(value, dict):
            return value
        self.refuse(at, "is no object" if value is not None else "is missing", "write { … }")
        return {}

    def rows(self, table: Json, key: str, at: str) -> Iterator[tuple[str, Json]]:
        """Yield the objects of a list with their paths; a problem where there is something else."""
        path = f"{at}.{key}".removeprefix(".")
        value = table.get(key, [])
        if not isinstance(value, list):
            self.refuse(path, "is no list", "write [ … ]")
            return
        for index, row in enumerate(value):
            if isinstance(row, dict):
                yield f"{path}[{index}]", row
            else:
                self.refuse(f"{path}[{index}]", "is no object", "write { … }")

    def name(self, kind: str, given: object, at: str) -> str:
        """Return our name for an id, and remark on it where it is another."""
        text = str(given) if given else ""
        if not text:
            self.refuse(at, "is missing", "give one")
        name = self.named(kind, text)
        if name != text and text:
            self.remark(at, f"{text!r} is called {name!r} here")
        return name

    def named(self, kind: str, given: object) -> str:
        """Return our name for an id that is referred to; the same wherever it is."""
        text = str(given)
        found = self._names.get((kind, text))
        if found is None:
            taken = {name for (other, _), name in self._names.items() if other == kind}
            plain = _STRANGE.sub("-", text.lower()).strip("-_") or kind
            found = text if _NAME.match(text) and len(text) <= NAME_CHARACTERS_MAX else plain[:_STEM]
            number = 1
            while found in taken:
                number += 1
                found = f"{plain[:_STEM]}-{number}"
            self._names[kind, text] = found
        return found
