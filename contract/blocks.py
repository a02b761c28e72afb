"""Samples of one series as a block: what a series store keeps, small and readable alone.

A ``Run`` is a block laid open: the times and, in segments, the values as the wire's columns have them. So a
batch becomes runs, and runs become one run, without looking at a single sample. Layout of a packed block::

    1  packing: 0 plain, 1 zstd      4  CRC-32 of what follows, big-endian
    n  msgpack: steps of time, segments (form, values), remarks

Steps and integers are differences to the one before; forms and remarks are those of ``contract.columns``.
"""

import math
import struct
import threading
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby, repeat
from operator import itemgetter, lt, mul, sub, truediv
from typing import Any, NamedTuple

import msgspec
import zstandard

from contract import batches, columns
from contract.errors import ContractError
from contract.limits import INTEGER_MAX, SAMPLES_PER_BATCH_MAX, TIME_MS_MAX
from contract.names import Text
from contract.samples import ClockState, Quality, Sample, Value

UNPACKED_BYTES_MAX = 64 * 1024 * 1024
"""After decompression; a block that would unpack to more is damaged."""

_RAW, _FLOAT64, _INTEGER = -3, -2, -1  # otherwise: that many decimals
_PLAIN, _ZSTD = 0, 1
_ZSTD_LEVEL = 3
_WORTH_PACKING_BYTES = 48
_PREFIX = struct.Struct(">BI")
_QUALITIES, _CLOCKS = list(Quality), list(ClockState)
_INTEGERS = {int}

State = tuple[int, int, str]
"""Positions of quality and clock in their enumerations, and the error."""

Segment = tuple[int, list[Any]]
"""Form, and values: integers (scaled, where the form says decimals), floats, or values as they are."""

Remark = tuple[int, int, int, int, Text]
"""A stretch of samples that are not plainly good: (index, count, quality, clock, error)."""


_GOOD: State = (_QUALITIES.index(Quality.GOOD), _CLOCKS.index(ClockState.SYNCHRONISED), "")


class Run(NamedTuple):
    """Samples of one series, strictly increasing in time; never changed once made."""

    times: list[int]
    segments: list[Segment]
    remarks: Sequence[Remark] = ()


class Lifted(NamedTuple):
    """A batch as runs: (device, point, run) each, how many samples, how many bytes they were unpacked."""

    series: list[tuple[str, str, Run]]
    samples: int
    plain_bytes: int


class Last(msgspec.Struct, frozen=True, array_like=True):
    """A sample without its series and time."""

    value: Value
    quality: int
    clock: int
    error: Text


class _Packed(msgspec.Struct, frozen=True, array_like=True):
    steps: list[int]
    segments: list[tuple[int, Any]]
    remarks: list[Remark] = []


class _Zstd(threading.local):
    """Contexts are dear to make and belong to one thread."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress
        self.decompress = zstandard.ZstdDecompressor().decompress


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(_Packed)
_last_decoder = msgspec.msgpack.Decoder(Last)
_zstd = _Zstd()


def lift(message: bytes) -> Lifted:
    """Return a batch message of samples as runs; ContractError for anything malformed."""
    _, payload = batches._split(message)
    plain = batches._unpacked(payload)
    try:
        return _lifted(columns._decoder.decode(plain), len(plain))
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


def _lifted(table: columns.Columns, plain_bytes: int) -> Lifted:
    """The one place that knows how the wire's columns are laid out."""
    stamps = [_stamps(table.start_ms, steps) for steps in table.times]
    found = []
    count = 0
    for column in table.columns:
        times = stamps[column.times]
        count += len(times)
        if count > SAMPLES_PER_BATCH_MAX:
            raise ContractError(f"a batch of more than {SAMPLES_PER_BATCH_MAX} samples")
        values = _numbers(column.form, column.values, len(times))
        if column.remarks:
            _check_remarks(column.remarks, len(times))
        run = Run(times, [(column.form, values)], column.remarks)
        found.append((table.devices[column.device], table.points[column.point], run))
    if not count:
        raise ContractError("a batch without samples")
    if len({(device, point) for device, point, _ in found}) != len(found):
        raise ContractError("two columns of one series in a batch")
    return Lifted(found, count, plain_bytes)


def _stamps(start_ms: int, steps: list[int]) -> list[int]:
    if not steps:
        raise ContractError("a column without times")
    stamps = list(accumulate(steps, initial=start_ms))
    if steps[0] < 0 or not all(map(lt, stamps[1:], stamps[2:])):
        raise ContractError("times do not increase strictly")
    if stamps[-1] > TIME_MS_MAX:
        raise ContractError("times beyond the year 9999")
    del stamps[0]
    return stamps


def _numbers(form: int, packed: Any, count: int) -> list[Any]:
    """Return a segment's values from its packed ones; ContractError where they are none of its form."""
    values: list[Any]
    if form == _FLOAT64:
        values = list(struct.unpack(f"<{count}d", msgspec.convert(packed, bytes)))
    elif form == _RAW:
        values = msgspec.convert(packed, list[Value])
    elif _INTEGER <= form <= columns.DECIMALS_MAX:
        if type(packed) is not list or set(map(type, packed)) != _INTEGERS:
            raise ContractError("a value that is no integer in a column of integers")
        values = list(accumulate(packed)) if count > 1 else packed
        if max(values) > INTEGER_MAX or min(values) < -INTEGER_MAX:
            raise ContractError("an integer beyond ±2**53")
    else:
        raise ContractError(f"unknown form {form} of a column")
    if len(values) != count:
        raise ContractError(f"{len(values)} values for {count} times")
    return values


