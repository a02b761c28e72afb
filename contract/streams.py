"""Many numbers as few bytes: what is alike lies together, so that zstd finds it. Pure, at the speed of C.

Integers lie in planes: the lowest byte of each, then the next; planes of nothing but zeros are left out.
Below zero their bits are inverted and a bit for each says so: a small number is small in every byte.
"""

import struct
from collections.abc import Sequence

from contract.errors import ContractError

_WIDTHS = ((1, "b"), (2, "h"), (4, "i"), (8, "q"))
_SIGNED = 0x80
_BELOW = bytes(0xFF if byte & 0x80 else 0 for byte in range(256))
"""From an integer's highest byte to what its bytes are inverted with."""
_INVERTER = bytes([0, 0xFF]) + bytes(254)
"""From a bit, as a byte, to the same."""
_DIGIT = bytes([0x31 if byte else 0x30 for byte in range(256)])
_BIT = bytes([byte & 1 for byte in range(256)])


def pack_integers(values: Sequence[int]) -> bytes:
    """Return integers of up to 64 bits: how many planes, the planes, and the signs if there are any."""
    count = len(values)
    for lane, code in _WIDTHS:
        try:
            plain = struct.pack(f"<{count}{code}", *values)
        except struct.error:
            continue
        planes = [plain[index::lane] for index in range(lane)]
        break
    else:
        raise ContractError("an integer beyond 64 bits")
    below = planes[-1].translate(_BELOW)
    signs = b""
    if 0xFF in below:
        signs = pack_bits(below)
        planes = [_inverted(plane, below) for plane in planes]
    while planes and not any(planes[-1]):
        planes.pop()
    return bytes([len(planes) | (_SIGNED if signs else 0)]) + b"".join(planes) + signs


def unpack_integers(data: bytes, count: int) -> tuple[int, ...]:
    """Return so many integers; ContractError where the bytes hold more or fewer."""
    width, signed = (data[0] & ~_SIGNED, data[0] >= _SIGNED) if data else (9, False)
    if width > 8 or len(data) != 1 + width * count + (count + 7) // 8 * signed:
        raise ContractError(f"{len(data)} bytes for {count} integers")
    planes = [data[1 + count * index :][:count] for index in range(width)]
    below = bytes(count)
    if signed:
        below = unpack_bits(data[1 + width * count :], count).translate(_INVERTER)
        planes = [_inverted(plane, below) for plane in planes]
    # One byte more than there are planes: the highest bit of theirs belongs to the number, not to its sign.
    lane, code = next((lane, code) for lane, code in _WIDTHS if lane > width or lane == 8)
    plain = bytearray(lane * count)
    for index in range(lane):
        plain[index::lane] = planes[index] if index < width else below
    return struct.unpack(f"<{count}{code}", plain)


def pack_bits(values: bytes) -> bytes:
    """Return a bit for each byte: whether it is not 0."""
    return int(values.translate(_DIGIT) or b"0", 2).to_bytes((len(values) + 7) // 8, "big")


def unpack_bits(data: bytes, count: int) -> bytes:
    """Return so many bytes of 0 or 1; ContractError where the bits are more or fewer."""
    bits = int.from_bytes(data, "big")
    if len(data) != (count + 7) // 8 or bits >> count:
        raise ContractError(f"{len(data)} bytes for {count} bits")
    return f"{bits:0{count}b}".encode().translate(_BIT) if count else b""


def pack_floats(values: Sequence[float], code: str) -> bytes:
    """Return the planes of floats of 4 (``f``) or 8 (``d``) bytes; those of ``f`` must be exact in it."""
    plain = struct.pack(f"<{len(values)}{code}", *values)
    width = struct.calcsize(code)
    return b"".join([plain[index::width] for index in range(width)])


def unpack_floats(data: bytes, count: int, code: str) -> tuple[float, ...]:
    """Return so many floats; ContractError where the bytes hold more or fewer."""
    width = struct.calcsize(code)
    if len(data) != width * count:
        raise ContractError(f"{len(data)} bytes for {count} floats")
    plain = bytearray(len(data))
    for index in range(width):
        plain[index::width] = data[index * count :][:count]
    return struct.unpack(f"<{count}{code}", plain)


def is_float32(values: Sequence[float]) -> bool:
    """Return whether four bytes hold each of them exactly."""
    try:
        plain = struct.pack(f"<{len(values)}f", *values)
    except OverflowError:
        return False
    return struct.unpack(f"<{len(values)}f", plain) == tuple(values)  # never so with NaN: its bits count


def _inverted(plane: bytes, where: bytes) -> bytes:
    """Return the plane with the bytes inverted that are 0xFF in ``where``."""
    both = int.from_bytes(plane, "little") ^ int.from_bytes(where, "little")
    return both.to_bytes(len(plane), "little")
