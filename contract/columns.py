"""Samples as columns: small on the wire, exact on arrival, every batch readable alone.

``unpack`` makes all samples of a payload. Who wants some series only lets ``decode`` take it apart, which
checks it whole and makes no sample, and has ``samples_of`` make those of one column.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, islice, repeat
from typing import Any

import msgspec

from contract.errors import ContractError
from contract.gathering import pack
from contract.layout import FLOAT32, FLOAT64, INTEGER, MIXED, PLAIN, SWITCH, Payload, state_of
from contract.limits import INTEGER_MAX, SAMPLES_PER_BATCH_MAX, TIME_MS_MAX
from contract.name_tables import names
from contract.samples import Sample
from contract.streams import unpack_bits, unpack_floats, unpack_integers

__all__ = ["Column", "Columns", "decode", "pack", "samples_of", "unpack"]


class Column(msgspec.Struct, frozen=True, gc=False):
    """One series of a decoded batch: indices into the tables of names and times, and its values."""

    device: int
    point: int
    times: int
    form: int
    values: Sequence[Any]
    """Those that are there; of integers and decimals the first, then steps."""
    remarks: Sequence[tuple[int, int, int, str]] = ()
    """Runs of samples that are not plainly good: (index, count, state, error)."""


class Columns(msgspec.Struct, frozen=True):
    """A decoded batch, of which no sample is made yet; ``columns`` is ordered by device and point."""

    devices: list[str]
    points: list[str]
    times: list[list[int]]
    columns: list[Column]


def unpack(payload: bytes) -> list[Sample]:
    """Return the samples, by device, point and time; ContractError for anything malformed."""
    table = decode(payload)
    return [sample for column in table.columns for sample in samples_of(table, column)]


def decode(payload: bytes) -> Columns:
    """Return the columns by device and point, without a sample yet; ContractError for anything malformed."""
    try:
        return _columns(_wire.decode(payload))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ContractError(f"malformed telemetry payload: {error}") from error


_wire = msgspec.msgpack.Decoder(Payload)


def _columns(wire: Payload) -> Columns:
    devices, points, times = names(wire.devices), names(wire.points), _times(wire)
    keys = list(_keys(wire, len(devices), len(points), times))
    if not 1 <= len(keys) == len(wire.forms):
        raise ContractError(f"{len(wire.forms)} forms for {len(keys)} columns")
    if len({(devices[device], points[point]) for device, point, _ in keys}) != len(keys):
        raise ContractError("two columns of one series in a batch")
    sizes = [len(times[when]) for _, _, when in keys]
    remarks = _remarks(wire, sizes)
    for index, runs in remarks.items():
        sizes[index] -= sum(count for _, count, code, error in runs if state_of(code, error)[3])
    values = _values(wire, sizes)
    columns = [
        Column(*key, form, next(values), remarks.get(index, ()))
        for index, (key, form) in enumerate(zip(keys, wire.forms, strict=True))
    ]
    columns.sort(key=lambda column: (devices[column.device], points[column.point]))
    return Columns(devices, points, times, columns)


def _keys(wire: Payload, devices: int, points: int, times: list[list[int]]) -> Iterator[tuple[int, int, int]]:
    """Yield device, point and times of each column, as far as a batch may reach."""
    if sum(map(len, wire.shapes)) > SAMPLES_PER_BATCH_MAX:
        raise ContractError(f"shapes of more than {SAMPLES_PER_BATCH_MAX} points")
    indices = list(accumulate(chain.from_iterable(wire.shapes), initial=-1))[1:]
    if not all(wire.shapes) or min(indices, default=0) < 0 or max(indices, default=-1) >= points:
        raise ContractError("a shape without points, or of points that have no name")
    rest = iter(indices)
    shapes = [list(islice(rest, len(steps))) for steps in wire.shapes]
    if len(wire.spans) % 3:
        raise ContractError("half a span")
    device = shape = when = -1
    total = 0
    for steps in zip(wire.spans[::3], wire.spans[1::3], wire.spans[2::3], strict=True):
        device, shape, when = device + steps[0], shape + steps[1], when + steps[2]
        if not (0 <= device < devices and 0 <= when < len(times) and 0 <= shape < len(shapes)):
            raise ContractError("a span of what is in no table")
        total += len(shapes[shape]) * len(times[when])
        if total > SAMPLES_PER_BATCH_MAX:
            raise ContractError(f"a batch with more than {SAMPLES_PER_BATCH_MAX} samples")
        for point in shapes[shape]:
            yield device, point, when


def _times(wire: Payload) -> list[list[int]]:
    """Return the table of times, in ms UTC."""
    total = sum(wire.counts)
    if not all(wire.counts) or total > SAMPLES_PER_BATCH_MAX:
        raise ContractError(f"a table of {total} times, {SAMPLES_PER_BATCH_MAX} at most, or an empty entry")
    offsets = unpack_integers(wire.offsets, len(wire.counts))
    intervals = unpack_integers(wire.intervals, total - len(wire.counts))
    if min(offsets, default=0) < 0 or min(intervals, default=1) <= 0:
        raise ContractError("times do not increase strictly")
    rest = iter(intervals)
    times = [
        list(accumulate(islice(rest, count - 1), initial=wire.start_ms + offset))
        for count, offset in zip(wire.counts, offsets, strict=True)
    ]
    if any(stamps[-1] > TIME_MS_MAX for stamps in times):
        raise ContractError("times beyond the year 9999")
    return times


def _remarks(wire: Payload, sizes: list[int]) -> dict[int, list[tuple[int, int, int, str]]]:
    """Return by column what its samples are if not plainly good: (index, count, state, error)."""
    found: defaultdict[int, list[tuple[int, int, int, str]]] = defaultdict(list)
    ends = list(accumulate(sizes))
    column = position = 0
    for since, count, code, error in wire.runs:
        position += since
        end = position + count
        if count < 1 or end > ends[-1]:
            raise ContractError("a run of samples that are not in the batch")
        while position < end:
            while ends[column] <= position:
                column += 1
            until = min(end, ends[column])
            found[column].append((position - ends[column] + sizes[column], until - position, code, error))
            position = until
    return found


def _values(wire: Payload, sizes: list[int]) -> Iterator[Sequence[Any]]:
    """Yield the values of each column; the streams must hold exactly those."""
    held: defaultdict[int, int] = defaultdict(int)
    columns: defaultdict[int, int] = defaultdict(int)
    for form, size in zip(wire.forms, sizes, strict=True):
        if not size and form != MIXED:
            raise ContractError("a column without values, of a form for some")
        kind = max(form, INTEGER)
        held[kind] += size
        columns[kind] += 1
    if max(held) > MIXED:
        raise ContractError(f"unknown form {max(held)} of a column")
    if len(wire.mixed) != held[MIXED]:
        raise ContractError(f"{len(wire.mixed)} values where {held[MIXED]} belong")
    firsts = iter(unpack_integers(wire.firsts, columns[INTEGER]))
    rest: dict[int, Iterator[Any]] = {
        INTEGER: iter(unpack_integers(wire.steps, held[INTEGER] - columns[INTEGER])),
        SWITCH: map(bool, unpack_bits(wire.switches, held[SWITCH])),
        FLOAT32: iter(unpack_floats(wire.floats32, held[FLOAT32], "f")),
        FLOAT64: iter(unpack_floats(wire.floats64, held[FLOAT64], "d")),
        MIXED: iter(wire.mixed),
    }
    for form, size in zip(wire.forms, sizes, strict=True):
        if form > INTEGER:
            yield list(islice(rest[form], size))
        else:
            yield [next(firsts), *islice(rest[INTEGER], size - 1)]


def samples_of(table: Columns, column: Column) -> list[Sample]:
    """Return the samples of one series, by time; ContractError for an integer that no float64 holds."""
    device, point = table.devices[column.device], table.points[column.point]
    values = column.values
    if column.form <= INTEGER:
        values = list(accumulate(values))
        if not -INTEGER_MAX <= min(values) <= max(values) <= INTEGER_MAX:
            raise ContractError(f"{device}/{point}: an integer beyond ±2**53")
        if column.form < INTEGER:
            scale = 10**column.form
            values = [value / scale for value in values]
    stamps = table.times[column.times]
    if not column.remarks:
        return list(map(Sample, stamps, repeat(device), repeat(point), values))
    states = [PLAIN] * len(stamps)
    for index, count, code, error in column.remarks:
        states[index : index + count] = [state_of(code, error)] * count
    there = iter(values)
    return [
        Sample(stamp, device, point, None if absent else next(there), quality, error, clock)
        for stamp, (quality, clock, error, absent) in zip(stamps, states, strict=True)
    ]
