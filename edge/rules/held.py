"""Values that a report policy left out of a recording: the last one stood until the next. Pure."""

import heapq
import itertools
import math
from collections.abc import Iterable
from typing import NamedTuple

from contract.samples import Sample
from edge.settings import Device, Ref, Report, Settings

SLACK = 1.1
"""What is due so often at least comes a little later, with the next reading."""


class _Policy(NamedTuple):
    every_ms: int
    longest_ms: int


class Held:
    """Repeats the last recorded sample of a point at its device's interval, as long as its policy allows."""

    def __init__(self, settings: Settings) -> None:
        """Points of which every reading is reported are never held."""
        self._devices = {device.name: device for device in settings.devices}
        self._usual = settings.report
        self._policies: dict[Ref, _Policy | None] = {}
        self._heap: list[tuple[int, int, int, Sample]] = []
        self._newest: dict[Ref, int] = {}
        self._count = itertools.count()

    @property
    def due_ms(self) -> float:
        """When the next one is to be repeated; infinity for never."""
        return self._heap[0][0] if self._heap else math.inf

    def take(self, sample: Sample) -> None:
        """Take what was recorded."""
        target = Ref(sample.device, sample.point)
        if target not in self._policies:
            self._policies[target] = self._policy(target)
        if policy := self._policies[target]:
            number = self._newest[target] = next(self._count)
            until_ms = sample.time_ms + policy.longest_ms
            heapq.heappush(self._heap, (sample.time_ms + policy.every_ms, number, until_ms, sample))

    def due(self, now_ms: int) -> list[Sample]:
        """Return what stands at this time, as if it had been read again."""
        found = []
        while self._heap and self._heap[0][0] <= now_ms:
            due_ms, number, until_ms, sample = heapq.heappop(self._heap)
            target = Ref(sample.device, sample.point)
            policy = self._policies[target]
            if number != self._newest[target] or policy is None or due_ms > until_ms:
                continue
            heapq.heappush(self._heap, (due_ms + policy.every_ms, number, until_ms, sample))
            found.append(Sample(due_ms, *target, sample.value, sample.quality, sample.error, sample.clock))
        return found

    def means(self, targets: Iterable[Ref]) -> dict[Ref, float]:
        """Return which of these points are told as means only, and over how many seconds."""
        reports = {target: self._report(target) for target in targets}
        return {target: it.interval_s for target, it in reports.items() if it and it.mode == "mean"}

    def _report(self, target: Ref) -> Report | None:
        device = self._devices.get(target.device)
        return None if device is None else _report(device, target.point) or self._usual

    def _policy(self, target: Ref) -> _Policy | None:
        report = self._report(target)
        if report is None or report.mode == "every":
            return None
        longest_s = report.interval_s if report.mode == "mean" else report.longest_s
        every_s = self._devices[target.device].interval_s
        return _Policy(math.ceil(every_s * 1000), round(longest_s * SLACK * 1000))


def _report(device: Device, point: str) -> Report | None:
    """Return what the device says of this point: by its name, else of all that no other names."""
    rest: Report | None = None
    for report in device.report:
        if point in report.points:
            return report
        if not report.points:
            rest = report
    return rest
