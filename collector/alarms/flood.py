"""When there are more alarms than an operator can look at (ISA-18.2); pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

SUMMARY_MAX = 10


@dataclass(frozen=True, slots=True)
class Flood:
    """Begins with more than ``begins_above`` in ``window_ms``, ends with fewer than ``ends_below``."""

    begins_above: int = 10
    ends_below: int = 5
    window_ms: int = 600_000

    def lasts(self, flooded: bool, count: int) -> bool:
        """Say whether there is a flood, now that ``count`` were annunciated in the window."""
        return count >= self.ends_below if flooded else count > self.begins_above


def summary(annunciated: Iterable[tuple[str, str, int]]) -> dict[str, dict[str, int]]:
    """Return the most frequent problems and areas of (problem, area, count), with their counts."""
    problems: Counter[str] = Counter()
    areas: Counter[str] = Counter()
    for problem, area, count in annunciated:
        problems[problem] += count
        areas[area] += count
    return {"problems": _most(problems), "areas": _most(areas)}


def _most(counted: Counter[str]) -> dict[str, int]:
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:SUMMARY_MAX])
