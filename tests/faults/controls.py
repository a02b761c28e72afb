"""Controls through random weather, faults, restarts and people: ``python -m tests.faults.controls``.

Real rules on a time of their own drive a relay board with its own timers. After each step the board and the
record are held against what must never be. Weakened rules are the controls: each must be found out.
"""

import argparse
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest import mock

from contract.events import ControlAction, ControlChanged, Holder
from contract.samples import ClockState
from edge.clock import Moment
from edge.controls.bounds import Bounded
from edge.controls.holding import Held
from edge.controls.inhibits import Inhibited
from edge.controls.output import Output
from edge.rules.effects import Emit, RuleEffect, Switch
from edge.settings import Ref, ref
from tests.edge.controls.bench import Bench

SELF_OFF_S, STALE_S = 20.0, 12.0
STEP_S_MAX = 3.0
SLACK_S = 2 * STEP_S_MAX + 2.0
"""Two looks, and what the device's timer may be set beyond the end."""
RETRY_S = 2 * STEP_S_MAX + 10.0
"""So long after a command that was lost an output may not be as it should: it is told again."""
FROST = {"point": "sensor/cold", "at_or_below": 2.0, "reason": "frost"}
DOOR = {"point": "sensor/door", "equals": True, "reason": "door open"}
_OFF: dict[str, Any] = {
    "fail_state": "off",
    "self_off_s": SELF_OFF_S,
    "stale_s": STALE_S,
    "inhibits": [FROST, DOOR],
}
_DUST: dict[str, Any] = {
    "start": {"point": "sensor/dust", "above": 150.0},
    "stop": {"point": "sensor/dust", "below": 120.0},
}
_LEVEL: dict[str, Any] = {
    "start": {"point": "sensor/level", "above": 5.0},
    "stop": {"point": "sensor/level", "below": 2.0},
}
SPRAY = _OFF | _DUST | {
    "name": "spray",
    "output": "relay/spray",
    "longest_run_s": 60.0,
    "shortest_rest_s": 10.0,
    "runs_per_day_max": 300,
    "group": "water",
    "proves": {"point": "sensor/pressure", "above": 1.0, "within_s": 15.0, "runs_without_max": 5},
}  # fmt: skip
PUMPS = _OFF | _LEVEL | {
    "name": "pumps",
    "output": "relay/pump_1",
    "longest_run_s": 90.0,
    "group": "water",
    "lag": {"output": "relay/pump_2", "start": {"point": "sensor/level", "above": 8.0}},
}  # fmt: skip
VALVE = _OFF | {"name": "valve", "output": "relay/valve", "longest_run_s": 40.0}
STORM = _LEVEL | {"name": "storm", "output": "relay/storm", "fail_state": "on", "stale_s": STALE_S}
LIGHT = _DUST | {"name": "light", "output": "relay/light", "fail_state": "hold", "stale_s": STALE_S}
SETTINGS: tuple[tuple[dict[str, Any], ...], ...] = (
    (SPRAY, PUMPS, VALVE, STORM, LIGHT),
    (SPRAY | {"output": "relay/moved"}, PUMPS | {"lag": None}, VALVE | {"name": "drain"}, LIGHT),
)
"""Of the second, controls have moved, lost an output, another name, or are gone."""
ALL = ("spray", "moved", "pump_1", "pump_2", "valve", "storm", "light")
OPENS = (ControlAction.STARTED,)


@dataclass
class Tally:
    """What happened, and what must not have."""

    steps: int = 0
    starts: int = 0
    orders: int = 0
    restarts: int = 0
    refused: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def found(self, what: str, where: str) -> None:
        """Note what must not be."""
        self.wrong[what] += 1
        self.first.setdefault(what, where)


@dataclass
class Watch:
    """What the campaign itself knows of one output."""

    on_since_s: float | None = None
    unclear_until_s: float = float("-inf")
    """A command was lost or the board did not answer: it may be late so long."""
    locked: bool = False
    off_until_ms: float = float("-inf")
    """Somebody holds it off until then."""
    local_until_ms: float = float("-inf")
    stopped_s: float = float("-inf")
    run: str = ""
    """The cause of the run that is under way by the record."""


