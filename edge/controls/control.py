"""Controls: outputs that follow a condition, in turn, within their bounds. Pure.

What each state means, and who goes before whom, is in docs/decisions/0021-who-holds-an-output.md.
"""

import math

from contract.events import ControlAction, Holder
from edge.clock import Moment
from edge.controls.bounds import Bounded
from edge.controls.inhibits import Inhibited
from edge.controls.output import Output
from edge.controls.states import Run
from edge.rules.effects import RuleEffect
from edge.rules.watched import Watched

LOOK_S = 0.4
"""A control with something under way is looked at so often at least; the gateway does every half second."""
TOLD_AGAIN_S = 60.0
"""Another reason why it is kept off is told so often at most."""


class ControlInstance(Bounded):
    """One declared control and the outputs it owns."""

    @property
    def due_s(self) -> float:
        """When it needs a look although nothing is measured; infinity where nothing is under way."""
        idle = all(
            each.desired is False
            and each.actual is False
            and not (each.run or each.manual or each.former or each.released)
            for each in self.outputs
        )
        quiet = not (self.told_inhibit or self.alarm_id or self.locked_out or self._fails_on)
        asked = any(each and _is_met(each, self._looked_s) for each in (self.start, self.joins))
        return math.inf if idle and quiet and not asked else self._looked_s + LOOK_S

    def heeds(self, now_s: float) -> bool:
        """Say whether what was just measured may change anything; what inhibits for a time is remembered."""
        if not self.rests:
            return True
        for output in self.outputs:
            if output.actual is not False:
                return True
        if self.start and _is_met(self.start, now_s):
            return True
        self.inhibits.see(now_s)
        return False

    def _rests(self) -> bool:
        """See Bounded._rests."""
        settled = all(output.is_off and not output.alarm_id for output in self.outputs)
        return settled and self.due_s == math.inf

    def _ruled(self, inhibited: Inhibited | None, now: Moment) -> list[RuleEffect]:
        """See Bounded._ruled."""
        if self.start is None or self.stop is None:
            return []
        for output in self.outputs:
            run = output.run
            if run and run.holder is Holder.RULE and not output.manual and output not in self.on_duty:
                self.on_duty.append(output)  # taken over as found, or from somebody who held it
        if self.on_duty:
            return self._while_on(self.stop, now)
        return self._while_off(self.start, self.stop, inhibited, now)

    def _while_off(
        self, start: Watched, stop: Watched, inhibited: Inhibited | None, now: Moment
    ) -> list[RuleEffect]:
        effects = self._released(stop, now) if self.locked_out else []
        reason = self._asked(start, now)
        blocked = inhibited if inhibited and (inhibited.known or not self._fails_on) else None
        if self.told_inhibit and (blocked is None or (not reason and stop.holds(now.s))):
            effects += self._no_longer_inhibited(now)
        output = self._next(now) if reason else None
        if output is None or self.locked_out:
            return effects
        if stop.window.value(now.s) is None and not self._fails_on:
            return effects  # a run would end at once: nobody could tell when to stop
        if blocked:
            return [*effects, *self._inhibits(output, blocked, reason, now)]
        self.told_inhibit = None
        if self.budget.spent:
            return [*effects, *self._over_budget(output, now)]
        if now.s < self._free_at_s:
            return effects
        return [*effects, *self._starts(output, reason, now)]

    def _asked(self, start: Watched, now: Moment) -> str:
        """Return why it is to start, or nothing: its condition, or what fails on has lost an input."""
        if start.holds(now.s):
            return start.told(now.s)
        looked_for_s = now.s - (now.s if self._began_s is None else self._began_s)
        if self._fails_on and looked_for_s > self.control.stale_s and (lost := self._lost(now)):
            return f"no good value of {lost}, and it fails on"
        return ""

    def _while_on(self, stop: Watched, now: Moment) -> list[RuleEffect]:
        if stop.holds(now.s):
            self.proving.runs_without = 0
            return [*self._all_off(stop.told(now.s), now), *self._all_clear(self.outputs[0], now)]
        if self.control.fails_off and (lost := self._lost(now)):
            return self._all_off(f"no good value of {lost}", now)
        return [*self._stands_in(now), *self._lags(now)] if self.control.lag else []

    def _starts(self, output: Output, reason: str, now: Moment) -> list[RuleEffect]:
        if self.stop and not self.on_duty:
            self.stop.reset()
        run = Run(self._ids(), now.s, now.wall_ms)
        self.on_duty.append(output)
        if self.control.lag and self.control.lag.alternate == "run":
            self.next_lead = 1 - self.outputs.index(self.on_duty[0])
        return self._begin(output, run, reason, now)

    def _all_off(self, reason: str, now: Moment) -> list[RuleEffect]:
        """End what the rules have on."""
        outputs, self.on_duty = self.on_duty, []
        if self.start:
            self.start.reset()
        return [effect for output in outputs for effect in self._end(output, reason, now)]

    def _next(self, now: Moment) -> Output | None:
        """Return which output may start now, if any: the leading one, or the other where that one failed."""
        lag = self.control.lag
        if lag and lag.alternate == "hours":
            first = min(self.outputs, key=lambda output: output.on_s)
        else:
            first = self.outputs[self.next_lead if lag else 0]
        free = [output for output in self.outputs if self._is_free(output, now)]
        return min(free, key=lambda output: (output.failed, output is not first), default=None)

    def _is_free(self, output: Output, now: Moment) -> bool:
        """Say whether rules may start it: nobody has it, it is known to be off, and has rested."""
        held = output.lock or output.manual or output.former or output.run
        known = output.is_off or self._fails_on
        return not held and known and now.s >= output.rest_until_s

    def _stands_in(self, now: Moment) -> list[RuleEffect]:
        """Let the other output take over from one that failed."""
        failed = next((output for output in self.on_duty if output.failing), None)
        other = next((output for output in self.outputs if output is not failed), None)
        if failed is None or other is None or other.failing:
            return []
        effects: list[RuleEffect] = []
        if other not in self.on_duty:
            if not self._is_free(other, now):
                return []
            reason = f"{failed.target} failed"
            effects += self._starts(other, reason, now)
            cause = other.run.cause if other.run else ""
            effects.append(self._event(other, ControlAction.TOOK_OVER, reason, now, cause=cause))
        self.on_duty.remove(failed)
        return [*effects, *self._end(failed, f"{other.target} has taken over", now)]

    def _lags(self, now: Moment) -> list[RuleEffect]:
        """Let the second output join and leave by its own conditions."""
        if self.joins is None or not self.on_duty:
            return []
        if len(self.on_duty) > 1:
            leaves = self.leaves
            if leaves is None or not leaves.holds(now.s):
                return []
            second = self.on_duty.pop()
            self.joins.reset()
            return self._end(second, leaves.told(now.s), now)
        joins = self.joins.holds(now.s) and not self.budget.spent and now.s >= self._free_at_s
        if not joins:
            return []
        second_free = [each for each in self.outputs if self._is_free(each, now)]
        if not second_free:
            return []
        if self.leaves:
            self.leaves.reset()
        return self._starts(second_free[0], self.joins.told(now.s), now)

    def _inhibits(self, output: Output, blocked: Inhibited, reason: str, now: Moment) -> list[RuleEffect]:
        """Tell once that it is kept off: its value changes all the time."""
        told = self.told_inhibit
        if told and (told.reason == blocked.reason or now.s - self._told_s < TOLD_AGAIN_S):
            return []
        self.told_inhibit, self._told_s = blocked, now.s
        return [self._event(output, ControlAction.INHIBITED, f"{reason}, but {blocked.told}", now)]

    def _no_longer_inhibited(self, now: Moment) -> list[RuleEffect]:
        told, self.told_inhibit = self.told_inhibit, None
        reason = f"no longer: {told.reason}" if told else ""
        return [self._event(self.outputs[0], ControlAction.RELEASED, reason, now)]

    def _over_budget(self, output: Output, now: Moment) -> list[RuleEffect]:
        if self.budget.told:
            return []
        self.budget.told = True
        return [self._event(output, ControlAction.OVER_BUDGET, self.budget.spent, now)]

    def _released(self, stop: Watched, now: Moment) -> list[RuleEffect]:
        """Leave lock-out when the stop condition holds by itself: the cause is gone."""
        if not stop.holds(now.s):
            return []
        self.proving.runs_without = 0
        return self._all_clear(self.outputs[0], now)

    def _lost(self, now: Moment) -> str:
        """Return an input of start or stop that has no good value, or nothing."""
        for watched in (self.start, self.stop):
            if watched and watched.window.value(now.s) is None:
                return watched.condition.point
        return ""

    @property
    def _free_at_s(self) -> float:
        """From when on another of its group may start."""
        return self.stagger.free_at_s(self.control.staggered, self.control.stagger_s)

    @property
    def _fails_on(self) -> bool:
        return self.control.fail_state == "on"


def _is_met(watched: Watched, now_s: float) -> bool:
    """Say whether a condition holds by its value, for however long."""
    value, condition = watched.window.value(now_s), watched.condition
    if value is None:
        return False
    if condition.above is not None:
        return value > condition.above
    return condition.below is not None and value < condition.below