def _check_remarks(remarks: Iterable[Remark], count: int) -> None:
    free = 0
    for index, length, quality, clock, _ in remarks:
        if length < 1 or index < free or index + length > count:
            raise ContractError("a remark lies outside its column, or over another")
        if not (0 <= quality < len(_QUALITIES) and 0 <= clock < len(_CLOCKS)):
            raise ContractError("a remark of an unknown quality or clock")
        free = index + length


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
    plain = map(Sample, run.times, repeat(device), repeat(point), _values(run))
    if not run.remarks:
        return list(plain)
    states = [(_QUALITIES[quality], error, _CLOCKS[clock]) for quality, clock, error in _states(run)]
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
                    (_QUALITIES.index(sample.quality), _CLOCKS.index(sample.clock), sample.error),
                ),
            )
            for sample in one_series
        ]
    )


def last(run: Run) -> bytes:
    """Return the last sample, packed, without its time."""
    tail = part(run, len(run.times) - 1, len(run.times))
    [value], [state] = _values(tail), _states(tail)
    return _encode(Last(value, *state))


def sample(packed_last: bytes, time_ms: int, device: str, point: str) -> Sample:
    """Return the sample that ``last`` packed; ContractError where it is none."""
    try:
        last = _last_decoder.decode(packed_last)
        return Sample(
            time_ms, device, point, last.value, _QUALITIES[last.quality], last.error, _CLOCKS[last.clock]
        )
    except (msgspec.MsgspecError, LookupError, UnicodeDecodeError) as error:
        raise ContractError(f"a damaged sample: {error}") from error


def pack(run: Run) -> bytes:
    """Return it as a block."""
    segments = [(form, _packed(form, values)) for form, values in run.segments]
    body = _encode((_steps(run.times), segments, run.remarks))
    packing = _PLAIN
    if len(body) >= _WORTH_PACKING_BYTES and len(small := _zstd.compress(body)) < len(body):
        packing, body = _ZSTD, small
    return _PREFIX.pack(packing, zlib.crc32(body)) + body


def unpack(data: bytes) -> Run:
    """Return a block laid open; ContractError where it is damaged."""
    try:
        packing, checksum = _PREFIX.unpack_from(data)
        body = data[_PREFIX.size :]
        if zlib.crc32(body) != checksum or packing not in {_PLAIN, _ZSTD}:
            raise ContractError("a damaged block: its checksum does not fit")
        if packing == _ZSTD:
            if zstandard.get_frame_parameters(body).content_size > UNPACKED_BYTES_MAX:
                raise ContractError(f"a block that unpacks to more than {UNPACKED_BYTES_MAX} bytes")
            body = _zstd.decompress(body)
        packed = _decoder.decode(body)
        times = list(accumulate(packed.steps))
        segments = [(form, _opened(form, values)) for form, values in packed.segments]
        if not times or sum(len(values) for _, values in segments) != len(times):
            raise ContractError("a damaged block: not a value for each time")
        _check_remarks(packed.remarks, len(times))
    except (msgspec.MsgspecError, struct.error, zstandard.ZstdError, TypeError, ValueError) as error:
        if isinstance(error, ContractError):
            raise
        raise ContractError(f"a damaged block: {error}") from error
    return Run(times, segments, packed.remarks)


def _packed(form: int, values: list[Any]) -> Any:
    if form == _FLOAT64:
        return struct.pack(f"<{len(values)}d", *values)
    return values if form == _RAW else _steps(values)


def _opened(form: int, packed: Any) -> list[Any]:
    return _numbers(form, packed, len(packed) // 8 if form == _FLOAT64 else len(packed))


def _steps(values: list[int]) -> list[int]:
    return [values[0], *map(sub, values[1:], values)]


def _values(run: Run) -> list[Value]:
    found: list[Value] = []
    for form, values in run.segments:
        found += map(truediv, values, repeat(10**form)) if form >= 0 else values
    return found


def _states(run: Run) -> list[State]:
    states = [_GOOD] * len(run.times)
    for index, count, quality, clock, error in run.remarks:
        states[index : index + count] = [(quality, clock, error)] * count
    return states


def _each(run: Run) -> Iterator[tuple[int, tuple[Value, State]]]:
    return zip(run.times, zip(_values(run), _states(run), strict=True), strict=True)


def _made(each: Sequence[tuple[int, tuple[Value, State]]]) -> Run:
    """Return a run of single samples in order of time."""
    values = [value for _, (value, _) in each]
    segments: list[Segment] = []
    for kind, group in groupby(values, _kind):
        some = list(group)
        segments.append(_decimal(some) if kind == _FLOAT64 else (kind, some))
    remarks: list[Remark] = []
    for index, (_, (_, state)) in enumerate(each):
        if state != _GOOD:
            _remark(remarks, index, 1, state)
    return Run([time_ms for time_ms, _ in each], segments, remarks)


def _kind(value: Value) -> int:
    return _FLOAT64 if type(value) is float else _INTEGER if type(value) is int else _RAW


def _decimal(values: list[Any]) -> Segment:
    """Return floats as integers with the fewest decimals that give the very same floats, else as they are."""
    for decimals in range(columns.DECIMALS_MAX + 1):
        scale = 10**decimals
        if not all(math.isfinite(value) and abs(value) * scale <= INTEGER_MAX for value in values):
            break
        whole = [round(value * scale) for value in values]
        # As text, because -0.0 equals 0.0.
        if all(repr(number / scale) == repr(value) for number, value in zip(whole, values, strict=True)):
            return decimals, whole
    return _FLOAT64, values