class World(Bench):
    """A bench whose line, weather and people are up to chance."""

    def __init__(self, chance: Random) -> None:
        """Begin with the first settings."""
        super().__init__(*SETTINGS[0])
        self.chance, self.tally = chance, Tally()
        self.watches = {Ref("relay", name): Watch() for name in ALL}
        self.values = {"dust": 100.0, "level": 1.0, "cold": 10.0, "door": False, "pressure": 2.0}
        self.good_s = dict.fromkeys(self.values, -1e9)
        self.commands_lost = 0.0
        self.causes: Counter[tuple[str, str]] = Counter()
        self.kept: Any = {}
        self.present = 0
        self._all_relays()

    def play(self, steps: int) -> Tally:
        """Let so many steps happen."""
        for _ in range(steps):
            self.tally.steps += 1
            self.now_s += self.chance.choice((0.1, 0.5, 1.0, STEP_S_MAX))
            self._weather()
            self._people()
            if self.chance.random() < 0.004:
                self._restart()
            self.look()
            self._judge()
        return self.tally

    def do(self, effects: list[RuleEffect]) -> None:
        """See Bench.do: commands may be lost, and the record is held against them."""
        events, switches = 0, []
        for number, effect in enumerate(effects):
            match effect:
                case Emit(ControlChanged() as event):
                    events += 1
                    self._recorded(event)
                case Emit():
                    events += 1
                case Switch():
                    switches.append(effect)
                    self._ordered(effect, effects[number + 1 :])
        if events:
            self.kept = json.loads(json.dumps(self.engine.remembered()))
        if self.answers and switches:
            back = [
                self._sample(*at, self.relays[at].reads(self.now_s))
                for at in {each.output for each in switches}
            ]
            self.do(self.engine.observe(back, self.now))

    def look(self) -> None:
        """Read some of it: whatever the line gives."""
        sensors = self.chance.random() > 0.02
        readings = {
            name: value if sensors and value is not None else None for name, value in self.values.items()
        }
        for name, value in readings.items():
            if value is not None:
                self.good_s[name] = self.now_s
        samples = [self._sample("sensor", name, value) for name, value in readings.items()]
        samples += [
            self._sample(*at, relay.reads(self.now_s) if self.answers else None)
            for at, relay in self.relays.items()
        ]
        self.do(self.engine.observe(samples, self.now))

    def _weather(self) -> None:
        chance = self.chance
        if chance.random() < 0.05:
            self.values["dust"] = chance.choice((100.0, 130.0, 200.0, 200.0, 200.0, None))
        if chance.random() < 0.05:
            self.values["level"] = chance.choice((1.0, 3.0, 6.0, 9.0, None))
        if chance.random() < 0.03:
            self.values["cold"] = chance.choice((10.0,) * 10 + (2.0, None))
        if chance.random() < 0.03:
            self.values["door"] = chance.choice((False,) * 10 + (True, None))
        if chance.random() < 0.02:
            self.values["pressure"] = chance.choice((2.0, 2.0, 2.0, 0.0, None))
        if chance.random() < 0.01:
            self.answers = chance.random() < 0.7
        if chance.random() < 0.01:
            self.commands_lost = chance.choice((0.0, 0.0, 0.0, 0.3))
        if chance.random() < 0.01:
            relay = self.relays[chance.choice(sorted(self.relays))]
            relay.broken = not relay.broken and chance.random() < 0.3
        if chance.random() < 0.005:
            self.clock = chance.choice((ClockState.SYNCHRONISED, ClockState.SYNCHRONISED, ClockState.UNSET))

    def _people(self) -> None:
        chance, name = self.chance, f"relay/{self.chance.choice(ALL)}"
        watch, there = self.watches[ref(name)], ref(name) in self._declared
        dice = chance.random()
        if dice < 0.006:
            if self.said(self.engine.lock(name, "wang", self.now)) == "":
                watch.locked, watch.off_until_ms, watch.local_until_ms = True, -1, -1
        elif dice < 0.014:
            if self.said(self.engine.unlock(name, "wang", self.now)) == "":
                watch.locked = False
        elif dice < 0.045:
            by, on = chance.choice((Holder.LOCAL, Holder.CENTRE)), chance.random() < 0.6
            until_ms = self.now.wall_ms + chance.choice((-5, 5, 60, 600, 4000, 40_000)) * 1000
            command = f"{chance.getrandbits(128):032x}" if by is Holder.CENTRE else ""
            refusal, effects = self.engine.manual(name, on, until_ms, by, "wang", self.now, command)
            self.tally.refused += bool(refusal)
            if there and not refusal:
                if watch.locked or (by is Holder.CENTRE and watch.local_until_ms > self.now.wall_ms):
                    self.tally.found("against_precedence", f"{self.now_s:.1f} s: {by} moved {name}")
                watch.off_until_ms = -1 if on else until_ms
                watch.local_until_ms = until_ms if by is Holder.LOCAL and not on else -1
            self.do(effects)
        elif dice < 0.055 and self.said(self.engine.release(name, Holder.LOCAL, "wang", self.now)) == "":
            watch.off_until_ms = watch.local_until_ms = -1

    def _restart(self) -> None:
        """Another process: after an orderly stop or a crash, perhaps with other settings."""
        self.tally.restarts += 1
        if orderly := self.chance.random() < 0.5:
            self.do(self.engine.shut_down(self.now))
            for _ in range(3):
                self.now_s += 0.5
                self.look()
                self._mark()
            self.kept = json.loads(json.dumps(self.engine.remembered()))
        self.present = self.chance.choice((0, 0, 1))
        fresh = Bench(*SETTINGS[self.present], first_id=next(self._numbers))
        self.settings, self.engine, self._numbers = fresh.settings, fresh.engine, fresh._numbers
        self._all_relays()
        self.now_s += self.chance.choice((0.0, 5.0, 100.0))
        self._mark()
        for at, watch in self.watches.items():
            if at not in self._declared or not orderly:
                watch.unclear_until_s = max(watch.unclear_until_s, self.now_s + RETRY_S)
            if at not in self._declared or not self._held_off(at):
                watch.off_until_ms = watch.local_until_ms = -1
        self.do(self.engine.recall(self.kept, self.now))

    def _held_off(self, at: Ref) -> bool:
        """Say whether it was kept that somebody holds the output off, under the control that has it now."""
        owner = next(each.name for each in self.settings.controls if str(at) in each.outputs)
        state = self.kept.get("controls", {}).get(owner, {}).get("outputs", {}).get(str(at), {})
        return "manual" in state and not state["manual"][0]

    @property
    def _declared(self) -> set[Ref]:
        return {ref(name) for control in self.settings.controls for name in control.outputs}

    def _all_relays(self) -> None:
        """The board has all its relays, whatever the settings name."""
        for name in ALL:
            self.relays.setdefault(Ref("relay", name), type(next(iter(self.relays.values())))())

    def _recorded(self, event: ControlChanged) -> None:
        """Follow the runs by the record alone."""
        at, watch = Ref(event.device, event.point), self.watches[Ref(event.device, event.point)]
        if event.action in (ControlAction.STARTED, ControlAction.STOPPED):
            self.causes[event.action, event.cause] += 1
            if self.causes[event.action, event.cause] > 1:
                self.tally.found("cause_twice", f"{self.now_s:.1f} s: {event.action} of {event.cause}, {at}")
        taken_over = event.action is ControlAction.FOUND and "taken over" in event.reason
        if event.action is ControlAction.STARTED or taken_over:
            if watch.run and watch.run != event.cause:
                self.tally.found(
                    "run_in_a_run", f"{self.now_s:.1f} s: {at} of {event.control}: {event.reason}"
                )
            control = next((each for each in self.settings.controls if each.name == event.control), None)
            if control and self.now_s - watch.stopped_s < control.shortest_rest_s - 0.01:
                self.tally.found(
                    "without_rest", f"{self.now_s:.1f} s: {at}, off since {watch.stopped_s:.1f} s"
                )
            watch.run = event.cause
            self.tally.starts += event.action is ControlAction.STARTED
        ended = event.action in (ControlAction.STOPPED, ControlAction.LOCKED) or (
            event.action is ControlAction.RELEASED and "settings have changed" in event.reason
        )
        if event.action is ControlAction.STOPPED:
            watch.stopped_s = self.now_s
        if ended and event.cause in (watch.run, ""):
            watch.run = ""

    def _ordered(self, switch: Switch, after: list[RuleEffect]) -> None:
        """Hold a command against the record and the precedence; give it to the board, or lose it.

        A start is on record before its command, a stop right ``after`` it.
        """
        at, watch = switch.output, self.watches[switch.output]
        self.tally.orders += 1
        where = f"{self.now_s:.1f} s: {at} {'on' if switch.on else 'off'}"
        ends = any(
            isinstance(each, Emit)
            and isinstance(each.event, ControlChanged)
            and (each.event.action, each.event.cause) == (ControlAction.STOPPED, watch.run)
            for each in after
        )
        if switch.on is not (bool(watch.run) and not (ends and not switch.on)):
            self.tally.found("not_in_the_audit", where)
        if switch.on and watch.locked:
            self.tally.found("against_precedence", f"{where} under lock")
        if switch.on and watch.off_until_ms > self.now.wall_ms:
            self.tally.found("against_precedence", f"{where}, and somebody holds it off")
        if switch.on and self._must_be_off(at):
            self.tally.found("on_while_inhibited", f"{where} ordered")
        if self.answers and self.chance.random() >= self.commands_lost:
            self.relays[at].take(switch, self.now_s)
            self._mark()
        else:
            watch.unclear_until_s = self.now_s + RETRY_S

    def _must_be_off(self, at: Ref) -> bool:
        """Say whether an inhibit of it holds by what was measured, or is unknown."""
        control = next((each for each in self.settings.controls if str(at) in each.outputs), None)
        if control is None or not control.inhibits:
            return False
        for name in ("cold", "door"):
            value = self.values[name]
            fresh = self.good_s[name] == self.now_s
            if fresh and value is not None and (value <= 2.0 if name == "cold" else value):
                return True
            if self.now_s - self.good_s[name] > STALE_S + 0.01:
                return True
        return False

    def _mark(self) -> None:
        """Note since when each relay is on."""
        for at, relay in self.relays.items():
            watch, on = self.watches[at], relay.reads(self.now_s)
            watch.on_since_s = (self.now_s if watch.on_since_s is None else watch.on_since_s) if on else None

    def _judge(self) -> None:
        """Look at the board itself."""
        self._mark()
        for at, relay in self.relays.items():
            watch, on = self.watches[at], relay.reads(self.now_s)
            control = next((each for each in self.settings.controls if str(at) in each.outputs), None)
            if not self.answers:
                watch.unclear_until_s = self.now_s + RETRY_S
            if control is None or not control.fails_off or not on or watch.on_since_s is None:
                continue
            where = f"{self.now_s:.1f} s: {at} on since {watch.on_since_s:.1f} s"
            longest_s = control.longest_run_s or 0.0
            if self.now_s - watch.on_since_s > longest_s + SELF_OFF_S + SLACK_S:
                self.tally.found("longer_than_the_longest", where)
            if self.now_s > watch.unclear_until_s and self._must_be_off(at):
                self.tally.found("on_while_inhibited", where)
            if self.now_s > watch.unclear_until_s and watch.locked:
                self.tally.found("against_precedence", f"{where}, and locked")


