"""Rules with a relay board that does what it is told, its timers included, on a time of its own."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from contract.events import AlarmCleared, AlarmRaised, ControlAction, ControlChanged, Event, Holder
from contract.samples import ClockState, Quality, Sample
from edge.clock import Moment
from edge.controls.control import ControlInstance
from edge.rules.effects import Answer, Emit, RuleEffect, Switch
from edge.rules.engine import Engine
from edge.settings import Ref, Settings, ref

START_MS = 1_800_000_000_000
OUT, OTHER = "relay/out", "relay/other"
SPRAY: dict[str, Any] = {
    "name": "spray",
    "output": OUT,
    "fail_state": "off",
    "start": {"point": "sensor/value", "above": 150.0},
    "stop": {"point": "sensor/value", "below": 120.0},
    "longest_run_s": 600.0,
    "self_off_s": 60.0,
}
FROST = {"point": "sensor/cold", "at_or_below": 2.0, "reason": "frost"}
CONTACTOR: dict[str, Any] = {"self_off_s": None, "longest_run_s": None}
"""What an output that does not fail off must not have."""
Kind = TypeVar("Kind")


def settings(*controls: Mapping[str, Any], devices: tuple[str, ...] = ("sensor", "relay")) -> Settings:
    """Return the settings of a gateway with these controls."""
    return Settings.model_validate(
        {
            "schema": 1,
            "district": "north",
            "gateway": "gw-1",
            "broker": {"host": "127.0.0.1"},
            "lines": [{"kind": "tcp", "name": "bus", "host": "127.0.0.1"}],
            "devices": [
                {"name": name, "line": "bus", "unit_id": number, "profile": "x"}
                for number, name in enumerate(devices, 1)
            ],
            "controls": [dict(each) for each in controls],
        }
    )


@dataclass
class Relay:
    """One relay of the board: on until its timer, if any, is over.

    A broken one stays off; a welded one that is on stays on, and goes off as it was told once it is mended.
    """

    on: bool = False
    off_at_s: float = float("inf")
    broken: bool = False
    welded: bool = False

    def reads(self, now_s: float) -> bool:
        """Return what it is now."""
        if now_s >= self.off_at_s and not self.welded:
            self.on, self.off_at_s = False, float("inf")
        return self.on

    def take(self, switch: Switch, now_s: float) -> None:
        """Do what it is told."""
        if self.reads(now_s) and self.welded and not switch.on:
            self.off_at_s = now_s
            return
        self.on = switch.on and not self.broken
        self.off_at_s = float("inf") if switch.self_off_s is None else now_s + switch.self_off_s


class Bench:
    """An engine, its board, and everything that came of it."""

    def __init__(self, *controls: Mapping[str, Any], at_s: float = 0.0, first_id: int = 1) -> None:
        """Begin with all relays off."""
        self.settings = settings(*(controls or (SPRAY,)))
        self._numbers = itertools.count(first_id)
        self.engine = Engine(self.settings, lambda: f"{next(self._numbers):032x}")
        self.relays = {ref(name): Relay() for each in self.settings.controls for name in each.outputs}
        self.now_s = at_s
        self.clock = ClockState.SYNCHRONISED
        self.wall_ms_ahead = 0
        self.answers = True
        """Whether the board does."""
        self.values: dict[str, Any] = {}
        self.events: list[Event] = []
        self.orders: list[tuple[float, Switch]] = []
        self.told: list[Answer] = []

    @property
    def control(self) -> ControlInstance:
        """Its first control."""
        return self.engine.controls[0]

    @property
    def now(self) -> Moment:
        """This moment."""
        wall_ms = START_MS + round(self.now_s * 1000) + self.wall_ms_ahead
        return Moment(round(self.now_s * 1e9), wall_ms, self.clock)

    def on(self, name: str = OUT) -> bool:
        """Say whether a relay is closed."""
        return self.relays[ref(name)].reads(self.now_s)

    def step(self, seconds: float = 1.0, **values: Any) -> None:
        """Let time go by second by second; ``values`` are those of the sensor, None for a failed read."""
        self.values |= values
        until_s = self.now_s + seconds
        while self.now_s < until_s - 1e-9:
            self.now_s = min(until_s, self.now_s + 1.0)
            self.look()

    def look(self) -> None:
        """Read everything once, and decide."""
        samples = [self._sample("sensor", name, value) for name, value in self.values.items()]
        samples += [
            self._sample(target.device, target.point, relay.reads(self.now_s) if self.answers else None)
            for target, relay in self.relays.items()
        ]
        self.do(self.engine.observe(samples, self.now))

    def do(self, effects: list[RuleEffect]) -> None:
        """Do what the rules ask for; what was switched is read back at once, as on a line."""
        for effect in effects:
            match effect:
                case Emit(event):
                    self.events.append(event)
                case Switch():
                    self.orders.append((self.now_s, effect))
                    if self.answers and effect.output in self.relays:
                        self.relays[effect.output].take(effect, self.now_s)
                case Answer():
                    self.told.append(effect)
        if self.answers and any(isinstance(effect, Switch) for effect in effects):
            back = [self._sample(*target, relay.reads(self.now_s)) for target, relay in self.relays.items()]
            self.do(self.engine.observe(back, self.now))

    def said(self, said: tuple[str, list[RuleEffect]]) -> str:
        """Do what came of a word of somebody's; return the refusal."""
        self.do(said[1])
        return said[0]

    def manual(
        self, *, on: bool, for_s: float = 60, by: Holder = Holder.LOCAL, command: str = "", output: str = OUT
    ) -> str:
        """Hold an output; return the refusal."""
        until_ms = self.now.wall_ms + round(for_s * 1000)
        who = "centre/li" if by is Holder.CENTRE else "wang"
        return self.said(self.engine.manual(output, on, until_ms, by, who, self.now, command))

    def restarted(self, *controls: Mapping[str, Any], after_s: float = 5.0, kept: Any = None) -> "Bench":
        """Return the bench with another process, so much later, that remembers what this one kept."""
        again = Bench(*(controls or tuple(each.model_dump() for each in self.settings.controls)))
        again._numbers = itertools.count(next(self._numbers) + 10_000)
        again.relays |= self.relays
        again.now_s, again.values = self.now_s + after_s, dict(self.values)
        again.wall_ms_ahead, again.events, again.answers = self.wall_ms_ahead, self.events, self.answers
        again.do(again.engine.recall(self.engine.remembered() if kept is None else kept, again.now))
        return again

    def actions(self, *, since: int = 0) -> list[ControlAction]:
        """Return what the controls say they did, but that an output reads as commanded."""
        found = [event.action for event in self.of(ControlChanged)[since:]]
        return [action for action in found if action is not ControlAction.SWITCHED]

    def of(self, kind: type[Kind]) -> list[Kind]:
        """Return the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def alarms(self) -> list[str]:
        """Messages of the alarms that are active."""
        cleared = {event.id for event in self.of(AlarmCleared)}
        return [event.message for event in self.of(AlarmRaised) if event.id not in cleared]

    def _sample(self, device: str, point: str, value: Any) -> Sample:
        quality = Quality.BAD if value is None else Quality.GOOD
        if quality is Quality.GOOD and self.clock is ClockState.UNSET:
            quality = Quality.UNCERTAIN
        return Sample(round(self.now_s * 1000), device, point, value, quality, "", self.clock)


def target(name: str = OUT) -> Ref:
    """Return an output."""
    return ref(name)
