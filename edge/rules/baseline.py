"""What is usual at this time on days like this one, and alarms for what is not. Pure but for their memory.

Days are of two kinds, working days and weekends. The usual is the median over the last days of the kind: one
odd day does not move it. What an alarm told is not learnt, nor what was measured under maintenance.
"""

import math
import statistics
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from contract.samples import Value
from edge.clock import Moment
from edge.rules import local_time
from edge.rules.detectors import Inputs
from edge.rules.enabling import Periods
from edge.rules.fixed_window import FixedWindow
from edge.rules.learnt_text import from_text, to_text
from edge.rules.settings import DAY_S, BaselineAlarm, Confirmation
from edge.rules.window import Window
from edge.settings import Ref, ref

COVERAGE_PERCENT = 75


class Learner:
    """Learns a point's mean of each slot of the day, for both kinds of days; of each the last ``days``."""

    def __init__(
        self,
        target: Ref,
        alarm: BaselineAlarm,
        utc_offset_min: int,
        periods: Periods,
        maintained: Callable[[str], bool],
    ) -> None:
        """Know nothing; ``periods`` is kept up to date by whoever gave it."""
        self.spoilt = False
        """Something in this slot is not usual: it is not learnt."""
        self.news = False
        """Something was learnt since somebody asked."""
        self._device, self._maintained = target.device, maintained
        self._slot_ms = round(alarm.slot_s * 1000)
        self._slots, self._days, self._days_min = round(DAY_S / alarm.slot_s), alarm.days, alarm.days_min
        self._periods, self._holidays, self._offset_min = periods, alarm.holidays, utc_offset_min
        self.window = FixedWindow(
            alarm.slot_s,
            alarm.stale_s,
            "mean",
            coverage_percent=COVERAGE_PERCENT,
            utc_offset_min=utc_offset_min,
        )
        self._learnt = [self._empty() for _ in range(2 * self._slots)]
        self._usual: tuple[int, float | None] | None = None
        self._text: str | None = None
        self._taken_ns = -1

    def take(self, value: float, now: Moment) -> None:
        """Take a good number; of one moment once, however many alarms hand it on."""
        if now.mono_ns == self._taken_ns:
            return
        self._taken_ns = now.mono_ns
        self.roll(now)
        self.spoilt = self.spoilt or self._maintained(self._device)
        self.window.take(value, now)

    def roll(self, now: Moment) -> None:
        """Go on to the slot of this moment; learn the one that is over."""
        before = self.window.index
        counts = self.window.roll(now)
        if self.window.index == before:
            return
        mean = self.window.value_at(now)
        if counts and mean is not None and before is not None and not self.spoilt:
            self._learnt[self._place(before)].append(mean)
            self.news, self._text = True, None
        self.spoilt, self._usual = False, None

    def usual(self, now: Moment) -> float | None:
        """Return what is usual now; None where too few days are known, or what time it is."""
        self.roll(now)
        if self.window.index is None:
            return None
        if self._usual is None or self._usual[0] != self.window.index:
            known = self._learnt[self._place(self.window.index)]
            usual = statistics.median(known) if len(known) >= self._days_min else None
            self._usual = self.window.index, usual
        return self._usual[1]

    @property
    def text(self) -> str:
        """What it learnt, to be kept; empty for nothing."""
        if self._text is None:
            self._text = to_text(self._learnt)
        return self._text

    def recall(self, text: str) -> None:
        """Take up what a former run learnt, unless something was learnt here; what is damaged is let go."""
        known = from_text(text, len(self._learnt), self._days)
        if known is not None and not any(self._learnt):
            self._learnt = [deque(values, self._days) for values in known]
            self._usual = self._text = None

    def _empty(self) -> "deque[float]":
        return deque(maxlen=self._days)

    def _place(self, index: int) -> int:
        """Return where the values of a slot are kept; ``index`` counts slots since 1970 by local time."""
        local_ms = index * self._slot_ms
        return index % self._slots + (self._slots if self._rests(local_ms) else 0)

    def _rests(self, local_ms: int) -> bool:
        """Say whether that day is of the weekend's kind; a holiday is where the centre has told it."""
        if local_time.iso_weekday(local_ms) >= 6:
            return True
        from_ms, until_ms = self._periods.get(self._holidays or "", (0, 0))
        return from_ms <= local_ms - self._offset_min * 60_000 < until_ms


