"""Streams of numbers: every number comes back, and small ones are small."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import ContractError
from contract.streams import (
    is_float32,
    pack_bits,
    pack_floats,
    pack_integers,
    unpack_bits,
    unpack_floats,
    unpack_integers,
)

EDGES = [
    0,
    -1,
    127,
    128,
    -128,
    -129,
    199,
    -200,
    255,
    256,
    -256,
    2**15,
    -(2**15) - 1,
    2**31,
    2**63 - 1,
    -(2**63),
]


@given(st.lists(st.sampled_from(EDGES) | st.integers(-(2**63), 2**63 - 1) | st.integers(-500, 500)))
def test_integers_come_back(values: list[int]) -> None:
    """Of every width, with signs and without."""
    assert unpack_integers(pack_integers(values), len(values)) == tuple(values)


@pytest.mark.parametrize("edge", EDGES)
def test_an_edge_alone_comes_back(edge: int) -> None:
    """A number that just fills its planes keeps its sign."""
    assert unpack_integers(pack_integers([edge]), 1) == (edge,)


def test_small_integers_are_small_whatever_their_sign() -> None:
    """A byte each and a bit for the sign; none at all for zeros."""
    assert len(pack_integers([200, -200] * 500)) == 1 + 1000 + 125
    assert pack_integers([0] * 1000) == b"\x00"


def test_an_integer_beyond_64_bits_is_the_named_error() -> None:
    """Only a caller's mistake can bring one here."""
    with pytest.raises(ContractError, match="64 bits"):
        pack_integers([2**63])


@given(st.lists(st.booleans()))
def test_bits_come_back(values: list[bool]) -> None:
    """An eighth of a byte each, and as many as there were."""
    packed = pack_bits(bytes(values))
    assert len(packed) == (len(values) + 7) // 8
    assert list(map(bool, unpack_bits(packed, len(values)))) == values


@given(st.lists(st.binary(min_size=8, max_size=8)))
def test_floats_come_back_bit_by_bit(values: list[bytes]) -> None:
    """Every NaN too."""
    floats = [struct.unpack("<d", value)[0] for value in values]
    arrived = unpack_floats(pack_floats(floats, "d"), len(floats), "d")
    assert [struct.pack("<d", value) for value in arrived] == values


@given(st.lists(st.floats(width=32, allow_nan=False)))
def test_short_floats_come_back(values: list[float]) -> None:
    """-0.0 and the infinities too."""
    assert is_float32(values)
    assert list(map(repr, unpack_floats(pack_floats(values, "f"), len(values), "f"))) == list(
        map(repr, values)
    )


@pytest.mark.parametrize("value", [0.1, 1e300, 5e-324, math.nan])
def test_what_four_bytes_do_not_hold_is_no_short_float(value: float) -> None:
    """Not even a NaN: its bits are kept."""
    assert not is_float32([1.5, value])


@given(st.binary(max_size=40), st.integers(0, 20))
def test_noise_is_numbers_or_the_named_error(noise: bytes, count: int) -> None:
    """A stream holds exactly as many as asked for, or is refused."""
    for unpack in (
        unpack_integers,
        unpack_bits,
        lambda data, count: unpack_floats(data, count, "f"),
        lambda data, count: unpack_floats(data, count, "d"),
    ):
        try:
            assert len(unpack(noise, count)) == count
        except ContractError:
            continue
