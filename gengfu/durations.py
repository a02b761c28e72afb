"""Durations as people write them: ``90s``, ``45min``, ``2h``, ``1.5d``."""

import re

_UNITS_S = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_FORM = re.compile(r"^\s*([0-9]{1,7}(?:\.[0-9]{1,3})?)\s*(s|min|m|h|d)\s*$")


def seconds(text: str) -> float:
    """Return the seconds; ValueError says what to write."""
    found = _FORM.match(text)
    if not found:
        raise ValueError(f"{text!r} is no duration; write 90s, 45min, 2h or 1.5d")
    return float(found[1]) * _UNITS_S[found[2]]
