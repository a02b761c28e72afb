"""Which command each lamp is under now: stored plan, overrides, sensors, what an unset clock leaves of them.

Lamps of one calendar share the work, and between two moments at which something changes there is none. What
was missed is not made up for: whatever is due now holds. Pure: the moment is an argument.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from contract.events import LampChange
from contract.samples import ClockState, Value
from edge.clock import CREDIBLE_FROM_MS, Moment
from edge.lamps.sensors import Sensors
from edge.lamps.settings import Lighting
from edge.lamps.track import Track
from edge.settings import Ref, ref
from lighting.addresses import Addresses
from lighting.commands import Command, Reason, command
from lighting.compiling import Compiler, Fact
from lighting.documents import Override
from lighting.plan import Plan
from lighting.timeline import Threshold

DEFAULT_LEVEL = 100
"""TALQ's defaultLightState: what lamps give where nothing says otherwise."""
NO_PLAN, CLOCK_UNSET = "no plan", "the clock is not set"


class Program:
    """The commands of a gateway's lamps."""

    def __init__(self, gateway: str, lamps: Sequence[str], lighting: Lighting) -> None:
        """No plan yet, and nobody knows what is due."""
        self.commands: dict[str, Command | None] = dict.fromkeys(lamps)
        self.sensors = Sensors(lighting.sensor_stale_s)
        self.plan: Plan | None = None
        self.planless = self.untrusted = False
        """Whether lamps have no plan, and whether the clock is too bad for one; patience is over for both."""
        self.patient = True
        """Whether it is early after the start, so that what is not known yet may be known in a moment."""
        self._gateway, self._lighting = gateway, lighting
        sensor = lighting.light_sensor
        self._gate = Threshold(sensor.point, sensor.on_level, sensor.off_level) if sensor else None
        if sensor:
            self.sensors.listen([ref(sensor.point)])
        self._compiler: Compiler | None = None
        self._tracks: list[Track] = []
        self._unplanned = list(lamps)
        self._fallback: Command | None = None
        self._overrides: Sequence[Override] = ()
        self._edges_ms: list[int] = []
        """When overrides begin and end; ``_edge`` counts those that are over, -1 where nothing holds yet."""
        self._edge = -1
        self._facts: Sequence[Fact] = ()
        self._overridden: Mapping[str, Command] = {}
        self._dirty = True
        self._begun_s: float | None = None
        self._state = (-1, False)
        self._last_ms = self._next_ms = 0
        self._next_s = math.inf

    def put_plan(self, plan: Plan | None) -> None:
        """A sound plan is in force from now on, or none is."""
        self.plan, self._dirty = plan, True
        self._tracks, self._compiler = [], None
        if plan is not None:
            self._compiler = Compiler(plan)
            self.sensors.listen(map(ref, plan.asked))
            addresses, place = Addresses(plan), plan.place_of.get(self._gateway, plan.place)
            lamps_of: dict[str, list[str]] = {}
            for assignment in plan.assignments:
                found = [lamp for text in assignment.addresses for lamp in addresses.lamps(text)]
                mine = (it.lamp for it in found if it.gateway == self._gateway and it.lamp in self.commands)
                lamps_of.setdefault(assignment.calendar, []).extend(mine)
            self._tracks = [
                Track(calendar, place, lamps, self._lighting.horizon_nights)
                for calendar, lamps in lamps_of.items()
                if lamps
            ]
        planned = {lamp for track in self._tracks for lamp in track.lamps}
        self._unplanned = [lamp for lamp in self.commands if lamp not in planned]

    def put_overrides(self, overrides: Sequence[Override]) -> None:
        """These are all the overrides there are."""
        self._overrides, self._dirty = overrides, True
        edges_ms = {edge for it in overrides for edge in (it.start_ms, it.expiration_ms)}
        self._edges_ms, self._edge = sorted(edges_ms), -1

    def put_facts(self, facts: Sequence[Fact]) -> None:
        """These conditions hold."""
        self._facts, self._dirty = facts, True
        for track in self._tracks:
            track.forget()

    @property
    def planless_told(self) -> str:
        """Say which lamps have no plan, for people."""
        if self.plan is None or not self._unplanned:
            return "lamps have no plan: they are on"
        first, more = self._unplanned[0], len(self._unplanned) - 1
        return f"{first}{f' and {more} more' if more else ''} of the settings are in no plan: they are on"

    def look_again(self) -> None:
        """Something else is known: the next moment counts as one at which everything may change."""
        self._dirty = True

    def observe(self, at: Ref, value: Value, now_s: float) -> None:
        """Take what a point reads, None where that is no good."""
        if self.sensors.take(at, value, now_s):
            self._dirty = True

    def is_due(self, now: Moment) -> bool:
        """Say whether anything may be another now."""
        trusted = now.clock is not ClockState.UNSET
        return (
            self._dirty
            or now.wall_ms >= self._next_ms
            or now.s >= self._next_s
            or now.wall_ms < self._last_ms
            or (now.era, trusted) != self._state
        )

    def decided(self, now: Moment) -> bool:
        """Say whether ``planless`` and ``untrusted`` are settled; after a start that takes patience."""
        over = self._begun_s is not None and now.s >= self._begun_s + self._lighting.patience_s
        return over or (now.clock is not ClockState.UNSET and not self._unplanned)

    def next_s(self, now: Moment) -> float:
        """Return when something may change next, in monotonic seconds, if no clock is set meanwhile."""
        if self._dirty:
            return now.s
        return min(self._next_s, now.s + max(0, self._next_ms - now.wall_ms) / 1000)

    def changed(self, now: Moment) -> list[str]:
        """Bring all commands to this moment; return the lamps whose command is another."""
        if not self.is_due(now):
            self._last_ms = now.wall_ms
            return []
        if self._begun_s is None:
            self._begun_s = now.s
        self.sensors.expire(now.s)
        trusted = now.clock is not ClockState.UNSET
        self._dirty, self._state, self._last_ms = False, (now.era, trusted), now.wall_ms
        self.patient = patient = now.s < self._begun_s + self._lighting.patience_s
        by_plan = trusted or self._by_pattern(now)
        self.untrusted = not trusted and not patient
        self.planless = bool(self._unplanned) and not patient
        found: list[str] = []
        edges_ms: list[int] = []
        for track in self._tracks:
            before = track.command
            if by_plan:
                track.command = self._planned(track, now)
                edges_ms.append(track.next_ms)
            elif not patient:
                track.command = self._full(CLOCK_UNSET, before, now)
            if track.command != before:
                found += self._put(track.lamps, track.command)
        if self._unplanned and not patient:
            before, self._fallback = self._fallback, self._full(NO_PLAN, self._fallback, now)
            if before != self._fallback:
                found += self._put(self._unplanned, self._fallback)
        edge = bisect_right(self._edges_ms, now.wall_ms) if by_plan else -1
        if edge != self._edge:
            self._edge = edge
            found += self._override(now if by_plan else None)
        edges_ms += self._edges_ms[edge : edge + 1] if by_plan else []
        self._next_ms = min(edges_ms, default=2**62)
        patience_s = self._begun_s + self._lighting.patience_s if patient else math.inf
        self._next_s = min(patience_s, self.sensors.next_s(now.s))
        return list(dict.fromkeys(found))

    def planned(self, from_ms: int, until_ms: int) -> dict[str, list[LampChange]]:
        """Return by lamp what the plan and its conditions want between two times, overrides apart."""
        found: dict[str, list[LampChange]] = {}
        if self._compiler is None:
            return found
        for track in self._tracks:
            timeline = self._compiler.timeline(track.calendar, track.place, from_ms, until_ms, self._facts)
            changes = []
            for step in timeline.steps:
                reason = Reason.SENSOR if step.gates else Reason.PROGRAM
                changes.append(LampChange(max(from_ms, step.start_ms), step.level, reason))
            found |= dict.fromkeys(track.lamps, changes)
        return found

    def _by_pattern(self, now: Moment) -> bool:
        """Say whether the plan is followed by a time that only counts on since it was known."""
        return (
            self._lighting.untrusted_clock == "pattern"
            and self._gate is None
            and now.wall_ms >= CREDIBLE_FROM_MS
        )

    def _planned(self, track: Track, now: Moment) -> Command | None:
        assert self._compiler is not None  # noqa: S101 - tracks are made with it
        step = track.step(self._compiler, self._facts, now.wall_ms)
        self.sensors.need(track.gates, now.s)
        if step.gates and self.sensors.awaited(step.gates, now.s):
            return track.command
        return command(step, self.sensors.opened, (), "", now.wall_ms)

    def _full(self, told: str, before: Command | None, now: Moment) -> Command | None:
        """Return full light, by the light sensor where there is one; in doubt on."""
        opened: bool | None = None
        if self._gate:
            self.sensors.need([self._gate], now.s)
            if self.sensors.awaited([self._gate], now.s):
                return before
            opened = self.sensors.opened[self._gate]
        reason = Reason.DEFAULT if opened is None else Reason.SENSOR
        level = 0 if opened is False else DEFAULT_LEVEL
        if before and (before.level, before.reason, before.told) == (level, reason, told):
            return before
        return Command(level, reason, now.wall_ms, None, told)

    def _put(self, lamps: Iterable[str], its: Command | None) -> list[str]:
        found = [lamp for lamp in lamps if lamp not in self._overridden]
        for lamp in found:
            self.commands[lamp] = its
        return found

    def _override(self, now: Moment | None) -> list[str]:
        """Let overrides begin and end; without a time none holds. Return the lamps that this changes."""
        holding: dict[str, Command] = {}
        for override in self._overrides if now else ():
            if now and override.start_ms <= now.wall_ms < override.expiration_ms:
                start_ms, end_ms = override.start_ms, override.expiration_ms
                its = Command(override.level, Reason.OVERRIDE, start_ms, end_ms, override.reason)
                holding |= {lamp: its for lamp in override.lamps if lamp in self.commands}
        before, self._overridden = self._overridden, holding
        changed = [lamp for lamp in {**before, **holding} if before.get(lamp) != holding.get(lamp)]
        if changed:
            of_track = {lamp: track.command for track in self._tracks for lamp in track.lamps}
            for lamp in changed:
                self.commands[lamp] = holding.get(lamp) or of_track.get(lamp, self._fallback)
        return changed
