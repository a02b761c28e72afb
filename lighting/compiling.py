"""From a plan to timelines. Pure: the cabinet runs them, the centre shows them beforehand."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from lighting import nights
from lighting.plan import (
    AbsoluteActivePeriod,
    ActivePeriod,
    AstroAndSensorActivePeriod,
    AstroClockActivePeriod,
    Calendar,
    ControlProgram,
    EffectOperation,
    Place,
    Plan,
    SensorActivePeriod,
    ValueActivePeriod,
)
from lighting.sun import sun_after
from lighting.timeline import Cause, CauseKind, Comparison, Gate, Step, Threshold, Timeline

NIGHTS_KEPT_MAX = 2048
MINUTE_MS = 60_000


class Fact(NamedTuple):
    """The centre says that a condition holds, from when until when."""

    condition: str
    from_ms: int
    until_ms: int


class _Span(NamedTuple):
    """A stretch of a night in which lamps may be on; with a gate, if that is open."""

    from_ms: int
    until_ms: int
    gate: Gate | None


class _Change(NamedTuple):
    """A control that takes over."""

    at_ms: int
    level: int
    operation: EffectOperation = "set"


class _State(NamedTuple):
    """What is due, as far as time alone tells."""

    level: int
    gates: tuple[Gate, ...]
    dark: bool


class _ProgramNight:
    """One program in one night at one place, as moments."""

    def __init__(self, program: ControlProgram, night: dt.date, place: Place, zone: ZoneInfo) -> None:
        self.from_ms = nights.begins_ms(night, zone)
        self.until_ms = nights.begins_ms(night + nights.DAY, zone)
        self.sunset_ms, self.sunrise_ms = sun_after(place.latitude_deg, place.longitude_deg, self.from_ms)
        self._night, self._zone = night, zone
        self.edges: list[tuple[int, Cause]] = []
        self.spans = [span for period in program.active_periods for span in self._spans(period)]
        if not program.active_periods:
            self.spans = [_Span(self.from_ms, self.until_ms, None)]
        self.fixed = [
            _Change(self._time(control.start_time, CauseKind.FIXED_TIME), control.level)
            for control in program.fixed_time_controls
        ]
        self.astro = sorted(
            (
                _Change(
                    self._sun(control.solar_event_type, control.offset_min, CauseKind.ASTRO_CLOCK),
                    control.level,
                    control.operation,
                )
                for control in program.astro_clock_time_controls
            ),
            key=lambda change: change.at_ms,
        )
        if any(span.gate for span in self.spans):
            self.edges += [(self.sunset_ms, Cause(CauseKind.SUN, "sunset"))]
            self.edges += [(self.sunrise_ms, Cause(CauseKind.SUN, "sunrise"))]

    def state(self, time_ms: int, carried: int) -> _State:
        """Return what is due; ``carried`` is the level before the night's first fixed control."""
        level = next((change.level for change in reversed(self.fixed) if change.at_ms <= time_ms), carried)
        effect = next((change for change in reversed(self.astro) if change.at_ms <= time_ms), None)
        if effect:
            level = _operated(effect.operation, level, effect.level)
        now = [span for span in self.spans if span.from_ms <= time_ms < span.until_ms]
        gates = tuple(dict.fromkeys(span.gate for span in now if span.gate))
        if not now or not level:
            return _State(0, (), dark=False)
        if any(span.gate is None for span in now):
            return _State(level, (), dark=False)
        return _State(level, gates, dark=self.sunset_ms <= time_ms < self.sunrise_ms)

    def _time(self, time: dt.time, kind: CauseKind) -> int:
        at_ms = nights.at_ms(self._night, time, self._zone)
        self.edges.append((at_ms, Cause(kind, time.isoformat("auto").removesuffix(":00"))))
        return at_ms

    def _sun(self, event: str, offset_min: int, kind: CauseKind) -> int:
        at_ms = (self.sunset_ms if event == "sunset" else self.sunrise_ms) + offset_min * MINUTE_MS
        self.edges.append((at_ms, Cause(kind, f"{event}{offset_min:+d}" if offset_min else event)))
        return at_ms

    def _spans(self, period: ActivePeriod) -> Iterator[_Span]:
        begins, ends = CauseKind.PERIOD_BEGINS, CauseKind.PERIOD_ENDS
        match period:
            case AbsoluteActivePeriod(start_time=start, end_time=end) if start == end:
                yield _Span(self.from_ms, self.until_ms, None)
            case AbsoluteActivePeriod(start_time=start, end_time=end):
                from_ms, until_ms = self._time(start, begins), self._time(end, ends)
                if nights.since_noon(start) < nights.since_noon(end):
                    yield _Span(from_ms, until_ms, None)
                else:  # through noon: the end of one night and the beginning of the next
                    yield _Span(self.from_ms, until_ms, None)
                    yield _Span(from_ms, self.until_ms, None)
            case AstroClockActivePeriod(sunset_offset_min=sunset, sunrise_offset_min=sunrise):
                yield _Span(self._sun("sunset", sunset, begins), self._sun("sunrise", sunrise, ends), None)
            case SensorActivePeriod():
                yield _Span(self.from_ms, self.until_ms, gate_of(period))
            case AstroAndSensorActivePeriod():
                yield from self._astro_and_sensor(period)
            case _:
                yield _Span(self.from_ms, self.until_ms, gate_of(period))

    def _astro_and_sensor(self, period: AstroAndSensorActivePeriod) -> Iterator[_Span]:
        begins, ends = CauseKind.PERIOD_BEGINS, CauseKind.PERIOD_ENDS
        sunset, sunrise = period.sunset_offset_min, period.sunrise_offset_min
        heard_ms = self._sun("sunset", sunset - period.pc_active_before_sunset_min, begins)
        sunset_ms = self._sun("sunset", sunset, begins)
        again_ms = self._sun("sunrise", sunrise - period.pc_active_before_sunrise_min, ends)
        sunrise_ms = self._sun("sunrise", sunrise, ends)
        yield _Span(heard_ms, sunset_ms, gate_of(period))
        yield _Span(sunset_ms, again_ms, None)
        yield _Span(max(sunset_ms, again_ms), sunrise_ms, gate_of(period))


