"""Moments at which the power fails, and what may then become of what was not synced."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from tests.faults.recording import Kind, Operation


class Filler(StrEnum):
    """What stands where a file has grown and its data has not arrived."""

    ZEROS = "zeros"
    NOISE = "noise"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Cut:
    """A power cut: after so many operations; ``arrives`` is the share of unsynced sectors that arrive."""

    position: int
    seed: int
    arrives: float
    torn: bool
    filler: Filler


def drawn(random: Random, operations: list[Operation], count: int) -> list[Cut]:
    """Return cuts by the order of their positions; half of them lie beside a sync, a name or a promise."""
    turns = [
        index
        for index, operation in enumerate(operations)
        if operation.kind not in (Kind.WRITE, Kind.OPEN, Kind.CLOSE)
    ]
    cuts = []
    for _ in range(count):
        near = random.random() < 0.5
        position = random.choice(turns) + random.randrange(2) if near else random.randrange(len(operations))
        cuts.append(
            Cut(
                position,
                random.getrandbits(48),
                random.choice((0.0, 0.1, 0.5, 0.9, 0.99, 1.0)),
                random.random() < 0.3,
                random.choice(list(Filler)),
            )
        )
    return sorted(cuts, key=lambda cut: cut.position)
