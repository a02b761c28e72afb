"""What must never be of controls, by their record and by what they hold of themselves.

``World`` (controls_world.py) asks here after each event and after each look.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contract.events import ControlAction, ControlChanged, Holder
from edge.controls.control import ControlInstance
from edge.controls.output import TRY_AGAIN_S
from edge.rules.settings import Condition
from edge.settings import Ref, ref

if TYPE_CHECKING:
    from tests.faults.controls_world import World

OF_A_RUN = (ControlAction.FAILED, ControlAction.PROVED, ControlAction.NO_EFFECT, ControlAction.SWITCHED)
NEVER_S = float("-inf")
Found = Iterator[tuple[str, str]]
"""What is wrong, by name, and where."""


@dataclass
class Expected:
    """What the record has shown so far; of starts and take-overs only since the process began."""

    begun_under: dict[str, str] = field(default_factory=dict)
    """Cause of a run → the fail state under which it was begun."""
    started_s: dict[str, float] = field(default_factory=dict)
    """Group → its last start."""
    began_s: dict[Ref, float] = field(default_factory=dict)
    """Output → its last start."""
    took_over_s: dict[Ref, float] = field(default_factory=dict)
    on_s: dict[Ref, float] = field(default_factory=dict)
    """Output → when it was on last."""

    def restarted(self) -> None:
        """Another process knows nothing of starts, and may try again what has failed."""
        self.started_s.clear()
        self.took_over_s.clear()

    def of(self, event: ControlChanged, world: "World") -> Found:
        """Hold an event against what was before."""
        control = next((each for each in world.engine.controls if each.control.name == event.control), None)
        if control is None:
            return
        at = Ref(event.device, event.point)
        if event.action is ControlAction.STARTED:
            yield from self._start(event, at, control, world)
        elif event.action is ControlAction.TOOK_OVER:
            last_s, self.took_over_s[at] = self.took_over_s.get(at, NEVER_S), world.now_s
            if world.now_s - last_s < TRY_AGAIN_S - 0.01 and self.on_s.get(at, NEVER_S) < last_s:
                yield "without_patience", f"{at} took over {world.now_s - last_s:.1f} s ago already"
        elif event.action in OF_A_RUN and event.sent and world.owed is None:
            if event.cause != world.watches[at].run:
                yield "of_no_run", f"{at}: {event.action} of {event.cause!r}"
        elif (event.action, self.begun_under.get(event.cause)) == (ControlAction.FOUND, "off") and (
            "taken over" in event.reason
        ):
            yield "without_its_timer", f"{at}: a run that was begun as failing off goes on"

    def _start(self, event: ControlChanged, at: Ref, control: ControlInstance, world: "World") -> Found:
        declared, now_s = control.control, world.now_s
        self.begun_under[event.cause] = declared.fail_state
        other = next((each.target for each in control.outputs if each.target != at), None)
        if world.must_be_off(at, unless_unknown=declared.fail_state == "on"):
            yield "started_while_inhibited", f"{at}: {event.reason}"
        by_rule = event.holder is Holder.RULE and "gateway is stopping" not in event.reason
        if declared.start and by_rule:
            if control.proving.locked_out:
                yield "started_while_locked_out", f"{at}: {event.reason}"
            if declared.runs_per_day_max and control.budget.runs > declared.runs_per_day_max:
                yield "over_budget", f"{at}: {event.reason}"
            since_s = now_s - self.started_s.get(declared.staggered or "", NEVER_S)
            if since_s < declared.stagger_s - 0.01:
                yield "without_stagger", f"{at}, {since_s:.1f} s after another of its group"
            if declared.stop and _is_met(declared.stop, world):
                yield "started_against_its_stop", f"{at}: {event.reason}"
            joins = declared.lag.start if declared.lag else None
            if (
                joins
                and other
                and event.reason.startswith(joins.point)
                and f"> {joins.above:g}" in event.reason
            ):
                together_s = now_s - self.began_s.get(other, NEVER_S)
                if together_s < joins.held_s - 0.01:
                    yield "joined_too_early", f"{at}, {together_s:.1f} s after {other}"
        if declared.staggered:
            self.started_s[declared.staggered] = now_s
        self.began_s[at] = now_s

    def inside(self, world: "World") -> Found:
        """Look at what the controls hold of their outputs."""
        for at, relay in world.relays.items():
            if relay.reads(world.now_s):
                self.on_s[at] = world.now_s
        for control in world.engine.controls:
            for output in control.outputs:
                run, held = output.run, output.manual
                if run and not output.desired:
                    yield "run_not_wanted", f"{output.target}: {run.cause}"
                if run and held and not held.on:
                    yield "run_under_a_hand_s_off", f"{output.target}: {run.cause}"
                if run and output.lock:
                    yield "run_under_lock", f"{output.target}: {run.cause}"
                if output in control.on_duty and (run is None or held):
                    yield "on_duty_without_a_run", f"{output.target}"


def _is_met(condition: Condition, world: "World") -> bool:
    """Say whether a condition is met by what was measured just now."""
    name = ref(condition.point).point
    value = world.measured[name]
    if value is None or world.good_s[name] != world.now_s:
        return False
    if condition.above is not None:
        return bool(value > condition.above)
    return condition.below is not None and bool(value < condition.below)
