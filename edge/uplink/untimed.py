"""What is spent while the clock is not set: by days of running time, so that it finds its month later. Pure.

Time between two runs is not known, and not counted: what was spent is longer ago than it says, if anything.
"""

from collections.abc import Iterator

import msgspec

DAY_MS = 86_400_000
DAYS_MAX = 32
"""Those of the longest month, and the one that has begun."""


class Untimed(msgspec.Struct):
    """Kept over restarts: how long gateways ran without knowing the time, and what their last days used."""

    running_ms: int = 0
    days: list[int] = []
    """Bytes, a day each, that of now last."""

    def run(self, gone_ms: int) -> None:
        """So much time has gone."""
        before, self.running_ms = self.running_ms, self.running_ms + gone_ms
        begun = self.running_ms // DAY_MS - before // DAY_MS
        if self.days:
            self.days += [0] * min(begun, DAYS_MAX)
            del self.days[:-DAYS_MAX]

    def spend(self, octets: int) -> None:
        """So many bytes were used now."""
        self.days = self.days or [0]
        self.days[-1] += octets

    def used(self, since_ms: int = 0) -> int:
        """Return what was used in the last days that end later than this running time."""
        return sum(octets for end_ms, octets in self._ends() if end_ms >= since_ms)

    def placed(self, now_ms: int) -> Iterator[tuple[int, int]]:
        """Yield when each of its days ended at the latest, and what it used, if it is ``now_ms`` now."""
        for end_ms, octets in self._ends():
            yield max(0, now_ms - self.running_ms + end_ms), octets

    def _ends(self) -> Iterator[tuple[int, int]]:
        last = self.running_ms // DAY_MS - len(self.days) + 1
        for day, octets in enumerate(self.days, last):
            yield min((day + 1) * DAY_MS, self.running_ms), octets
