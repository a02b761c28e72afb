"""Every shipped profile reads the bytes of documents and captures as their sources say."""

import pytest

from device_profiles import catalogue, codec
from firmware_shims.catalogue import applied
from tests.talks import played
from tests.vector_files import Vectors, all_vectors, crc16

VECTORS = all_vectors()
each_file = pytest.mark.parametrize("vectors", VECTORS.values(), ids=VECTORS.keys())


@each_file
def test_every_checksum_is_right(vectors: Vectors) -> None:
    """A slip of the pen in a vector must not pass for a fact."""
    for frame in vectors.frames():
        assert crc16(frame[:-2]) == frame[-2:], frame.hex(" ")


@each_file
def test_answers_decode_to_the_values_of_their_source(vectors: Vectors) -> None:
    """Values and their types are exact; what an answer cannot tell is named."""
    profile = applied(catalogue.load_all()[vectors.profile], vectors.shims)
    for read in vectors.read:
        found = codec.readings(profile, read.registers(), [*read.values, *read.errors])
        assert {name: found[name].value for name in read.values} == read.values
        assert [type(found[name].value) for name in read.values] == [type(v) for v in read.values.values()]
        assert {name: found[name].error for name in read.errors} == read.errors


@each_file
def test_writes_become_the_bytes_of_their_source(vectors: Vectors) -> None:
    """A value to the point's own address by FC05 or FC06, a time to its self-off address."""
    profile = applied(catalogue.load_all()[vectors.profile], vectors.shims)
    for write in vectors.write:
        point = profile.point(write.point)
        assert point is not None
        assert profile.serial is not None
        function = {"coil": 5, "holding_register": 6}[point.table]
        if write.self_off_s is not None:
            assert point.self_off is not None
            address, sent = point.self_off.address, codec.self_off_steps(point, write.self_off_s)
        else:
            [sent] = codec.written(point, write.value)
            address = point.address
        frame = bytes([profile.serial.unit_id, function]) + address.to_bytes(2) + sent.to_bytes(2)
        assert frame + crc16(frame) == bytes.fromhex(write.request)


@each_file
def test_what_is_said_on_the_line_is_what_the_source_says(vectors: Vectors) -> None:
    """Request by request, with the rests between them, over the driver itself."""
    profile = applied(catalogue.load_all()[vectors.profile], vectors.shims)
    for talk, heard in zip(vectors.talk, played(vectors, profile), strict=True):
        assert heard.requests == [each.request for each in talk.said]
        assert {name: heard.readings[name].value for name in talk.values} == talk.values
        assert {name: heard.readings[name].error for name in talk.errors} == talk.errors


def test_every_shipped_profile_has_vectors() -> None:
    """A profile that no bytes speak for is a guess."""
    assert {vectors.profile for vectors in VECTORS.values()} == set(catalogue.load_all())