class Learners:
    """The learners of all baselines; alarms that ask the same of a point share one."""

    def __init__(self, utc_offset_min: int, periods: Periods, maintained: Callable[[str], bool]) -> None:
        """None yet."""
        self._of: dict[str, Learner] = {}
        self._told = utc_offset_min, periods, maintained

    def of(self, target: Ref, alarm: BaselineAlarm) -> Learner:
        """Return the learner of a point for an alarm."""
        key = learner_key(target, alarm)
        if key not in self._of:
            self._of[key] = Learner(target, alarm, *self._told)
        return self._of[key]

    def take_news(self) -> bool:
        """Return whether something was learnt since this was asked last."""
        news = [learner for learner in self._of.values() if learner.news]
        for learner in news:
            learner.news = False
        return bool(news)

    def remembered(self) -> dict[str, str]:
        """Return what must survive a restart, as plain JSON."""
        return {key: text for key, learner in self._of.items() if (text := learner.text)}

    def recall(self, remembered: Mapping[str, str]) -> None:
        """Take up what a former run learnt."""
        for key, learner in self._of.items():
            learner.recall(remembered.get(key, ""))


def learner_key(target: Ref, alarm: BaselineAlarm) -> str:
    """Return what tells learners apart."""
    return f"{target}/{alarm.slot_s:g}/{alarm.days}/{alarm.days_min}/{alarm.stale_s:g}/{alarm.holidays or ''}"


class _Unusual(NamedTuple):
    """A point held against its usual."""

    target: Ref
    learner: Learner
    window: Window
    percent: float
    sign: float

    def shows(self, now: Moment, deadband: float = 0.0) -> tuple[bool | None, float | None, float | None]:
        """Return whether its mean is beyond, the mean, and the limit it is held against."""
        usual, mean = self.learner.usual(now), self.window.value_at(now)
        if usual is None or mean is None or usual == 0:
            return None, mean, None
        limit = usual + self.sign * abs(usual) * (self.percent - deadband) / 100
        return (mean - limit) * self.sign > 0, mean, limit


class Baseline:
    """Falls or rises by so many per cent against its usual, and enough other points say so too.

    Once it is active it lasts until its own point is back.
    """

    timed = True

    def __init__(self, alarm: BaselineAlarm, target: Ref, learners: Learners) -> None:
        """Share learners with others."""
        self.limit: float | None = None
        self.value: Value = None
        self._deadband, self._confirmed_min = alarm.deadband_percent, alarm.confirmed_min
        self._mine = _unusual(target, alarm, alarm, learners)
        self._others = [_unusual(ref(each.point), each, alarm, learners) for each in alarm.confirmed_by]

    @property
    def newest_s(self) -> float:
        """See Detector."""
        return self._mine.window.newest_s

    @property
    def due_s(self) -> float:
        """See Detector."""
        return min(each.learner.window.due_s for each in (self._mine, *self._others))

    def inputs(self) -> Inputs:
        """See Detector."""
        each = (self._mine, *self._others)
        return Inputs(numbers=[(it.target, taker) for it in each for taker in (it.learner, it.window)])

    def shows(self, now: Moment, *, active: bool) -> bool | None:
        """See Detector."""
        shows, self.value, self.limit = self._mine.shows(now, self._deadband if active else 0.0)
        others = [other.shows(now)[0] for other in self._others]  # also so that they learn in time
        if shows and not active:
            agreed = others.count(True)
            if agreed < self._confirmed_min:
                shows = None if agreed + others.count(None) >= self._confirmed_min else False
        if shows or active:
            for each in (self._mine, *self._others):
                each.learner.spoilt = True
        return shows


def _unusual(
    target: Ref, asked: BaselineAlarm | Confirmation, alarm: BaselineAlarm, learners: Learners
) -> _Unusual:
    falls = asked.falls_by_percent is not None
    percent = (asked.falls_by_percent if falls else asked.rises_by_percent) or math.inf
    window = Window(alarm.mean_s, alarm.stale_s)
    return _Unusual(target, learners.of(target, alarm), window, percent, -1.0 if falls else 1.0)
