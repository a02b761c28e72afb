"""Between registers and values, by the profile: pure, exact, no exceptions for what a device may send."""

import math
import struct
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from contract.samples import Quality, Value
from device_profiles.schema import Derived, Point, Profile, Table

DECIMALS_MAX = 6
"""More decimals than that in a decimals register are not credible."""

Registers = Mapping[tuple[Table, int], int]
"""Raw 16-bit registers, or bits as 0 and 1, by table and address."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """A value as decoded, before it gets a time; ``error`` names why it is not good."""

    value: Value
    quality: Quality = Quality.GOOD
    error: str = ""


OUT_OF_RANGE = "out_of_range"
NOT_READ = Reading(None, Quality.BAD, "not_read")
NOT_A_NUMBER = Reading(None, Quality.BAD, "not_a_number")


class CodecError(ValueError):
    """A value that a point cannot hold was to be written; the text says why."""


def addresses(point: Point) -> list[int]:
    """Return every address (of the point's table) that its value needs, ascending."""
    own = range(point.address, point.address + point.words)
    helpers = [address for address in (point.decimals_at, point.unit_at) if address is not None]
    return sorted({*own, *helpers})


def reaches(point: Point, other: Profile) -> bool:
    """Say whether devices of another profile have anything where this point is written."""
    cells = range(point.address, point.address + point.words)
    return any(it.table == point.table and any(at in cells for at in addresses(it)) for it in other.points)


def decode(point: Point, registers: Registers) -> Reading:
    """Return the point's value; bad (not_read) where an address is missing from ``registers``."""
    try:
        words = [registers[point.table, point.address + index] for index in range(point.words)]
        factor = _unit_factor(point, registers)
        shift = 0 if point.decimals_at is None else registers[point.table, point.decimals_at]
    except KeyError:
        return NOT_READ
    if factor is None:
        return Reading(None, Quality.BAD, "unit_code_unknown")
    if shift > DECIMALS_MAX:
        return Reading(None, Quality.BAD, "decimals_not_credible")
    if point.type == "bool":
        return Reading(bool(words[0] & mask(point)))
    raw = _raw(point, words)
    if not math.isfinite(raw):
        return NOT_A_NUMBER
    value = _scaled(point, raw, shift, factor)
    return _checked(point, value) if math.isfinite(value) else NOT_A_NUMBER


def derive(entry: Derived, readings: Mapping[str, Reading]) -> Reading:
    """Return a derived quantity; it is as bad as the worst of what it is made of."""
    parts = [readings.get(name, NOT_READ) for name in entry.of]
    for part in parts:
        if not isinstance(part.value, int | float):
            return Reading(None, Quality.BAD, part.error or "not_read")
    angles = [math.radians(part.value) for part in parts if isinstance(part.value, int | float)]
    cosine = math.prod(math.cos(angle) for angle in angles)
    value = round(math.degrees(math.acos(max(-1.0, min(1.0, cosine)))), entry.decimals)
    worst = next((part for part in parts if part.quality is not Quality.GOOD), parts[0])
    return Reading(value, worst.quality, worst.error)


def readings(profile: Profile, registers: Registers, names: Iterable[str]) -> dict[str, Reading]:
    """Return the named points and derived quantities of a profile, decoded from one set of registers."""
    wanted = list(names)
    derived = [entry for entry in profile.derived if entry.name in wanted]
    inputs = {name for entry in derived for name in entry.of}
    found = {
        point.name: decode(point, registers)
        for point in profile.points
        if point.name in wanted or point.name in inputs
    }
    found |= {entry.name: derive(entry, found) for entry in derived}
    return {name: found[name] for name in wanted if name in found}


def is_plain_integer(point: Point) -> bool:
    """Say whether the point's value is what its registers spell, unscaled."""
    return (
        point.type != "f32"
        and (point.scale, point.offset) == (1, 0)
        and not point.decimals
        and point.decimals_at is None
        and point.unit_at is None
    )


def encode(point: Point, value: Value, *, decimals: int = 0, factor: float = 1) -> list[int]:
    """Return the registers (or the one bit) that spell ``value``; CodecError if the point cannot hold it.

    Of a point that is a bit of a register this is the register with all other bits 0; see ``mask``.
    ``decimals`` and ``factor`` are what the device's decimals and unit registers stand at.
    """
    if point.type == "bool":
        if not isinstance(value, bool):
            raise CodecError(f"{point.name}: {value!r} is neither true nor false")
        return [int(value) << (point.bit or 0)]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CodecError(f"{point.name}: {value!r} is no number")
    try:
        exact = ((value / factor) * 10**decimals - point.offset) / point.scale
        single = struct.pack(">f", exact) if math.isfinite(exact) else b""
    except OverflowError:
        single = b""
    if not single:
        raise CodecError(f"{point.name}: {str(value)[:40]} is more than {point.type} holds")
    if point.type == "f32":
        return _ordered(point, list(struct.unpack(">2H", single)))
    whole = round(exact)
    bits = 16 * point.words
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if point.type[0] == "i" else (0, 2**bits - 1)
    if not low <= whole <= high:
        raise CodecError(f"{point.name}: {value!r} would be {whole} in the register, {low} to {high} fit")
    return _ordered(point, [(whole >> shift) & 0xFFFF for shift in range(bits - 16, -1, -16)])


def mask(point: Point) -> int:
    """Return which bits of each of its registers are the point's: all, or the one that ``bit`` names."""
    return 0xFFFF if point.bit is None else 1 << point.bit


def written(point: Point, value: Value) -> list[int]:
    """Return what a write sends: the registers of ``encode``, or the one value that switches a bool.

    CodecError also for a value outside the point's range: nothing incredible is written.
    """
    words = encode(point, value)
    if point.type == "bool" and point.bit is None:
        return [point.on_value if words[0] else point.off_value]
    if point.range and isinstance(value, int | float) and not point.range[0] <= value <= point.range[1]:
        raise CodecError(f"{point.name}: {value!r} is outside {point.range[0]:g} to {point.range[1]:g}")
    return words


def self_off_steps(point: Point, time_s: float) -> int:
    """Return what to write to the self-off address: whole steps, never longer than asked, at least one.

    CodecError if the point has no such timer, or the timer does not reach that far.
    """
    if point.self_off is None:
        raise CodecError(f"{point.name}: the device does not switch it off by itself")
    longest_s = point.self_off.step_ms * point.self_off.steps_max / 1000
    if not 0 < time_s <= longest_s:
        raise CodecError(f"{point.name}: self-off after {time_s} s; above 0 to {longest_s} s")
    return max(1, round(time_s * 1000) // point.self_off.step_ms)


def _ordered(point: Point, words: list[int]) -> list[int]:
    return words if point.word_order == "big" else words[::-1]


def _unit_factor(point: Point, registers: Registers) -> float | None:
    if point.unit_at is None:
        return 1
    code = registers[point.table, point.unit_at]
    return next((entry.factor for entry in point.unit_codes if entry.code == code), None)


def _raw(point: Point, words: Sequence[int]) -> float | int:
    ordered = words if point.word_order == "big" else words[::-1]
    data = struct.pack(f">{len(ordered)}H", *ordered)
    formats = {"u16": ">H", "i16": ">h", "u32": ">I", "i32": ">i", "f32": ">f"}
    number: float | int = struct.unpack(formats[point.type], data)[0]
    return number


def _scaled(point: Point, raw: float | int, shift: int, factor: float) -> float | int:
    if is_plain_integer(point):
        return raw  # by its profile: the kind of a series never depends on what a register says
    plain = (point.scale, point.offset, factor) == (1, 0, 1)
    if isinstance(raw, float) and point.decimals is None:
        shortest = _shortest(raw)
        return shortest if plain else _tidy(f"{(shortest * point.scale + point.offset) * factor:.9g}")
    decimals = point.rounding + shift + (0 if factor >= 1 else math.ceil(-math.log10(factor)))
    return _tidy(round(float((raw * point.scale + point.offset) / 10**shift * factor), decimals))


def _shortest(raw: float) -> float:
    """Return the decimal number with the fewest digits that is this float32 and no other."""
    packed = struct.pack(">f", raw)
    texts = (f"{raw:.{digits}g}" for digits in range(6, 10))
    return _tidy(next((text for text in texts if struct.pack(">f", float(text)) == packed), raw))


def _tidy(value: float | str) -> float:
    return float(value) + 0.0  # no negative zero


def _checked(point: Point, value: float | int) -> Reading:
    if point.range and not point.range[0] <= value <= point.range[1]:
        return Reading(value, Quality.UNCERTAIN, OUT_OF_RANGE)
    return Reading(value)
