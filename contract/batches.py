"""A batch: the unit that is committed, published, journalled and acknowledged.

Layout of the message, version 1 (big-endian)::

    2  magic "GF"      1  version      2  length of the header
    n  header, msgpack array: ids as bytes, lane and content as their place in the enumeration
    1  packing: 0 plain, 1 a zstd frame without its magic number
    m  payload: columns of samples, a list of events, or a tombstone

The header names the batch and may be completed until the first publication; the payload never changes.
"""

import struct
from collections.abc import Iterable
from enum import StrEnum
from hashlib import blake2b
from typing import Annotated

import msgspec
import zstandard

from contract import columns, rebasing
from contract.errors import ContractError
from contract.events import Event
from contract.limits import EVENTS_PER_BATCH_MAX, MESSAGE_BYTES_MAX, PAYLOAD_BYTES_MAX, VERSION
from contract.names import Epoch, Mark, Name, OffsetMs, Sequence, Text, TimeMs
from contract.samples import ClockState, Measured, Sample
from contract.topics import Lane

_MAGIC = b"GF"
_PREFIX = struct.Struct(">2sBH")
_PLAIN, _ZSTD = 0, 1
_ZSTD_LEVEL = 9
_ZSTD_MAGIC = zstandard.FRAME_HEADER


class Content(StrEnum):
    """What the payload of a batch holds."""

    SAMPLES = "samples"
    EVENTS = "events"
    TOMBSTONE = "tombstone"


class Header(msgspec.Struct, frozen=True):
    """Names a batch: (gateway, epoch, lane, sequence) is unique, and sequences are contiguous.

    ``created_ms`` is the commit's time at the gateway. ``backfill`` marks a batch that first left long
    after it was taken, so that its events notify nobody. ``offset_ms`` is what was found to be missing in
    its times when the clock of boot ``boot_id`` was first synchronised: it is added to all that is marked
    unset. A batch of samples that has one holds nothing else.
    """

    district: Name
    gateway: Name
    epoch: Epoch
    lane: Lane
    sequence: Sequence
    content: Content
    boot_id: Epoch
    created_ms: TimeMs
    backfill: bool = False
    offset_ms: OffsetMs | None = None


class Tombstone(msgspec.Struct, frozen=True, omit_defaults=True):
    """Stands where a batch was dropped by retention: its time range, how many it held, and why.

    ``clock`` is what its range is worth: only an unset one is moved by the header's offset.
    """

    first_ms: TimeMs
    last_ms: TimeMs
    count: Mark
    reason: Text
    clock: ClockState = ClockState.SYNCHRONISED


class Batch(msgspec.Struct, frozen=True):
    """A decoded batch; exactly the field that ``header.content`` names is filled."""

    header: Header
    samples: list[Sample] = []
    events: list[Event] = []
    tombstone: Tombstone | None = None


_Id = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
_LANES, _CONTENTS = list(Lane), list(Content)


class _WireHeader(msgspec.Struct, frozen=True, array_like=True):
    """A header as it travels."""

    district: Name
    gateway: Name
    epoch: _Id
    lane: Annotated[int, msgspec.Meta(ge=0, lt=len(_LANES))]
    sequence: Sequence
    content: Annotated[int, msgspec.Meta(ge=0, lt=len(_CONTENTS))]
    boot_id: _Id
    created_ms: TimeMs
    backfill: bool
    offset_ms: OffsetMs | None = None


_header_decoder = msgspec.msgpack.Decoder(_WireHeader)
_events_decoder = msgspec.msgpack.Decoder(
    Annotated[list[Event], msgspec.Meta(min_length=1, max_length=EVENTS_PER_BATCH_MAX)]
)
_tombstone_decoder = msgspec.msgpack.Decoder(Tombstone)


def samples_payload(samples: Iterable[Measured]) -> bytes:
    """Return the payload of a batch of samples; ContractError where they break the contract."""
    return _packed(columns.pack(list(samples)))


def live_message(samples: Iterable[Measured]) -> bytes:
    """Return newest values as they are sent live: a payload without a header, for they are in no lane."""
    data = samples_payload(samples)
    if len(data) > MESSAGE_BYTES_MAX:
        raise ContractError(f"live values of {len(data)} bytes, {MESSAGE_BYTES_MAX} at most")
    return data


