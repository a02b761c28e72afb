"""Whose turn it is on a line. Pure: earliest deadline first, alarms before routine, nobody starves.

Units that did not answer the last time are asked out of an allowance of line time (health.py); when it covers
them they go first, so that a busy line finds the revived too. They wait, though not for ever, where a sound
device would miss its deadline for one of them.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from edge.health import ROUNDING_S, Allowance, Unit

INTERVALS_KEPT = 256
STAGGER_S = 0.1
"""Units behind one feeder are asked again one after the other, so long apart, when it is energised."""
PATIENCE_S = 4.0
"""A doubtful unit waits so long at most for a time when nobody misses a deadline for it."""
ENERGISE_S = 1.0
"""Electronics get this long to start."""


@dataclass(slots=True)
class Turn:
    """One device's place in the schedule; times are monotonic seconds."""

    device: str
    unit: Unit
    interval_s: float
    urgent: bool
    """Whether alarms or controls depend on it."""
    due_s: float
    powered: bool = True
    began_s: float | None = None
    intervals_s: deque[float] = field(default_factory=lambda: deque(maxlen=INTERVALS_KEPT))
    busy_s: float = 0.0
    cost_s: float = 0.0
    """Line time that it took when it last answered."""

    @property
    def deadline_s(self) -> float:
        """When it should have been asked: within an interval after it is due."""
        return self.due_s + self.interval_s


class Schedule:
    """The devices of one line."""

    def __init__(self, turns: Iterable[Turn], now_s: float) -> None:
        """Take the turns as they are; a device name stands once."""
        self.turns = {turn.device: turn for turn in turns}
        self._allowance = Allowance(now_s)

    def choose(self, now_s: float) -> tuple[Turn | None, float]:
        """Return the turn to take now, or None and how many seconds nothing will be due."""
        due_by_s = now_s + ROUNDING_S
        due, next_s = [], math.inf
        for turn in self.turns.values():
            if turn.due_s <= due_by_s:
                due.append(turn)
            elif turn.due_s < next_s:
                next_s = turn.due_s
        if not due:
            return None, next_s - now_s
        if len(due) == 1 and not due[0].unit.failures:
            return due[0], 0.0
        doubtful = [turn for turn in due if turn.unit.doubtful and turn.powered]
        first = min(doubtful, key=lambda turn: turn.due_s, default=None)
        waits: list[float] = []
        if first:
            cost_s = first.unit.learnt_timeout_s()
            if not self._allowance.covers(cost_s, now_s):
                waits.append(self._allowance.wait_s(cost_s, now_s))
            elif self._harms_nobody(cost_s, now_s):
                return first, 0.0
            elif now_s - first.due_s >= PATIENCE_S:
                first.unit.hurried = True
                return first, 0.0
            else:
                waits.append(PATIENCE_S - (now_s - first.due_s))
        sound = [turn for turn in due if not (turn.unit.doubtful and turn.powered)]
        if sound:
            # Past its deadline a routine device is as urgent as any: nobody starves.
            return min(
                sound, key=lambda turn: (not turn.urgent and now_s < turn.deadline_s, turn.deadline_s)
            ), 0.0
        return None, max(0.0, min([next_s - now_s, *waits]))

    def _harms_nobody(self, cost_s: float, now_s: float) -> bool:
        """Say whether so much line time can be spent without a deadline missed that would else be kept."""
        kept_s, late_s = now_s, now_s + cost_s
        turns = [turn for turn in self.turns.values() if turn.powered and not turn.unit.doubtful]
        for turn in sorted(turns, key=lambda turn: turn.deadline_s):
            if turn.due_s >= late_s:
                continue
            kept_s = max(kept_s, turn.due_s) + turn.cost_s
            late_s = max(late_s, turn.due_s) + turn.cost_s
            if kept_s <= turn.deadline_s < late_s:
                return False
        return True

    def done(self, turn: Turn, *, began_s: float, now_s: float) -> None:
        """A turn was taken from ``began_s`` to now; set its next one on its own grid, without drift."""
        busy_s = now_s - began_s
        turn.busy_s += busy_s
        if turn.unit.doubtful:
            self._allowance.spend(busy_s, now_s)
        elif turn.powered:
            turn.cost_s = busy_s
        if turn.began_s is not None:
            turn.intervals_s.append(began_s - turn.began_s)
        turn.began_s = began_s
        step_s = turn.unit.wait_s(turn.interval_s)
        turn.due_s += step_s
        if turn.due_s <= now_s:  # turns that could not be taken are skipped
            turn.due_s = now_s + step_s - (now_s - turn.due_s) % step_s

    def revived(self, turn: Turn, now_s: float) -> None:
        """A dead unit answered: what silenced it may have silenced others, so all the dead are asked soon."""
        others = [other for other in self.turns.values() if other.unit.dead and other is not turn]
        for index, other in enumerate(sorted(others, key=lambda each: each.due_s)):
            other.due_s = min(other.due_s, now_s + index * STAGGER_S)

    def energised(self, devices: Iterable[str], now_s: float) -> None:
        """The feeder of these devices is on again: they are asked soon, staggered, and not as dead."""
        for index, name in enumerate(sorted(devices)):
            turn = self.turns[name]
            turn.powered = True
            turn.unit.failures = 0
            turn.due_s = now_s + ENERGISE_S + index * STAGGER_S

    def unpowered(self, devices: Iterable[str]) -> None:
        """The feeder of these devices is off: they cannot answer, and that is no failure."""
        for name in devices:
            self.turns[name].powered = False


def quantile(values: Iterable[float], part: float) -> float | None:
    """Return the value below which ``part`` of the values lie, or None of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else None
