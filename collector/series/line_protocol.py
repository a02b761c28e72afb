"""Batches as lines of InfluxDB's line protocol. Pure.

The measurement is the point, its tags are gateway and device; all three are names of the contract, in which
nothing needs an escape. Fields: ``value`` (float; a switch is 1 or 0), ``text``, and of what is not plainly
good ``quality`` (1 uncertain, 2 stale, 3 unpowered, 4 bad), ``error``, ``clock`` (1 holdover, 2 unset). A
field has one type in all measurements, so no line contradicts another. Times are milliseconds.
"""

from collections.abc import Iterator
from itertools import repeat
from math import isfinite
from operator import truediv
from typing import Any

from contract import runs
from contract.blocks import Lifted
from contract.runs import RAW, Run, State
from contract.samples import Value

_SWITCHES = {bool}
_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": " ", "\r": " ", "\0": " "})
"""In texts; a line ends at a newline even between quotes, for some servers."""


def lines(gateway: str, lifted: Lifted) -> Iterator[list[str]]:
    """Yield the lines of each series of a batch, one line a sample."""
    for device, point, run in lifted.series:
        head = f"{point},gateway={gateway},device={device} "
        numbers = None if run.remarks else _numbers(run)
        if numbers is None:
            yield _with_states(head, run)
        else:
            head += "value="
            yield [f"{head}{number!r} {time_ms}" for number, time_ms in zip(numbers, run.times, strict=True)]


def _numbers(run: Run) -> list[Any] | None:
    """Return the values where all are numbers that can be written, else None."""
    found: list[Any] = []
    for form, values in run.segments:
        if form >= 0:
            found += map(truediv, values, repeat(10**form))
        elif form == RAW:
            if set(map(type, values)) != _SWITCHES:
                return None
            found += map(int, values)
        elif all(map(isfinite, values)):
            found += values
        else:
            return None
    return found


def _with_states(head: str, run: Run) -> list[str]:
    each = zip(runs.values_of(run), runs.states_of(run), run.times, strict=True)
    return [f"{head}{_fields(value, state)} {time_ms}" for value, state, time_ms in each]


def _fields(value: Value, state: State) -> str:
    quality, clock, error = state
    found = []
    if isinstance(value, str):
        found.append(f"text={_quoted(value)}")
    elif isinstance(value, bool):
        found.append(f"value={int(value)}")
    elif value is not None and isfinite(value):
        found.append(f"value={value!r}")
    elif value is not None:
        found.append(f"text={_quoted(repr(value))}")  # nan and inf are no numbers of this protocol
    if quality or not found:
        found.append(f"quality={quality}i")
    if error:
        found.append(f"error={_quoted(error)}")
    if clock:
        found.append(f"clock={clock}i")
    return ",".join(found)


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'
