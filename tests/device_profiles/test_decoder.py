"""The decoder says what the codec says, for every profile and whatever the registers hold."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles import catalogue, codec
from device_profiles.codec import Reading
from device_profiles.decoder import Decoder
from device_profiles.schema import Point, Profile, Table

PROFILES = list(catalogue.load_all().values())
PLAIN = next(profile for profile in PROFILES if not profile.derived)
WORDS = st.integers(0, 0xFFFF)


def addresses(profile: Profile) -> list[tuple[Table, int]]:
    """Return every address that the profile's points need."""
    return sorted({(point.table, address) for point in profile.points for address in codec.addresses(point)})


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.id)
@given(data=st.data())
def test_it_says_what_the_codec_says(profile: Profile, data: st.DataObject) -> None:
    """Whatever is in the registers, and whichever are missing, for any choice of names in any order."""
    registers = data.draw(st.dictionaries(st.sampled_from(addresses(profile)), WORDS))
    names = data.draw(st.lists(st.sampled_from([*profile.names, "no_such_point"]), unique=True))
    decoder = Decoder(profile, names)
    found = decoder.readings(registers)
    assert list(found.items()) == list(codec.readings(profile, registers, names).items())
    assert decoder.names == tuple(found)
    good = all(reading == Reading(reading.value) for reading in found.values())
    values = tuple(each.value for each in found.values()) if good else None
    assert decoder.rows(list(registers))(list(registers.values())) == values


@given(
    kind=st.sampled_from(["u16", "i16", "u32", "f32"]),
    scale=st.sampled_from([1, 0.1, -0.01, 3, 1e300]),
    offset=st.sampled_from([0, -40, 0.5]),
    decimals=st.sampled_from([None, 0, 2]),
    limits=st.sampled_from([None, [-5.0, 1000.0]]),
    words=st.tuples(WORDS, WORDS),
)
def test_any_point_is_read_as_by_the_codec(
    kind: str,
    scale: float,
    offset: float,
    decimals: int | None,
    limits: list[float] | None,
    words: tuple[int, int],
) -> None:
    """Scales, offsets, decimals and ranges in every combination."""
    changes: dict[str, Any] = {"type": kind, "scale": scale, "offset": offset, "decimals": decimals}
    point = Point.model_validate(
        {
            "name": "x",
            "title": PLAIN.title,
            "table": "holding_register",
            "address": 0,
            "range": limits,
            **changes,
        }
    )
    registers: dict[tuple[Table, int], int] = {
        ("holding_register", index): word for index, word in enumerate(words)
    }
    decoder = Decoder(PLAIN.with_points([point]), ["x"])
    reading = decoder.readings(registers)["x"]
    values = decoder.rows(list(registers))(words)
    assert repr(values) == (repr((reading.value,)) if reading == Reading(reading.value) else "None")
    expected = codec.decode(point, registers)
    assert reading == expected
    assert type(reading.value) is type(expected.value)
