"""A sample: what one point of one device was at one time, and how far to trust it."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated

import msgspec

from contract.limits import INTEGER_MAX
from contract.names import Name, Text, TimeMs

Value = bool | Annotated[int, msgspec.Meta(ge=-INTEGER_MAX, le=INTEGER_MAX)] | float | Text | None
"""None where nothing could be read. Integers and texts have their limits (contract/limits.py)."""


class Quality(StrEnum):
    """How far a value can be trusted; on every sample, worst last to act on."""

    GOOD = "good"
    UNCERTAIN = "uncertain"  # out of the profile's range, or the clock was never set
    STALE = "stale"  # the last known value, older than it should be
    UNPOWERED = "unpowered"  # its feeder is off by plan
    BAD = "bad"  # timeout, CRC, exception: no value


class ClockState(StrEnum):
    """What the gateway's clock was worth when the time was taken."""

    SYNCHRONISED = "synchronised"
    HOLDOVER = "holdover"  # was synchronised since boot, is not now
    UNSET = "unset"  # not synchronised since boot


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One reading. A failed read is data too: value None, quality bad, and the error's name.

    ``time_ms`` is when the answer arrived, UTC; ``device`` and ``point`` name the series within a gateway.
    """

    time_ms: TimeMs
    device: Name
    point: Name
    value: Value
    quality: Quality = Quality.GOOD
    error: Text = ""
    clock: ClockState = ClockState.SYNCHRONISED


class Row(msgspec.Struct, frozen=True, gc=False):
    """What one device said at one moment, all of it plainly good: a sample for each of its points.

    It stands for those samples wherever nobody looks at one of them; it does not travel.
    """

    time_ms: int
    device: str
    points: tuple[str, ...]
    values: tuple[Value, ...]

    @property
    def samples(self) -> list[Sample]:
        """The samples that it stands for, in the order of the points."""
        return [
            Sample(self.time_ms, self.device, point, value)
            for point, value in zip(self.points, self.values, strict=True)
        ]


Measured = Sample | Row


def how_many(measured: Measured) -> int:
    """Return how many samples it stands for."""
    return len(measured.points) if isinstance(measured, Row) else 1


def spread(measured: Iterable[Measured]) -> Iterator[Sample]:
    """Yield the single samples."""
    for each in measured:
        if isinstance(each, Row):
            yield from each.samples
        else:
            yield each
