"""The codec beyond what shipped profiles need: every type, every failure, always a plain answer."""

import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.samples import Quality, Value
from device_profiles import catalogue, codec
from device_profiles.codec import CodecError, Reading
from device_profiles.schema import Derived, Point, Table
from toml_files import Title

TITLE = Title(en="x", zh="某")
words = st.integers(0, 0xFFFF)


def point(**changes: Any) -> Point:
    """Return a point of a holding register."""
    plain: dict[str, Any] = {"name": "x", "title": TITLE, "table": "holding_register", "address": 10}
    return Point.model_validate(plain | changes)


def registers(first: int, *values: int) -> dict[tuple[Table, int], int]:
    """Return holding registers from an address on."""
    return {("holding_register", first + index): value for index, value in enumerate(values)}


@given(words, words, st.sampled_from(["u32", "i32", "f32"]), st.sampled_from(["big", "little"]))
def test_two_words_come_back(high: int, low: int, kind: str, order: str) -> None:
    """Every pattern that is a number; infinities and NaN are no values; minus zero is zero."""
    entry = point(type=kind, word_order=order)
    reading = codec.decode(entry, registers(10, high, low))
    if reading.value is None:
        assert kind == "f32"
        assert reading == Reading(None, Quality.BAD, "not_a_number")
    elif reading.value != 0:
        assert codec.encode(entry, reading.value) == [high, low]


@pytest.mark.parametrize("text", ["0.1", "23.4", "1e-20", "3.4028235e+38", "16777217", "-0.3"])
def test_a_float32_is_told_by_its_shortest_decimal(text: str) -> None:
    """What the device's maker typed, not what it became in binary."""
    [high, low] = struct.unpack(">2H", struct.pack(">f", float(text)))
    value = codec.decode(point(type="f32"), registers(10, high, low)).value
    assert isinstance(value, float)
    assert len(repr(value)) <= len(repr(float(text)))
    assert struct.pack(">f", value) == struct.pack(">f", float(text))


def test_a_float32_of_no_decimals_is_rounded() -> None:
    """It stays a float: the kind of a series depends on its profile only."""
    high, low = struct.unpack(">2H", struct.pack(">f", 2.75))
    value = codec.decode(point(type="f32", decimals=0), registers(10, high, low)).value
    assert (value, type(value)) == (3.0, float)


def test_a_scaled_float32_takes_its_unit_factor() -> None:
    """Scale and the unit register hold for floats too."""
    entry = point(type="f32", scale=0.5, unit_at=5, unit_codes=[{"code": 1, "factor": 1000.0}])
    [high, low] = struct.unpack(">2H", struct.pack(">f", 0.2))
    assert codec.decode(entry, registers(10, high, low) | registers(5, 1)).value == 100


def test_a_float32_that_its_scale_makes_infinite_is_no_number() -> None:
    """It must not reach the wire as a good value."""
    [high, low] = struct.unpack(">2H", struct.pack(">f", 3e38))
    assert codec.decode(point(type="f32", scale=1e300), registers(10, high, low)).error == "not_a_number"


def test_word_order_swaps_words_not_bytes() -> None:
    """As half of all meters do."""
    assert codec.decode(point(type="u32"), registers(10, 1, 2)).value == 0x10002
    assert codec.decode(point(type="u32", word_order="little"), registers(10, 1, 2)).value == 0x20001


@pytest.mark.parametrize(
    ("changes", "given", "error"),
    [
        ({}, {}, "not_read"),
        ({"type": "u32"}, registers(10, 1), "not_read"),
        ({"decimals_at": 3}, registers(10, 1), "not_read"),
        ({"decimals_at": 3}, registers(10, 1) | registers(3, 7), "decimals_not_credible"),
        ({"unit_at": 3, "unit_codes": [{"code": 1, "factor": 1.0}]}, registers(10, 1), "not_read"),
        (
            {"unit_at": 3, "unit_codes": [{"code": 1, "factor": 1.0}]},
            registers(10, 1) | registers(3, 2),
            "unit_code_unknown",
        ),
    ],
)
def test_what_cannot_be_told_is_named(
    changes: dict[str, Any], given: dict[tuple[Table, int], int], error: str
) -> None:
    """A device may send anything; no exception comes of it."""
    assert codec.decode(point(**changes), given) == Reading(None, Quality.BAD, error)


def test_a_value_out_of_its_range_is_uncertain_and_kept() -> None:
    """The centre decides what to do with it."""
    assert codec.decode(point(range=[0.0, 10.0]), registers(10, 11)) == Reading(
        11, Quality.UNCERTAIN, "out_of_range"
    )


