"""Answers that are counted: the first of a sort is told at once, what follows once an interval. Pure.

Ten thousand forged messages so are a few events, and each is in a count. The document with the highest
sequence that a key vouches for stays named: it is the one that its centre waits to hear of.
"""

import math
from dataclasses import dataclass, replace

from contract.desired import Outcome, Refusal


@dataclass(frozen=True, slots=True)
class Counted:
    """So many answers of one sort, and the message that is named; sequence 0 where nobody vouches for any."""

    kind: str
    outcome: Outcome
    refusal: Refusal
    reason: str
    count: int = 1
    sequence: int = 0
    digest: str = ""


_Sort = tuple[str, Outcome, Refusal]


class Refusals:
    """Counts by kind, outcome and reason; times are monotonic seconds."""

    def __init__(self, interval_s: float) -> None:
        """Nothing is counted yet."""
        self._interval_s = interval_s
        self._counted: dict[_Sort, Counted] = {}
        self._told_s: dict[_Sort, float] = {}

    def add(self, new: Counted) -> None:
        """Count it with the others of its sort."""
        kind, outcome, refusal = new.kind, new.outcome, new.refusal
        before = self._counted.get((kind, outcome, refusal))
        if before is not None:
            named = new if new.sequence >= before.sequence else before
            new = replace(named, count=before.count + new.count)
        self._counted[kind, outcome, refusal] = new

    def idle_s(self, now_s: float) -> float:
        """Return how long nothing is to be told; infinite where nothing is counted."""
        due_s = [self._told_s.get(sort, -math.inf) + self._interval_s for sort in self._counted]
        return max(0.0, min(due_s, default=math.inf) - now_s)

    def take(self, now_s: float, *, everything: bool = False) -> list[Counted]:
        """Return what is to be told now, and begin to count anew."""
        due = [
            sort
            for sort in self._counted
            if everything or now_s >= self._told_s.get(sort, -math.inf) + self._interval_s
        ]
        self._told_s |= dict.fromkeys(due, now_s)
        return [self._counted.pop(sort) for sort in due]
