"""Whether an alarm is enabled: by other points, times of day, event periods. Pure.

Three answers: yes, no, and nobody knows (a point without a good value, a time of day while the clock was
never set). While nobody knows, an alarm neither raises nor clears.
"""

import math
from collections.abc import Mapping

from contract.samples import Value
from edge.clock import Moment
from edge.rules import local_time
from edge.rules.settings import Enabling

Periods = Mapping[str, tuple[int, int]]
"""Event periods: name → from, until; UTC milliseconds, the end is no longer in it."""


class EnablingInstance:
    """One of the conditions of one instance of an alarm."""

    def __init__(self, enabling: Enabling, stale_s: float, utc_offset_min: int, periods: Periods) -> None:
        """``periods`` is kept up to date by whoever gave it."""
        self.enabling = enabling
        self.due_s = math.inf
        self._stale_s, self._offset_min, self._periods = stale_s, utc_offset_min, periods
        self._value: Value = None
        self._newest_s = -math.inf
        begin, end = enabling.between or ("00:00", "24:00")
        self._range_ms = _minute(begin) * 60_000, _minute(end) * 60_000

    @property
    def name(self) -> str:
        """How people call it."""
        asked = self.enabling
        return asked.point or asked.period or "-".join(asked.between or ("weekdays",))

    def take(self, value: Value, now: Moment) -> None:
        """Take a good value of its point."""
        self._value, self._newest_s = value, now.s

    def holds(self, now: Moment) -> bool | None:
        """Return whether it holds; None where nobody knows."""
        if self.enabling.point is not None:
            return None if now.s - self._newest_s > self._stale_s else self._met(self._value)
        at_ms = local_time.local_ms(now, self._offset_min)
        if at_ms is None:
            self.due_s = local_time.due_s(now)
            return None
        if self.enabling.period is not None:
            return self._in_period(now)
        return self._in_hours(at_ms, now)

    def _met(self, value: Value) -> bool | None:
        asked = self.enabling
        if asked.equals is not None:
            return value == asked.equals
        if asked.differs is not None:
            return value != asked.differs
        if not isinstance(value, int | float):
            return None
        if asked.above is not None:
            return value > asked.above
        return asked.below is not None and value < asked.below

    def _in_period(self, now: Moment) -> bool:
        from_ms, until_ms = self._periods.get(self.enabling.period or "", (0, 0))
        turns = [at_ms - now.wall_ms for at_ms in (from_ms, until_ms) if at_ms > now.wall_ms]
        self.due_s = local_time.due_s(now, min(turns, default=None))
        return from_ms <= now.wall_ms < until_ms

    def _in_hours(self, at_ms: int, now: Moment) -> bool:
        """A range that goes past midnight belongs to the day on which it begins."""
        day_ms = at_ms % local_time.DAY_MS
        begin_ms, end_ms = self._range_ms
        turns = [(each - day_ms) % local_time.DAY_MS or local_time.DAY_MS for each in (begin_ms, end_ms, 0)]
        self.due_s = local_time.due_s(now, min(turns))
        if begin_ms < end_ms:
            return begin_ms <= day_ms < end_ms and self._on_day(at_ms)
        if day_ms >= begin_ms:
            return self._on_day(at_ms)
        return day_ms < end_ms and self._on_day(at_ms - local_time.DAY_MS)

    def _on_day(self, at_ms: int) -> bool:
        days = self.enabling.weekdays
        return not days or local_time.iso_weekday(at_ms) in days


def all_hold(conditions: list[EnablingInstance], now: Moment) -> bool | None:
    """Return whether all hold: no where one does not, None where nobody knows of one and the rest hold."""
    unknown = False
    for condition in conditions:
        holds = condition.holds(now)
        if holds is False:
            return False
        unknown = unknown or holds is None
    return None if unknown else True


def _minute(time_of_day: str) -> int:
    hours, _, minutes = time_of_day.partition(":")
    return int(hours) * 60 + int(minutes)