def live_samples(data: bytes) -> list[Sample]:
    """Return what a live message holds; ContractError for anything malformed or oversized."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise ContractError(f"live values of {len(data)} bytes, {MESSAGE_BYTES_MAX} at most")
    try:
        return columns.unpack(_unpacked(data))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ContractError(f"malformed live values: {error}") from error


def events_payload(events: list[Event]) -> bytes:
    """Return the payload of a batch of events; ContractError where there are none or too many."""
    if not 1 <= len(events) <= EVENTS_PER_BATCH_MAX:
        raise ContractError(f"a batch of {len(events)} events; 1 to {EVENTS_PER_BATCH_MAX}")
    return _packed(msgspec.msgpack.encode(events))


def tombstone_payload(tombstone: Tombstone) -> bytes:
    """Return the payload of a tombstone."""
    return _packed(msgspec.msgpack.encode(tombstone))


def message(header: Header, payload: bytes) -> bytes:
    """Return the message as it is published and journalled; ContractError if it is too large."""
    head = _head(header)
    data = _PREFIX.pack(_MAGIC, VERSION, len(head)) + head + payload
    if len(data) > MESSAGE_BYTES_MAX:
        raise ContractError(f"a batch of {len(data)} bytes, {MESSAGE_BYTES_MAX} at most")
    return data


def digest(data: bytes) -> str:
    """Return the digest of a batch message, as acknowledgements carry it."""
    return blake2b(data, digest_size=16).hexdigest()


def read_header(data: bytes) -> Header:
    """Return the header of a batch message without touching its payload; ContractError if malformed."""
    return _split(data)[0]


def packed_payload(data: bytes) -> bytes:
    """Return the payload as it travels, whatever the header says; ContractError as above."""
    return _split(data)[1]


def plain_payload(data: bytes) -> bytes:
    """Return the unpacked payload of a batch message; ContractError for anything malformed or oversized."""
    return _unpacked(_split(data)[1])


def decode(data: bytes) -> Batch:
    """Return the whole batch, on the right times where its header tells the offset.

    ContractError for anything malformed, oversized or of another version.
    """
    header, payload = _split(data)
    plain = _unpacked(payload)
    offset_ms = header.offset_ms
    try:
        match header.content:
            case Content.SAMPLES:
                samples = columns.unpack(plain)
                if offset_ms is not None:
                    samples = rebasing.samples(samples, offset_ms)
                return Batch(header, samples=samples)
            case Content.EVENTS:
                events = _events_decoder.decode(plain)
                if offset_ms is not None:
                    events = rebasing.events(events, offset_ms)
                return Batch(header, events=events)
            case Content.TOMBSTONE:
                return Batch(header, tombstone=_shifted(_tombstone_decoder.decode(plain), offset_ms))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ContractError(f"malformed {header.content} payload: {error}") from error


def _shifted(tombstone: Tombstone, offset_ms: int | None) -> Tombstone:
    if offset_ms is None or tombstone.clock is not ClockState.UNSET:
        return tombstone
    first_ms, last_ms = (
        rebasing.time_ms(at_ms, offset_ms) for at_ms in (tombstone.first_ms, tombstone.last_ms)
    )
    return Tombstone(first_ms, last_ms, tombstone.count, tombstone.reason, ClockState.HOLDOVER)


def _split(data: bytes) -> tuple[Header, bytes]:
    if len(data) > MESSAGE_BYTES_MAX:
        raise ContractError(f"a batch of {len(data)} bytes, {MESSAGE_BYTES_MAX} at most")
    if len(data) < _PREFIX.size:
        raise ContractError(f"a batch of {len(data)} bytes is no batch")
    magic, version, length = _PREFIX.unpack_from(data)
    if magic != _MAGIC:
        raise ContractError("a batch that does not begin with GF")
    if version != VERSION:
        raise ContractError(f"a batch of version {version}; this side speaks {VERSION}")
    try:
        header = _header_decoder.decode(data[_PREFIX.size : _PREFIX.size + length])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ContractError(f"malformed batch header: {error}") from error
    return _header(header), data[_PREFIX.size + length :]


def _head(header: Header) -> bytes:
    try:
        epoch, boot_id = bytes.fromhex(header.epoch), bytes.fromhex(header.boot_id)
    except ValueError as error:
        raise ContractError(f"an id in the header of {header.gateway} is not hexadecimal") from error
    return msgspec.msgpack.encode(
        _WireHeader(
            header.district,
            header.gateway,
            epoch,
            _LANES.index(header.lane),
            header.sequence,
            _CONTENTS.index(header.content),
            boot_id,
            header.created_ms,
            header.backfill,
            header.offset_ms,
        )
    )


def _header(wire: _WireHeader) -> Header:
    return Header(
        wire.district,
        wire.gateway,
        wire.epoch.hex(),
        _LANES[wire.lane],
        wire.sequence,
        _CONTENTS[wire.content],
        wire.boot_id.hex(),
        wire.created_ms,
        wire.backfill,
        wire.offset_ms,
    )


def _packed(plain: bytes) -> bytes:
    if len(plain) > PAYLOAD_BYTES_MAX:
        raise ContractError(f"a payload of {len(plain)} bytes, {PAYLOAD_BYTES_MAX} at most")
    small = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(plain)[len(_ZSTD_MAGIC) :]
    return bytes([_ZSTD]) + small if len(small) < len(plain) else bytes([_PLAIN]) + plain


def _unpacked(payload: bytes) -> bytes:
    packing, body = payload[:1], payload[1:]
    if packing == bytes([_PLAIN]):
        plain = body
    elif packing == bytes([_ZSTD]):
        try:
            body = _ZSTD_MAGIC + body
            frame = zstandard.get_frame_parameters(body)
            if frame.content_size > PAYLOAD_BYTES_MAX:  # an unknown size reads as 2**64 - 1
                raise ContractError(
                    f"a payload that unpacks to {frame.content_size} bytes, {PAYLOAD_BYTES_MAX} at most"
                )
            plain = zstandard.ZstdDecompressor(max_window_size=PAYLOAD_BYTES_MAX * 2).decompress(
                body, max_output_size=PAYLOAD_BYTES_MAX
            )
        except zstandard.ZstdError as error:
            raise ContractError(f"a payload that does not unpack: {error}") from error
    else:
        raise ContractError(f"unknown packing {packing!r} of a payload")
    return plain