class Compiler:
    """Compiles timelines of one plan; lamps of one calendar at one place share the work."""

    def __init__(self, plan: Plan) -> None:
        """``plan`` is sound: ids exist, its time zone does, and the sun is up at noon at its places."""
        self.plan = plan
        self.zone = nights.zone(plan.time_zone)
        self._nights: dict[tuple[str, dt.date, float, float], _ProgramNight] = {}

    def timeline(
        self, calendar_id: str, place: Place, from_ms: int, until_ms: int, facts: Sequence[Fact] = ()
    ) -> Timeline:
        """Return the steps from the one that holds at ``from_ms`` on; the first may have begun earlier.

        ValueError for a span of nothing.
        """
        if until_ms <= from_ms:
            raise ValueError(f"a span from {from_ms} to {until_ms} ends before it begins")
        steps: list[Step] = []
        due: _State | None = None
        calendar = self.plan.calendar_of[calendar_id]
        named = {rule.condition for rule in calendar.rules}
        facts = [fact for fact in facts if fact.condition in named]
        for step in self._steps(calendar, place, from_ms, until_ms, facts):
            state = _State(step.level, step.gates, step.dark)
            if step.start_ms <= from_ms:
                if state != due:
                    steps = [step]
            elif state != due:
                steps.append(step)
            due = state
        return Timeline(steps, until_ms)

    def _steps(
        self, calendar: Calendar, place: Place, from_ms: int, until_ms: int, facts: Sequence[Fact]
    ) -> Iterator[Step]:
        """Yield a step at each moment at which anything might change, in order."""
        night = nights.night_of(from_ms, self.zone)
        while True:
            night_from_ms = nights.begins_ms(night, self.zone)
            night_until_ms = nights.begins_ms(night + nights.DAY, self.zone)
            if night_from_ms >= until_ms:
                return
            carried = self._carried(calendar, night, facts)
            for at_ms, causes in self._edges(calendar, place, night, facts):
                if not night_from_ms <= at_ms < min(night_until_ms, until_ms):
                    continue
                program, rule = self._program(calendar, night, at_ms, facts)
                state = self._of(program, night, place).state(at_ms, carried)
                before = self._program(calendar, night, at_ms - 1, facts)[1] if facts else rule
                its_own = [
                    cause
                    for owner, cause in causes
                    if (_switches(cause, calendar, before, rule) if owner == "" else owner == program.id)
                ]
                if its_own:
                    yield Step(at_ms, *state, night, program.id, rule, _first(its_own, state))
            night += nights.DAY

    def _edges(
        self, calendar: Calendar, place: Place, night: dt.date, facts: Sequence[Fact]
    ) -> list[tuple[int, list[tuple[str, Cause]]]]:
        """Return the moments of a night with what happens then, and in which program; "" is for all."""
        found: dict[int, list[tuple[str, Cause]]] = {}
        edges = [(nights.begins_ms(night, self.zone), "", Cause(CauseKind.NIGHT_BEGINS))]
        for fact in facts:
            edges.append((fact.from_ms, "", Cause(CauseKind.CONDITION_BEGINS, fact.condition)))
            edges.append((fact.until_ms, "", Cause(CauseKind.CONDITION_ENDS, fact.condition)))
        for program_id in self._candidates(calendar, night, facts):
            edges += [
                (at_ms, program_id, cause)
                for at_ms, cause in self._of(self.plan.program_of[program_id], night, place).edges
            ]
        for at_ms, program_id, cause in edges:
            found.setdefault(at_ms, []).append((program_id, cause))
        return sorted(found.items())

    def _candidates(self, calendar: Calendar, night: dt.date, facts: Sequence[Fact]) -> set[str]:
        """Return the programs that may apply in a night: by conditions told of, else the one without."""
        told = {fact.condition for fact in facts}
        found = set()
        for rule in calendar.rules:
            if rule.applies(night) and (rule.condition is None or rule.condition in told):
                found.add(rule.program)
                if rule.condition is None:
                    return found
        return found | {calendar.default_program}

    def _program(
        self, calendar: Calendar, night: dt.date, time_ms: int, facts: Sequence[Fact]
    ) -> tuple[ControlProgram, int | None]:
        holding = {fact.condition for fact in facts if fact.from_ms <= time_ms < fact.until_ms}
        for index, rule in enumerate(calendar.rules):
            if rule.applies(night) and (rule.condition is None or rule.condition in holding):
                return self.plan.program_of[rule.program], index
        return self.plan.program_of[calendar.default_program], None

    def _carried(self, calendar: Calendar, night: dt.date, facts: Sequence[Fact]) -> int:
        """Return the level that the former night's last fixed control left."""
        end_ms = nights.begins_ms(night, self.zone) - 1
        program, _ = self._program(calendar, night - nights.DAY, end_ms, facts)
        return program.fixed_time_controls[-1].level

    def _of(self, program: ControlProgram, night: dt.date, place: Place) -> _ProgramNight:
        key = (program.id, night, place.latitude_deg, place.longitude_deg)
        found = self._nights.get(key)
        if found is None:
            if len(self._nights) >= NIGHTS_KEPT_MAX:
                self._nights.clear()
            found = self._nights[key] = _ProgramNight(program, night, place, self.zone)
        return found


