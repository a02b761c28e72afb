"""Samples of one series laid open: times, and values in the wire's forms, without a look at a single sample.

What is done to a run costs a few calls for each piece of it, so that a centre keeps up with a gateway that
sends a week of backlog. A run is packed by ``contract.blocks``.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, repeat
from operator import itemgetter, mul, truediv
from typing import Any, NamedTuple

from contract.limits import INTEGER_MAX
from contract.names import Text
from contract.samples import ClockState, Quality, Sample, Value

RAW, FLOAT64, INTEGER = -3, -2, -1
"""Forms of values; from 0 on they are floats with so many decimals, kept as integers."""

DECIMALS_MAX = 6
QUALITIES, CLOCKS = list(Quality), list(ClockState)

State = tuple[int, int, str]
"""Positions of quality and clock in their enumerations, and the error."""

Segment = tuple[int, list[Any]]
"""Form, and values: integers (scaled, where the form says decimals), floats, or values as they are."""

Remark = tuple[int, int, int, int, Text]
"""A stretch of samples that are not plainly good: (index, count, quality, clock, error)."""


_GOOD: State = (QUALITIES.index(Quality.GOOD), CLOCKS.index(ClockState.SYNCHRONISED), "")


class Run(NamedTuple):
    """Samples of one series, strictly increasing in time; never changed once made."""

    times: list[int]
    segments: list[Segment]
    remarks: Sequence[Remark] = ()


class Gathering:
    """Runs of one series as they come; where two have the same time, the later to come wins."""

    def __init__(self) -> None:
        """Begin empty."""
        self._done: list[Run] = []
        self._begin()

    def _begin(self) -> None:
        self._times: list[int] = []
        self._segments: list[Segment] = []
        self._remarks: list[Remark] = []

    def add(self, run: Run) -> None:
        """Add a run; it is copied, so that no more objects are kept than there are segments."""
        if self._times and run.times[0] <= self._times[-1]:
            self._done.append(Run(self._times, self._segments, self._remarks))
            self._begin()
        segments = self._segments
        for form, values in run.segments:
            if segments and segments[-1][0] == form:
                segments[-1][1].extend(values)
            elif not (segments and _scaled_on(segments, form, values)):
                segments.append((form, list(values)))
        for index, count, quality, clock, error in run.remarks:
            _remark(self._remarks, len(self._times) + index, count, (quality, clock, error))
        self._times += run.times

    def run(self) -> Run:
        """Return all as one run; there must have been one. Nothing may be added afterwards."""
        result, *following = [*self._done, Run(self._times, self._segments, self._remarks)]
        for run in following:
            result = _over(result, run)
        return result


def combined(runs: Iterable[Run]) -> Run:
    """Return one run of all; where two have the same time, the later in this order wins."""
    gathering = Gathering()
    for run in runs:
        gathering.add(run)
    return gathering.run()


def _remark(remarks: list[Remark], index: int, count: int, state: State) -> None:
    """Add a remark; one that goes on where the last ends, and says the same, makes it longer."""
    if remarks:
        before, length = remarks[-1][:2]
        if before + length == index and remarks[-1][2:] == state:
            remarks[-1] = (before, length + count, *state)
            return
    remarks.append((index, count, *state))


def _scaled_on(segments: list[Segment], form: int, values: list[int]) -> bool:
    """Add decimals to the last segment though it has another number of them; False where they do not fit."""
    other, before = segments[-1]
    if form < 0 or other < 0:
        return False
    small = before if other < form else values
    factor = 10 ** abs(form - other)
    if max(small) * factor > INTEGER_MAX or min(small) * factor < -INTEGER_MAX:
        return False
    # Dividing them by the larger power of ten gives the very same floats: both are exact up to 2**53.
    scaled = map(mul, small, repeat(factor))
    if other < form:
        segments[-1] = (form, [*scaled, *values])
    else:
        before.extend(scaled)
    return True


def _over(older: Run, newer: Run) -> Run:
    """Return both in one; where they have the same time, the newer wins."""
    start = bisect_left(older.times, newer.times[0])
    stop = bisect_right(older.times, newer.times[-1])
    middle = newer
    if not set(newer.times).issuperset(older.times[start:stop]):
        each = dict(_each(part(older, start, stop))) | dict(_each(newer))
        middle = _made(sorted(each.items(), key=itemgetter(0)))
    pieces = (part(older, 0, start), middle, part(older, stop, len(older.times)))
    return combined(piece for piece in pieces if piece.times)


def part(run: Run, start: int, stop: int) -> Run:
    """Return the samples from index ``start`` to before ``stop``."""
    if start == 0 and stop == len(run.times):
        return run
    segments: list[Segment] = []
    offset = 0
    for form, values in run.segments:
        if some := values[max(start - offset, 0) : max(stop - offset, 0)]:
            segments.append((form, some))
        offset += len(values)
    remarks: list[Remark] = []
    for index, count, quality, clock, error in run.remarks:
        first, end = max(index, start), min(index + count, stop)
        if first < end:
            _remark(remarks, first - start, end - first, (quality, clock, error))
    return Run(run.times[start:stop], segments, remarks)


def between(run: Run, from_ms: int, to_ms: int) -> Run:
    """Return the samples with from_ms <= time < to_ms; there may be none."""
    return part(run, bisect_left(run.times, from_ms), bisect_left(run.times, to_ms))


def divided(run: Run, samples_max: int, span_ms_max: int) -> list[Run]:
    """Return it in pieces of at most so many samples, that reach at most so far in time."""
    pieces = []
    start, size = 0, len(run.times)
    while start < size:
        stop = bisect_right(run.times, run.times[start] + span_ms_max, start)
        many = -(-(stop - start) // samples_max)
        step = -(-(stop - start) // many)
        pieces += [part(run, at, min(at + step, stop)) for at in range(start, stop, step)]
        start = stop
    return pieces


def samples(run: Run, device: str, point: str) -> list[Sample]:
    """Return the samples, every one as it was."""
    plain = map(Sample, run.times, repeat(device), repeat(point), values_of(run))
    if not run.remarks:
        return list(plain)
    states = [(QUALITIES[quality], error, CLOCKS[clock]) for quality, clock, error in states_of(run)]
    return [
        Sample(sample.time_ms, device, point, sample.value, *state)
        for sample, state in zip(plain, states, strict=True)
    ]


def of_samples(one_series: Iterable[Sample]) -> Run:
    """Return the samples of one series as a run; they must be in order of time."""
    return _made(
        [
            (
                sample.time_ms,
                (
                    sample.value,
                    (QUALITIES.index(sample.quality), CLOCKS.index(sample.clock), sample.error),
                ),
            )
            for sample in one_series
        ]
    )


def values_of(run: Run) -> list[Value]:
    """Return the values, every one as it was."""
    found: list[Value] = []
    for form, values in run.segments:
        found += map(truediv, values, repeat(10**form)) if form >= 0 else values
    return found


def states_of(run: Run) -> list[State]:
    """Return what is said of each sample beside its value."""
    states = [_GOOD] * len(run.times)
    for index, count, quality, clock, error in run.remarks:
        states[index : index + count] = [(quality, clock, error)] * count
    return states


def _each(run: Run) -> Iterator[tuple[int, tuple[Value, State]]]:
    return zip(run.times, zip(values_of(run), states_of(run), strict=True), strict=True)


def _made(each: Sequence[tuple[int, tuple[Value, State]]]) -> Run:
    """Return a run of single samples in order of time."""
    values = [value for _, (value, _) in each]
    segments: list[Segment] = []
    for kind, group in groupby(values, _kind):
        some = list(group)
        segments.append(_decimal(some) if kind == FLOAT64 else (kind, some))
    remarks: list[Remark] = []
    for index, (_, (_, state)) in enumerate(each):
        if state != _GOOD:
            _remark(remarks, index, 1, state)
    return Run([time_ms for time_ms, _ in each], segments, remarks)


def _kind(value: Value) -> int:
    return FLOAT64 if type(value) is float else INTEGER if type(value) is int else RAW


def _decimal(values: list[Any]) -> Segment:
    """Return floats as integers with the fewest decimals that give the very same floats, else as they are."""
    for decimals in range(DECIMALS_MAX + 1):
        scale = 10**decimals
        if not all(math.isfinite(value) and abs(value) * scale <= INTEGER_MAX for value in values):
            break
        whole = [round(value * scale) for value in values]
        # As text, because -0.0 equals 0.0.
        if all(repr(number / scale) == repr(value) for number, value in zip(whole, values, strict=True)):
            return decimals, whole
    return FLOAT64, values
