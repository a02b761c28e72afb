"""What alarms are told apart by, and matchers over it, in Alertmanager's form."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row

from collector.alarms.patterns import Pattern, PatternError, pattern
from collector.alarms.tables import conditions
from collector.held import Held

LABELS = (
    "gateway",
    "rule",
    "device",
    "point",
    "condition",
    "problem",
    "priority",
    "part",
    "line",
    "area",
)
"""Each is a column of ``conditions``. ``line`` is the device's, ``area`` that of its part."""
MATCHERS_MAX = 20
VALUE_CHARACTERS_MAX = 500
_FORM = re.compile(r"\s*([a-z]{1,20})\s*(=~|!~|!=|=)\s*(.*)", re.DOTALL)

Labels = Mapping[str, str]


class MatcherError(ValueError):
    """No matcher; the text says why, and what to write."""


class Operator(StrEnum):
    """How a label is looked at."""

    EQUAL = "="
    NOT_EQUAL = "!="
    MATCHES = "=~"
    MATCHES_NOT = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; a regular expression is anchored at both ends."""

    name: str
    operator: Operator
    value: str
    pattern: Pattern | None = None

    def __str__(self) -> str:
        """Write it as people do."""
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.name}{self.operator}"{escaped}"'

    def matches(self, labels: Labels) -> bool:
        """Say whether it holds of these labels; a label that is not there is empty."""
        value = labels.get(self.name, "")
        holds = self.pattern.matches(value) if self.pattern else value == self.value
        return holds is (self.operator in (Operator.EQUAL, Operator.MATCHES))

    def where(self) -> ColumnElement[bool] | None:
        """Return the same for SQL, where SQL can say it."""
        column = conditions.c[self.name]
        if self.operator is Operator.EQUAL:
            return column == self.value
        return column != self.value if self.operator is Operator.NOT_EQUAL else None


def matcher(text: str) -> Matcher:
    """Read ``name="value"`` with one of ``=``, ``!=``, ``=~``, ``!~``; the quotes may be left out."""
    found = _FORM.fullmatch(text)
    if not found:
        raise MatcherError(f'{text[:100]!r} is no matcher; write label="value", or with !=, =~ or !~')
    name, operator, value = found[1], Operator(found[2]), _unquoted(found[3].strip())
    if name not in LABELS:
        raise MatcherError(f"{name!r} is no label; there are {', '.join(LABELS)}")
    if len(value) > VALUE_CHARACTERS_MAX:
        raise MatcherError(f"the value of {name} has more than {VALUE_CHARACTERS_MAX} characters")
    try:
        is_pattern = operator in (Operator.MATCHES, Operator.MATCHES_NOT)
        return Matcher(name, operator, value, pattern(value) if is_pattern else None)
    except PatternError as error:
        raise MatcherError(str(error)) from error


def matchers(texts: Iterable[str]) -> tuple[Matcher, ...]:
    """Read several, all of which must hold; MatcherError where they would hold of every alarm."""
    read = tuple(matcher(text) for text in texts)
    if len(read) > MATCHERS_MAX:
        raise MatcherError(f"more than {MATCHERS_MAX} matchers")
    if all(each.matches({}) for each in read):
        raise MatcherError("these match every alarm; name at least one label by what it must be")
    return read


def hold(matchers: Iterable[Matcher], labels: Labels) -> bool:
    """Say whether all hold."""
    return all(matcher.matches(labels) for matcher in matchers)


def labels_of(row: Row[Any] | Held) -> dict[str, str]:
    """Return the labels of a row of ``conditions``."""
    return {name: getattr(row, name) for name in LABELS}


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    if len(value) < 2 or not value.endswith('"'):
        raise MatcherError(f"{value[:100]}: the quotes are not closed")
    return re.sub(r'\\(["\\])', r"\1", value[1:-1])
