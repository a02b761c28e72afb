"""Which boots have numbered the batches of a lane: where two buffers number alike, their accounts part. Pure.

No two processes have one boot id, so a number means the same batch to two accounts exactly where both say
that it was given in the same boot. Stretches stand in the order of their numbers.
"""

from collections.abc import Sequence as Row
from typing import Annotated

import msgspec

from contract.limits import STRETCHES_MAX
from contract.names import Sequence

BootOrUnknown = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{32})?\Z")]


class Stretch(msgspec.Struct, frozen=True, array_like=True):
    """Boot ``boot_id`` gave the numbers from ``first`` to where the next stretch begins; empty: unknown."""

    boot_id: BootOrUnknown
    first: Sequence


Stretches = Annotated[tuple[Stretch, ...], msgspec.Meta(max_length=STRETCHES_MAX)]


def grown(stretches: Row[Stretch], boot_id: str, sequence: int) -> tuple[Stretch, ...]:
    """Return them with batch ``sequence``, which follows; the oldest of too many is forgotten."""
    if _boot_of(stretches, sequence) == boot_id:
        return tuple(stretches)
    return (*stretches, Stretch(boot_id, sequence))[-STRETCHES_MAX:]


def until(stretches: Row[Stretch], last: int) -> tuple[Stretch, ...]:
    """Return those that begin at ``last`` or before."""
    return tuple(each for each in stretches if each.first <= last)


def continued(ours: Row[Stretch], upto: int, theirs: Row[Stretch]) -> tuple[Stretch, ...]:
    """Return what we know up to batch ``upto``, and what they say of the batches that follow it."""
    found = grown(until(ours, upto), _boot_of(theirs, upto + 1), upto + 1)
    for each in theirs:
        if each.first > upto + 1:
            found = grown(found, each.boot_id, each.first)
    return found


def last_common(ours: Row[Stretch], theirs: Row[Stretch], sequence: int) -> int | None:
    """Return the last batch that two accounts have in common where they differ in batch ``sequence``.

    None where they do not differ in it, or one does not know; 0 where they are known to agree in none.
    """
    first_boots = _boot_of(ours, sequence), _boot_of(theirs, sequence)
    if "" in first_boots or first_boots[0] == first_boots[1]:
        return None
    end = sequence
    for first in sorted({each.first for each in (*ours, *theirs) if each.first <= sequence}, reverse=True):
        boot_id = _boot_of(ours, first)
        if boot_id and boot_id == _boot_of(theirs, first):
            return end
        end = first - 1
    return 0


def _boot_of(stretches: Row[Stretch], sequence: int) -> str:
    """Return the boot that gave a number; empty where nobody knows."""
    return next((each.boot_id for each in reversed(stretches) if each.first <= sequence), "")
