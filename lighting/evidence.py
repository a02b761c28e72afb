"""What one lamp did in one night, written down as it happens. Pure; the night ends with a record of it.

The counting rule: a lamp is judged only while somebody sees it. A measurement holds until the next one, for
``holds_s`` at most; then nobody knows.
"""

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from contract.events import LampChange, LampNight
from contract.limits import LAMP_CHANGES_MAX, LAMP_FAILURES_MAX
from contract.samples import ClockState
from lighting.commands import Command, Reason

HOUR_MS = 3_600_000
JITTER_MS = 60_000
"""A lamp has so long to follow a command before it counts as dark, or as astray."""
_SUMS = ("should_s", "lit_s", "dark_s", "astray_s", "unpowered_s")


class Seen(NamedTuple):
    """A look at a lamp: whether it burns (None: cannot be told), at which level, drawing what."""

    burns: bool | None
    level: int | None = None
    power_w: float | None = None
    energy_wh: float | None = None
    """Its own counter."""
    powered: bool = True


class NightLog(msgspec.Struct):
    """The night of one lamp; everything that it is told comes in the order of time. Goes to JSON and back.

    ``id`` is its record's, however often that is told: what is told later has all of what was told before.
    """

    lamp: str
    device: str
    night: dt.date
    from_ms: int
    until_ms: int
    holds_s: float
    part: str = ""
    rated_power_w: float = 0
    dark_ms: int = 0
    """From sunset to sunrise."""
    planned: list[LampChange] = []
    commanded: list[LampChange] = []
    measured: list[LampChange] = []
    failures: set[str] = set()
    corrected: int = 0
    ordered: Command | None = None
    """The command it is under."""
    ordered_ms: int = 0
    """Since when it is to burn, or not to."""
    seen: Seen | None = None
    seen_ms: int = 0
    counted_ms: int = 0
    counter_wh: float | None = None
    used_wh: float | None = None
    sums_ms: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(_SUMS, 0))
    id: str = ""
    followed: int = 0
    """The sequence of the plan that was in force, 0 for none."""

    def __post_init__(self) -> None:
        """Nothing is counted before the night begins."""
        self.counted_ms = max(self.counted_ms, self.from_ms)

    def due(self, command: Command, now_ms: int) -> None:
        """The lamp is under another command from now on."""
        self._count(now_ms)
        if self.ordered is None or bool(self.ordered.level) != bool(command.level):
            self.ordered_ms = now_ms
        self.ordered = command

    def sent(self, command: Command, now_ms: int, *, again: bool = False) -> None:
        """A command went to the lamp; ``again`` where it had not followed before."""
        self.corrected += again
        _noted(self.commanded, LampChange(now_ms, command.level, command.reason.value))

    def failed(self, problem: str) -> None:
        """A failure class was raised, or is still active."""
        if len(self.failures) < LAMP_FAILURES_MAX:
            self.failures.add(problem)

    def saw(self, seen: Seen, now_ms: int) -> None:
        """Somebody looked at it."""
        self._count(now_ms)
        self._energy(seen, now_ms)
        level = seen.level if seen.level is not None else 100 * bool(seen.burns)
        if seen.burns is not None and (not self.measured or self.measured[-1].level != level):
            _noted(self.measured, LampChange(now_ms, level, "measured"))
        self.seen, self.seen_ms = seen, now_ms

    def record(self, event_id: str, now_ms: int, plan: int, clock: ClockState) -> LampNight:
        """Return what became of the night; ``plan`` is the sequence of the plan in force, 0 for none."""
        self._count(min(now_ms, self.until_ms))
        sums = {name: round(value / 1000) for name, value in self.sums_ms.items()}
        return LampNight(
            event_id,
            now_ms,
            self.lamp,
            self.device,
            self.night.isoformat(),
            plan,
            self.planned,
            self.commanded,
            self.measured,
            corrected=self.corrected,
            energy_wh=None if self.used_wh is None else round(self.used_wh, 3),
            baseline_wh=round(self.rated_power_w * self.dark_ms / HOUR_MS, 3),
            failures=sorted(self.failures),
            part=self.part,
            clock=clock,
            **sums,
        )

    @property
    def is_bare(self) -> bool:
        """Say whether nothing has come of the night yet that anybody would miss."""
        return not (self.sums_ms["should_s"] or self.sums_ms["astray_s"] or self.commanded)

    def away(self, now_ms: int) -> None:
        """Nobody was there since the last word: the plan alone was due, once an override had ended."""
        since_ms = max(self.counted_ms, (self.ordered and self.ordered.expiration_ms) or 0)
        held = [change for change in self.planned if change.at_ms <= since_ms]
        if since_ms > self.counted_ms and since_ms < now_ms and held:
            self.due(Command(held[-1].level, Reason(held[-1].reason), since_ms), since_ms)
        for change in self.planned:
            if since_ms < change.at_ms < min(now_ms, self.until_ms):
                self.due(Command(change.level, Reason(change.reason), change.at_ms), change.at_ms)

    def plan(self, changes: Iterable[LampChange]) -> None:
        """Say what the plan alone wants in this night."""
        self.planned = []
        for change in changes:
            _noted(self.planned, change)

    def _count(self, now_ms: int) -> None:
        """Count the time since the last word, by what was due and seen then."""
        from_ms, until_ms = self.counted_ms, min(now_ms, self.until_ms)
        if until_ms <= from_ms:
            return
        self.counted_ms = until_ms
        if self.ordered is None:
            return
        should, seen = self.ordered.level > 0, self.seen
        if should:
            self.sums_ms["should_s"] += until_ms - from_ms
        if seen is None:
            return
        known_ms = min(until_ms, self.seen_ms + round(self.holds_s * 1000)) - from_ms
        if known_ms <= 0:
            return
        if not seen.powered:
            self.sums_ms["unpowered_s"] += known_ms
        elif seen.burns:
            self.sums_ms["lit_s" if should else "astray_s"] += self._past_jitter(
                from_ms, known_ms, not should
            )
        elif seen.burns is False and should:
            self.sums_ms["dark_s"] += self._past_jitter(from_ms, known_ms, deviates=True)

    def _past_jitter(self, from_ms: int, length_ms: int, deviates: bool) -> int:
        if not deviates:
            return length_ms
        if self.seen_ms < self.ordered_ms:
            return 0  # seen before the command: that says nothing against the lamp
        return max(0, from_ms + length_ms - max(from_ms, self.ordered_ms + JITTER_MS))

    def _energy(self, seen: Seen, now_ms: int) -> None:
        """Take the lamp's own counter; without one, power times the time that it was known to hold."""
        if seen.energy_wh is not None:
            if self.counter_wh is not None and seen.energy_wh >= self.counter_wh:
                self.used_wh = (self.used_wh or 0) + seen.energy_wh - self.counter_wh
            self.counter_wh = seen.energy_wh
            return
        before = self.seen
        if before is not None and before.power_w is not None and self.counter_wh is None:
            held_ms = min(now_ms - self.seen_ms, round(self.holds_s * 1000))
            self.used_wh = (self.used_wh or 0) + max(0.0, before.power_w) * max(0, held_ms) / HOUR_MS


def _noted(changes: list[LampChange], change: LampChange) -> None:
    """Append the change; where there is no room, it takes the last one's place."""
    if len(changes) >= LAMP_CHANGES_MAX:
        changes.pop()
    changes.append(change)
