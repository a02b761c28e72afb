"""The payload of a telemetry batch, as it is in msgpack: the layout of version 1.

One column a series; columns of a device that were read together are one span. Of all columns together there
is one stream of each kind (contract/streams.py): like lies beside like. A float is an integer with a decimal
exponent where that is exact (23.4 → 234, 1), four bytes where those are, else eight. What is not plainly good
is told in runs over the samples of all columns, in their order.
"""

from typing import Annotated

import msgspec

from contract.limits import SAMPLES_PER_BATCH_MAX
from contract.name_tables import Told
from contract.names import Text, TimeMs
from contract.samples import ClockState, Quality, Value

DECIMALS_MAX = 6
INTEGER, SWITCH, FLOAT32, FLOAT64, MIXED = range(DECIMALS_MAX + 1, DECIMALS_MAX + 6)
"""Forms of a column; those below are floats of so many decimals."""

_QUALITIES = list(Quality)
_CLOCKS = list(ClockState)
State = tuple[Quality, ClockState, str, bool]
"""Quality, clock and error of a sample, and whether its value is absent."""
PLAIN: State = (Quality.GOOD, ClockState.SYNCHRONISED, "", False)

Index = Annotated[int, msgspec.Meta(ge=0, le=SAMPLES_PER_BATCH_MAX)]
Step = Annotated[int, msgspec.Meta(ge=-SAMPLES_PER_BATCH_MAX, le=SAMPLES_PER_BATCH_MAX)]
StateCode = Annotated[int, msgspec.Meta(ge=0, lt=2 * len(_QUALITIES) * len(_CLOCKS))]
Run = tuple[Index, Index, StateCode, Text]
_AtMost = msgspec.Meta(max_length=SAMPLES_PER_BATCH_MAX)


class Payload(msgspec.Struct, frozen=True, array_like=True):
    """The payload of a telemetry batch, as it is in msgpack; names as contract/name_tables.py has them."""

    start_ms: TimeMs
    devices: Told
    points: Told
    shapes: Annotated[list[list[Step]], _AtMost]
    """Points that are read together, as steps from index to index and from shape to shape."""
    spans: Annotated[list[Step], msgspec.Meta(max_length=3 * SAMPLES_PER_BATCH_MAX)]
    """Three of each: the steps to its device, its shape, its times."""
    counts: Annotated[list[Index], _AtMost]
    """How many times each entry of the table of times has."""
    offsets: bytes
    """The first of each, in ms after ``start_ms``; then the intervals up to the others."""
    intervals: bytes
    forms: bytes
    """One byte a column; then the values of all columns, by kind."""
    firsts: bytes
    steps: bytes
    switches: bytes
    floats32: bytes
    floats64: bytes
    mixed: Annotated[list[Value], _AtMost]
    runs: Annotated[list[Run], _AtMost]
    """What is not plainly good: samples since the run before, how many, their state, the error."""


def state_code(state: State) -> int:
    """Return the number of a state, which its error is told beside."""
    quality, clock, _, absent = state
    return (_CLOCKS.index(clock) * 2 + absent) * len(_QUALITIES) + _QUALITIES.index(quality)


def state_of(code: int, error: str) -> State:
    """Return the state of a number and an error."""
    rest, quality = divmod(code, len(_QUALITIES))
    return _QUALITIES[quality], _CLOCKS[rest // 2], error, rest % 2 == 1
