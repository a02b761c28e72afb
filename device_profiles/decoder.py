"""A profile's points made ready to be read again and again: what does not change is worked out once.

Says exactly what ``codec.readings`` says. A point of one register, scaled or not, gets a function of its own;
whatever is rarer is left to ``codec.decode``.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from operator import itemgetter

from contract.samples import Quality, Value
from device_profiles import codec
from device_profiles.codec import NOT_A_NUMBER, NOT_READ, Reading, Registers
from device_profiles.schema import BIT_TABLES, Point, Profile, Table

Rows = Callable[[Sequence[int]], tuple[Value, ...] | None]
"""Makes the values of a device's points of the words that were read, or None if any is not plainly good."""

_Decode = Callable[[Registers], Reading]
_OfWord = Callable[[int], Reading]
_Value = Callable[[Sequence[int]], Value]
"""The value of a reading that is plainly good; None of any other."""


class Decoder:
    """Reads some points and derived quantities of a profile; stateless, so that twins may share one."""

    def __init__(self, profile: Profile, names: Iterable[str]) -> None:
        """``names`` are the wanted ones; a name that the profile does not have is passed over."""
        wanted = list(names)
        derived = {entry.name: entry for entry in profile.derived if entry.name in wanted}
        inputs = {name for entry in derived.values() for name in entry.of}
        self._points = {
            point.name: point for point in profile.points if point.name in wanted or point.name in inputs
        }
        self._decodes = [(name, _decode(point)) for name, point in self._points.items()]
        self._derived = list(derived.items())
        known = [name for name in wanted if name in self._points or name in derived]
        self._order = None if known == list(self._points) else known

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The wanted names that the profile has, in their order."""
        return tuple(self._points if self._order is None else self._order)

    def rows(self, cells: Sequence[tuple[Table, int]]) -> Rows:
        """Return what makes the values of ``names`` of words that were read from these cells, in this order.

        Where it returns None, ask for the readings.
        """
        if self._derived:
            return partial(self._good_readings, cells)
        at = {cell: index for index, cell in enumerate(cells)}
        points = [self._points[name] for name in self.names]
        if any((point.table, address) not in at for point in points for address in codec.addresses(point)):
            return lambda _: None
        if len(points) > 1 and all(map(_is_word, points)):
            return itemgetter(*(at[point.table, point.address] for point in points))
        values = [_value(point, at) for point in points]

        def row(words: Sequence[int]) -> tuple[Value, ...] | None:
            found = tuple([value(words) for value in values])
            return None if None in found else found

        return row

    def _good_readings(
        self, cells: Sequence[tuple[Table, int]], words: Sequence[int]
    ) -> tuple[Value, ...] | None:
        readings = self.readings(dict(zip(cells, words, strict=True))).values()
        good = all(reading.quality is Quality.GOOD and not reading.error for reading in readings)
        return tuple([reading.value for reading in readings]) if good else None

    def readings(self, registers: Registers) -> dict[str, Reading]:
        """Return the wanted points and derived quantities, in their order, from one set of registers."""
        found = {name: decode(registers) for name, decode in self._decodes}
        for name, entry in self._derived:
            found[name] = codec.derive(entry, found)
        return found if self._order is None else {name: found[name] for name in self._order}


def _is_word(point: Point) -> bool:
    """Say whether any word in its register is a good value, as it is."""
    plain = point.type == "u16" and codec.is_plain_integer(point)
    return plain and point.table not in BIT_TABLES and point.range is None


def _of_word(point: Point) -> _OfWord | None:
    """Return how a point is read that is one word of its own; None: it is more than that."""
    if point.type not in ("u16", "i16") or point.decimals_at is not None or point.unit_at is not None:
        return None
    return _integer(point) if codec.is_plain_integer(point) else _scaled(point)


def _decode(point: Point) -> _Decode:
    of_word, key = _of_word(point), (point.table, point.address)
    if of_word is None:
        return partial(codec.decode, point)

    def decode(registers: Registers) -> Reading:
        word = registers.get(key)
        return NOT_READ if word is None else of_word(word)

    return decode


def _value(point: Point, at: dict[tuple[Table, int], int]) -> _Value:
    of_word, index = _of_word(point), at[point.table, point.address]
    cells = [((point.table, address), at[point.table, address]) for address in codec.addresses(point)]

    def value(words: Sequence[int]) -> Value:
        if of_word is not None:
            reading = of_word(words[index])
        else:
            reading = codec.decode(point, {cell: words[where] for cell, where in cells})
        return reading.value if reading.quality is Quality.GOOD and not reading.error else None

    return value


def _integer(point: Point) -> _OfWord:
    negative_from = 0x8000 if point.type == "i16" else 0x10000
    low, high = point.range or (-math.inf, math.inf)

    def of_word(value: int) -> Reading:
        if value >= negative_from:
            value -= 0x10000
        if low <= value <= high:
            return Reading(value)
        return Reading(value, Quality.UNCERTAIN, codec.OUT_OF_RANGE)

    return of_word


def _scaled(point: Point) -> _OfWord:
    negative_from = 0x8000 if point.type == "i16" else 0x10000
    scale, offset, decimals = point.scale, point.offset, point.rounding
    low, high = point.range or (-math.inf, math.inf)

    def of_word(raw: int) -> Reading:
        if raw >= negative_from:
            raw -= 0x10000
        value = round(float(raw * scale + offset), decimals) + 0.0  # no negative zero
        if not math.isfinite(value):
            return NOT_A_NUMBER
        if low <= value <= high:
            return Reading(value)
        return Reading(value, Quality.UNCERTAIN, codec.OUT_OF_RANGE)

    return of_word
