"""Which batches give way when the buffer is over its limit. Pure: chooses, deletes nothing.

Events may take the whole buffer, telemetry what they leave. The oldest of a lane become tombstones first;
where these are too many, or nothing else is left, the oldest rows are let go and counted elsewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from contract.topics import Lane

ROW_BYTES = 200
"""About what a row takes beside its payload: header columns, the index."""
TOMBSTONE_BYTES = 270
"""About what a tombstone's row takes; replacing less than that gains nothing."""
TOMBSTONES_SHARE = 8
"""Tombstones of a lane take one part in so many of the buffer at most."""
LEFT_SHARE = 4
"""What may have arrived stays, up to one part in so many: let go, it would be counted though it is there."""


@dataclass(frozen=True, slots=True)
class Held:
    """A row that is held; ``octets`` with everything that it takes."""

    sequence: int
    octets: int
    tombstone: bool = False


class Usage(NamedTuple):
    """What a lane takes, kept as running totals."""

    octets: int = 0
    tombstone_octets: int = 0
    live_from: int = 0
    """No batch before this sequence is worth replacing."""


class Excess(NamedTuple):
    """What a lane has to give: bytes altogether, and bytes of tombstones."""

    octets: int
    tombstone_octets: int

    @property
    def none(self) -> bool:
        """Say whether it may keep everything."""
        return self.octets <= 0 and self.tombstone_octets <= 0


def quotas(bytes_max: int, events_octets: int) -> dict[Lane, int]:
    """Return how many bytes each lane may take, the lane that gives way first being the first."""
    return {Lane.TELEMETRY: max(0, bytes_max - events_octets), Lane.EVENTS: bytes_max}


def excess(usage: Usage, lane_max: int, bytes_max: int) -> Excess:
    """Return what a lane has to give.

    Tombstones over their share go down to half of it, so that they are not let go one by one.
    """
    share = bytes_max // TOMBSTONES_SHARE
    too_many = usage.tombstone_octets > share
    return Excess(usage.octets - lane_max, usage.tombstone_octets - share // 2 if too_many else 0)


def surplus(live: Iterable[Held], over: int) -> list[int]:
    """Return the sequences to replace by tombstones until ``over`` bytes are freed, in the order given."""
    chosen = []
    for batch in live:
        if over <= 0:
            break
        if batch.octets > TOMBSTONE_BYTES:
            chosen.append(batch.sequence)
            over -= batch.octets - TOMBSTONE_BYTES
    return chosen


def may_stay(oldest: Iterable[Held], left_upto: int, bytes_max: int) -> tuple[int, int]:
    """Return up to which sequence rows may have arrived and stay, and how many bytes of it are tombstones."""
    upto = octets = tombstone_octets = 0
    for row in oldest:
        octets += row.octets
        if row.sequence > left_upto or octets > bytes_max // LEFT_SHARE:
            break
        upto = row.sequence
        tombstone_octets += row.octets if row.tombstone else 0
    return upto, tombstone_octets


def let_go(oldest: Iterable[Held], over: Excess) -> int:
    """Return up to which sequence rows go altogether, given the oldest in order; 0 for none."""
    octets, tombstone_octets = over
    upto = 0
    for row in oldest:
        if octets <= 0 and tombstone_octets <= 0:
            break
        upto = row.sequence
        octets -= row.octets
        tombstone_octets -= row.octets if row.tombstone else 0
    return upto