def _switches(cause: Cause, calendar: Calendar, before: int | None, rule: int | None) -> bool:
    """Say whether what happens to all brings this program: a night begins, or by it the rule changes."""
    if cause.kind is CauseKind.NIGHT_BEGINS:
        return True
    asked = rule if cause.kind is CauseKind.CONDITION_BEGINS else before
    return rule != before and asked is not None and calendar.rules[asked].condition == cause.detail


def _operated(operation: EffectOperation, level: int, by: int) -> int:
    """Apply TALQ's EffectOperation to per cents; a product is that of fractions."""
    result = {
        "set": by,
        "max": max(level, by),
        "min": min(level, by),
        "add": level + by,
        "sub": level - by,
        "mul": (level * by + 50) // 100,
    }[operation]
    return min(max(result, 0), 100)


def gate_of(period: ActivePeriod) -> Gate | None:
    """Return what is asked on the spot while the period may be active; None where time alone decides."""
    match period:
        case SensorActivePeriod() | AstroAndSensorActivePeriod():
            return Threshold(period.sensor, period.on_level, period.off_level)
        case ValueActivePeriod():
            return Comparison(period.reference, period.operator, period.state)
        case _:
            return None


_RANK = {
    CauseKind.CONDITION_BEGINS: 0,
    CauseKind.CONDITION_ENDS: 0,
    CauseKind.PERIOD_BEGINS: 1,
    CauseKind.PERIOD_ENDS: 1,
    CauseKind.ASTRO_CLOCK: 2,
    CauseKind.FIXED_TIME: 3,
    CauseKind.SUN: 4,
    CauseKind.NIGHT_BEGINS: 5,
}


def _first(causes: Sequence[Cause], state: _State) -> Cause:
    """Return the cause that tells people most; a lamp that is off now did not begin to be active."""
    unlikely = CauseKind.PERIOD_ENDS if state.level else CauseKind.PERIOD_BEGINS
    return min(causes, key=lambda cause: (cause.kind is unlikely, _RANK[cause.kind]))
