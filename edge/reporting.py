"""What of the measured is kept and sent: a report policy per point. Pure; rules have seen every sample.

Intervals count on the monotonic clock, whatever the wall clock does; only where a mean ends is the wall's.
What a policy leaves out is no loss, but it is counted.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from contract.samples import ClockState, Measured, Quality, Sample, Value, how_many, spread
from device_profiles.schema import Profile
from edge.settings import Report, Settings

SHORT_INTERVAL = "short_interval"
"""Why a mean is uncertain: it is over less than half of its interval, as after a start."""
OVERDUE = 1.5
"""After so many intervals on the monotonic clock a mean ends, even if the wall clock was set back."""
NUMBER_TYPES = frozenset(("u16", "i16", "u32", "i32", "f32"))

_State = tuple[Quality, str, ClockState]


class _Policy(Protocol):
    """What one point's policy makes of its samples; times of what it gives increase strictly if theirs do."""

    def take(self, sample: Sample, now_s: float) -> Sequence[Sample]:
        """Return what is to be kept now."""

    def rest(self) -> Sequence[Sample]:
        """Return what would otherwise go untold at an end."""

    @property
    def held_ms(self) -> int | None:
        """The time of what is measured and will yet be told; None where nothing is held back."""


class _Every:
    def take(self, sample: Sample, now_s: float) -> Sequence[Sample]:  # noqa: ARG002 - as the others
        return (sample,)

    def rest(self) -> Sequence[Sample]:
        return ()

    @property
    def held_ms(self) -> int | None:
        return None


class _OnChange:
    """Tells the first value, each that left the deadband around the last told, and each change of state."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._told: Sample | None = None
        self._told_s = 0.0
        self._waiting: Sample | None = None

    def take(self, sample: Sample, now_s: float) -> Sequence[Sample]:
        told, since_s = self._told, now_s - self._told_s
        if told is not None and _state(told) == _state(sample) and since_s < self._report.longest_s:
            left = _left(told.value, sample.value, self._report.deadband)
            if not left or since_s < self._report.shortest_s:
                self._waiting = sample if left else None
                return ()
        self._told, self._told_s, self._waiting = sample, now_s, None
        return (sample,)

    def rest(self) -> Sequence[Sample]:
        waiting, self._waiting = self._waiting, None
        return () if waiting is None else (waiting,)

    @property
    def held_ms(self) -> int | None:
        return None if self._waiting is None else self._waiting.time_ms


class _Mean:
    """Tells a mean for each interval of the wall clock; the first value and each change of state at once.

    Only good values are averaged, uncertain ones where there is no good one, and then the mean is uncertain,
    too. An interval without either ends with its last sample as it was. The mean's time is the last
    millisecond of its interval.
    """

    def __init__(self, report: Report, decimals: int | None) -> None:
        """``decimals`` of the mean; None gives it the precision of a float32."""
        self._interval_s = report.interval_s
        self._interval_ms = round(report.interval_s * 1000)
        self._decimals = decimals
        self._told: _State | None = None
        self._told_ms = -1
        self._first: Sample | None = None
        self._clear()

    def _clear(self) -> None:
        self._last: Sample | None = None
        self._sum = {Quality.GOOD: 0.0, Quality.UNCERTAIN: 0.0}
        self._count = {Quality.GOOD: 0, Quality.UNCERTAIN: 0}
        self._of: dict[Quality, Sample] = {}

    def take(self, sample: Sample, now_s: float) -> Sequence[Sample]:
        kept: list[Sample] = []
        before = self._last
        if before is not None and sample.time_ms < before.time_ms:  # time began anew: so do its stamps
            kept.append(self._ended(before, before.time_ms))
            before, self._told_ms = None, -1
        if before is None:
            self._begin(sample, now_s)
        elif sample.time_ms >= self._end_ms:
            kept.append(self._ended(before, self._end_ms - 1))
            self._begin(sample, now_s)
        elif now_s - self._began_s > OVERDUE * self._interval_s:
            kept.append(self._ended(before, before.time_ms))
            self._begin(sample, now_s)
        is_number = _is_number(sample.value)
        changed = before is not None and not is_number and sample.value != before.value
        if _state(sample) != self._told or changed:
            kept.append(self._tell(sample, _state(sample)))
        if is_number and sample.quality in self._sum:
            self._sum[sample.quality] += sample.value  # type: ignore[operator]
            self._count[sample.quality] += 1
            self._of[sample.quality] = sample
        self._last = sample
        return kept

    def rest(self) -> Sequence[Sample]:
        return () if self._last is None else (self._ended(self._last, self._last.time_ms),)

    @property
    def held_ms(self) -> int | None:
        return None if self._last is None else self._end_ms - 1

    def _begin(self, sample: Sample, now_s: float) -> None:
        self._first, self._began_s = sample, now_s
        self._end_ms = (sample.time_ms // self._interval_ms + 1) * self._interval_ms

    def _ended(self, last: Sample, time_ms: int) -> Sample:
        quality = next((each for each, count in self._count.items() if count), None)
        ended = replace(last, time_ms=time_ms)
        state = _state(last)
        if quality is not None:
            of = self._of[quality]
            state = _state(of)
            value = self._rounded(self._sum[quality] / self._count[quality])
            ended = replace(of, time_ms=time_ms, value=value)
            first_ms = self._first.time_ms if self._first else time_ms
            if 2 * (time_ms + 1 - first_ms) < self._interval_ms and quality is Quality.GOOD:
                ended = replace(ended, quality=Quality.UNCERTAIN, error=SHORT_INTERVAL)
        self._clear()
        return self._tell(ended, state)

    def _tell(self, sample: Sample, state: _State) -> Sample:
        if sample.time_ms <= self._told_ms:  # one time, one value
            sample = replace(sample, time_ms=self._told_ms + 1)
        self._told, self._told_ms = state, sample.time_ms
        return sample

    def _rounded(self, value: float) -> float:
        if self._decimals is not None:
            return round(value, self._decimals) + 0.0  # no negative zero
        try:
            single: float = struct.unpack("<f", struct.pack("<f", value))[0]
        except OverflowError:
            return value
        return single


@dataclass
class Tally:
    """How many samples of a device were measured, and how many of them are kept and sent."""

    measured: int = 0
    reported: int = 0


class _Device:
    def __init__(self, policies: Mapping[str, _Policy]) -> None:
        self.policies = policies
        self.tally = Tally()

    def take(self, measured: Sequence[Measured], now_s: float) -> Sequence[Measured]:
        kept: list[Sample] = []
        untouched = True
        for sample in spread(measured):
            policy = self.policies.get(sample.point)
            told = policy.take(sample, now_s) if policy else (sample,)
            untouched = untouched and len(told) == 1 and told[0] is sample
            kept += told
        self.tally.measured += sum(map(how_many, measured))
        self.tally.reported += len(kept)
        return measured if untouched else kept


class Reporting:
    """The policies of a gateway. Devices that report everything are unknown here, and cost nothing."""

    def __init__(self, policies: Mapping[str, Mapping[str, _Policy]]) -> None:
        """``policies`` are by device and point."""
        self._devices = {name: _Device(each) for name, each in policies.items()}

    def __bool__(self) -> bool:
        """Say whether there is any policy at all."""
        return bool(self._devices)

    def take(self, measured: Sequence[Measured], now_s: float) -> Sequence[Measured]:
        """Return what of a device's samples is to be kept; ``now_s`` is monotonic."""
        device = self._devices.get(measured[0].device) if measured else None
        return measured if device is None else device.take(measured, now_s)

    def rest(self) -> list[Measured]:
        """Return what would go untold at an end: means begun, a last value that was still to be told."""
        kept: list[Measured] = []
        for device in self._devices.values():
            told = [sample for policy in device.policies.values() for sample in policy.rest()]
            device.tally.reported += len(told)
            kept += told
        return kept

    @property
    def held_ms(self) -> int | None:
        """The earliest time of what will yet be told; a mean that is over waits for the next sample."""
        policies = (each for device in self._devices.values() for each in device.policies.values())
        return min((held for each in policies if (held := each.held_ms) is not None), default=None)

    @property
    def tallies(self) -> dict[str, Tally]:
        """What was measured and reported since the start, of each device with a policy."""
        return {name: device.tally for name, device in self._devices.items()}


