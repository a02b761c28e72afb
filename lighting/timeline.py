"""What a lamp should do from when on, and why: steps, in the order of time."""

import datetime as dt
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from lighting.plan import Operator


class CauseKind(StrEnum):
    """What brings a step."""

    NIGHT_BEGINS = "night_begins"
    PERIOD_BEGINS = "active_period_begins"
    PERIOD_ENDS = "active_period_ends"
    FIXED_TIME = "fixed_time_control"
    ASTRO_CLOCK = "astro_clock_time_control"
    CONDITION_BEGINS = "condition_begins"
    CONDITION_ENDS = "condition_ends"
    SUN = "sun"


class Cause(NamedTuple):
    """What brought a step; ``detail`` as the plan writes it: ``23:00``, ``sunset-10``, ``fog``."""

    kind: CauseKind
    detail: str = ""


class Threshold(NamedTuple):
    """Dark enough below ``on_level``, bright enough above ``off_level``; between them it stays as it was."""

    point: str
    on_level: float
    off_level: float


class Comparison(NamedTuple):
    """Whether a point compares so with a value."""

    point: str
    operator: Operator
    value: float


Gate = Threshold | Comparison
"""Decides on the spot whether a step's level holds."""


class Step(NamedTuple):
    """From ``start_ms`` on: ``level``, or off while none of the ``gates`` is open, where there are any.

    Where no gate's point has a good value, ``dark`` decides: whether the sun is below the horizon.
    """

    start_ms: int
    level: int
    gates: tuple[Gate, ...]
    dark: bool
    night: dt.date
    program: str
    rule: int | None
    """Index of the calendar's rule; None for its default program."""
    cause: Cause

    def level_where(self, opened: Mapping[Gate, bool | None]) -> int:
        """Return the level that is due; ``opened`` says of each gate whether it is open, None if unknown."""
        if not self.gates:
            return self.level
        known = [state for gate in self.gates if (state := opened.get(gate)) is not None]
        return self.level if (any(known) if known else self.dark) else 0


class Timeline:
    """The steps of one lamp, strictly rising in time; each differs from the one before in what is due."""

    def __init__(self, steps: Sequence[Step], until_ms: int) -> None:
        """At least one step; nothing is said of ``until_ms`` and later."""
        self.steps = steps
        self.until_ms = until_ms
        self._starts = [step.start_ms for step in steps]

    def at(self, time_ms: int) -> Step:
        """Return the step that holds; ValueError outside of what was compiled."""
        index = bisect_right(self._starts, time_ms) - 1
        if index < 0 or time_ms >= self.until_ms:
            raise ValueError(f"{time_ms} is not within {self._starts[0]} to {self.until_ms}")
        return self.steps[index]


def moved(gate: Gate, value: float, before: bool | None) -> bool | None:
    """Return whether the gate is open now that its point reads ``value``."""
    if isinstance(gate, Threshold):
        if value < gate.on_level:
            return True
        return False if value > gate.off_level else before
    return {
        "eq": value == gate.value,
        "ne": value != gate.value,
        "ge": value >= gate.value,
        "gt": value > gate.value,
        "le": value <= gate.value,
        "lt": value < gate.value,
    }[gate.operator]
