"""Regular expressions that always end in time: every step looks at each character of a text once.

A subset of RE2's syntax, always anchored: literals, ``.``, ``[a-z]``, ``[^a-z]``, ``\\d``, ``\\w``, ``\\s``,
``\\`` before what stands for itself, groups, ``|``, ``*``, ``+``, ``?``, ``{2}``, ``{2,}``, ``{2,4}``. No
look-around and no back-references; the rest needs no backtracking, which takes exponential time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

PATTERN_CHARACTERS_MAX = 200
STEPS_MAX = 500
"""Of a pattern that is laid out, ``{2,4}`` written in full; a match looks so often at a character."""
REPEATS_MAX = 100
DEPTH_MAX = 20
SPECIAL = "\\.[](){}*+?|^$"

Test = Callable[[str], bool]
Piece = list["Step"]


class PatternError(ValueError):
    """No pattern of this syntax; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Step:
    """Take a character that passes ``test`` and go on; or, without one, go on at each of ``to``, relative."""

    test: Test | None
    to: tuple[int, ...] = (1,)


class Pattern:
    """One pattern, laid out."""

    def __init__(self, steps: Piece) -> None:
        """``steps`` end where the text must."""
        self._steps = steps

    def matches(self, text: str) -> bool:
        """Say whether the whole text is of this form."""
        at = self._reached({0})
        for character in text:
            at = self._reached({each + 1 for each in at if self._passes(each, character)})
            if not at:
                return False
        return len(self._steps) in at

    def _passes(self, index: int, character: str) -> bool:
        test = self._steps[index].test if index < len(self._steps) else None
        return test is not None and test(character)

    def _reached(self, begin: set[int]) -> set[int]:
        """Return where one may be without taking a character."""
        found, waiting = set(begin), list(begin)
        while waiting:
            index = waiting.pop()
            if index == len(self._steps) or self._steps[index].test is not None:
                continue
            for by in self._steps[index].to:
                if index + by not in found:
                    found.add(index + by)
                    waiting.append(index + by)
        return found


@lru_cache(maxsize=1_000)
def pattern(text: str) -> Pattern:
    """Return the pattern; PatternError says what is wrong with it."""
    if len(text) > PATTERN_CHARACTERS_MAX:
        raise PatternError(f"the pattern has more than {PATTERN_CHARACTERS_MAX} characters")
    reader = _Reader(text)
    steps = reader.choice(0)
    if reader.more:
        raise PatternError(f"{text!r}: {reader.next!r} at {reader.at + 1} closes nothing")
    return Pattern(steps)


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self.at = text, 0

    @property
    def more(self) -> bool:
        return self.at < len(self._text)

    @property
    def next(self) -> str:
        return self._text[self.at : self.at + 1]

    def choice(self, depth: int) -> Piece:
        """Read alternatives up to the end or a closing parenthesis."""
        if depth > DEPTH_MAX:
            raise PatternError(f"{self._text!r}: groups within more than {DEPTH_MAX} others")
        read = self._sequence(depth)
        while self.next == "|":
            self.at += 1
            other = self._sequence(depth)
            read = self._sized([Step(None, (1, len(read) + 2)), *read, Step(None, (len(other) + 1,)), *other])
        return read

    def _sequence(self, depth: int) -> Piece:
        read: Piece = []
        while self.more and self.next not in "|)":
            read = self._sized(read + self._repeated(self._one(depth)))
        return read

    def _one(self, depth: int) -> Piece:
        character = self._take()
        if character == "(":
            if self._text[self.at : self.at + 2] == "?:":
                self.at += 2
            read = self.choice(depth + 1)
            if self.next != ")":
                raise PatternError(f"{self._text!r}: a parenthesis is not closed")
            self.at += 1
            return read
        if character == "[":
            return [Step(self._class())]
        if character == ".":
            return [Step(lambda each: each != "\n")]
        if character == "\\":
            return [Step(self._escaped())]
        if character in SPECIAL:
            why = "is not needed, it is anchored" if character in "^$" else "repeats or closes nothing"
            raise PatternError(f"{self._text!r}: {character!r} at {self.at} {why}; or write \\{character}")
        return [Step(_is(character))]

    def _repeated(self, one: Piece) -> Piece:
        while (mark := self.next) and mark in "*+?{":
            least, most = self._times()
            if self.next == "?":
                raise PatternError(f"{self._text!r}: lazy repetition at {self.at + 1} means nothing here")
            self._sized(one * max(1, least, most or 0))
            optional = [Step(None, (1, len(one) + 1)), *one]
            if most is None:
                again = [*optional, Step(None, (-len(optional),))]
                again[0] = Step(None, (1, len(again)))
                one = one * least + again
            else:
                one = one * least + optional * (most - least)
            self._sized(one)
        return one

    def _times(self) -> tuple[int, int | None]:
        mark = self._take()
        if mark != "{":
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[mark]
        end = self._text.find("}", self.at)
        told, self.at = self._text[self.at : end], end + 1
        least, comma, most = told.partition(",")
        numbers = [each for each in (least, most) if each]
        if end < 0 or not least or not all(each.isascii() and each.isdigit() for each in numbers):
            raise PatternError(f"{self._text!r}: after {{ come numbers, as {{2}}, {{2,}} or {{2,4}}")
        low, high = int(least), (int(most) if most else None) if comma else int(least)
        if low > REPEATS_MAX or (high or 0) > REPEATS_MAX or (high is not None and high < low):
            raise PatternError(f"{self._text!r}: {{{told}}}: up to {REPEATS_MAX}, the smaller first")
        return low, high

    def _class(self) -> Test:
        """Read up to the closing bracket."""
        negated = self.next == "^"
        self.at += negated
        tests: list[Test] = []
        while self.next != "]" or not tests:
            low = self._take("a bracket is not closed")
            if low == "\\":
                tests.append(self._escaped())
                continue
            if self.next == "-" and self._text[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                high = self._take()
                if high == "\\" or high < low:
                    raise PatternError(f"{self._text!r}: {low}-{high} is no range")
                tests.append(_between(low, high))
            else:
                tests.append(_is(low))
        self.at += 1
        return lambda each: any(test(each) for test in tests) is not negated

    def _escaped(self) -> Test:
        character = self._take("a backslash at the end")
        classes: dict[str, Test] = {
            "d": lambda each: each in "0123456789",
            "w": lambda each: each == "_" or (each.isascii() and each.isalnum()),
            "s": lambda each: each in " \t\n\r\f",
        }
        if character in classes:
            return classes[character]
        if character.isalnum():
            raise PatternError(f"{self._text!r}: \\{character} is not known; \\d, \\w and \\s are")
        return _is(character)

    def _take(self, missing: str = "it ends too early") -> str:
        if not self.more:
            raise PatternError(f"{self._text!r}: {missing}")
        self.at += 1
        return self._text[self.at - 1]

    def _sized(self, read: Piece) -> Piece:
        if len(read) > STEPS_MAX:
            raise PatternError(
                f"{self._text!r}: too much; written in full it has more than {STEPS_MAX} steps"
            )
        return read


def _is(character: str) -> Test:
    return lambda each: each == character


def _between(low: str, high: str) -> Test:
    return lambda each: low <= each <= high
