"""What is thought of a line before anything is heard, and how each find changes it. Pure.

The figures are judgements, written down so that they can be argued with, not measurements: what makers of
devices for these cabinets ship, how people number units, how long devices take. They decide in which order
a scan asks, and where it stops; they never decide what is found.
"""

from collections.abc import Iterable, Mapping

DEVICES_EXPECTED = 3.0
"""On a line of which nothing is known."""
SAME_FORMAT = 0.3
"""How little a find leaves to other formats: a line's devices share one, or they could not be polled."""
OUT_OF_BOXES = 2.0
"""How much each further format that is met leaves to others again."""
PATIENCES_S = ((0.03, 0.93), (0.15, 0.06))
"""How long a first byte is awaited, and which part of the devices is found so.

More than nine of ten begin to answer within 30 ms; of the others most are found by their late answer, which
names them. What fell on a later question of ours, or was harmed, is left to a second, more patient round.
"""

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


def format_share(prior: float, found_here: int, found: int, formats: int) -> float:
    """Return how likely a device has this format, by how many were found here, at all, in how many formats.

    Where there are several, the devices may be as they came out of their boxes, and the next be in any other.
    """
    unlike = SAME_FORMAT + OUT_OF_BOXES * max(0, formats - 1)
    return (unlike * prior + found_here) / (unlike + found)
