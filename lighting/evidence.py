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
GLITCH_FACTOR = 10
"""What a lamp cannot have used, in rated powers: beyond it a counter was misread or is another."""
UNRATED_W = 10_000.0
"""Stands for the rated power where none is declared, as of a large circuit."""
COUNTER_S = 300
"""A counter may lag so long behind what was used."""
ENERGY_WH_MAX = 1e9
"""As the contract has it."""
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
    planned_ms: int = 0
    """Until when that stands: what was in force by then, whatever is now."""
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
    counter_ms: int = 0
    """When its own counter moved last, or was read first."""
    counter_step_wh: float = 0
    """One digit of its own counter."""
    used_wh: float | None = None
    sums_ms: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(_SUMS, 0))
    id: str = ""
    dusk_ms: int = 0
    """When the sun set; 0 where nobody says."""
    metered_ms: int = 0
    """Until when it is known what it took."""
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
            energy_wh=None if self.used_wh is None else _energy(self.used_wh),
            baseline_wh=_energy(self.rated_power_w * self._dark_so_far_ms(now_ms) / HOUR_MS),
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
        """Say what the plan alone wants in this night, from where on that does not stand already."""
        self.planned = [change for change in self.planned if change.at_ms < self.planned_ms]
        last = self.planned[-1] if self.planned else None
        for change in changes:
            if last is None or (last.level, last.reason) != (change.level, change.reason):
                _noted(self.planned, change)
            last = None  # only where the two plans meet may they want the same

    def planned_until(self, now_ms: int) -> None:
        """What was said to be planned until now stands: from now on it is another plan, or condition."""
        self.planned_ms = max(self.planned_ms, min(now_ms, self.until_ms))

    def _dark_so_far_ms(self, now_ms: int) -> int:
        """Return for how long full light would have burnt, as far as it is known what the lamp took."""
        if not self.dusk_ms:
            return self.dark_ms
        until_ms = now_ms if self.used_wh is None else min(now_ms, self.metered_ms)
        return max(0, min(self.dark_ms, until_ms - self.dusk_ms))

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
        if seen.energy_wh is not None or seen.power_w is not None or not seen.powered:
            self.metered_ms = now_ms
        if seen.energy_wh is not None:
            self._by_counter(seen.energy_wh, now_ms)
            return
        before = self.seen
        if before is not None and before.power_w is not None and self.counter_wh is None:
            held_ms = min(now_ms - self.seen_ms, round(self.holds_s * 1000))
            power_w = min(max(0.0, before.power_w), self._power_w_max)
            self.used_wh = (self.used_wh or 0) + power_w * max(0, held_ms) / HOUR_MS

    def _by_counter(self, counter_wh: float, now_ms: int) -> None:
        """Count what it went on by, unless no lamp can have used that: then it counts on from there."""
        before_wh, self.counter_wh = self.counter_wh, counter_wh
        if counter_wh == before_wh:
            return
        since_ms, self.counter_ms = now_ms - self.counter_ms, now_ms
        if before_wh is None:
            return
        most_wh = self.counter_step_wh + self._power_w_max * (since_ms + COUNTER_S * 1000) / HOUR_MS
        if 0 <= counter_wh - before_wh <= most_wh:
            self.used_wh = (self.used_wh or 0) + counter_wh - before_wh

    @property
    def _power_w_max(self) -> float:
        return GLITCH_FACTOR * (self.rated_power_w or UNRATED_W)


def _energy(wh: float) -> float:
    return round(min(max(0.0, wh), ENERGY_WH_MAX), 3)


def _noted(changes: list[LampChange], change: LampChange) -> None:
    """Append the change; where there is no room, it takes the last one's place."""
    if len(changes) >= LAMP_CHANGES_MAX:
        changes.pop()
    changes.append(change)
