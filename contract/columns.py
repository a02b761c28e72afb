"""Samples as columns: small on the wire, exact on arrival, every batch readable alone.

One column a series. Times are deltas against the batch's first time and shared between series that were
read together; values are integers with a decimal exponent where that is exact (23.4 → 234, 1), deltas of
those, or raw float64; quality, error and clock are stored only where they differ from the plain case.
"""

import math
import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, groupby, pairwise
from operator import attrgetter, sub
from typing import Annotated, Any, cast

import msgspec

from contract.errors import ContractError
from contract.limits import INTEGER_MAX, SAMPLES_PER_BATCH_MAX, TIME_MS_MAX
from contract.names import Name, Text, TimeMs
from contract.samples import ClockState, Measured, Quality, Row, Sample, Value, how_many, spread

DECIMALS_MAX = 6
_RAW, _FLOAT64, _INTEGER = -3, -2, -1  # otherwise: that many decimals

Index = Annotated[int, msgspec.Meta(ge=0)]
Packed = Sequence[int] | bytes | Sequence[Value]
_Remarks = list[tuple[int, int, int, int, str]]
_FLOATS, _INTEGERS = {float}, {int}
_QUALITIES = list(Quality)
_CLOCKS = list(ClockState)


class Column(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One series of a batch: indices into the name and time tables, and its values."""

    device: Index
    point: Index
    times: Index
    form: int
    values: Any
    remarks: list[tuple[Index, Index, Index, Index, Text]] = []
    """Runs of samples that are not plainly good: (index, count, quality, clock, error)."""


class Columns(msgspec.Struct, frozen=True, array_like=True):
    """The payload of a telemetry batch."""

    start_ms: TimeMs
    devices: list[Name]
    points: list[Name]
    times: list[list[int]]
    columns: list[Column]


_decoder = msgspec.msgpack.Decoder(Columns)


def pack(measured: Sequence[Measured]) -> bytes:
    """Return the samples as columns in msgpack; ContractError where they cannot be carried exactly.

    Samples of one series must have strictly increasing times: a series key and a time name one value.
    """
    total = sum(map(how_many, measured))
    if not 1 <= total <= SAMPLES_PER_BATCH_MAX:
        raise ContractError(f"a batch of {total} samples; 1 to {SAMPLES_PER_BATCH_MAX}")
    start = min(map(attrgetter("time_ms"), measured))
    by_device: defaultdict[str, list[Measured]] = defaultdict(list)
    for each in measured:
        by_device[each.device].append(each)
    points: dict[str, int] = {}
    times: dict[tuple[int, ...], int] = {}
    together: list[int] = []
    times_index = 0
    columns = []
    for device_index, device in enumerate(sorted(by_device)):
        for point, stamps, (form, packed), remarks in _series(device, by_device[device]):
            # Mostly they are those of the point before, which was read together with it.
            if stamps is not together and stamps != together:
                together = stamps
                steps = (stamps[0] - start, *_deltas(stamps)[1:])
                if len(steps) > 1 and min(steps[1:]) <= 0:
                    raise ContractError(f"times of {device}/{point} do not increase strictly")
                times_index = times.setdefault(steps, len(times))
            point_index = points.setdefault(point, len(points))
            columns.append(Column(device_index, point_index, times_index, form, packed, remarks))
    return msgspec.msgpack.encode(
        Columns(start, sorted(by_device), list(points), [list(steps) for steps in times], columns)
    )


def _series(
    device: str, measured: list[Measured]
) -> Iterator[tuple[str, list[int], tuple[int, Packed], _Remarks]]:
    """Yield a device's series by point: times, form and values, and what is not plainly good."""
    rows = [each for each in measured if isinstance(each, Row)]
    names = rows[0].points if rows else ()
    if len(rows) == len(measured) and all(row.points == names for row in rows):
        stamps = [row.time_ms for row in rows]
        columns = _integer_columns(rows)
        if columns is None:
            values = zip(*[row.values for row in rows], strict=True)
            columns = [
                _pack_values(f"{device}/{name}", list(column))
                for name, column in zip(names, values, strict=True)
            ]
        for point, index in _sorted(names):
            yield point, stamps, columns[index], []
        return
    series: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in spread(measured):
        series[sample.point].append(sample)
    for point in sorted(series):
        samples = series[point]
        yield (
            point,
            [sample.time_ms for sample in samples],
            _pack_values(f"{device}/{point}", [sample.value for sample in samples]),
            _remarks(samples),
        )


@lru_cache(maxsize=256)
def _sorted(names: tuple[str, ...]) -> list[tuple[str, int]]:
    return sorted((name, index) for index, name in enumerate(names))


def _integer_columns(rows: list[Row]) -> list[tuple[int, Packed]] | None:
    """Return the columns of rows of nothing but sound integers, else None; row by row this is quick."""
    values = [row.values for row in rows]
    if any(set(map(type, each)) != _INTEGERS for each in values):
        return None
    integers = cast(list[tuple[int, ...]], values)
    if not -INTEGER_MAX <= min(map(min, integers)) <= max(map(max, integers)) <= INTEGER_MAX:
        return None
    steps = [integers[0], *(map(sub, after, before) for before, after in pairwise(integers))]
    return [(_INTEGER, column) for column in zip(*steps, strict=True)]


def unpack(payload: bytes) -> list[Sample]:
    """Return the samples, by device, point and time; ContractError for anything malformed."""
    try:
        table = _decoder.decode(payload)
        if not 1 <= sum(len(table.times[column.times]) for column in table.columns) <= SAMPLES_PER_BATCH_MAX:
            raise ContractError(f"a batch without samples, or with more than {SAMPLES_PER_BATCH_MAX}")
        series = {(table.devices[column.device], table.points[column.point]) for column in table.columns}
        if len(series) != len(table.columns):
            raise ContractError("two columns of one series in a batch")
        return [sample for column in table.columns for sample in _unpack_column(table, column)]
    except ContractError:
        raise
    except (
        msgspec.MsgspecError,
        struct.error,
        LookupError,
        TypeError,
        ValueError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise ContractError(f"malformed telemetry payload: {error}") from error


def _pack_values(name: str, values: list[Any]) -> tuple[int, Packed]:
    """Return a column's form and values; ContractError for an integer that it cannot carry."""
    kinds = set(map(type, values))
    if kinds == _FLOATS:
        for decimals in range(DECIMALS_MAX + 1):
            scaled = _exact(values, 10**decimals)
            if scaled is not None:
                return decimals, _deltas(scaled)
        return _FLOAT64, struct.pack(f"<{len(values)}d", *values)
    integers = values if kinds == _INTEGERS else [value for value in values if type(value) is int]
    if integers and not -INTEGER_MAX <= min(integers) <= max(integers) <= INTEGER_MAX:
        raise ContractError(f"{name}: integer {max(integers, key=abs)} beyond ±2**53")
    return (_INTEGER, _deltas(values)) if integers is values else (_RAW, values)


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


def _deltas(values: list[int]) -> list[int]:
    return [values[0], *map(sub, values[1:], values)] if len(values) > 1 else values


def _remarks(rows: list[Sample]) -> _Remarks:
    for row in rows:
        if row.quality is not Quality.GOOD or row.error or row.clock is not ClockState.SYNCHRONISED:
            return _runs(rows)
    return []


def _runs(rows: list[Sample]) -> _Remarks:
    runs = []
    index = 0
    for (quality, clock, error), group in groupby(rows, key=attrgetter("quality", "clock", "error")):
        count = sum(1 for _ in group)
        if (quality, clock, error) != (Quality.GOOD, ClockState.SYNCHRONISED, ""):
            runs.append((index, count, _QUALITIES.index(quality), _CLOCKS.index(clock), error))
        index += count
    return runs


def _unpack_column(table: Columns, column: Column) -> list[Sample]:
    device, point = table.devices[column.device], table.points[column.point]
    steps = table.times[column.times]
    if not steps:
        raise ContractError(f"a column of {device}/{point} without times")
    if any(step <= 0 for step in steps[1:]) or steps[0] < 0:
        raise ContractError(f"times of {device}/{point} do not increase strictly")
    stamps = [table.start_ms + offset for offset in accumulate(steps)]
    if stamps[-1] > TIME_MS_MAX:
        raise ContractError(f"times of {device}/{point} beyond the year 9999")
    values = _unpack_values(column, len(stamps))
    state = [(Quality.GOOD, ClockState.SYNCHRONISED, "")] * len(stamps)
    free = 0
    for index, count, quality, clock, error in column.remarks:
        if count < 1 or index < free or index + count > len(stamps):
            raise ContractError(f"a remark of {device}/{point} lies outside its column, or over another")
        free = index + count
        state[index : index + count] = [(_QUALITIES[quality], _CLOCKS[clock], error)] * count
    return [
        Sample(stamp, device, point, value, quality, error, clock)
        for stamp, value, (quality, clock, error) in zip(stamps, values, state, strict=True)
    ]


def _unpack_values(column: Column, count: int) -> list[Value]:
    packed = column.values
    values: list[Value]
    if column.form == _FLOAT64:
        values = list(struct.unpack(f"<{count}d", msgspec.convert(packed, bytes)))
    elif column.form == _RAW:
        values = msgspec.convert(packed, list[Value])
    elif _INTEGER <= column.form <= DECIMALS_MAX:
        integers = list(accumulate(msgspec.convert(packed, list[int])))
        if any(abs(value) > INTEGER_MAX for value in integers):
            raise ContractError("an integer beyond ±2**53")
        scale = 10**column.form if column.form >= 0 else 0
        values = [value / scale for value in integers] if scale else [*integers]
    else:
        raise ContractError(f"unknown form {column.form} of a column")
    if len(values) != count:
        raise ContractError(f"{len(values)} values for {count} times")
    return values
