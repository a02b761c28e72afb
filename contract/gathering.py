"""Samples into columns: what ``contract.columns.pack`` does. Pure."""

import math
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain, groupby, islice, pairwise
from operator import attrgetter, itemgetter, sub
from typing import Any, cast

import msgspec

from contract.errors import ContractError
from contract.layout import (
    DECIMALS_MAX,
    FLOAT32,
    FLOAT64,
    INTEGER,
    MIXED,
    PLAIN,
    SWITCH,
    Payload,
    State,
    state_code,
)
from contract.limits import INTEGER_MAX, SAMPLES_PER_BATCH_MAX
from contract.name_tables import in_order, told
from contract.samples import ClockState, Measured, Quality, Row, Sample, Value, how_many, spread
from contract.streams import is_float32, pack_bits, pack_floats, pack_integers

_INTEGERS, _FLOATS, _SWITCHES = {int}, {float}, {bool}


def pack(measured: Sequence[Measured]) -> bytes:
    """Return the samples as columns in msgpack; ContractError where they cannot be carried exactly.

    Samples of one series must have strictly increasing times: a series key and a time name one value.
    """
    total = sum(map(how_many, measured))
    if not 1 <= total <= SAMPLES_PER_BATCH_MAX:
        raise ContractError(f"a batch of {total} samples; 1 to {SAMPLES_PER_BATCH_MAX}")
    by_device: defaultdict[str, list[Measured]] = defaultdict(list)
    for each in measured:
        by_device[each.device].append(each)
    batch = _Gathered()
    for device in in_order(by_device):
        _gather(batch, device, by_device[device])
    return batch.packed(min(map(attrgetter("time_ms"), measured)))


class _Gathered:
    """The columns of a batch on their way into its streams."""

    def __init__(self) -> None:
        self.devices: list[str] = []
        self.points: dict[str, int] = {}
        self.shapes: dict[tuple[str, ...], int] = {}
        self.times: dict[tuple[int, ...], int] = {}
        self.spans: list[int] = []
        self.forms = bytearray()
        self.firsts: list[int] = []
        self.steps: list[int] = []
        self.switches = bytearray()
        self.floats32: list[float] = []
        self.floats64: list[float] = []
        self.mixed: list[Value] = []
        self.runs: list[tuple[int, int, State]] = []
        self.plain = 0  # samples since the last run
        self._shape = self._when = -1

    def span(self, device: str, names: tuple[str, ...], times: tuple[int, ...]) -> None:
        """Begin columns of these points that were read together; a column of each has to follow."""
        if len(times) > 1 and min(map(sub, times[1:], times)) <= 0:
            raise ContractError(f"times of {device}/{names[0]} do not increase strictly")
        another = self.devices[-1:] != [device]
        if another:
            self.devices.append(device)
        when = self.times.setdefault(times, len(self.times))
        shape = self.shapes.setdefault(names, len(self.shapes))
        self.spans += (int(another), shape - self._shape, when - self._when)
        self._shape, self._when = shape, when

    def integers(self, form: int, values: Sequence[int]) -> None:
        """Take a column of integers, or of decimals made integers."""
        self.forms.append(form)
        self.firsts.append(values[0])
        if len(values) > 1:
            self.steps += map(sub, values[1:], values)

    def values(self, series: str, values: list[Any]) -> None:
        """Take a column of whatever is there; ContractError for an integer that cannot be carried."""
        kinds = set(map(type, values))
        if kinds == _FLOATS:
            self._floats(values)
        elif kinds == _SWITCHES:
            self.forms.append(SWITCH)
            self.switches += bytes(values)
        else:
            integers = values if kinds == _INTEGERS else [value for value in values if type(value) is int]
            if integers and not -INTEGER_MAX <= min(integers) <= max(integers) <= INTEGER_MAX:
                raise ContractError(f"{series}: integer {max(integers, key=abs)} beyond ±2**53")
            if kinds == _INTEGERS:
                self.integers(INTEGER, integers)
            else:
                self.forms.append(MIXED)
                self.mixed += values

    def _floats(self, values: list[float]) -> None:
        for decimals in range(DECIMALS_MAX + 1):
            scaled = _exact(values, 10**decimals)
            if scaled is not None:
                self.integers(decimals, scaled)
                return
        if is_float32(values):
            self.forms.append(FLOAT32)
            self.floats32 += values
        else:
            self.forms.append(FLOAT64)
            self.floats64 += values

    def states(self, states: Iterable[State]) -> None:
        """Take the states of a column that is not plainly good."""
        for state, group in groupby(states):
            count = sum(1 for _ in group)
            if state == PLAIN:
                self.plain += count
            elif self.plain == 0 and self.runs and self.runs[-1][2] == state:  # goes on from column to column
                since, before, _ = self.runs[-1]
                self.runs[-1] = (since, before + count, state)
            else:
                self.runs.append((self.plain, count, state))
                self.plain = 0

    def packed(self, start_ms: int) -> bytes:
        """Return the payload."""
        points = [self.points.setdefault(name, len(self.points)) for names in self.shapes for name in names]
        steps = map(sub, points, [-1, *points])
        return msgspec.msgpack.encode(
            Payload(
                start_ms,
                told(tuple(self.devices)),
                told(tuple(self.points)),
                [list(islice(steps, len(names))) for names in self.shapes],
                self.spans,
                [len(times) for times in self.times],
                pack_integers([times[0] - start_ms for times in self.times]),
                pack_integers([step for times in self.times for step in map(sub, times[1:], times)]),
                bytes(self.forms),
                pack_integers(self.firsts),
                pack_integers(self.steps),
                pack_bits(bytes(self.switches)),
                pack_floats(self.floats32, "f"),
                pack_floats(self.floats64, "d"),
                self.mixed,
                [(since, count, state_code(state), state[2]) for since, count, state in self.runs],
            )
        )


