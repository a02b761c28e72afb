"""Durations as people write them: ``90s``, ``45min``, ``2h``, ``1.5d``; and times by which something ends."""

import re
from datetime import datetime, timedelta

from gengfu.language import said

_UNITS_S = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_FORM = re.compile(r"^\s*([0-9]{1,7}(?:\.[0-9]{1,3})?)\s*(s|min|m|h|d)\s*$")


def seconds(text: str) -> float:
    """Return the seconds; ValueError says what to write."""
    found = _FORM.match(text)
    if not found:
        raise ValueError(
            said(
                f"{text!r} is no duration; write 90s, 45min, 2h or 1.5d",
                f"{text!r} 不是时长，请写成 90s、45min、2h 或 1.5d",
            )
        )
    return float(found[1]) * _UNITS_S[found[2]]


def until_s(text: str, now: datetime) -> float:
    """Return the seconds from now until a time: ``17:30`` (the next one), ``2026-11-27T17:30`` or ``+2h``.

    ``now`` has its zone, which is that of the time as well. ValueError says what to write.
    """
    if text.startswith("+"):
        return seconds(text[1:])
    try:
        if len(text) == 5:
            clock = datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - it is a time of the day
            then = now.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
            then += timedelta(days=then <= now)
        else:
            then = datetime.fromisoformat(text)
            then = then if then.tzinfo else then.replace(tzinfo=now.tzinfo)
    except ValueError as error:
        raise ValueError(
            said(
                f"{text!r} is no time; write 17:30, 2026-11-27T17:30 or +2h",
                f"{text!r} 不是时间，请写成 17:30、2026-11-27T17:30 或 +2h",
            )
        ) from error
    if then <= now:
        raise ValueError(said(f"{text} is over", f"{text} 已过"))
    return (then - now).total_seconds()
