"""What the demo's lamps are to do, by the preview of their plan, and whether they do it. Pure."""

import datetime as dt
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

SETTLE_MS = 10_000
"""So long after a switch point, or after its gateway took the plan, a lamp may be on its way still."""
AHEAD_MS = 500
"""Clocks are read one after the other."""
LIT_AFTER_S, DIMMED_AFTER_S, LATE_AFTER_S = 12, 32, 50
EVENING_H = 20
ZONE_H_MAX = 14
TOLD_MAX = 5


class Look(NamedTuple):
    """What the lamps of a cabinet truly give at one moment, in per cent."""

    time_ms: int
    levels: Mapping[str, int]


def plan_values(now: dt.datetime) -> dict[str, str]:
    """Return zone and times of the plan's template; ``now`` is in UTC. In the zone it is 20:00 to 21:00."""
    ahead_h = EVENING_H - now.hour
    ahead_h -= 24 * (ahead_h > ZONE_H_MAX)
    local = now + dt.timedelta(hours=ahead_h)
    after_s = {"lit": LIT_AFTER_S, "dimmed": DIMMED_AFTER_S, "late": LATE_AFTER_S}
    times = {name: f"{local + dt.timedelta(seconds=after):%H:%M:%S}" for name, after in after_s.items()}
    longitude_deg = (15 * ahead_h + 180) % 360 - 180
    return {
        "time_zone": f"Etc/GMT{-ahead_h:+d}",
        "longitude_deg": f"{longitude_deg}",
        **times,
    }  # these names count westward


class Checks:
    """Holds what lamps give against the preview; a lamp that is to fail is left to its alarm."""

    def __init__(self, preview: Sequence[Mapping[str, Any]], failing: str) -> None:
        """``preview`` is what ``gengfu lamps preview --json`` says; ``failing`` a lamp's address."""
        self.done = 0
        self.deviations: list[str] = []
        """The first of them, for people."""
        self.deviated = 0
        self._failing = failing
        self._steps = {lamp: _steps(one["nights"]) for one in preview for lamp in one["lamps"]}
        self._in_force_ms: dict[str, int] = {}
        self._last_ms: dict[str, int] = {}

    def in_force(self, gateway: str, now_ms: int) -> None:
        """A gateway has the plan; what it did before is not the plan's."""
        self._in_force_ms.setdefault(gateway, now_ms)

    def look(self, gateway: str, look: Look) -> None:
        """Judge a cabinet's lamps at one moment, each moment once."""
        since_ms = self._in_force_ms.get(gateway)
        if since_ms is None or look.time_ms < since_ms + SETTLE_MS:
            return
        if look.time_ms == self._last_ms.get(gateway):
            return
        self._last_ms[gateway] = look.time_ms
        for lamp, level in look.levels.items():
            address = f"{gateway}/{lamp}"
            due = self._due(address, look.time_ms)
            if due is None or address == self._failing:
                continue
            self.done += 1
            if level != due:
                self.deviated += 1
                if len(self.deviations) < TOLD_MAX:
                    at = dt.datetime.fromtimestamp(look.time_ms / 1000, dt.UTC)
                    self.deviations.append(f"{address} {at:%H:%M:%S} UTC: {level} % ≠ {due} %")

    def _due(self, address: str, now_ms: int) -> int | None:
        """Return what a lamp is to give; None about its switch points, and where there is no such lamp."""
        starts, levels = self._steps.get(address, ((), ()))
        index = bisect_right(starts, now_ms + AHEAD_MS)
        if not index or now_ms < starts[index - 1] + SETTLE_MS:
            return None
        return levels[index - 1]


def _steps(nights: Sequence[Mapping[str, Any]]) -> tuple[list[int], list[int]]:
    """Return when steps begin, and their levels."""
    steps = list(chain.from_iterable(night["steps"] for night in nights))
    return [step["from_ms"] for step in steps], [step["level"] for step in steps]
