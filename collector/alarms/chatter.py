"""A source that becomes active again and again is one standing alarm; pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chatter:
    """``count`` activations within ``within_ms`` are chattering; it ends ``quiet_ms`` after the last one."""

    count: int = 3
    within_ms: int = 60_000
    quiet_ms: int = 300_000

    def activated(self, times: Sequence[int], at_ms: int) -> tuple[list[int], bool]:
        """Return the activations to remember, and whether they are chattering.

        ``times`` are those remembered before. One that is later than ``at_ms`` is from before a clock went
        back, and is forgotten.
        """
        kept = [time for time in times if at_ms - self.within_ms < time <= at_ms]
        kept = [*kept, at_ms][-self.count :]
        return kept, len(kept) >= self.count

    def is_over(self, last_ms: int, now_ms: int) -> bool:
        """Say whether the last activation is long enough ago."""
        return now_ms - last_ms >= self.quiet_ms
