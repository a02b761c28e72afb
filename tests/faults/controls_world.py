"""A world for controls: a board with its own timers, weather, a line that fails, people, restarts.

After each step the board and the record are held against what must never be. What happens is a method each,
so that a seeded walk and a state machine can both choose.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from contract.events import AlarmCleared, AlarmRaised, ControlAction, ControlChanged, Holder
from edge.controls.settings import Control
from edge.newest import Newest
from edge.rules.effects import Answer, Emit, RuleEffect, Switch, Withdraw
from edge.settings import Ref, ref
from tests.edge.controls.bench import Bench
from tests.faults.controls_expected import Expected
from tests.faults.controls_site import (
    ALL,
    DEPTH_MAX,
    LASTS_S,
    LEFT_S,
    PROOF_S,
    RETRY_S,
    SELF_OFF_S,
    SETTINGS,
    SLACK_S,
    STALE_S,
)


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
    theirs: bool = False
    """Another process has taken up its lock: nothing is sent, and whoever locked it may have switched it."""
    off_until_s: float = float("-inf")
    """Somebody holds it off until then."""
    local_until_s: float = float("-inf")
    """Somebody at the cabinet does."""
    until_ms: int = 0
    """Either, by the wall clock: that is what a restart goes by."""
    stopped_s: float = float("-inf")
    stopped_ahead_ms: int = 0
    """By how much the wall clock was ahead then: another process knows of the rest by it alone."""
    stuck_s: float = float("-inf")
    """When it could not be switched off last."""
    left_s: float = float("inf")
    """Since when it is to be brought off although no control has it."""
    alarms: set[str] = field(default_factory=set)
    """Ids of those that are active."""
    run: str = ""
    """The cause of the run that is under way by the record."""
    left_on: bool = False
    """It was on under settings by which it stays so, without its timer: until it is seen off."""
    recalled_until_s: tuple[float, float] = (-1, -1)
    """``off_until_s`` and ``local_until_s`` that the process does not know yet."""


class World(Bench):
    """A bench whose line, weather and people are up to whoever plays it."""

    def __init__(self) -> None:
        """Begin with the first settings, and all well."""
        super().__init__(*SETTINGS[0])
        self.tally = Tally()
        self.watches = {Ref("relay", name): Watch() for name in ALL}
        self.values = {"dust": 100.0, "level": 1.0, "cold": 10.0, "door": False, "pressure": 2.0}
        self.values |= {"current": 2.0, "sump": 3.0}
        self.good_s = dict.fromkeys(self.values, -1e9)
        self.measured = dict(self.values)
        """What was read last."""
        self.door_s, self.door_from_s = -1e9, 1e9
        """When the door was seen open last, and since when it is seen without a hole."""
        self.sensors_answer = True
        self.expected = Expected()
        self._depth = 0
        self.owed: Any = None
        """What was kept, and is not recalled yet: the disk hangs."""
        self.disk_takes_s = 0.0
        """So long a start waits for its record, as in edge.gateway."""
        self.waiting: list[tuple[float, Switch]] = []
        """Starts that wait, and until when."""
        self.newest = Newest()
        self.causes: Counter[tuple[str, str]] = Counter()
        self.unanswered: dict[str, float] = {}
        """Commands of the centre, and when they were given; a restart leaves them to who keeps them."""
        self.kept: Any = {}
        self.started_s = 0.0
        self.present = 0
        self._all_relays()

    def takes(self) -> bool:
        """Say whether the board hears the next command."""
        return True

    def passes(self, seconds: float) -> None:
        """Let time pass, look, and judge what is found."""
        self.tally.steps += 1
        self.now_s += seconds
        self._recorded_by_now()
        self.look()
        self.judge()

    def do(self, effects: list[RuleEffect]) -> None:
        """See Bench.do: commands may be lost, and the record is held against them."""
        events, switches, told = 0, [], set()
        for number, effect in enumerate(effects):
            match effect:
                case Emit(ControlChanged() as event):
                    events += 1
                    told.add(Ref(event.device, event.point))
                    self._recorded(event)
                case Emit(AlarmRaised() | AlarmCleared() as event):
                    events += 1
                    self._alarmed(event)
                case Emit():
                    events += 1
                case Answer(command_id):
                    if self.unanswered.pop(command_id, None) is None:
                        self.tally.found("answered_twice", f"{self.now_s:.1f} s: {effect}")
                case Withdraw(output):
                    self.newest.withdraw(output)
                case Switch(output, on):
                    self.newest.take(effect)
                    self._ordered(effect, effects[number + 1 :])
                    if on and output in told and self.disk_takes_s:
                        self.waiting.append((self.now_s + self.disk_takes_s, effect))
                        continue
                    switches.append(effect)
                    self._sent(effect)
        if events and self.owed is None:
            self.kept = json.loads(json.dumps(self.engine.remembered()))
        if self._depth > DEPTH_MAX:
            self.tally.found("chatter", f"{self.now_s:.1f} s: {effects[0]}")
            return
        self._depth += 1
        self._read_back(switches)
        self._depth -= 1

    def look(self) -> None:
        """Read some of it: whatever the line gives."""
        readings = {
            name: value if self.sensors_answer and value is not None else None
            for name, value in self.values.items()
        }
        for name, value in readings.items():
            if value is not None:
                if name == "door":
                    hole = self.now_s - self.good_s[name] > STALE_S + 0.01
                    self.door_from_s = self.now_s if hole else self.door_from_s
                    self.door_s = self.now_s if value else self.door_s
                self.good_s[name], self.measured[name] = self.now_s, value
        samples = [self._sample("sensor", name, value) for name, value in readings.items()]
        samples += [
            self._sample(*at, relay.reads(self.now_s) if self.answers else None)
            for at, relay in self.relays.items()
        ]
        self.do(self.engine.observe(samples, self.now))

    def jumps(self, ms: int) -> None:
        """The wall clock is set, forwards or back."""
        self.wall_ms_ahead += ms

    def breaks(self, name: str, *, broken: bool) -> None:
        """A relay sticks, or is mended."""
        self.relays[Ref("relay", name)].broken = broken

    def welds(self, name: str, *, welded: bool) -> None:
        """Contacts weld, or are mended."""
        self.relays[Ref("relay", name)].welded = welded

    def locks(self, name: str) -> None:
        """Somebody locks an output for maintenance."""
        if self.said(self.engine.lock(f"relay/{name}", "wang", self.now)) == "":
            watch = self.watches[Ref("relay", name)]
            watch.locked, watch.off_until_s, watch.local_until_s = True, -1, -1

    def unlocks(self, name: str) -> None:
        """They are done."""
        refusal, effects = self.engine.unlock(f"relay/{name}", "wang", self.now)
        if not refusal:
            watch = self.watches[Ref("relay", name)]
            watch.locked, watch.left_s = False, max(self.now_s, watch.left_s)
            watch.theirs, watch.unclear_until_s = False, self.now_s + RETRY_S
        self.do(effects)

    def holds(self, name: str, *, by: Holder, on: bool, for_s: float, command: str = "") -> None:
        """Somebody holds an output by hand; ``command`` is the id of the centre's."""
        at = Ref("relay", name)
        watch, there = self.watches[at], at in self.declared
        until_ms = self.now.wall_ms + round(for_s * 1000)
        if command and there:
            self.unanswered[command] = self.now_s
        refusal, effects = self.engine.manual(str(at), on, until_ms, by, "wang", self.now, command)
        self.tally.refused += bool(refusal)
        if there and not refusal:
            if watch.locked or (by is Holder.CENTRE and watch.local_until_s > self.now_s):
                self.tally.found("against_precedence", f"{self.now_s:.1f} s: {by} moved {at}")
            watch.off_until_s = -1 if on else self.now_s + for_s
            watch.local_until_s = self.now_s + for_s if by is Holder.LOCAL and not on else -1
            watch.until_ms = until_ms
        self.do(effects)

    def releases(self, name: str) -> None:
        """They let go."""
        if self.said(self.engine.release(f"relay/{name}", Holder.LOCAL, "wang", self.now)) == "":
            watch = self.watches[Ref("relay", name)]
            watch.off_until_s = watch.local_until_s = -1
            watch.left_s = float("inf")

    def restarts(self, *, orderly: bool, present: int, after_s: float, late: bool = False) -> None:
        """Another process: after an orderly stop or a crash, perhaps with other settings.

        ``late``: its disk hangs, and what was kept comes with ``recalls``, or before the next restart.
        """
        self.recalls()
        self.tally.restarts += 1
        if orderly:
            self.do(self.engine.shut_down(self.now))
            for _ in range(3):
                self.now_s += 0.5
                self._recorded_by_now()
                self.look()
                self._mark()
            self.kept = json.loads(json.dumps(self.engine.remembered()))
        for at, watch in self.watches.items():
            if not self.fails_off(at) and watch.on_since_s is not None:
                watch.left_on = True
        self.present, self.newest = present, Newest()
        self.waiting.clear()
        self.unanswered.clear()
        fresh = Bench(*SETTINGS[self.present], first_id=next(self._numbers))
        self.settings, self.engine, self._numbers = fresh.settings, fresh.engine, fresh._numbers
        self._all_relays()
        self.now_s += after_s + 0.001  # nothing that was measured before is known now
        self._mark()
        for at, watch in self.watches.items():
            watch.theirs = watch.locked
            if watch.left_on:
                watch.on_since_s = self.now_s
            if at not in self.declared or not orderly:
                watch.unclear_until_s = max(watch.unclear_until_s, self.now_s + RETRY_S)
            if at not in self.declared or not self._held_off(at):
                watch.off_until_s = watch.local_until_s = -1
            watch.stopped_s -= max(0, self.wall_ms_ahead - watch.stopped_ahead_ms) / 1000
            watch.stopped_ahead_ms = self.wall_ms_ahead
            left_s = (watch.until_ms - self.now.wall_ms) / 1000
            watch.off_until_s = self.now_s + left_s if watch.off_until_s > 0 else -1
            watch.local_until_s = self.now_s + left_s if watch.local_until_s > 0 else -1
        self.expected.restarted()
        self.owed = self.kept
        self.do(self.engine.recall_locks(self.owed.get("locks", {}), self.now))
        if not late:
            self.recalls()
            return
        for watch in self.watches.values():
            watch.recalled_until_s = watch.off_until_s, watch.local_until_s
            watch.run, watch.off_until_s, watch.local_until_s = "", -1, -1

    def recalls(self) -> None:
        """The disk answers again: what was kept is taken up, where nobody has said anything since."""
        if self.owed is None:
            return
        for at, (_, output) in self.engine.desk.outputs.items():
            watch, (off_s, local_s) = self.watches[at], self.watches[at].recalled_until_s
            left_s = (watch.until_ms - self.now.wall_ms) / 1000
            if off_s > 0 and not output.heard and output.lock is None:
                watch.off_until_s = self.now_s + left_s
                watch.local_until_s = self.now_s + left_s if local_s > 0 else -1
        for at, watch in self.watches.items():
            watch.recalled_until_s = -1, -1
            watch.left_s = min(watch.left_s, self.now_s) if self._is_left(at) else float("inf")
        self.started_s = self.now_s
        owed, self.owed = self.owed, None
        self.do(self.engine.recall(owed, self.now))
        self.kept = json.loads(json.dumps(self.engine.remembered()))

    def _held_off(self, at: Ref) -> bool:
        """Say whether it was kept that somebody holds the output off, under the control that has it now."""
        owner = next(each.name for each in self.settings.controls if str(at) in each.outputs)
        state = self.kept.get("controls", {}).get(owner, {}).get("outputs", {}).get(str(at), {})
        return "manual" in state and not state["manual"][0]

    def control_of(self, at: Ref) -> Control | None:
        """Return the control that the output has, by the settings."""
        return next((each for each in self.settings.controls if str(at) in each.outputs), None)

    def fails_off(self, at: Ref) -> bool:
        """Say whether the output has a control by which it fails off."""
        control = self.control_of(at)
        return control is not None and control.fails_off

    def _is_left(self, at: Ref) -> bool:
        """Say whether it was kept that an output may be on which failed off and has no control now."""
        if at in self.declared:
            return False
        for each in self.kept.get("controls", {}).values():
            state = each.get("outputs", {}).get(str(at), {})
            began = state["run"][4] if "run" in state else each.get("fail_state", "off")
            if "left" in state or ({"run", "alarm"} & state.keys() and began == "off"):
                return True
        return False

    @property
    def declared(self) -> set[Ref]:
        """Every output of the settings."""
        return {ref(name) for control in self.settings.controls for name in control.outputs}

    def _all_relays(self) -> None:
        """The board has all its relays, whatever the settings name."""
        for name in ALL:
            self.relays.setdefault(Ref("relay", name), type(next(iter(self.relays.values())))())

    def _alarmed(self, event: AlarmRaised | AlarmCleared) -> None:
        """Follow the alarms of outputs by the record."""
        if watch := self.watches.get(Ref(event.device, event.point)):
            (watch.alarms.add if isinstance(event, AlarmRaised) else watch.alarms.discard)(event.id)

    def _recorded(self, event: ControlChanged) -> None:
        """Follow the runs by the record alone."""
        at, watch = Ref(event.device, event.point), self.watches[Ref(event.device, event.point)]
        for what, where in self.expected.of(event, self):
            self.tally.found(what, f"{self.now_s:.1f} s: {where}")
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
            unheeded = taken_over or "gateway is stopping" in event.reason or self.owed is not None
            rested_s = float("inf") if unheeded else self.now_s - watch.stopped_s
            if control and rested_s < control.shortest_rest_s - 0.01:
                self.tally.found(
                    "without_rest", f"{self.now_s:.1f} s: {at}, off since {watch.stopped_s:.1f} s"
                )
            watch.run = event.cause
            self.tally.starts += event.action is ControlAction.STARTED
        ended = event.action in (ControlAction.STOPPED, ControlAction.LOCKED) or (
            event.action is ControlAction.RELEASED and "settings have changed" in event.reason
        )
        if event.action is ControlAction.STOPPED:
            watch.stopped_s, watch.stopped_ahead_ms = self.now_s, self.wall_ms_ahead
        if ended and event.cause in (watch.run, ""):
            watch.run = ""

    def _ordered(self, switch: Switch, after: list[RuleEffect]) -> None:
        """Hold a command against the record: a start is on it before, a stop right ``after`` it."""
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
        if switch.on and self.fails_off(at) and self.must_be_off(at):
            self.tally.found("on_while_inhibited", f"{where} ordered")

    def _recorded_by_now(self) -> None:
        """Send what has waited for its record, if it still stands."""
        due = [switch for at_s, switch in self.waiting if at_s <= self.now_s]
        self.waiting = [(at_s, switch) for at_s, switch in self.waiting if at_s > self.now_s]
        sent = [switch for switch in due if self.newest.stands(switch)]
        for switch in sent:
            self._sent(switch)
        self._read_back(sent)

    def _read_back(self, switches: list[Switch]) -> None:
        """Let the rules see what the outputs read after commands."""
        if self.answers and switches:
            back = [
                self._sample(*at, self.relays[at].reads(self.now_s))
                for at in {each.output for each in switches}
            ]
            self.do(self.engine.observe(back, self.now))

    def _sent(self, switch: Switch) -> None:
        """Hold what is sent against the precedence; give it to the board, or lose it."""
        at, watch = switch.output, self.watches[switch.output]
        where = f"{self.now_s:.1f} s: {at} {'on' if switch.on else 'off'}"
        if switch.on and watch.locked:
            self.tally.found("against_precedence", f"{where} under lock")
        if watch.locked and at not in self.declared:
            self.tally.found("against_precedence", f"{where} under lock, and no control has it")
        if switch.on and watch.off_until_s > self.now_s + 0.01:
            self.tally.found("against_precedence", f"{where}, and somebody holds it off")
        if self.answers and self.takes():
            self.relays[at].take(switch, self.now_s)
            self._mark()
        else:
            watch.unclear_until_s = self.now_s + RETRY_S

    def must_be_off(self, at: Ref, *, unless_unknown: bool = False) -> bool:
        """Say whether an inhibit of it holds by what was measured, or is unknown."""
        control = next((each for each in self.settings.controls if str(at) in each.outputs), None)
        if control is None or not control.inhibits:
            return False
        lasts = any(each.lasts_s for each in control.inhibits)
        since_s = self.door_s if unless_unknown else max(self.door_s, self.door_from_s)
        if lasts and self.now_s - since_s < LASTS_S - 0.01:
            return True
        for name in ("cold", "door") if lasts else ("cold",):
            value = self.measured[name]
            fresh = self.good_s[name] == self.now_s
            if fresh and value is not None and (value <= 2.0 if name == "cold" else value):
                return True
            if self.now_s - self.good_s[name] > STALE_S + 0.01 and not unless_unknown:
                return True
        return False

    def _mark(self) -> None:
        """Note since when each relay is on."""
        for at, relay in self.relays.items():
            watch, on = self.watches[at], relay.reads(self.now_s)
            watch.on_since_s = (self.now_s if watch.on_since_s is None else watch.on_since_s) if on else None

    def _judge_answers(self) -> None:
        for command, since_s in list(self.unanswered.items()):
            if self.now_s - since_s > PROOF_S + SLACK_S:
                self.tally.found("unanswered", f"{self.now_s:.1f} s: {command} of {since_s:.1f} s")
                del self.unanswered[command]

    def judge(self) -> None:
        """Look at the board itself, and at who waits for an answer."""
        self._mark()
        for what, where in self.expected.inside(self):
            self.tally.found(what, f"{self.now_s:.1f} s: {where}")
        self._judge_answers()
        for at, relay in self.relays.items():
            watch, on = self.watches[at], relay.reads(self.now_s)
            control = next((each for each in self.settings.controls if str(at) in each.outputs), None)
            if not self.answers or relay.welded or watch.theirs:
                watch.unclear_until_s = self.now_s + RETRY_S
            if relay.welded or watch.theirs:
                watch.stuck_s = self.now_s
            left_for_s = self.now_s - max(watch.left_s, self.started_s)
            told = watch.locked or watch.alarms or self.owed is not None
            if on and left_for_s > LEFT_S and not told:
                self.tally.found(
                    "left_on", f"{self.now_s:.1f} s: {at}, without control since {watch.left_s:.1f} s"
                )
            watch.left_on = watch.left_on and on
            if watch.on_since_s is None:
                continue
            if control is None or not control.fails_off:
                watch.on_since_s = self.now_s
                continue
            if watch.left_on and (watch.locked or not self.answers):
                watch.on_since_s = self.now_s  # nobody can, or may, switch it off
                continue
            where = f"{self.now_s:.1f} s: {at} on since {watch.on_since_s:.1f} s"
            longest_s = control.longest_run_s or 0.0
            if self.now_s - max(watch.on_since_s, watch.stuck_s) > longest_s + SELF_OFF_S + SLACK_S:
                self.tally.found("longer_than_the_longest", where)
            if self.now_s > watch.unclear_until_s and self.must_be_off(at):
                self.tally.found("on_while_inhibited", where)
            if self.now_s > watch.unclear_until_s and watch.locked:
                self.tally.found("against_precedence", f"{where}, and locked")
