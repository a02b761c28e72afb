"""Which batches give way when the buffer is over its limit. Pure: chooses, deletes nothing."""

from collections.abc import Iterable
from dataclasses import dataclass

TOMBSTONE_BYTES = 200
"""About what a tombstone's row takes; replacing less than that gains nothing."""


@dataclass(frozen=True, slots=True)
class Held:
    """A telemetry batch that is held, oldest first."""

    sequence: int
    payload_bytes: int


def surplus(held: Iterable[Held], bytes_held: int, bytes_max: int) -> list[int]:
    """Return the sequences to replace by tombstones, oldest first, until the rest fits.

    Only telemetry is offered here; events are never dropped for room.
    """
    chosen = []
    over = bytes_held - bytes_max
    for batch in held:
        if over <= 0:
            break
        if batch.payload_bytes > TOMBSTONE_BYTES:
            chosen.append(batch.sequence)
            over -= batch.payload_bytes - TOMBSTONE_BYTES
    return chosen