def test_small_scales_and_many_decimals_are_not_rounded_away() -> None:
    """Seven decimals and more: the value stays what the register said."""
    assert codec.decode(point(scale=1e-7), registers(10, 3)).value == 3e-7
    entry = point(decimals_at=3, unit_at=4, unit_codes=[{"code": 1, "factor": 0.01}])
    assert codec.decode(entry, registers(3, 6, 1) | registers(10, 123)).value == 0.00000123


def test_zero_has_no_sign() -> None:
    """A negative scale must not make minus zero of zero."""
    value = codec.decode(point(scale=-0.1), registers(10, 0)).value
    assert isinstance(value, float)
    assert math.copysign(1, value) == 1


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({}, -1),
        ({}, 65_536),
        ({"type": "i16"}, 32_768),
        ({}, True),
        ({}, None),
        ({}, "7"),
        ({}, math.nan),
        ({}, math.inf),
        ({"scale": 0.1}, 1e308),
        ({}, 10**400),
        ({"type": "f32"}, 1e39),
        ({"type": "f32"}, math.inf),
        ({"type": "f32", "scale": 1e-300}, 1e300),
        ({"table": "coil", "type": "bool"}, 1),
    ],
)
def test_what_a_point_cannot_hold_is_refused(changes: dict[str, Any], value: Value) -> None:
    """The text names the point, whatever the value was."""
    with pytest.raises(CodecError, match=r"^x: "):
        codec.encode(point(**changes), value)


def test_inclination_is_the_angle_from_upright() -> None:
    """One angle alone is itself; both together are more than either."""
    derived = Derived(name="inclination", title=TITLE, function="inclination", of=["r", "p"], unit="deg")
    assert codec.derive(derived, {"r": Reading(0), "p": Reading(-5.0)}).value == 5
    assert codec.derive(derived, {"r": Reading(3), "p": Reading(4)}).value == 4.999
    assert codec.derive(derived, {"r": Reading(180), "p": Reading(0)}).value == 180


def test_a_derived_quantity_is_as_bad_as_its_worst_part() -> None:
    """Without both parts there is none."""
    derived = Derived(name="inclination", title=TITLE, function="inclination", of=["r", "p"], unit="deg")
    doubtful = Reading(3, Quality.UNCERTAIN, "out_of_range")
    assert codec.derive(derived, {"r": Reading(0), "p": doubtful}) == doubtful
    assert codec.derive(derived, {"r": Reading(0)}) == Reading(None, Quality.BAD, "not_read")
    bad = Reading(None, Quality.BAD, "timeout")
    assert codec.derive(derived, {"r": bad, "p": Reading(0)}) == bad


def test_readings_bring_what_a_derived_quantity_needs_and_only_what_was_asked() -> None:
    """Names that the profile does not have are left out."""
    profile = catalogue.load_all()["wt901c485"]
    found = codec.readings(profile, registers(0x3D, 0x2000, 0, 0), ["inclination", "nothing"])
    assert found == {"inclination": Reading(45.0)}


@pytest.mark.parametrize(("time_s", "steps"), [(0.7, 7), (0.75, 7), (0.01, 1), (60, 600), (3276.7, 0x7FFF)])
def test_a_self_off_time_is_whole_steps_and_never_longer(time_s: float, steps: int) -> None:
    """Of 100 ms on this board; at least one, or the output would stay off."""
    relay = catalogue.load_all()["waveshare_relay_8"].points[0]
    assert codec.self_off_steps(relay, time_s) == steps


@pytest.mark.parametrize("time_s", [0, -1, 3276.8, math.nan, math.inf])
def test_a_self_off_time_beyond_the_timer_is_refused(time_s: float) -> None:
    """Cutting it short in silence would stop a sprinkler early."""
    relay = catalogue.load_all()["waveshare_relay_8"].points[0]
    with pytest.raises(CodecError, match=r"relay_1: self-off after .* s; above 0 to 3276\.7 s"):
        codec.self_off_steps(relay, time_s)
    with pytest.raises(CodecError, match="does not switch it off by itself"):
        codec.self_off_steps(point(), 1)


@given(words, st.integers(0, 15), st.sampled_from(["holding_register", "input_register"]))
def test_a_bit_of_a_register_is_true_or_false(word: int, bit: int, table: Table) -> None:
    """Whatever the other bits are; written alone it is the register with all others 0."""
    entry = point(table=table, type="bool", bit=bit)
    assert codec.decode(entry, {(table, 10): word}) == Reading(bool(word & 1 << bit))
    assert codec.decode(entry, {}) == Reading(None, Quality.BAD, "not_read")
    assert codec.mask(entry) == 1 << bit
    assert [codec.encode(entry, value) for value in (False, True)] == [[0], [1 << bit]]


def test_a_point_that_is_no_bit_has_all_bits_of_its_registers() -> None:
    """So that what is written can be held against what is read, by the mask alone."""
    assert codec.mask(point(type="u32")) == 0xFFFF
    assert codec.encode(point(table="coil", type="bool"), True) == [1]
