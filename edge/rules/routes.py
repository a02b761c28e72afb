"""Who looks at which point: a sample touches what looks at its point, and nothing else."""

import math
from collections.abc import Iterable

from contract.samples import ClockState, Quality, Sample
from edge.clock import Moment
from edge.controls.control import ControlInstance
from edge.rules.alarms import AlarmInstance
from edge.rules.detectors import Input, NumberInput, Stale, silences
from edge.rules.window import Window
from edge.settings import Ref


class Route:
    """What looks at one point."""

    __slots__ = ("alarms", "controls", "deaf", "numbers", "outputs", "stale", "values", "windows")

    def __init__(self) -> None:
        """Nobody yet."""
        self.windows: list[Window] = []
        self.numbers: list[NumberInput] = []
        self.values: list[Input] = []
        self.stale: list[Stale] = []
        self.alarms: list[AlarmInstance] = []
        self.deaf: list[AlarmInstance] = []
        """Alarms that have to know that there was no good value."""
        self.controls: list[ControlInstance] = []
        self.outputs: list[ControlInstance] = []

    def take(self, sample: Sample, now: Moment) -> list[AlarmInstance]:
        """Hand on a sample of this point; return the alarms that may change by it."""
        good = sample.quality is Quality.GOOD or counts(sample)
        value = sample.value
        if good and value.__class__ is float and not math.isfinite(value):
            good = False  # nothing can be compared with it
        for output in self.outputs:
            output.read_back(value if good and isinstance(value, bool) else None)
        if not good:
            for stale in self.stale:
                stale.missed(now, powered=sample.quality is not Quality.UNPOWERED)
            return self.deaf
        if isinstance(value, int | float):
            now_s = now.s
            for window in self.windows:
                window.add(value, now_s)
            for number in self.numbers:
                number.take(value, now)
        for each in self.values:
            each.take(value, now)
        return self.alarms


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
            route = self._route(control.output)
            route.outputs.append(control)
            if control not in route.controls:
                route.controls.append(control)

    def _add_alarm(self, alarm: AlarmInstance) -> None:
        numbers, values = alarm.detector.inputs()
        enabling = [(_of(each.enabling.point), each) for each in alarm.enabled_when if each.enabling.point]
        for target, number in numbers:
            self._route(target).numbers.append(number)
        for target, value in [*values, *enabling]:
            self._route(target).values.append(value)
        for target in {target for target, _ in [*numbers, *values, *enabling]}:
            self._route(target).alarms.append(alarm)
        for target, stale in silences(alarm.detector):
            self._route(target).stale.append(stale)
            self._route(target).deaf.append(alarm)

    def _route(self, target: Ref) -> Route:
        return self.of.setdefault(target, Route())


def _of(name: str) -> Ref:
    device, _, point = name.partition("/")
    return Ref(device, point)


def counts(sample: Sample) -> bool:
    """Say whether rules may decide on it; they count in monotonic time, so an unset clock does not matter."""
    only_clock = sample.clock is ClockState.UNSET and not sample.error
    return sample.quality is Quality.GOOD or (sample.quality is Quality.UNCERTAIN and only_clock)
