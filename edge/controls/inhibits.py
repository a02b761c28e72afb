"""What keeps an output off: limits of points, switches, and inputs that are lost."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contract.samples import ClockState
from edge.clock import Moment
from edge.controls.settings import Inhibit
from edge.rules.window import Window
from edge.settings import Ref, ref


@dataclass(frozen=True, slots=True)
class Inhibited:
    """Why an output must stay off; ``told`` has the value too. Not ``known``: for want of a good value."""

    reason: str
    told: str
    known: bool = True


@dataclass(slots=True)
class Lasting:
    """An inhibit that goes on for a time after it held, and what is known of that; monotonic seconds.

    What nobody has seen for longer than a value is good counts as if it had just held.
    """

    inhibit: Inhibit
    window: Window
    stale_s: float
    held_s: float = -math.inf
    """When it held last."""
    former_from_s: float = math.inf
    former_until_s: float = -math.inf
    """From when until when a former process watched it without a hole."""

    @property
    def key(self) -> str:
        """What it is remembered by: another limit is another inhibit."""
        each = self.inhibit
        return f"{each.point} {each.at_or_below} {each.at_or_above} {each.equals}"

    @property
    def watched_from_s(self) -> float:
        """Since when it is watched without a hole."""
        from_s = self.window.covered_from_s
        return min(from_s, self.former_from_s) if from_s - self.former_until_s <= self.stale_s else from_s

    def kept(self, now_s: float) -> list[float | None]:
        """Return how long ago it held, was read last, and has been watched since, as plain JSON."""
        read = self.window.newest_s > -math.inf
        times_s = (
            (self.held_s, self.window.newest_s, self.watched_from_s)
            if read
            else (self.held_s, self.former_until_s, self.former_from_s)
        )
        return [round(now_s - at_s, 3) if math.isfinite(at_s) else None for at_s in times_s]

    def recall(self, kept: Sequence[float | None], now_s: float, away_s: float, *, sure: bool) -> None:
        """Take up what ``kept`` gave ``away_s`` ago; not ``sure``: longer than that, perhaps."""
        held, newest, watched = (None if ago_s is None else now_s - away_s - ago_s for ago_s in kept)
        self.held_s = max(self.held_s, -math.inf if held is None else min(held, now_s))
        if sure and newest is not None and watched is not None:
            self.former_from_s, self.former_until_s = watched, newest


class Inhibits:
    """The declared inhibits of a control."""

    def __init__(self, declared: Sequence[Inhibit], stale_s: float) -> None:
        """Begin without a value of any: unknown inhibits."""
        self.declared = declared
        self.windows = [Window(0, stale_s) for _ in declared]
        each = zip(declared, self.windows, strict=True)
        lasting = [Lasting(one, window, stale_s) if one.lasts_s else None for one, window in each]
        self._declared = list(zip(declared, self.windows, lasting, strict=True))
        self.lasting = [one for one in lasting if one]
        self._seen = Moment(0, 0, ClockState.UNSET)

    def inputs(self) -> list[tuple[Ref, Window]]:
        """Return the points with the windows that want their values."""
        return [
            (ref(inhibit.point), window) for inhibit, window in zip(self.declared, self.windows, strict=True)
        ]

    def see(self, now: Moment) -> None:
        """Remember what inhibits beyond its own time; for when nobody asks why the output must stay off."""
        self._seen = now
        for each in self.lasting:
            value = each.window.value(now.s)
            if value is not None and holds(each.inhibit, value):
                each.held_s = now.s

    def now(self, now: Moment) -> Inhibited | None:
        """Return why the output must stay off now, what is known before what is not; or None."""
        if self.lasting:
            self.see(now)  # of each, whichever is told
        now_s, unknown = now.s, None
        for inhibit, window, lasting in self._declared:
            value = window.value(now_s)
            if value is not None and holds(inhibit, value):
                return Inhibited(inhibit.reason, f"{inhibit.reason}: {inhibit.point} {spelt(value)}")
            if lasting and now_s - lasting.held_s < inhibit.lasts_s:
                told = f"{inhibit.reason}: {inhibit.point} held less than {inhibit.lasts_s:g} s ago"
                return Inhibited(inhibit.reason, told)
            if unknown is None and (doubt := _doubt(inhibit, value, lasting, now_s)):
                unknown = Inhibited(doubt, doubt, known=False)
        return unknown

    def kept(self) -> dict[str, Any]:
        """Return what must survive a restart, as plain JSON; nothing where none of them lasts."""
        if not self.lasting or not self._seen.wall_ms:
            return {}
        known = {each.key: each.kept(self._seen.s) for each in self.lasting}
        return {"seen_ms": self._seen.wall_ms, "clock": self._seen.clock.value, "known": known}

    def recall(self, kept: Mapping[str, Any], now: Moment) -> None:
        """Take up what a former process kept; a clock that tells nothing shortens nothing."""
        if not kept:
            return
        self._seen = now
        away_s = (now.wall_ms - int(kept["seen_ms"])) / 1000
        sure = away_s >= 0 and ClockState.UNSET not in (now.clock, ClockState(kept["clock"]))
        for each in self.lasting:
            if times_s := kept["known"].get(each.key):
                each.recall(times_s, now.s, away_s if sure else 0.0, sure=sure)


def _doubt(inhibit: Inhibit, value: float | None, lasting: Lasting | None, now_s: float) -> str:
    """Say what is not known of an inhibit, or nothing."""
    if value is None:
        return f"no good value of {inhibit.point} ({inhibit.reason})"
    if lasting and now_s - lasting.watched_from_s < inhibit.lasts_s:
        return f"{inhibit.point} has been read for less than {inhibit.lasts_s:g} s ({inhibit.reason})"
    return ""


def holds(inhibit: Inhibit, value: float) -> bool:
    """Say whether a value inhibits."""
    if inhibit.equals is not None:
        return value == inhibit.equals
    low, high = inhibit.at_or_below, inhibit.at_or_above
    return (low is not None and value <= low) or (high is not None and value >= high)


def spelt(value: float) -> str:
    """Return a value for people."""
    return ("on" if value else "off") if isinstance(value, bool) else f"{value:.4g}"
