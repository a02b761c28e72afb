"""Whether settings on trial are proved: the centre is heard, and who answered before answers still. Pure.

A device *answers* once it has given a good value. What was asked in one way and is asked in another now must
answer itself; of the others of a line one is enough, for any may be switched off at any time.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from edge.settings import Device, Settings

ASKING = ("line", "unit_id", "profile", "firmware", "shims", "points", "feeder", "timeout_s", "pause_s")
"""What decides how a device is asked, and whether it can answer."""
NAMES_TOLD_MAX = 8


class Verdict(StrEnum):
    """How a trial stands."""

    UNDER_WAY = "under_way"
    PROVED = "proved"
    FAILED = "failed"


@dataclass(frozen=True)
class Expected:
    """Who has to answer: each of ``devices``, and one at least of each line's."""

    devices: frozenset[str] = frozenset()
    lines: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """All who are looked at."""
        return self.devices.union(*self.lines.values())


def expected(before: Settings, after: Settings, answering: Collection[str]) -> Expected:
    """Return who has to answer under ``after``, of the devices that answered under ``before``."""
    known = {device.name: device for device in before.devices}
    lines_before = {line.name: line for line in before.lines}
    lines_after = {line.name: line for line in after.lines}
    there = [device for device in after.devices if device.name in answering and device.name in known]
    touched = {
        device.name
        for device in there
        if _asking(device) != _asking(known[device.name])
        or lines_before.get(device.line) != lines_after[device.line]
    }
    lines: dict[str, set[str]] = {}
    for device in there:
        lines.setdefault(device.line, set()).add(device.name)
    return Expected(frozenset(touched), {line: frozenset(names) for line, names in lines.items()})


@dataclass(frozen=True)
class Trial:
    """Settings on trial since ``began_s``, for ``timeout_s`` at most; both by the monotonic clock."""

    expected: Expected
    began_s: float
    timeout_s: float

    def judge(
        self, now_s: float, *, heard: bool, answering: Collection[str], unpowered: Collection[str]
    ) -> tuple[Verdict, str]:
        """Return how it stands, and what is missing; whoever is ``unpowered`` by plan cannot answer."""
        missing = self._missing(heard=heard, excused=set(answering) | set(unpowered))
        if not missing:
            return Verdict.PROVED, ""
        is_over = now_s - self.began_s >= self.timeout_s
        return (Verdict.FAILED if is_over else Verdict.UNDER_WAY), "; ".join(missing)

    def _missing(self, *, heard: bool, excused: set[str]) -> list[str]:
        told = [] if heard else ["the centre was not heard"]
        if silent := sorted(self.expected.devices - excused):
            told.append(f"{_named(silent)}, which answered before, did not answer")
        lines = self.expected.lines.items()
        if dead := sorted(line for line, names in lines if not names & excused and names - set(silent)):
            told.append(f"nobody answered on {_named(dead)}")
        return told


def _asking(device: Device) -> list[object]:
    return [getattr(device, name) for name in ASKING]


def _named(names: list[str]) -> str:
    more = len(names) - NAMES_TOLD_MAX
    return ", ".join(names[:NAMES_TOLD_MAX]) + (f" and {more} more" if more > 0 else "")