def _no_inhibits(
    usual: Callable[..., list[RuleEffect]],
) -> Callable[[Bounded, Output, Inhibited | None, Moment], list[RuleEffect]]:
    """Weakened: an inhibit that comes in the middle of a run is not looked at."""
    return lambda self, output, _inhibited, now: usual(self, output, None, now)


def _no_longest(
    usual: Callable[..., list[RuleEffect]],
) -> Callable[[Bounded, Output, Inhibited | None, Moment], list[RuleEffect]]:
    """Weakened: each renewal begins the longest run anew."""

    def weak(self: Bounded, output: Output, inhibited: Inhibited | None, now: Moment) -> list[RuleEffect]:
        if output.run:
            output.run.since_s = now.s
        return usual(self, output, inhibited, now)

    return weak


def _centre_unlocks(usual: Callable[..., str]) -> Callable[..., str]:
    """Weakened: the centre does not ask for the lock."""

    def weak(self: Held, output: Output, *, source: Holder, **given: Any) -> str:
        lock, output.lock = output.lock, None if source is Holder.CENTRE else output.lock
        try:
            return usual(self, output, source=source, **given)
        finally:
            output.lock = lock

    return weak


def _silent_end(usual: Callable[..., list[RuleEffect]]) -> Callable[..., list[RuleEffect]]:
    """Weakened: a run's end is not put on record."""
    return lambda self, *given: [effect for effect in usual(self, *given) if not isinstance(effect, Emit)]


