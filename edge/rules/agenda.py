"""Time-outs of the rules, earliest first: nothing looks at all rules to find those that are due. Pure."""

import heapq
import itertools
import math
from collections.abc import Sequence
from typing import Protocol

from edge.clock import Moment
from edge.rules.effects import RuleEffect


class Timed(Protocol):
    """Something that is to be asked again at a time."""

    @property
    def due_s(self) -> float:
        """Monotonic seconds; infinity for never. It may become later at any time, without a word."""

    def update(self, now: Moment) -> Sequence[RuleEffect]:
        """Decide on what is known now; return what changed."""


class Agenda:
    """Who is to be asked when.

    What became due later than was noted is noted anew only when its old time has come: that costs once a
    time-out, not once a sample.
    """

    def __init__(self) -> None:
        """Nobody yet."""
        self._heap: list[tuple[float, int, Timed]] = []
        self._noted_s: dict[int, float] = {}
        self._count = itertools.count()
        self.due_s = math.inf
        """The earliest time at which somebody may be due; infinity for never."""

    def note(self, timed: Timed) -> None:
        """Take it that its time may have changed."""
        due_s, noted_s = timed.due_s, self._noted_s.get(id(timed), math.inf)
        if due_s < noted_s:
            self._noted_s[id(timed)] = due_s
            heapq.heappush(self._heap, (due_s, next(self._count), timed))
            self.due_s = self._heap[0][0]

    def due(self, now_s: float) -> list[Timed]:
        """Return whoever is due, once each; whoever was asked is to be noted anew."""
        found = []
        while self._heap and self._heap[0][0] <= now_s:
            noted_s, _, timed = heapq.heappop(self._heap)
            if self._noted_s.get(id(timed)) != noted_s:
                continue  # it was noted again, for an earlier time
            del self._noted_s[id(timed)]
            if timed.due_s <= now_s:
                found.append(timed)
            else:
                self.note(timed)
        self.due_s = self._heap[0][0] if self._heap else math.inf
        return found