def of(settings: Settings, profiles: Mapping[str, Profile]) -> Reporting:
    """Return the policies that the settings declare; ``profiles`` are by device."""
    policies: dict[str, dict[str, _Policy]] = {}
    for device in settings.devices:
        profile = profiles[device.name]
        named: dict[str, Report] = {}
        rest: Report = settings.report
        for report in device.report:
            rest = rest if report.points else report
            named |= dict.fromkeys(report.points, report)
        points = device.points or profile.names
        chosen = {point: named.get(point, rest) for point in points}
        if any(report.mode != "every" for report in chosen.values()):
            policies[device.name] = {
                point: _policy(report, _decimals(profile, point)) for point, report in chosen.items()
            }
    return Reporting(policies)


def is_number(profile: Profile, point: str) -> bool:
    """Say whether values of the point are numbers, so that they have a deadband and a mean."""
    found = profile.point(point)
    return found is None or found.type in NUMBER_TYPES  # what is derived is a number


def _policy(report: Report, decimals: int | None) -> _Policy:
    if report.mode == "on_change":
        return _OnChange(report)
    return _Mean(report, decimals) if report.mode == "mean" else _Every()


def _decimals(profile: Profile, name: str) -> int | None:
    """Return one more decimal than the values have; None where they have those of a float32."""
    point = profile.point(name)
    if point is None:
        return next((entry.decimals + 1 for entry in profile.derived if entry.name == name), None)
    if point.decimals is None and (point.type == "f32" or point.decimals_at is not None or point.unit_codes):
        return None
    return point.rounding + 1


def _state(sample: Sample) -> _State:
    return sample.quality, sample.error, sample.clock


def _is_number(value: Value) -> bool:
    return type(value) in {int, float} and math.isfinite(value)  # type: ignore[arg-type]


def _left(told: Value, value: Value, deadband: float) -> bool:
    """Say whether a value has left the deadband around the one that was told."""
    if type(told) in {int, float} and type(value) in {int, float}:
        return not abs(value - told) <= deadband  # type: ignore[operator]  # what is no number has left it
    return type(told) is not type(value) or told != value
