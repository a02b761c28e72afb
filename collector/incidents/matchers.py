"""Matchers on labels, written as Alertmanager writes them: ``problem="pipe_burst"``, ``line=~"rs485-.*"``."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

Operator = Literal["=", "!=", "=~", "!~"]

_FORM = re.compile(r'\s*([a-z_]+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*')


class MatcherError(ValueError):
    """A text is no matcher; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; a label that is not there is empty."""

    label: str
    operator: Operator
    value: str
    pattern: re.Pattern[str] | None = None

    @classmethod
    def parse(cls, text: str) -> "Matcher":
        """Return the matcher of a text; MatcherError where it is none."""
        found = _FORM.fullmatch(text)
        if not found:
            raise MatcherError(f'{text!r} is no matcher; write label="value", or !=, =~, !~ in place of =')
        label, operator, value = found[1], cast(Operator, found[2]), re.sub(r"\\(.)", r"\1", found[3])
        if operator not in ("=~", "!~"):
            return cls(label, operator, value)
        try:
            return cls(label, operator, found[3], re.compile(found[3]))
        except (re.error, OverflowError, RecursionError) as error:
            raise MatcherError(f"{text!r}: no regular expression: {error}") from error

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether it holds; a regular expression has to match the whole value."""
        value = labels.get(self.label, "")
        if self.pattern:
            return bool(self.pattern.fullmatch(value)) == (self.operator == "=~")
        return (value == self.value) == (self.operator == "=")


def all_match(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Say whether all of them hold."""
    return all(matcher.matches(labels) for matcher in matchers)
