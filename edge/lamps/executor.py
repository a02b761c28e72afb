"""All lamps of a gateway: documents, samples and moments in, commands and events out. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from contract.events import AlarmRaised
from contract.samples import Measured, Quality, Row, Sample, Value
from edge.clock import Moment
from edge.lamps.alarms import Alarms
from edge.lamps.delivery import Delivery
from edge.lamps.events import Happened, LampEffect, LampEvent, Send
from edge.lamps.fixtures import Fixture
from edge.lamps.judging import Judge
from edge.lamps.lamp import Known, LampState
from edge.lamps.program import Program
from edge.lamps.settings import DURATION_S_MAX, Lighting
from edge.rules.effects import Emit, Ids
from edge.rules.engine import counts
from edge.settings import Ref, ref
from lighting.documents import (
    DocumentError,
    read_any_overrides,
    read_any_plan,
    read_conditions,
    read_overrides,
    read_plan,
)

PLAN, OVERRIDES, CONDITIONS = "lamp_plan", "lamp_overrides", "lamp_conditions"
"""Kinds of documents that lamps follow."""
NO_LAMP_PLAN, CLOCK_UNTRUSTED, SENSOR_FAILURE = "no_lamp_plan", "lamp_clock_untrusted", "lamp_sensor_failure"
LOCAL_OVERRIDE, DOOR_OPEN = "local_override", "cabinet_door_open"
BREAKER_TRIPPED = "circuit_breaker_tripped"
UNREAD = "its local switch or breaker was not read yet"


class _Use:
    """What a point is good for: whose it is, what it says by being on, whether plans ask it."""

    __slots__ = ("asked", "at", "lamps", "problem")

    def __init__(self, at: Ref) -> None:
        self.at = at
        self.lamps: list[LampState] = []
        self.problem = ""
        self.asked = False


class Lamps:
    """See the module. ``devices`` are those whose samples it wants."""

    def __init__(
        self,
        gateway: str,
        fixtures: Sequence[Fixture],
        lighting: Lighting,
        ids: Ids,
        points: Mapping[str, bool] | None = None,
    ) -> None:
        """``fixtures`` are the gateway's lamps.

        ``points`` are all that the gateway reads, as ``fixtures.points_read``; None where a plan may ask any.
        """
        self.gateway, self.lighting = gateway, lighting
        self._points = points
        self.listeners: list[Callable[[LampEvent], None]] = []
        """Told of every command, proof and reading; they must not raise."""
        self.on_change: Callable[[Moment], Sequence[Emit]] = lambda _now: ()
        """Called before another document is in force; returns what is to be told of what was so far."""
        self.states = {fixture.name: LampState(fixture) for fixture in fixtures}
        self.program = Program(gateway, list(self.states), lighting)
        self.alarms = Alarms(lighting.priority, ids)
        self.known = Known(lighting)
        self._delivery = Delivery(self.states.values(), lighting, self.known, self._tell)
        self._here = Ref(gateway, "lighting")
        """Where what befalls all lamps at once is told."""
        self._judge = Judge(self.states, self.known, self.alarms, lighting)
        self._uses: dict[str, dict[str, _Use]] = {}
        for lamp in self.states.values():
            for each in dict.fromkeys(lamp.fixture.points):
                self._use(each).lamps.append(lamp)
            if local := lamp.fixture.local:
                self._use(local).problem = LOCAL_OVERRIDE
            if breaker := lamp.fixture.breaker:
                self._use(breaker).problem = BREAKER_TRIPPED
        for door in lighting.doors:
            self._use(ref(door)).problem = DOOR_OPEN
        if sensor := lighting.light_sensor:
            self._use(ref(sensor.point)).asked = True
        for lamp in self.states.values():
            lamp.held = self._held(lamp.fixture)

    def wants(self, device: str) -> bool:
        """Say whether samples of this device matter."""
        return device in self._uses

    # ---- documents

    def in_force(self, kind: str, body: str | None, now: Moment) -> tuple[list[str], list[LampEffect]]:
        """Put a document in force, or with None take it out; return what is wrong with it, and what follows.

        With a problem everything stays as it was. That settings have gained or lost lamps since it arrived is
        none: it holds for those that it knows, and the others have no plan.
        """
        before = self.on_change(now)
        try:
            match kind:
                case "lamp_plan":
                    self._put_plan(body)
                case "lamp_overrides":
                    self.program.put_overrides(read_any_overrides(body).overrides if body else ())
                case "lamp_conditions":
                    self.program.put_facts(read_conditions(body).facts if body else ())
                case _:
                    return [f"lamps follow no document of kind {kind!r}"], [*before]
        except DocumentError as error:
            return error.problems, [*before]
        return [], [*before, *self.tick(now)]

    def problems(self, kind: str, body: str) -> list[str]:
        """Return what is wrong with a document that has come; nothing changes.

        One that was taken is followed, also where a sensor that it asks is there no more: the sun does then.
        """
        try:
            match kind:
                case "lamp_plan":
                    read_plan(body, self.gateway, self.states, self._points)
                case "lamp_overrides":
                    read_overrides(body, self.states, self._longest_s)
                case "lamp_conditions":
                    read_conditions(body)
        except DocumentError as error:
            return error.problems
        return []

    @property
    def _longest_s(self) -> float:
        """Until the plan is known, which may be later after a start, whatever any plan may allow."""
        plan = self.program.plan
        return plan.overrides.longest_s if plan else DURATION_S_MAX

    def _put_plan(self, body: str | None) -> None:
        plan = read_any_plan(body) if body else None
        self.program.put_plan(plan)
        for at in plan.asked if plan else ():
            self._use(ref(at)).asked = True

    def _use(self, at: Ref) -> _Use:
        points = self._uses.setdefault(at.device, {})
        return points.setdefault(at.point, _Use(at))

    # ---- time and samples

    def tick(self, now: Moment) -> list[LampEffect]:
        """Do what has become due by time alone; between such moments it costs next to nothing."""
        effects: list[LampEffect] = []
        if self.states and self.program.is_due(now):
            effects += self._follow(now)
        return effects + self._delivery.pump(now)

    def next_s(self, now: Moment) -> float:
        """Return when ``tick`` has something to do, in monotonic seconds, if no clock is set meanwhile."""
        return min(self.program.next_s(now), self._delivery.next_s)

    def observe(self, measured: Iterable[Measured], now: Moment) -> list[LampEffect]:
        """Take what was read."""
        touched: dict[LampState, bool] = {}
        effects: list[LampEffect] = []
        for each in measured:
            points = self._uses.get(each.device)
            if points is None:
                continue
            if isinstance(each, Row):
                for point, value in zip(each.points, each.values, strict=True):
                    if (use := points.get(point)) is not None:
                        effects += self._note(use, value, None, touched, now)
            elif (use := points.get(each.point)) is not None:
                effects += self._note(use, each.value if counts(each) else None, each, touched, now)
        for lamp, own in touched.items():
            if own:
                self._delivery.heard(lamp, now)
                self._tell(lamp, Happened.MEASURED, now, "")
            found = self._judge.look(lamp, now)
            for emitted in found:
                if isinstance(emitted.event, AlarmRaised):
                    self._tell(lamp, Happened.RAISED, now, emitted.event.problem)
            effects += found
        return effects + self.tick(now)

    def sent(self, send: Send, error: str, now: Moment) -> list[LampEffect]:
        """Take what came of a command; ``error`` is empty or the error's name."""
        self._delivery.sent(send, error, now)
        return [*self._delivery.pump(now)]

    def failures(self, lamp: str) -> list[str]:
        """Return the failures of a lamp that are active."""
        output = self.states[lamp].fixture.output
        return [key.split("/")[0] for key in self.alarms.active if key.endswith(f"/{output}")]

    # ---- memory

    def remembered(self) -> dict[str, str]:
        """Return what must survive a restart: active alarms."""
        return dict(self.alarms.active)

    def recall(self, remembered: Mapping[str, Any], now: Moment) -> list[Emit]:
        """Take up what a former run remembered."""
        known = {self._here} if self.states else set()
        known |= {*self.alarms.places(remembered, SENSOR_FAILURE)}  # the plan may come later
        for points in self._uses.values():
            known |= {use.at for use in points.values()}
        self.program.look_again()
        effects = self.alarms.recall(remembered, known, now)
        held = [*self.alarms.places(remembered, LOCAL_OVERRIDE)]
        for at in [*held, *self.alarms.places(remembered, BREAKER_TRIPPED)]:
            self.known.held.setdefault(at, True)
        for lamp in self.states.values():
            lamp.held = self._held(lamp.fixture)
        return effects

    # ---- inside

    def _follow(self, now: Moment) -> list[LampEffect]:
        """Bring all commands to this moment."""
        due: list[LampState] = []
        names = self.program.changed(now)
        given_up = [] if self.program.patient else [it for it in self.states.values() if it.held == UNREAD]
        for lamp in given_up:
            lamp.held = ""
        for name in names:
            lamp, command = self.states[name], self.program.commands[name]
            lamp.command = command
            self._tell(lamp, Happened.COMMANDED, now, "")
            level = None if command is None else command.level
            if level != lamp.level:
                lamp.level = level
                self._judge.begin_anew(lamp)
                if level is not None:
                    due.append(lamp)
        self._delivery.due(due, now)
        for lamp in given_up:
            self._delivery.heard(lamp, now)
        effects: list[LampEffect] = []
        here, take = self._here, self.alarms.take
        if self.program.decided(now):
            told = "the clock is not set: lamps follow no plan" if self.program.untrusted else ""
            effects += take(CLOCK_UNTRUSTED, here, self.program.untrusted, now, told=told)
            effects += take(NO_LAMP_PLAN, here, self.program.planless, now, told=self.program.planless_told)
            effects += self.alarms.clear(SENSOR_FAILURE, self.program.sensors.listens, now)
        for at, lost in self.program.sensors.lost.items():
            effects += take(SENSOR_FAILURE, at, lost, now, told=f"{at} is not read: lamps follow the sun")
        return effects

    def _note(
        self, use: _Use, value: Value, sample: Sample | None, touched: dict[LampState, bool], now: Moment
    ) -> Sequence[Emit]:
        """Take what a point reads; put into ``touched`` whom it tells of, and whether it is their own."""
        at = use.at
        self.known.values[at] = value
        if use.asked:
            self.program.observe(at, value, now.s)
        for lamp in use.lamps:
            fixture = lamp.fixture
            if at == fixture.output:
                lamp.heard = touched[lamp] = True
                lamp.powered = sample is None or sample.quality is not Quality.UNPOWERED
                lamp.error = sample.error if sample else ""
            elif at in (fixture.local, fixture.breaker):
                if isinstance(value, bool):  # one that is not read stands as it stood
                    self.known.held[at] = value
                    lamp.held = self._held(fixture)
                touched[lamp] = True
            elif at.device == fixture.output.device or at == fixture.actual:
                touched[lamp] = True
            else:
                touched.setdefault(lamp, False)
        if use.problem and isinstance(value, bool):
            return self.alarms.take(use.problem, at, value, now, told=f"{at} says so")
        return ()

    def _held(self, fixture: Fixture) -> str:
        if holder := self.known.holder(fixture):
            return holder
        return UNREAD if self.program.patient and self.known.is_unread(fixture) else ""

    def _tell(self, lamp: LampState, what: Happened, now: Moment, told: str) -> None:
        if not self.listeners:
            return
        fixture, known = lamp.fixture, self.known
        event = LampEvent(
            fixture.name,
            what,
            now,
            lamp.command,
            known.level(fixture),
            known.power_w(fixture),
            known.energy_wh(fixture),
            known.burns(fixture),
            lamp.powered,
            lamp.attempts,
            told,
        )
        for listener in self.listeners:
            listener(event)
