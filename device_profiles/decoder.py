"""A profile's points made ready to be read again and again: what does not change is worked out once.

Says exactly what ``codec.readings`` says. A point of one register, scaled or not, gets a function of its own;
whatever is rarer is left to ``codec.decode``.
"""

import math
from collections.abc import Callable, Iterable
from functools import cached_property, partial

from contract.samples import Quality, Value
from device_profiles import codec
from device_profiles.codec import NOT_A_NUMBER, NOT_READ, Reading, Registers
from device_profiles.schema import BIT_TABLES, Point, Profile

_Decode = Callable[[Registers], Reading]
_Plain = Callable[[Registers], Value]
"""The value of a reading that is plainly good; None of any other."""


class Decoder:
    """Reads some points and derived quantities of a profile; stateless, so that twins may share one."""

    def __init__(self, profile: Profile, names: Iterable[str]) -> None:
        """``names`` are the wanted ones; a name that the profile does not have is passed over."""
        wanted = list(names)
        derived = {entry.name: entry for entry in profile.derived if entry.name in wanted}
        inputs = {name for entry in derived.values() for name in entry.of}
        points = {point.name: point for point in profile.points}
        self._points = [
            (name, _decode(point)) for name, point in points.items() if name in wanted or name in inputs
        ]
        self._plain = [_plain(points[name], decode) for name, decode in self._points]
        self._derived = list(derived.items())
        names_known = [name for name in wanted if name in points or name in derived]
        self._order = None if names_known == [name for name, _ in self._points] else names_known

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The wanted names that the profile has, in their order."""
        return tuple(self._order if self._order is not None else (name for name, _ in self._points))

    def values(self, registers: Registers) -> tuple[Value, ...] | None:
        """Return the values of ``names`` where every one is plainly good, else None: ask for the readings."""
        if self._derived or self._order is not None:
            readings = self.readings(registers).values()
            good = all(reading.quality is Quality.GOOD and not reading.error for reading in readings)
            return tuple(reading.value for reading in readings) if good else None
        found = tuple([plain(registers) for plain in self._plain])
        return None if None in found else found

    def readings(self, registers: Registers) -> dict[str, Reading]:
        """Return the wanted points and derived quantities, in their order, from one set of registers."""
        found = {name: decode(registers) for name, decode in self._points}
        for name, entry in self._derived:
            found[name] = codec.derive(entry, found)
        return found if self._order is None else {name: found[name] for name in self._order}


def _decode(point: Point) -> _Decode:
    if point.type not in ("u16", "i16") or point.decimals_at is not None or point.unit_at is not None:
        return partial(codec.decode, point)
    return _integer(point) if codec.is_plain_integer(point) else _scaled(point)


def _plain(point: Point, decode: _Decode) -> _Plain:
    if point.type == "u16" and point.table not in BIT_TABLES and codec.is_plain_integer(point):
        key, (low, high) = (point.table, point.address), point.range or (0, 0xFFFF)

        def word(registers: Registers) -> Value:
            value = registers.get(key)
            return value if value is not None and low <= value <= high else None

        return word

    def value(registers: Registers) -> Value:
        reading = decode(registers)
        return reading.value if reading.quality is Quality.GOOD and not reading.error else None

    return value


def _integer(point: Point) -> _Decode:
    key, negative_from = (point.table, point.address), 0x8000 if point.type == "i16" else 0x10000
    low, high = point.range or (-math.inf, math.inf)

    def decode(registers: Registers) -> Reading:
        value = registers.get(key)
        if value is None:
            return NOT_READ
        if value >= negative_from:
            value -= 0x10000
        if low <= value <= high:
            return Reading(value)
        return Reading(value, Quality.UNCERTAIN, codec.OUT_OF_RANGE)

    return decode


def _scaled(point: Point) -> _Decode:
    key, negative_from = (point.table, point.address), 0x8000 if point.type == "i16" else 0x10000
    scale, offset, decimals = point.scale, point.offset, point.rounding
    low, high = point.range or (-math.inf, math.inf)

    def decode(registers: Registers) -> Reading:
        raw = registers.get(key)
        if raw is None:
            return NOT_READ
        if raw >= negative_from:
            raw -= 0x10000
        value = round(float(raw * scale + offset), decimals) + 0.0  # no negative zero
        if not math.isfinite(value):
            return NOT_A_NUMBER
        if low <= value <= high:
            return Reading(value)
        return Reading(value, Quality.UNCERTAIN, codec.OUT_OF_RANGE)

    return decode
