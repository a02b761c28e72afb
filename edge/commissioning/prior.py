"""What is thought of a line before anything is heard, and how each find changes it. Pure.

The figures are judgements, written down so that they can be argued with, not measurements: what makers of
devices for these cabinets ship, how people number units, how long devices take. They decide in which order
a scan asks, and where it stops; they never decide what is found.
"""

from collections.abc import Iterable, Mapping

DEVICES_EXPECTED = 3.0
"""On a line of which nothing is known."""
SAME_FORMAT = 0.3
"""How much the first find counts: a line's devices share one format, or they could not be polled."""
PATIENCES_S = ((0.03, 0.86), (0.25, 0.12))
"""How long a first byte is awaited, and which part of the devices has begun to answer by then."""

_UNIT_BANDS = ((1, 1, 0.22), (2, 10, 0.33), (11, 32, 0.16), (33, 100, 0.15), (101, 247, 0.14))
"""Units from, to, and how many of all devices have one of them."""
_NEIGHBOURS = {1: 8.0, 2: 5.0, 3: 3.0}
"""How much likelier a unit is beside one that was found: people count on."""


def unit_weights(units: Iterable[int]) -> dict[int, float]:
    """Return how likely each unit id is, before anything is found."""
    bands = {
        unit: share / (last - first + 1)
        for first, last, share in _UNIT_BANDS
        for unit in range(first, last + 1)
    }
    return {unit: bands.get(unit, 0.0) for unit in units}


def beside(weights: Mapping[int, float], found: int) -> dict[int, float]:
    """Return the weights after a unit was found."""
    return {unit: weight * _NEIGHBOURS.get(abs(unit - found), 1.0) for unit, weight in weights.items()}


def format_share(prior: float, found_here: int, found: int) -> float:
    """Return how likely a device has this format, when so many of the found have it."""
    return (SAME_FORMAT * prior + found_here) / (SAME_FORMAT + found)
