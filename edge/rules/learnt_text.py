"""What baselines learnt as text: float32 numbers, packed. Pure."""

import base64
import math
import struct
import zlib
from collections.abc import Sequence


def to_text(learnt: Sequence[Sequence[float]]) -> str:
    """Return few numbers for each of many places as text; nothing where there is none."""
    if not any(learnt):
        return ""
    counts = bytes(len(values) for values in learnt)
    numbers = [value for values in learnt for value in values]
    try:
        packed = struct.pack(f"<{len(numbers)}f", *numbers)
    except OverflowError:  # beyond a float32: nothing that a device measures
        return ""
    return base64.b85encode(zlib.compress(counts + packed)).decode()


def from_text(text: str, places: int, count_max: int) -> list[list[float]] | None:
    """Return what ``to_text`` was given; None where the text is not that of so many places."""
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b85decode(text), places * (1 + 4 * count_max) + 1)
    except (ValueError, zlib.error):
        return None
    counts, packed = data[:places], data[places:]
    if len(counts) < places or max(counts, default=0) > count_max or len(packed) != 4 * sum(counts):
        return None
    numbers = iter(struct.unpack(f"<{sum(counts)}f", packed))
    found = [[next(numbers) for _ in range(count)] for count in counts]
    return found if all(math.isfinite(value) for values in found for value in values) else None
