"""Answers that are counted: the first of a sort is told at once, what follows once an interval. Pure.

Ten thousand forged messages so are a few events, and each is in a count.
"""

import math
from collections.abc import Hashable
from typing import Generic, Protocol, Self, TypeVar


class Countable(Protocol):
    """What can be counted with others of its sort."""

    @property
    def sort(self) -> Hashable:
        """Which answers are counted together."""

    def after(self, before: Self) -> Self:
        """Return both together, this one being the later."""


Counted = TypeVar("Counted", bound=Countable)


class Tally(Generic[Counted]):
    """Counts by sort; times are monotonic seconds."""

    def __init__(self, interval_s: float) -> None:
        """Nothing is counted yet."""
        self._interval_s = interval_s
        self._counted: dict[Hashable, Counted] = {}
        self._told_s: dict[Hashable, float] = {}

    def __len__(self) -> int:
        """How many sorts are counted, or were told within the interval."""
        return len(self._counted.keys() | self._told_s.keys())

    def add(self, new: Counted) -> None:
        """Count it with the others of its sort."""
        before = self._counted.get(new.sort)
        self._counted[new.sort] = new if before is None else new.after(before)

    def idle_s(self, now_s: float) -> float:
        """Return how long nothing is to be told; infinite where nothing is counted."""
        due_s = [self._told_s.get(sort, -math.inf) + self._interval_s for sort in self._counted]
        return max(0.0, min(due_s, default=math.inf) - now_s)

    def take(self, now_s: float, *, everything: bool = False) -> list[Counted]:
        """Return what is to be told now, and begin to count anew."""
        due = [sort for sort in self._counted if everything or self._is_due(sort, now_s)]
        self._told_s = {it: at_s for it, at_s in self._told_s.items() if not self._is_due(it, now_s)}
        self._told_s |= dict.fromkeys(due, now_s)
        return [self._counted.pop(sort) for sort in due]

    def _is_due(self, sort: Hashable, now_s: float) -> bool:
        return now_s >= self._told_s.get(sort, -math.inf) + self._interval_s
