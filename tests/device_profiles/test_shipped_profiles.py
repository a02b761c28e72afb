"""What holds for every profile that is shipped."""

import math
import random
import struct

import pytest

from contract.columns import pack, unpack
from contract.names import checked_name
from contract.samples import Quality, Sample
from device_profiles import catalogue, codec
from device_profiles.schema import Point, Profile

PROFILES = catalogue.load_all()
POINTS = {f"{profile.id}-{point.name}": point for profile in PROFILES.values() for point in profile.points}
each_profile = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
each_point = pytest.mark.parametrize("point", POINTS.values(), ids=POINTS.keys())


def states(point: Point) -> list[tuple[int, float, dict[int, int]]]:
    """Return what decimals and unit registers may stand at: (decimals, factor, registers)."""
    decimals = [None] if point.decimals_at is None else list(range(codec.DECIMALS_MAX + 1))
    codes = [None] if point.unit_at is None else point.unit_codes
    found = []
    for places in decimals:
        for code in codes:
            registers = {}
            if point.decimals_at is not None and places is not None:
                registers[point.decimals_at] = places
            if point.unit_at is not None and code is not None:
                registers[point.unit_at] = code.code
            found.append((places or 0, 1.0 if code is None else code.factor, registers))
    return found


def raw_words(point: Point) -> list[list[int]]:
    """Return every raw value of a bit or a 16-bit point, and a fair choice for two words."""
    if point.type == "bool":
        return [[0], [1 << (point.bit or 0)]]
    if point.words == 1:
        return [[raw] for raw in range(0x10000)]
    edges = [0, 1, 0x7FFF, 0x8000, 0xFFFF]
    chance = random.Random(20_26)
    some = [
        [chance.randrange(0x10000), chance.randrange(0x10000)]
        for _ in range(1_000 if point.type == "f32" else 5_000)
    ]
    words = [[high, low] for high in edges for low in edges] + some
    return [pair for pair in words if is_number(pair)] if point.type == "f32" else words


def is_number(pair: list[int]) -> bool:
    """Say whether two words, high or low first, are a finite float that is no negative zero."""
    floats = [struct.unpack(">f", struct.pack(">2H", *order))[0] for order in (pair, pair[::-1])]
    return all(math.isfinite(number) and (number or math.copysign(1, number) == 1) for number in floats)


@each_profile
def test_a_profile_says_what_it_is(profile: Profile) -> None:
    """Titles in both languages, a document to look again, names that travel."""
    for title in (profile.title, *(point.title for point in profile.points)):
        assert title.en.isascii()
        assert title.zh.strip()
        assert "{" not in title.en + title.zh
    assert any(ord(character) > 0x2E7F for character in profile.title.zh)
    assert len(profile.document) > 20
    for name in (profile.id, *profile.names):
        checked_name(name, "name")


@each_profile
def test_a_modbus_device_has_its_factory_settings(profile: Profile) -> None:
    """A technician needs them to find the device."""
    assert profile.serial is not None
    assert profile.serial.baud in (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)


@each_profile
def test_addresses_are_sane(profile: Profile) -> None:
    """Points of one table overlap only where the device itself says which of them it means."""
    taken: dict[tuple[str, int, int | None], Point] = {}
    for point in profile.points:
        assert codec.addresses(point) == sorted(set(codec.addresses(point)))
        assert all(0 <= address <= 0xFFFF for address in codec.addresses(point))
        for address in range(point.address, point.address + point.words):
            other = taken.setdefault((point.table, address, point.bit), point)
            if other is not point:
                assert not {entry.code for entry in point.unit_codes} & {c.code for c in other.unit_codes}
                assert point.unit_at == other.unit_at is not None


@each_point
def test_every_raw_value_comes_back_from_its_value(point: Point) -> None:
    """All 65536 of a register, so none shares a value with another; some for each state of its helpers."""
    for state, (decimals, factor, helpers) in enumerate(states(point)):
        registers = {(point.table, address): word for address, word in helpers.items()}
        for words in raw_words(point)[:: 37 if state else 1]:
            for index, word in enumerate(words):
                registers[point.table, point.address + index] = word
            value = codec.decode(point, registers).value
            assert value is not None
            assert codec.encode(point, value, decimals=decimals, factor=factor) == words, value


@each_point
def test_values_carry_no_binary_residue(point: Point) -> None:
    """A value is its shortest decimal spelling: 23.4, never 23.400000000000002, and never -0.0."""
    for decimals, factor, helpers in states(point):
        registers = {(point.table, address): word for address, word in helpers.items()}
        digits = point.rounding + decimals + max(0, math.ceil(-math.log10(factor)))
        kinds = set()
        for words in raw_words(point)[:: 1 if point.type == "bool" else 7]:
            for index, word in enumerate(words):
                registers[point.table, point.address + index] = word
            value = codec.decode(point, registers).value
            kinds.add(type(value))
            if isinstance(value, float) and point.type != "f32":  # a float has as many digits as it needs
                assert value == float(f"{value:.{digits}f}")
                assert math.copysign(1, value) == 1 or value != 0
        assert len(kinds) == 1, "a series is of one kind"


@each_point
def test_values_travel_exactly(point: Point) -> None:
    """What is decoded here arrives so at the centre."""
    registers = {(point.table, address): 0 for address in codec.addresses(point)}
    if point.unit_at is not None:
        registers[point.table, point.unit_at] = point.unit_codes[0].code
    samples = []
    for tick, words in enumerate(raw_words(point)[::97][:500]):
        for index, word in enumerate(words):
            registers[point.table, point.address + index] = word
        reading = codec.decode(point, registers)
        samples.append(Sample(tick, "device", "point", reading.value, reading.quality, reading.error))
    assert unpack(pack(samples)) == samples


@each_point
def test_a_range_leaves_room_for_good_values(point: Point) -> None:
    """Outside it the sample is uncertain and keeps its value."""
    if point.range is None:
        return
    low, high = point.range
    for value, quality in ((low, Quality.GOOD), (high, Quality.GOOD), (high * 1.1, Quality.UNCERTAIN)):
        try:
            words = codec.encode(point, value)
        except codec.CodecError:
            continue  # a register that cannot hold it cannot send it
        registers = {(point.table, point.address + index): word for index, word in enumerate(words)}
        assert codec.decode(point, registers).quality is quality
