"""Which output of a control runs: its only one; of two the leading one, the other instead, or both. Pure."""

from contract.events import ControlAction
from edge.clock import Moment
from edge.controls.bounds import Bounded
from edge.controls.output import Output
from edge.controls.states import Run
from edge.rules.effects import RuleEffect
from edge.rules.watched import is_met


class Paired(Bounded):
    """A control that starts the one of its outputs whose turn it is; ``ControlInstance`` says when."""

    def _starts(self, output: Output, reason: str, now: Moment) -> list[RuleEffect]:
        if not self.on_duty:
            self._count_anew()
        run = Run(self._ids(), now.s, now.wall_ms)
        self.on_duty.append(output)
        if self.control.lag and self.control.lag.alternate == "run":
            self.next_lead = 1 - self.outputs.index(self.on_duty[0])
        return self._begin(output, run, reason, now)

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

    def _stands_in(self, now: Moment, *, may_start: bool) -> list[RuleEffect]:
        """Let the other output take over from one that failed; with patience, where both have."""
        failed = next((output for output in self.on_duty if output.failing), None)
        other = next((output for output in self.outputs if output is not failed), None)
        if failed is None or other is None or other.failing:
            return []
        effects: list[RuleEffect] = []
        if other not in self.on_duty:
            if not (may_start and other.is_fit(now) and self._is_free(other, now)):
                return []
            reason = f"{failed.target} failed"
            effects += self._starts(other, reason, now)
            cause = other.run.cause if other.run else ""
            effects.append(self._event(other, ControlAction.TOOK_OVER, reason, now, cause=cause))
        self.on_duty.remove(failed)
        self._count_anew()
        return [*effects, *self._end(failed, f"{other.target} has taken over", now)]

    def _lags(self, now: Moment, *, may_start: bool) -> list[RuleEffect]:
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
        joins = self.joins.holds(now.s) and may_start
        if not joins or (self.leaves and is_met(self.leaves, now.s)):
            return []
        second_free = [each for each in self.outputs if each.is_fit(now) and self._is_free(each, now)]
        if not second_free:
            return []
        if self.leaves:
            self.leaves.reset()
        return self._starts(second_free[0], self.joins.told(now.s), now)

    @property
    def _free_at_s(self) -> float:
        """From when on another of its group may start."""
        return self.stagger.free_at_s(self.control.staggered, self.control.stagger_s)

    @property
    def _fails_on(self) -> bool:
        return self.control.fail_state == "on"