WEAKENED: Mapping[str, tuple[type, str, Callable[[Any], Any], str]] = {
    "inhibit_ignored_while_running": (Bounded, "_bounded", _no_inhibits, "on_while_inhibited"),
    "renewed_without_end": (Bounded, "_bounded", _no_longest, "longer_than_the_longest"),
    "lock_ignored_by_the_centre": (Held, "_refused", _centre_unlocks, "against_precedence"),
    "end_not_recorded": (Held, "_end", _silent_end, "not_in_the_audit"),
}
"""What is weakened, and what must be found because of it."""


@contextlib.contextmanager
def weakened(name: str) -> Iterator[None]:
    """Make the rules weaker for a while."""
    where, what, how, _ = WEAKENED[name]
    with mock.patch.object(where, what, how(getattr(where, what))):
        yield


def walk(steps: int, seed: int) -> Tally:
    """Play one world."""
    return World(Random(seed)).play(steps)


def uncaught(steps: int) -> list[str]:
    """Return which weakened rules nobody noticed."""
    missed = []
    for name, (*_, expected) in WEAKENED.items():
        wrong = with_weakened(name, steps)
        print(f"{name}: {dict(wrong)}", file=sys.stderr)
        missed += [] if wrong[expected] else [name]
    return missed


def with_weakened(name: str, steps: int) -> Counter[str]:
    """Return what is found with weakened rules in a few worlds."""
    with weakened(name):
        return sum((walk(steps // 4, seed).wrong for seed in range(4)), Counter())


def main() -> None:
    """Play it and print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--worlds", type=int, default=10)
    parser.add_argument("--control-steps", type=int, default=20_000)
    given = parser.parse_args()
    total = Tally()
    for seed in range(given.worlds):
        told = walk(given.steps // given.worlds, seed)
        for name in ("steps", "starts", "orders", "restarts", "refused"):
            setattr(total, name, getattr(total, name) + getattr(told, name))
        total.wrong += told.wrong
        for what, where in told.first.items():
            total.first.setdefault(what, f"world {seed}, {where}")
        print(f"world {seed}: {told.starts} starts, {dict(told.wrong) or 'nothing wrong'}", file=sys.stderr)
    missed = uncaught(given.control_steps)
    print(f"{total.steps} steps, {total.starts} runs, {total.restarts} restarts, {total.orders} commands")
    for what, where in total.first.items():
        print(f"{what}: {total.wrong[what]} times, first {where}")
    figures = {
        "controls_steps": total.steps,
        "controls_runs": total.starts,
        "controls_restarts": total.restarts,
        "controls_wrong": total.wrong.total(),
        "controls_weakened_caught": len(WEAKENED) - len(missed),
    }
    conditions = {
        "worlds": given.worlds,
        "weakened": len(WEAKENED),
        "missed": missed,
        "wrong": dict(total.wrong),
    }
    print(json.dumps({"name": "controls", "figures": figures, "conditions": conditions}))
    if total.wrong or missed or not total.starts:
        sys.exit(1)


if __name__ == "__main__":
    main()