def _gather(batch: _Gathered, device: str, measured: list[Measured]) -> None:
    """Take what one device said: in rows of the same points if it can be, else series by series."""
    rows = [each for each in measured if isinstance(each, Row)]
    points = rows[0].points if rows else ()
    if len(rows) == len(measured) and all(row.points == points for row in rows):
        if points:
            _gather_rows(batch, device, rows)
        return
    series: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in spread(measured):
        series[sample.point].append(sample)
    stamped = [(tuple([sample.time_ms for sample in series[point]]), point) for point in in_order(series)]
    for times, together in groupby(stamped, key=itemgetter(0)):
        names = tuple([point for _, point in together])
        batch.span(device, names, times)
        for point in names:
            _gather_column(batch, f"{device}/{point}", series[point])


def _gather_rows(batch: _Gathered, device: str, rows: list[Row]) -> None:
    points, order = _ordered(rows[0].points)
    batch.span(device, points, tuple([row.time_ms for row in rows]))
    values = [row.values for row in rows]
    if _all_integers(values):
        integers = cast(list[tuple[int, ...]], values)
        batch.forms += bytes([INTEGER]) * len(points)
        batch.firsts += order(integers[0])
        if len(rows) > 1:
            steps = [tuple(map(sub, after, before)) for before, after in pairwise(integers)]
            batch.steps += chain.from_iterable(order(tuple(zip(*steps, strict=True))))
        batch.plain += len(points) * len(rows)
        return
    for point, column in zip(points, order(tuple(zip(*values, strict=True))), strict=True):
        if None in column:
            _gather_column(
                batch,
                f"{device}/{point}",
                [Sample(row.time_ms, device, point, value) for row, value in zip(rows, column, strict=True)],
            )
        else:
            batch.values(f"{device}/{point}", list(column))
            batch.plain += len(rows)


def _gather_column(batch: _Gathered, series: str, samples: list[Sample]) -> None:
    values = [sample.value for sample in samples]
    absent = None in values
    batch.values(series, [value for value in values if value is not None] if absent else values)
    if absent or not _plainly_good(samples):
        batch.states(
            [(sample.quality, sample.clock, sample.error, sample.value is None) for sample in samples]
        )
    else:
        batch.plain += len(samples)


def _plainly_good(samples: list[Sample]) -> bool:
    for sample in samples:
        if sample.quality is not Quality.GOOD or sample.error or sample.clock is not ClockState.SYNCHRONISED:
            return False
    return True


_Order = Callable[[tuple[Any, ...]], tuple[Any, ...]]


@lru_cache(maxsize=256)
def _ordered(points: tuple[str, ...]) -> tuple[tuple[str, ...], _Order]:
    """Return the points as a batch orders them, and what orders values likewise."""
    ordered = tuple(in_order(points))
    if len(set(points)) != len(points):
        raise ContractError(f"a point twice in a row of {', '.join(ordered)[:200]}")
    return (ordered, tuple) if ordered == points else (ordered, itemgetter(*map(points.index, ordered)))


def _all_integers(values: list[tuple[Value, ...]]) -> bool:
    """Return whether these are nothing but sound integers; row by row this is quick."""
    for each in values:
        if set(map(type, each)) != _INTEGERS:
            return False
    integers = cast(list[tuple[int, ...]], values)
    if _fit_32_bits(integers):
        return True
    return min(map(min, integers)) >= -INTEGER_MAX and max(map(max, integers)) <= INTEGER_MAX


def _fit_32_bits(rows: list[tuple[int, ...]]) -> bool:
    """Return whether these are small, as nearly always; a quarter of the work of comparing them."""
    plain = struct.Struct(f"{len(rows[0])}i")
    try:
        for row in rows:
            plain.pack(*row)
    except struct.error:
        return False
    return True


def _exact(values: list[float], scale: int) -> list[int] | None:
    """Return the integers that values × scale are, if dividing them by scale gives the very same floats."""
    scaled = []
    for value in values:
        if not math.isfinite(value) or abs(value) * scale > INTEGER_MAX:
            return None
        whole = round(value * scale)
        if whole / scale != value or (whole == 0 and math.copysign(1.0, value) < 0):
            return None
        scaled.append(whole)
    return scaled
