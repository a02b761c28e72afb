"""What a recorded life had promised at a moment, and the verdict on what a power cut left of it."""

import json
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, Self, TypeVar

from tests.faults.recording import Kind, Operation

EXAMPLES_MAX = 5


class Known(Protocol):
    """A state of what is recorded; see buffer_life.State and journal_life.Journal."""

    def apply(self, change: dict[str, Any]) -> None:
        """Take what a transaction changed."""

    def said(self) -> str:
        """Return everything that the files say, as text to compare."""


StateT = TypeVar("StateT", bound=Known)


@dataclass(frozen=True, slots=True)
class Moment(Generic[StateT]):
    """What was promised before a cut, and what else may stand: the transaction that was under way."""

    promised: StateT
    possible: tuple[StateT, ...]
    is_new: bool
    """Nothing was ever promised yet."""

    earlier: frozenset[int] | set[int]
    """Hashes of what the files said after earlier transactions."""


class Ledger(Generic[StateT]):
    """Follows the marks of a record; ask for moments in their order."""

    def __init__(self, operations: list[Operation], before: StateT, *, is_new: bool) -> None:
        """Stand before the first operation; what is ``before`` a life that is not new is promised already."""
        self._marks = [
            (index, json.loads(operation.data))
            for index, operation in enumerate(operations)
            if operation.kind is Kind.MARK
        ]
        self._at = 0
        self._state = before
        self._is_new = is_new
        self._under_way = False
        self._earlier: set[int] = set()

    def at(self, position: int) -> Moment[StateT]:
        """Return what is true after so many operations."""
        while self._at < len(self._marks) and self._marks[self._at][0] < position:
            self._pass(self._marks[self._at][1])
            self._at += 1
        possible = [self._state]
        if self._under_way:
            following = deepcopy(self._state)
            following.apply(next(mark["end"] for _, mark in self._marks[self._at :] if "end" in mark))
            possible.append(following)
        return Moment(self._state, tuple(possible), self._is_new, self._earlier)

    def _pass(self, mark: dict[str, Any]) -> None:
        if "begin" in mark:
            self._under_way = True
        elif "note" in mark:
            self._state.apply(mark["note"])
        else:
            self._earlier.add(hash(self._state.said()))
            self._state.apply(mark["end"])
            self._earlier.discard(hash(self._state.said()))
            self._is_new = False
            self._under_way = False


@dataclass(slots=True)
class Verdict:
    """On one cut: promises broken, things that cannot be, holes in sequences; and in words."""

    lost: int = 0
    corrupt: int = 0
    gaps: int = 0
    words: list[str] = field(default_factory=list)
    stands: Known | None = None
    """Which of the possible states was found, if it was one."""

    def is_lost(self, count: int, words: str) -> None:
        """Note promises that are broken."""
        self.lost += count
        self.words.append(words)

    def is_corrupt(self, words: str) -> None:
        """Note something that no power cut may make of a disk."""
        self.corrupt += 1
        self.words.append(words)

    def has_gap(self, words: str) -> None:
        """Note a hole in a sequence."""
        self.gaps += 1
        self.words.append(words)

    def compare(self, found: Known, moment: Moment[Any]) -> None:
        """Hold what was found against what may be."""
        said = found.said()
        self.stands = next((state for state in moment.possible if state.said() == said), None)
        if self.stands:
            return
        if hash(said) in moment.earlier:
            self.is_lost(0 if self.lost else 1, "an earlier state has come back")
        elif not self.lost:
            self.is_corrupt(f"a state that never was: {said[:2000]}")


@dataclass(slots=True)
class Tally:
    """Verdicts on many cuts."""

    cuts: int = 0
    hurt: int = 0
    lost: int = 0
    corrupt: int = 0
    gaps: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, verdict: Verdict, where: str) -> None:
        """Count one cut; ``where`` says how it can be made again."""
        self.cuts += 1
        self.lost += verdict.lost
        self.corrupt += verdict.corrupt
        self.gaps += verdict.gaps
        if verdict.words:
            self.hurt += 1
            if len(self.examples) < EXAMPLES_MAX:
                self.examples.append(f"{where}: {'; '.join(verdict.words)}")

    def merge(self, others: Iterable[Self]) -> Self:
        """Add others to this one."""
        for other in others:
            self.cuts += other.cuts
            self.hurt += other.hurt
            self.lost += other.lost
            self.corrupt += other.corrupt
            self.gaps += other.gaps
            self.examples = [*self.examples, *other.examples][:EXAMPLES_MAX]
        return self

    @property
    def is_clean(self) -> bool:
        """Say whether no cut did any harm."""
        return not self.hurt
