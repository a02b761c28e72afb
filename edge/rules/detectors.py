"""What shows of an alarm's condition: one class a kind. Pure but for its own memory of values.

Each answers with three values: it shows, the contrary shows, or nothing can be told. Only good values are
handed in, so that bad, stale or unpowered data neither raises a process alarm nor clears one.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from contract.samples import Value
from edge.clock import Moment
from edge.rules.fixed_window import FixedWindow
from edge.rules.settings import (
    Averaged,
    DeviationAlarm,
    DiscreteAlarm,
    FlatlineAlarm,
    Level,
    LimitAlarm,
    RateAlarm,
    StaleAlarm,
)
from edge.rules.steady import Steady
from edge.rules.window import Extreme, Window
from edge.settings import Ref, ref


class Input(Protocol):
    """Takes good values of a point."""

    def take(self, value: Value, now: Moment) -> None:
        """Take a good value that was measured at that moment."""


class NumberInput(Protocol):
    """Takes good numbers of a point."""

    def take(self, value: float, now: Moment) -> object:
        """Take a good number that was measured at that moment."""


class Inputs(NamedTuple):
    """Who wants the values of which point."""

    numbers: Sequence[tuple[Ref, NumberInput]] = ()
    values: Sequence[tuple[Ref, Input]] = ()


class Measure(NumberInput, Protocol):
    """A figure of a point that is held against limits."""

    newest_s: float
    due_s: float

    def take(self, value: float, now: Moment) -> float | None:
        """Take a good number; return the figure, or None where there is nothing to decide on."""

    def value_at(self, now: Moment) -> float | None:
        """Return the figure, or None where there is nothing to decide on."""


class Detector(Protocol):
    """Says whether the condition of one level of an alarm shows on its point."""

    limit: float | None
    value: Value
    """What was looked at last, and what it is held against."""
    timed: bool
    """Whether there are times at which it is to be asked though nothing new was measured."""

    @property
    def newest_s(self) -> float:
        """When what it decides by was measured last; delays count on this."""

    @property
    def due_s(self) -> float:
        """When it is to be asked again though nothing new was measured; infinity for never."""

    def inputs(self) -> Inputs:
        """Return which values it wants."""

    def shows(self, now: Moment, *, active: bool) -> bool | None:
        """Return whether it shows; ``active`` says that it did, so that only beyond the deadband it ends."""


class Listener(Protocol):
    """A detector that is told of its own point first, and says whether its alarm is to be asked."""

    def heard(self, value: float, at_s: float) -> bool:
        """Take a good number; return whether an alarm in the normal state may change by it."""


def measure_of(form: Averaged, stale_s: float, utc_offset_min: int) -> Measure:
    """Return what keeps the figure that these settings ask for."""
    if form.aligned:
        return FixedWindow(
            form.span_s,
            stale_s,
            form.statistic,
            coverage_percent=form.coverage_percent,
            utc_offset_min=utc_offset_min,
        )
    return Window(form.span_s, stale_s, form.statistic)


class Limit:
    """Above a high limit, or below a low one."""

    def __init__(self, alarm: LimitAlarm, level: Level, target: Ref, measure: Measure) -> None:
        """``level`` names the limit; all levels of a point share what is measured."""
        limit: float = getattr(alarm, level.condition)
        self.timed = alarm.aligned
        self.limit: float | None = limit
        self.value: Value = None
        self._sign = 1.0 if level.condition in ("high", "high_high") else -1.0
        self._raises_over = limit * self._sign
        self._clears_at = self._raises_over - alarm.deadband
        self._target = target
        self.measure = measure

    @property
    def newest_s(self) -> float:
        """See Detector."""
        return self.measure.newest_s

    @property
    def due_s(self) -> float:
        """See Detector."""
        return self.measure.due_s

    def inputs(self) -> Inputs:
        """See Detector."""
        return Inputs(numbers=[(self._target, self.measure)])

    def shows(self, now: Moment, *, active: bool) -> bool | None:
        """See Detector."""
        value = self.value = self.measure.value_at(now)
        if value is None:
            return None
        return value * self._sign > (self._clears_at if active else self._raises_over)

    def unchanged(self, *, active: bool) -> tuple[float, float]:
        """Return the least and the greatest value at which nothing changes."""
        at = self._clears_at if active else self._raises_over
        if self._sign > 0:
            return (math.nextafter(at, math.inf), math.inf) if active else (-math.inf, at)
        return (-math.inf, math.nextafter(-at, -math.inf)) if active else (-at, math.inf)


class Rate:
    """Rose or fell by more than so much within a time.

    A change shows as soon as both its ends are there; that there was none shows only when good values cover
    the whole time.
    """

    due_s, timed = math.inf, False

    def __init__(self, alarm: RateAlarm, level: Level) -> None:
        """``level`` says which way."""
        rises = level.suffix == "rises"
        by = (alarm.rises_by if rises else alarm.falls_by) or 0.0
        self.limit: float | None = by
        self.value: Value = None
        self._change = 0.0
        self.newest_s = -math.inf
        self._clears_at = by - alarm.deadband
        self._by, self._rises = by, rises
        self._within_s, self._stale_s = alarm.within_s, alarm.stale_s
        self._from = Extreme(greatest=not rises)
        self._covered_from_s = math.inf

    def inputs(self) -> Inputs:
        """See Detector."""
        return Inputs()

    def heard(self, value: float, at_s: float) -> bool:
        """See Listener."""
        if at_s - self.newest_s > self._stale_s:
            self._from = Extreme(greatest=not self._rises)
            self._covered_from_s = at_s
        self.newest_s = at_s
        from_value = self._from.push(value, at_s, math.nextafter(at_s - self._within_s, -math.inf))
        self._change = abs(value - from_value)
        return self._change > self._by

    def shows(self, now: Moment, *, active: bool) -> bool | None:
        """See Detector."""
        if now.s - self.newest_s > self._stale_s:
            return None
        self.value = self._change
        if self._change > (self._clears_at if active else self._by):
            return True
        return False if self.newest_s - self._covered_from_s >= self._within_s else None


class Deviation:
    """Differs from another point by more than so much; both must be known."""

    def __init__(self, alarm: DeviationAlarm, target: Ref, utc_offset_min: int) -> None:
        """Begin with neither known."""
        self.timed = alarm.aligned
        self.limit: float | None = alarm.by
        self.value: Value = None
        self._by, self._clears_at = alarm.by, alarm.by - alarm.deadband
        self._target, self._other = target, ref(alarm.from_point)
        self._mine, self._its = (measure_of(alarm, alarm.stale_s, utc_offset_min) for _ in range(2))

    @property
    def newest_s(self) -> float:
        """See Detector."""
        return min(self._mine.newest_s, self._its.newest_s)

    @property
    def due_s(self) -> float:
        """See Detector."""
        return min(self._mine.due_s, self._its.due_s)

    def inputs(self) -> Inputs:
        """See Detector."""
        return Inputs(numbers=[(self._target, self._mine), (self._other, self._its)])

    def shows(self, now: Moment, *, active: bool) -> bool | None:
        """See Detector."""
        mine, its = self._mine.value_at(now), self._its.value_at(now)
        if mine is None or its is None:
            return None
        self.value = mine - its
        return abs(mine - its) > (self._clears_at if active else self._by)


class Discrete:
    """Is a value, or is not."""

    due_s, timed = math.inf, False

    def __init__(self, alarm: DiscreteAlarm, target: Ref) -> None:
        """Begin unknown."""
        self.limit: float | None = None
        self.value: Value = None
        self.newest_s = -math.inf
        self._asked = alarm.equals if alarm.equals is not None else alarm.differs
        self._equals = alarm.equals is not None
        self._stale_s, self._target = alarm.stale_s, target

    def inputs(self) -> Inputs:
        """See Detector."""
        return Inputs(values=[(self._target, self)])

    def take(self, value: Value, now: Moment) -> None:
        """Take a good value."""
        self.value, self.newest_s = value, now.s

    def shows(self, now: Moment, *, active: bool) -> bool | None:  # noqa: ARG002 - nothing lies between
        """See Detector."""
        if now.s - self.newest_s > self._stale_s:
            return None
        return (self.value == self._asked) is self._equals


class Stale:
    """No good value for a time, which counts from the start, and from when power is back.

    Only a good value shows the contrary; while its device has no power by plan, nothing can be told.
    """

    timed = True

    def __init__(self, alarm: StaleAlarm) -> None:
        """Begin to count at the first moment."""
        self.limit: float | None = alarm.stale_s
        self.value: Value = None
        self.newest_s = -math.inf
        self.unpowered = False
        self._since_s: float | None = None
        self._is_stale = False
        self._stale_s = alarm.stale_s

    @property
    def due_s(self) -> float:
        """See Detector."""
        waits = self._since_s is not None and not self.unpowered and not self._is_stale
        return (self._since_s or 0.0) + self._stale_s if waits else math.inf

    def inputs(self) -> Inputs:
        """See Detector."""
        return Inputs()

    def heard(self, value: Value, now_s: float) -> bool:
        """See Listener; that one more came in time says nothing."""
        news = self._is_stale or self.unpowered or self._since_s is None
        self.value, self.unpowered = value, False
        self._since_s = self.newest_s = now_s
        return news

    def missed(self, now: Moment, *, powered: bool) -> None:
        """Take it that there is no good value; ``powered`` says whether one was to be expected."""
        if self.unpowered and powered:
            self._since_s = now.s
        self.unpowered = not powered

    def shows(self, now: Moment, *, active: bool) -> bool | None:  # noqa: ARG002 - silence has no deadband
        """See Detector."""
        if self._since_s is None:
            self._since_s = now.s
        if self.unpowered:
            return None
        self._is_stale = now.s >= self._since_s + self._stale_s
        if self._is_stale:
            return True
        return False if self._since_s == self.newest_s else None


class Flatline:
    """Kept within a band for a time; only a value that leaves the band shows the contrary."""

    due_s, timed = math.inf, False

    def __init__(self, alarm: FlatlineAlarm) -> None:
        """Begin empty."""
        self.limit: float | None = alarm.flat_by
        self.value: Value = None
        self._steady = Steady(alarm.flat_by, alarm.flat_for_s, alarm.stale_s)
        self._stale_s = alarm.stale_s

    @property
    def newest_s(self) -> float:
        """See Detector."""
        return self._steady.newest_s

    def inputs(self) -> Inputs:
        """See Detector."""
        return Inputs()

    def heard(self, value: float, at_s: float) -> bool:
        """See Listener."""
        self.value = value
        self._steady.add(value, at_s)
        return self._steady.flat

    def shows(self, now: Moment, *, active: bool) -> bool | None:  # noqa: ARG002 - flat_by is its deadband
        """See Detector."""
        if now.s - self._steady.newest_s > self._stale_s:
            return None
        if self._steady.flat:
            return True
        return False if self._steady.moved else None
