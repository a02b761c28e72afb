"""Whether settings on trial are proved: the centre is heard, and who answered before answers still. Pure.

A device *answers* once it has given a good value. What was asked in one way and is asked in another now must
answer itself; of the others of a line one is enough, for any may be switched off at any time. Who is renamed
is the same device still.
"""

from collections.abc import Collection, Hashable, Iterator, Mapping
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
    renamed: frozenset[str] = frozenset()
    """Of ``devices``, those that had another name when they answered."""


def expected(before: Settings, after: Settings, answering: Collection[str]) -> Expected:
    """Return who has to answer under ``after``, of the devices that answered under ``before``.

    A device is known by its name, by its place (line, or what the line leads to, and unit id), and where both
    are new, by one that has gone from its line.
    """
    former = _former(before, after)
    lines_before = {line.name: line for line in before.lines}
    lines_after = {line.name: line for line in after.lines}
    must: set[str] = set()
    lines: dict[str, set[str]] = {}
    for device in after.devices:
        answered = [each for each in former[device.name] if each.name in answering]
        if answered:
            lines.setdefault(device.line, set()).add(device.name)
        if any(
            _asking(device) != _asking(each) or lines_before[each.line] != lines_after[device.line]
            for each in answered
        ):
            must.add(device.name)
    for come, gone in _strangers(before, after, former, answering):
        if len(come) <= len(gone):
            must |= {device.name for device in come}
        places = ", ".join(sorted({device.line for device in come}))
        for device in come:
            lines.setdefault(device.line if device.name in must else places, set()).add(device.name)
    renamed = must - set(answering)
    return Expected(
        frozenset(must), {line: frozenset(names) for line, names in lines.items()}, frozenset(renamed)
    )


def _former(before: Settings, after: Settings) -> dict[str, list[Device]]:
    """Return for each device of ``after`` those that it may have been, by name or by place."""
    known = {key: device for device in before.devices for key in _keys(before, device)}
    return {
        device.name: [known[key] for key in _keys(after, device) if key in known] for device in after.devices
    }


def _keys(settings: Settings, device: Device) -> list[Hashable]:
    """Return what a device may be known by."""
    [line] = [each for each in settings.lines if each.name == device.line]
    wire = (getattr(line, "host", ""), line.port)
    return [device.name, (device.line, device.unit_id), (wire, device.unit_id)]


def _strangers(
    before: Settings, after: Settings, former: Mapping[str, Collection[Device]], answering: Collection[str]
) -> Iterator[tuple[list[Device], list[Device]]]:
    """Yield who comes where somebody has gone who answered: line by line, or from lines to others."""
    found = {device.name for devices in former.values() for device in devices}
    gone = [each for each in before.devices if each.name in answering and each.name not in found]
    known = {device.name for device in before.devices}
    come = [
        each
        for each in after.devices
        if each.name not in known and not any(one.name in answering for one in former[each.name])
    ]
    stay = {line.name for line in before.lines} & {line.name for line in after.lines}
    for place in sorted(stay | {""}):
        arrivals, departures = (
            [each for each in devices if (each.line if each.line in stay else "") == place]
            for devices in (come, gone)
        )
        if arrivals and departures:
            yield arrivals, departures


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
        silent = sorted(self.expected.devices - excused)
        if kept := [name for name in silent if name not in self.expected.renamed]:
            told.append(f"{_named(kept)}, which answered before, did not answer")
        if renamed := [name for name in silent if name in self.expected.renamed]:
            told.append(f"{_named(renamed)}, in place of one that answered before, did not answer")
        lines = self.expected.lines.items()
        if dead := sorted(line for line, names in lines if not names & excused and names - set(silent)):
            told.append(f"nobody answered on {_named(dead)}")
        return told


def _asking(device: Device) -> list[object]:
    return [getattr(device, name) for name in ASKING]


def _named(names: list[str]) -> str:
    more = len(names) - NAMES_TOLD_MAX
    return ", ".join(names[:NAMES_TOLD_MAX]) + (f" and {more} more" if more > 0 else "")
