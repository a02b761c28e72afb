"""Every shipped profile reads the bytes of documents and captures as their sources say."""

import pytest

from device_profiles import catalogue, codec
from firmware_shims.catalogue import applied
from tests.vector_files import Vectors, all_vectors, crc16

VECTORS = all_vectors()
each_file = pytest.mark.parametrize("vectors", VECTORS.values(), ids=VECTORS.keys())


@each_file
def test_every_checksum_is_right(vectors: Vectors) -> None:
    """A slip of the pen in a vector must not pass for a fact."""
    frames = [text for read in vectors.read for text in (read.request, read.response)]
    frames += [write.request for write in vectors.write]
    for frame in map(bytes.fromhex, frames):
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
    """A value to the point's own address, a time to its self-off address."""
    profile = applied(catalogue.load_all()[vectors.profile], vectors.shims)
    for write in vectors.write:
        point = profile.point(write.point)
        assert point is not None
        assert point.table == "coil"
        assert profile.serial is not None
        if write.self_off_s is not None:
            assert point.self_off is not None
            address, sent = point.self_off.address, codec.self_off_steps(point, write.self_off_s)
        else:
            [bit] = codec.encode(point, write.value)
            address, sent = point.address, 0xFF00 * bit
        frame = bytes([profile.serial.unit_id, 5]) + address.to_bytes(2) + sent.to_bytes(2)
        assert frame + crc16(frame) == bytes.fromhex(write.request)


def test_every_shipped_profile_has_vectors() -> None:
    """A profile that no bytes speak for is a guess."""
    assert {vectors.profile for vectors in VECTORS.values()} == set(catalogue.load_all())
