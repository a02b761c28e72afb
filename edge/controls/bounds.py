"""What bounds each run of a control, whoever holds it: inhibits, longest run, budget, proof. Pure."""

import math

from contract.events import ControlAction, Holder
from edge.clock import Moment
from edge.controls.budget import Stagger
from edge.controls.holding import Held
from edge.controls.inhibits import Inhibited
from edge.controls.output import Output
from edge.controls.proving import Proving
from edge.controls.settings import Control
from edge.controls.states import Former, Manual, Run
from edge.rules.effects import Ids, RuleEffect
from edge.rules.watched import Watched
from edge.rules.window import Window
from edge.settings import Ref, ref


class Bounded(Held):
    """A control's outputs within their bounds; ``ControlInstance`` adds the rules."""

    def __init__(
        self,
        control: Control,
        part: str,
        ids: Ids,
        *,
        stagger: Stagger | None = None,
        utc_offset_min: int = 480,
    ) -> None:
        """Begin off; an output that must not fail off is taken over as it reads back."""
        super().__init__(control, part, ids, stagger=stagger, utc_offset_min=utc_offset_min)
        stale_s = control.stale_s
        self.start = Watched(control.start, stale_s) if control.start else None
        self.stop = Watched(control.stop, stale_s) if control.stop else None
        self.joins = Watched(control.lag.start, stale_s) if control.lag else None
        self.leaves = Watched(control.lag.stop, stale_s) if control.lag and control.lag.stop else None
        self.proving = Proving(control)
        self.alarm_id = ""
        """Id of the active alarm that its runs are without effect; it survives a restart."""
        self.on_duty: list[Output] = []
        """What the rules have on; the first of two leads."""
        self.next_lead = 0
        self.rests = False
        """Nothing is under way and nothing asks for a run: most of what is measured changes nothing."""
        self._began_s: float | None = None
        self._looked_s = float("-inf")
        self._shut_down = False
        self._told_s = float("-inf")

    @property
    def running(self) -> bool:
        """Say whether a run is under way."""
        return any(output.run for output in self.outputs)

    @property
    def locked_out(self) -> bool:
        """Say whether runs without effect have locked it out."""
        return self.proving.locked_out

    @property
    def runs_without_effect(self) -> int:
        """How many runs in a row had none."""
        return self.proving.runs_without

    def windows(self) -> list[tuple[Ref, Window]]:
        """Return every point it looks at, with the window that wants its values."""
        conditions = (self.start, self.stop, self.joins, self.leaves)
        return [
            *((ref(each.condition.point), each.window) for each in conditions if each),
            *self.inhibits.inputs(),
            *self.proving.inputs(),
        ]

    def update(self, now: Moment) -> list[RuleEffect]:
        """Decide on what is known now; return events and commands."""
        elapsed_s = 0.0 if self._looked_s == float("-inf") else max(0.0, now.s - self._looked_s)
        self._looked_s = now.s
        self._began_s = now.s if self._began_s is None else self._began_s
        if self._shut_down:
            ended = self._settled(now) if self.control.fails_off else []  # else the next process takes it up
            held = [output.hold(now, holder=self.holder_of(output)) for output in self.outputs]
            return [*ended, *(effect for effects in held for effect in effects)]
        self._account(elapsed_s, now)
        effects = [*self._manuals(now), *self._settled(now)]
        inhibited = self.inhibits.now(now)
        for output in self.outputs:
            effects += self._bounded(output, inhibited, now)
            effects += self._returned(output, now) if output.returns else []
        effects += self._ruled(inhibited, now)
        for output in self.outputs:
            effects += output.hold(now, self._ends_by_s(output, now), self.holder_of(output))
        self.rests = self._rests()
        return effects

    def shut_down(self, now: Moment) -> list[RuleEffect]:
        """Return what leaves the outputs in their declared state when the gateway stops in an orderly way.

        From then on nothing is decided any more; the outputs are only held to that state. A locked output is
        left alone.
        """
        self._shut_down = True
        effects: list[RuleEffect] = []
        for output in self.outputs:
            output.shut_down = True
            if self.control.fails_off:
                effects += self._end(output, "the gateway is stopping", now)
            elif not output.lock:
                effects += self._left_on(output, now)
        return effects

    def _left_on(self, output: Output, now: Moment) -> list[RuleEffect]:
        """Leave an output that does not fail off as it is, or on; its run goes on under the next process."""
        inhibited = self.inhibits.now(now)
        free = not (output.run or output.manual or output.former or (inhibited and inhibited.known))
        if self.control.fail_state == "on" and free:
            run = Run(self._ids(), now.s, now.wall_ms)
            effects = self._begin(output, run, "the gateway is stopping, and it fails on", now)
            return [*effects, *output.hold(now)]
        if output.run is None or self.control.fail_state != "on":
            output.let_be()
        return []

    def _taken(self, output: Output) -> None:
        """People have taken an output from the rules; the other of two goes on, if it runs."""
        output.returns = ""
        if output in self.on_duty:
            self.on_duty.remove(output)
            self._count_anew()

    def _count_anew(self) -> None:
        """Count from now how long conditions hold that nobody has looked at, or that were of another run."""
        for watched in (self.joins, self.leaves, *(() if self.on_duty else (self.start, self.stop))):
            if watched:
                watched.reset()

    def _account(self, elapsed_s: float, now: Moment) -> None:
        """Count running time, an output that does not answer included."""
        self.budget.look(now)
        for output in self.outputs:
            if output.run and output.actual is not False:
                ran_s = min(elapsed_s, now.s - output.run.since_s)  # nobody looks at what rests
                self.budget.run_s += ran_s
                output.on_s += ran_s

    def _settled(self, now: Moment) -> list[RuleEffect]:
        """See to what a former process left, and to what is found on, as soon as it can be read."""
        effects: list[RuleEffect] = []
        for output in self.outputs:
            former = output.former
            if former and output.actual is not None and not output.lock:
                output.former = None
                effects += self._taken_up(output, former, now)
            elif output.desired and output.run is None and not former:
                output.run = Run(self._ids(), now.s, now.wall_ms, renew_at_s=math.inf, found=True)
                reason = "found on, and taken over"
                effects.append(self._event(output, ControlAction.FOUND, reason, now, cause=output.run.cause))
        return effects

    def _taken_up(self, output: Output, former: Former, now: Moment) -> list[RuleEffect]:
        """End a run that a restart has interrupted, or go on with it, by what the output reads."""
        reads, cause = "on" if output.actual else "off", former.cause
        if ends := self._ends_taken_up(output, former):
            output.rest(now, self.control.shortest_rest_s)
            switch = output.command(on=False, cause=cause, now=now)
            reason = f"{ends}; it reads {reads}"
            stopped = self._event(output, ControlAction.STOPPED, reason, now, cause=cause, sent=False)
            return [*(switch if output.actual else []), stopped]
        if output.actual:
            since_s = former.since_s(now)
            since_ms = now.wall_ms - round((now.s - since_s) * 1000)
            held = output.manual
            source, who = (held.source, held.who) if held else (Holder.RULE, "")
            output.run = Run(cause, since_s, since_ms, source, who, renew_at_s=math.inf)
            output.desired = True
            reason = "on after a restart, and taken over"
            return [self._event(output, ControlAction.FOUND, reason, now, cause=cause)]
        output.desired = False
        output.rest(now, self.control.shortest_rest_s)  # nobody knows since when it is off
        if output.manual:
            output.returns = f"{output.manual.who} holds it on"
        return [self._event(output, ControlAction.STOPPED, "reads off after a restart", now, cause=cause)]

    def _ends_taken_up(self, output: Output, former: Former) -> str:
        """Say why a run that a restart has interrupted does not go on, or nothing."""
        if self.control.fails_off:
            return "the gateway was started in the middle of a run"
        if former.fail_state == "off":
            return "the settings have changed: the run was begun as one that fails off"
        held = output.manual
        return f"{held.who} holds it off" if held and not held.on else ""

    def known_late(self, output: Output, former: Former, now: Moment) -> list[RuleEffect]:
        """End what was found on, when it becomes known that it was begun as one that fails off."""
        if self.control.fails_off or former.fail_state != "off" or not (output.run and output.run.found):
            return []
        self._taken(output)
        return self._end(output, self._ends_taken_up(output, former), now)

    def held_again(self, output: Output, held: Manual, now: Moment) -> list[RuleEffect]:
        """Let an output be as somebody held it before a restart, whatever has begun meanwhile."""
        self._taken(output)
        if not held.on:
            if output.run:
                return self._end(output, f"{held.who} holds it off", now)
            return output.command(on=False, cause=held.cause, who=held.who, now=now)
        if output.run:
            output.run.holder, output.run.who = held.source, held.who
        elif output.former:
            output.desired = True
        else:
            output.returns = f"{held.who} holds it on"
        return []

    def _bounded(self, output: Output, inhibited: Inhibited | None, now: Moment) -> list[RuleEffect]:
        """End a run that may not go on, whoever holds it."""
        run, longest_s = output.run, self.control.longest_run_s
        if run is None or output.lock:
            return []
        fails_off = self.control.fails_off
        # Only an output that fails off goes off for want of values; any other stays as it is (fail_state).
        if inhibited and (inhibited.known or fails_off):
            return self._forced_off(output, inhibited.told, now, Holder.INHIBIT)
        if longest_s is not None and now.s - run.since_s >= longest_s:
            without = self.proving.at_longest(run, self.start, now)
            effects = self._forced_off(output, f"longest run of {longest_s:g} s reached", now)
            return effects + (self._without_effect(output, now) if without else [])
        if self.budget.rest_s <= 0:
            return self._forced_off(output, self.budget.spent, now)
        if fails_off and output.failing and output.actual is None:
            return self._forced_off(output, f"{output.target} does not answer", now)
        return self._proved(output, run, now)

    def _proved(self, output: Output, run: Run, now: Moment) -> list[RuleEffect]:
        found = self.proving.look(output, run, now)
        if found is None:
            return []
        action, reason = found
        effects: list[RuleEffect] = [self._event(output, action, reason, now, cause=run.cause)]
        if action is ControlAction.PROVED:
            return [*effects, *self._all_clear(output, now)]
        if self.control.fails_off:
            effects += self._forced_off(output, reason, now)
        return [*effects, *self._alarm(output, reason, now), *self._without_effect(output, now)]

    def _without_effect(self, output: Output, now: Moment) -> list[RuleEffect]:
        """Tell of the lock-out, if this run was one too many."""
        if not self.locked_out:
            return []
        reason = f"locked out after {self.runs_without_effect} runs without effect"
        return [self._event(output, ControlAction.LOCKED_OUT, reason, now), *self._alarm(output, reason, now)]

    def _forced_off(
        self, output: Output, reason: str, now: Moment, holder: Holder | None = None
    ) -> list[RuleEffect]:
        """End a run against whoever has it; nobody's hand starts it again by itself."""
        self._taken(output)
        over = self._manual_over(output, reason, now) if output.manual and output.manual.on else []
        return [*self._end(output, reason, now, holder), *over]

    def _ends_by_s(self, output: Output, now: Moment) -> float:
        """Return when its run ends at the latest."""
        run, longest_s = output.run, self.control.longest_run_s
        if run is None:
            return float("inf")
        ends_s = [now.s + self.budget.rest_s]
        if longest_s is not None:
            ends_s.append(run.since_s + longest_s)
        if output.manual:
            ends_s.append(output.manual.until_s)
        return min(ends_s)

    def _alarm(self, output: Output, message: str, now: Moment) -> list[RuleEffect]:
        if self.alarm_id:
            return []
        self.alarm_id, raised = self.teller.raised(output.target, message, now)
        return raised

    def _all_clear(self, output: Output, now: Moment) -> list[RuleEffect]:
        ended, self.alarm_id = self.alarm_id, ""
        return self.teller.cleared(output.target, ended, now)

    def _begin(self, output: Output, run: Run, reason: str, now: Moment) -> list[RuleEffect]:
        """See Held._begin."""
        self.budget.look(now)  # it may have rested over midnight
        self.proving.begins(run, self.start, now)
        return super()._begin(output, run, reason, now)

    def _ruled(self, inhibited: Inhibited | None, now: Moment) -> list[RuleEffect]:  # noqa: ARG002
        """Return what the rules do."""
        return []

    def _rests(self) -> bool:
        """Say whether nothing is under way and nothing asks for a run."""
        return False
