"""A condition that rules share: a point held against a limit, and for how long it has been so."""

from edge.rules.settings import Condition
from edge.rules.window import Window


class Watched:
    """A condition with its window and how long it has held."""

    def __init__(self, condition: Condition, stale_s: float) -> None:
        """Begin not holding."""
        self.condition = condition
        self.window = Window(condition.mean_s, stale_s)
        self._since_s: float | None = None

    def holds(self, now_s: float) -> bool:
        """Say whether the condition has held for its ``held_s``."""
        value = self.window.value(now_s)
        if value is None or not self._met(value):
            self._since_s = None
            return False
        if self._since_s is None:
            self._since_s = now_s
        return now_s - self._since_s >= self.condition.held_s

    def reset(self) -> None:
        """Count the holding time anew."""
        self._since_s = None

    def told(self, now_s: float) -> str:
        """Return the condition with its value, for the record."""
        known = self.window.value(now_s)
        value = "unknown" if known is None else f"{known:.4g}"
        above, below = self.condition.above, self.condition.below
        limit = f"> {above:g}" if above is not None else f"< {below:g}"
        mean = f" mean of {self.condition.mean_s:g} s" if self.condition.mean_s else ""
        held = f" for {self.condition.held_s:g} s" if self.condition.held_s else ""
        return f"{self.condition.point}{mean} {value} {limit}{held}"

    def _met(self, value: float) -> bool:
        if self.condition.above is not None:
            return value > self.condition.above
        return self.condition.below is not None and value < self.condition.below


def is_met(watched: Watched, now_s: float) -> bool:
    """Say whether a condition holds by its value, for however long."""
    value, condition = watched.window.value(now_s), watched.condition
    if value is None:
        return False
    if condition.above is not None:
        return value > condition.above
    return condition.below is not None and value < condition.below
