"""Who looks at which point: a sample touches what looks at its point, and nothing else."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from contract.samples import ClockState, Quality, Sample
from edge.clock import Moment
from edge.controls.control import ControlInstance
from edge.controls.output import Output
from edge.rules.alarms import AlarmInstance
from edge.rules.detectors import Flatline, Input, Limit, Listener, NumberInput, Rate, Stale
from edge.rules.levels import Levels
from edge.rules.window import Window
from edge.settings import Ref

_GOOD = Quality.GOOD
Feed = Callable[[Any, Moment, float], Sequence[AlarmInstance]]
"""Takes a good value, the moment it was measured at, and that in seconds; returns the alarms to be asked."""


class Route:
    """What looks at one point."""

    __slots__ = ("controls", "levels", "numbers", "outputs", "stale", "values", "windows")

    def __init__(self) -> None:
        """Nobody yet."""
        self.windows: list[Window] = []
        """Of controls."""
        self.numbers: list[Feed] = []
        self.values: list[Feed] = []
        self.levels: list[Levels] = []
        self.stale: list[tuple[Stale, AlarmInstance]] = []
        self.controls: list[ControlInstance] = []
        self.outputs: list[Output] = []

    def take(self, sample: Sample, now: Moment, now_s: float) -> list[AlarmInstance]:
        """Hand on a sample of this point; return the alarms that may change by it."""
        value, good = sample.value, sample.quality is _GOOD or counts(sample)
        if good and isinstance(value, float) and not math.isfinite(value):
            good = False  # nothing can be compared with it
        for output in self.outputs:
            output.read_back(flag(sample))
        if not good:
            for stale, _ in self.stale:
                stale.missed(now, powered=sample.quality is not Quality.UNPOWERED)
            return [alarm for _, alarm in self.stale]
        woken: list[AlarmInstance] = []
        if isinstance(value, int | float):
            for window in self.windows:
                window.add(value, now_s)
            for feed in self.numbers:
                woken += feed(value, now, now_s)
        for feed in self.values:
            woken += feed(value, now, now_s)
        return woken


def _input(taker: Input | NumberInput, alarm: AlarmInstance) -> Feed:
    """Feed what says nothing of whether its alarm is to be asked: it always is."""
    alarms = (alarm,)

    def feed(value: Any, now: Moment, _now_s: float) -> Sequence[AlarmInstance]:
        taker.take(value, now)
        return alarms

    return feed


def _listener(listener: Listener, alarm: AlarmInstance) -> Feed:
    """Feed a detector that knows whether its alarm is to be asked, as long as that is normal."""
    alarms, heard = (alarm,), listener.heard

    def feed(value: Any, _now: Moment, now_s: float) -> Sequence[AlarmInstance]:
        return alarms if heard(value, now_s) or alarm.stirred else ()

    return feed


class Routes:
    """The routes of all points that somebody looks at."""

    def __init__(self, alarms: Iterable[AlarmInstance], controls: Iterable[ControlInstance]) -> None:
        """Ask everybody what they look at."""
        self.of: dict[tuple[str, str], Route] = {}
        for alarm in alarms:
            self._add_alarm(alarm)
        for control in controls:
            for target, window in control.windows():
                route = self._route(target)
                route.windows.append(window)
                if control not in route.controls:
                    route.controls.append(control)
            for output in control.outputs:
                route = self._route(output.target)
                route.outputs.append(output)
                if control not in route.controls:
                    route.controls.append(control)

    def _add_alarm(self, alarm: AlarmInstance) -> None:
        mine = self._route(alarm.target)
        match alarm.detector:
            case Stale() as stale:
                mine.stale.append((stale, alarm))
                mine.values.append(_listener(stale, alarm))
            case Rate() | Flatline() as listener:
                mine.numbers.append(_listener(listener, alarm))
            case Limit() as limit if not alarm.enabled_when:
                self._add_level(mine, alarm, limit)
            case detector:
                numbers, values = detector.inputs()
                for target, number in numbers:
                    self._route(target).numbers.append(_input(number, alarm))
                for target, value in values:
                    self._route(target).values.append(_input(value, alarm))
        for each in alarm.enabled_when:
            if each.enabling.point is not None:
                self._route(_of(each.enabling.point)).values.append(_input(each, alarm))

    @staticmethod
    def _add_level(route: Route, alarm: AlarmInstance, limit: Limit) -> None:
        levels = next((each for each in route.levels if each.measure is limit.measure), None)
        if levels is None:
            levels = Levels(limit.measure)
            route.levels.append(levels)
            route.numbers.append(levels.take)
        levels.alarms.append((alarm, limit))
        alarm.on_asked = levels.unsettle

    def _route(self, target: Ref) -> Route:
        return self.of.setdefault(target, Route())


def _of(name: str) -> Ref:
    device, _, point = name.partition("/")
    return Ref(device, point)


def flag(sample: Sample) -> bool | None:
    """Return what an output reads; None where it could not be read."""
    return sample.value if isinstance(sample.value, bool) and counts(sample) else None


def counts(sample: Sample) -> bool:
    """Say whether rules may decide on it; they count in monotonic time, so an unset clock does not matter."""
    only_clock = sample.clock is ClockState.UNSET and not sample.error
    return sample.quality is Quality.GOOD or (sample.quality is Quality.UNCERTAIN and only_clock)
