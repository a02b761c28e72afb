"""Runs of samples as blocks: what a series store keeps, small and readable alone; and batches as runs.

Layout of a block::

    1  packing: 0 plain, 1 zstd      4  CRC-32 of what follows, big-endian
    n  msgpack: steps of time, segments (form, values), remarks

Steps and integers are differences to the one before; forms and remarks are those of ``contract.runs``.
"""

import struct
import threading
import zlib
from collections.abc import Iterable
from itertools import accumulate
from operator import sub
from typing import Any, NamedTuple

import msgspec
import zstandard

from contract import batches, columns, layout, rebasing
from contract.errors import ContractError
from contract.limits import INTEGER_MAX
from contract.names import Text
from contract.runs import (
    CLOCKS,
    DECIMALS_MAX,
    FLOAT64,
    INTEGER,
    QUALITIES,
    RAW,
    Remark,
    Run,
    part,
    states_of,
    values_of,
)
from contract.samples import ClockState, Quality, Sample, Value

UNPACKED_BYTES_MAX = 64 * 1024 * 1024
"""After decompression; a block that would unpack to more is damaged."""

_PLAIN, _ZSTD = 0, 1
_ZSTD_LEVEL = 3
_WORTH_PACKING_BYTES = 48
_PREFIX = struct.Struct(">BI")
_INTEGERS = {int}


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
    plain = batches.plain_payload(message)
    offset_ms = batches.read_header(message).offset_ms
    table = columns.decode(plain)
    found = []
    count = 0
    for column in table.columns:
        times = table.times[column.times]
        count += len(times)
        run = _run(column, times)
        if offset_ms is not None:
            run = rebasing.run(run, offset_ms)
        found.append((table.devices[column.device], table.points[column.point], run))
    return Lifted(found, count, len(plain))


def _run(column: columns.Column, times: list[int]) -> Run:
    """The one place that knows how the wire's columns are laid out."""
    values: list[Any]
    if column.form <= layout.INTEGER:
        values = list(accumulate(column.values))
        if values and (max(values) > INTEGER_MAX or min(values) < -INTEGER_MAX):
            raise ContractError("an integer beyond ±2**53")
        form = INTEGER if column.form == layout.INTEGER else column.form
    else:
        values = list(column.values)
        form = FLOAT64 if column.form in (layout.FLOAT32, layout.FLOAT64) else RAW
    if not column.remarks:
        return Run(times, [(form, values)])
    segments: list[tuple[int, list[Any]]] = []
    remarks: list[Remark] = []
    taken = done = 0
    for index, length, code, error in column.remarks:
        quality, clock, told, absent = layout.state_of(code, error)
        if absent:
            before = index - done
            if before:
                segments.append((form, values[taken : taken + before]))
            segments.append((RAW, [None] * length))
            taken, done = taken + before, index + length
        if (quality, clock, told) != (Quality.GOOD, ClockState.SYNCHRONISED, ""):
            remarks.append((index, length, QUALITIES.index(quality), CLOCKS.index(clock), told))
    if taken < len(values):
        segments.append((form, values[taken:]))
    return Run(times, segments, remarks)


def _numbers(form: int, packed: Any, count: int) -> list[Any]:
    """Return a segment's values from its packed ones; ContractError where they are none of its form."""
    values: list[Any]
    if form == FLOAT64:
        values = list(struct.unpack(f"<{count}d", msgspec.convert(packed, bytes)))
    elif form == RAW:
        values = msgspec.convert(packed, list[Value])
    elif INTEGER <= form <= DECIMALS_MAX:
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
        if not (0 <= quality < len(QUALITIES) and 0 <= clock < len(CLOCKS)):
            raise ContractError("a remark of an unknown quality or clock")
        free = index + length


def last(run: Run) -> bytes:
    """Return the last sample, packed, without its time."""
    tail = part(run, len(run.times) - 1, len(run.times))
    [value], [state] = values_of(tail), states_of(tail)
    return _encode(Last(value, *state))


def sample(packed_last: bytes, time_ms: int, device: str, point: str) -> Sample:
    """Return the sample that ``last`` packed; ContractError where it is none."""
    try:
        last = _last_decoder.decode(packed_last)
        return Sample(
            time_ms, device, point, last.value, QUALITIES[last.quality], last.error, CLOCKS[last.clock]
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
    if form == FLOAT64:
        return struct.pack(f"<{len(values)}d", *values)
    return values if form == RAW else _steps(values)


def _opened(form: int, packed: Any) -> list[Any]:
    return _numbers(form, packed, len(packed) // 8 if form == FLOAT64 else len(packed))


def _steps(values: list[int]) -> list[int]:
    return [values[0], *map(sub, values[1:], values)]
