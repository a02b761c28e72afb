"""What a control may do in a day, by the site's own midnight; and how close starts may follow each other."""

from typing import Any

from edge.clock import Moment

DAY_MS = 86_400_000


class DailyBudget:
    """Runs and running time of the local day.

    A clock that goes back to an earlier day brings nothing back: what is used stays so until midnight.
    """

    def __init__(self, runs_max: int | None, run_s_max: float | None, utc_offset_min: int) -> None:
        """None is no limit."""
        self.runs_max, self.run_s_max = runs_max, run_s_max
        self._offset_ms = utc_offset_min * 60_000
        self._day = -1
        self.runs = 0
        self.run_s = 0.0
        self.told = False
        """Whether it was told today that it is used up."""

    def look(self, now: Moment) -> None:
        """Begin anew where it is another day."""
        day = (now.wall_ms + self._offset_ms) // DAY_MS
        if day > self._day:
            self.runs, self.run_s, self.told = 0, 0.0, False
        self._day = day

    @property
    def rest_s(self) -> float:
        """Running time that is left today."""
        return float("inf") if self.run_s_max is None else max(0.0, self.run_s_max - self.run_s)

    @property
    def spent(self) -> str:
        """Why nothing may start any more today, or nothing."""
        if self.runs_max is not None and self.runs >= self.runs_max:
            return f"{self.runs} of {self.runs_max} runs a day are used up"
        if self.rest_s <= 0:
            return f"{self.run_s_max:g} s of running a day are used up"
        return ""

    def kept(self) -> list[Any]:
        """Return what must survive a restart, as plain JSON."""
        return [self._day, self.runs, round(self.run_s, 3)]

    def recall(self, kept: list[Any]) -> None:
        """Add what was used before, where it was of the same day or of a later one."""
        day, runs, run_s = kept
        if day >= self._day:
            self.runs += int(runs)
            self.run_s += float(run_s)
            self._day = max(self._day, int(day))


class Stagger:
    """When the last control of each group started."""

    def __init__(self) -> None:
        """Nothing has started yet."""
        self._last_s: dict[str, float] = {}

    def free_at_s(self, group: str | None, stagger_s: float) -> float:
        """Return from when on the next of the group may start."""
        return float("-inf") if group is None else self._last_s.get(group, float("-inf")) + stagger_s

    def started(self, group: str | None, now_s: float) -> None:
        """Take note of a start."""
        if group is not None:
            self._last_s[group] = now_s
