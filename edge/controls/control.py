"""Controls: outputs that follow a condition, in turn, within their bounds. Pure.

What each state means, and who goes before whom, is in docs/decisions/0021-who-holds-an-output.md.
"""

import math

from contract.events import ControlAction, Holder
from edge.clock import Moment
from edge.controls.inhibits import Inhibited
from edge.controls.output import Output
from edge.controls.pair import Paired
from edge.rules.effects import RuleEffect
from edge.rules.watched import Watched, is_met

LOOK_S = 0.4
"""A control with something under way is looked at so often at least; the gateway does every half second."""
TOLD_AGAIN_S = 60.0
"""Another reason why it is kept off is told so often at most."""


class ControlInstance(Paired):
    """One declared control and the outputs it owns."""

    @property
    def due_s(self) -> float:
        """When it needs a look although nothing is measured; infinity where nothing is under way."""
        idle = all(
            each.desired is False and each.actual is False and not _is_busy(each) for each in self.outputs
        )
        quiet = not (self.told_inhibit or self.alarm_id or self.locked_out or self._fails_on)
        asked = any(each and is_met(each, self._looked_s) for each in (self.start, self.joins))
        return math.inf if idle and quiet and not asked else self._looked_s + LOOK_S

    def heeds(self, now_s: float, now: Moment) -> bool:
        """Say whether what was just measured may change anything; what inhibits for a time is remembered."""
        if not self.rests:
            return True
        for output in self.outputs:
            if output.actual is not False:
                return True
        if self.start and is_met(self.start, now_s):
            return True
        if self.inhibits.lasting:
            self.inhibits.see(now)
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
                if not self.on_duty:
                    self._count_anew()
                self.on_duty.append(output)  # taken over as found, or from somebody who held it
        if self.on_duty:
            return self._while_on(self.stop, inhibited, now)
        return self._while_off(self.start, self.stop, inhibited, now)

    def _while_off(
        self, start: Watched, stop: Watched, inhibited: Inhibited | None, now: Moment
    ) -> list[RuleEffect]:
        effects = self._released(stop, now) if self.locked_out else []
        reason = self._asked(start, now)
        blocked = self._blocks(inhibited)
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
        asked = start.holds(now.s)
        if self.stop and is_met(self.stop, now.s):
            return ""  # it would be stopped again, at once or soon: by a mean, or two points
        if asked:
            return start.told(now.s)
        looked_for_s = now.s - (now.s if self._began_s is None else self._began_s)
        if self._fails_on and looked_for_s > self.control.stale_s and (lost := self._lost(now)):
            return f"no good value of {lost}, and it fails on"
        return ""

    def _while_on(self, stop: Watched, inhibited: Inhibited | None, now: Moment) -> list[RuleEffect]:
        if stop.holds(now.s):
            self.proving.runs_without = 0
            return [*self._all_off(stop.told(now.s), now), *self._all_clear(self.outputs[0], now)]
        if self.control.fails_off and (lost := self._lost(now)):
            return self._all_off(f"no good value of {lost}", now)
        if self.control.lag is None:
            return []
        may_start = not (self._blocks(inhibited) or self.locked_out or self.budget.spent)
        may_start = may_start and now.s >= self._free_at_s
        return self._stands_in(now, may_start=may_start) or self._lags(now, may_start=may_start)

    def _all_off(self, reason: str, now: Moment) -> list[RuleEffect]:
        """End what the rules have on."""
        outputs, self.on_duty = self.on_duty, []
        self._count_anew()
        return [effect for output in outputs for effect in self._end(output, reason, now)]

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

    def _blocks(self, inhibited: Inhibited | None) -> Inhibited | None:
        """Return what inhibits a start; what fails on does not wait for what is not known."""
        return inhibited if inhibited and (inhibited.known or not self._fails_on) else None


def _is_busy(output: Output) -> bool:
    return bool(output.run or output.manual or output.former or output.returns or output.released)
