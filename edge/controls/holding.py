"""Who holds the outputs of a control: the lock, people, inhibits, rules; and how each lets go. Pure.

Precedence: local maintenance lock, safety inhibits, somebody at the cabinet, the centre, rules.
"""

from contract.events import CommandOutcome, ControlAction, Holder
from edge.clock import Moment
from edge.controls import releasing
from edge.controls.budget import DailyBudget, Stagger
from edge.controls.inhibits import Inhibited, Inhibits
from edge.controls.output import Output
from edge.controls.settings import Control
from edge.controls.states import Lock, Manual, Run
from edge.controls.telling import Teller
from edge.rules.effects import Answer, Emit, Ids, RuleEffect, Withdraw
from edge.settings import Ref, ref

Said = tuple[str, list[RuleEffect]]
"""Nothing or the refusal in words, and what is to be done."""


class Held:
    """The outputs of a control with who holds them; ``ControlInstance`` adds the rules."""

    def __init__(
        self,
        control: Control,
        part: str,
        ids: Ids,
        *,
        stagger: Stagger | None = None,
        utc_offset_min: int = 480,
    ) -> None:
        """Begin with nobody but the rules; ``stagger`` is shared by all controls of a gateway."""
        self.control = control
        self.teller = Teller(control, part, ids)
        paired = control.lag is not None
        self.outputs = [
            Output(ref(name), control, self.teller, may_stay_failed=paired) for name in control.outputs
        ]
        self.inhibits = Inhibits(control.inhibits, control.stale_s)
        self.budget = DailyBudget(control.runs_per_day_max, control.run_s_per_day_max, utc_offset_min)
        self.stagger = stagger or Stagger()
        self.told_inhibit: Inhibited | None = None
        """What keeps it off although a rule asks for it."""
        self._ids = ids

    @property
    def output(self) -> Ref:
        """Its first output."""
        return self.outputs[0].target

    def read_back(self, value: bool | None) -> None:
        """Take what its first output reads; None where it could not be read."""
        self.outputs[0].read_back(value)

    def holder_of(self, output: Output) -> Holder:
        """Return who says what the output does."""
        if output.lock:
            return Holder.LOCK
        if self.told_inhibit:
            return Holder.INHIBIT
        return output.manual.source if output.manual else Holder.RULE

    @property
    def holder(self) -> Holder:
        """Who holds its first output."""
        return self.holder_of(self.outputs[0])

    def lock(self, output: Output, who: str, now: Moment) -> Said:
        """Lock an output for maintenance: an output that fails off goes off, any other stays as it is."""
        if output.lock:
            return f"{output.target} is locked already, by {output.lock.who}", []
        output.lock, output.heard = Lock(who, now.wall_ms), True
        effects = self._manual_over(output, f"locked by {who}", now)
        effects += self._former_over(output, f"locked by {who}", now)
        cause = output.run.cause if output.run else ""
        effects.append(
            self._event(output, ControlAction.LOCKED, f"locked by {who}", now, who=who, cause=cause)
        )
        self._taken(output)
        if output.run and self.control.fails_off:
            effects += self._end(output, f"locked by {who}", now)
        elif not self.control.fails_off:
            effects += self._left_as_it_is(output)
        return "", effects

    def unlock(self, output: Output, who: str, now: Moment) -> Said:
        """End the lock; rules decide again."""
        if not output.lock:
            return f"{output.target} is not locked", []
        since_s = max(0, now.wall_ms - output.lock.since_ms) / 1000
        reason = f"unlocked by {who}; locked by {output.lock.who} for {since_s:.0f} s"
        output.lock = None
        if not self.control.fails_off:
            output.desired = output.actual
        return "", [self._event(output, ControlAction.UNLOCKED, reason, now, who=who)]

    def recall_lock(self, output: Output, who: str, since_ms: int, now: Moment) -> list[RuleEffect]:
        """Take up a lock that was there before the start; a run begun meanwhile ends."""
        if output.lock:
            return []
        output.lock = Lock(who, since_ms)
        effects = self._manual_over(output, f"locked by {who}", now)
        self._taken(output)
        if self.control.fails_off:
            return [*effects, *self._end(output, f"locked by {who} before the start", now)]
        return [*effects, *self._left_as_it_is(output)]

    def manual(
        self,
        output: Output,
        *,
        on: bool,
        until_ms: int,
        source: Holder,
        who: str,
        now: Moment,
        command_id: str = "",
    ) -> Said:
        """Hold an output on or off until then at most; a refusal says why not."""
        if refusal := self._refused(output, on=on, until_ms=until_ms, source=source, now=now):
            return refusal, self._refusal(command_id, refusal, output)
        reason = f"{who} holds it {'on' if on else 'off'}"
        before = output.manual.before if output.manual else output.actual or bool(output.returns)
        effects = self._manual_over(output, f"superseded: {reason}", now, tell=False)
        until_s, output.heard = now.s + (until_ms - now.wall_ms) / 1000, True
        cause = command_id or self._ids()
        output.manual = Manual(
            on,
            until_s,
            until_ms,
            source,
            who,
            command_id,
            cause,
            before,
            output.read_count,
            now.s + self.control.proof_s,
        )
        held = f"{reason} for {until_s - now.s:.0f} s"
        effects.append(self._event(output, ControlAction.HELD, held, now, who=who, cause=cause))
        self._taken(output)
        former = output.former
        if on and former and "off" not in (self.control.fail_state, former.fail_state):
            output.desired = True  # it is seen to when it is read, and may be on all the time
            return "", effects
        effects += self._former_over(output, reason, now)
        if on and output.run is None:
            effects += self._begin(output, Run(cause, now.s, now.wall_ms, source, who), reason, now)
            effects += output.hold(now, self._ends_by_s(output, now), self.holder_of(output))
        elif on and output.run:
            output.run.holder, output.run.who = source, who
            output.run.renew_at_s = now.s  # what the answer proves is this command, not what was before
        elif output.run:
            effects += self._end(output, reason, now)
        else:
            effects += output.command(on=False, cause=cause, who=who, now=now)
        return "", effects

    def release(self, output: Output, *, source: Holder, who: str, now: Moment, command_id: str = "") -> Said:
        """End what somebody holds: those at the cabinet anybody's, the centre its own."""
        held = output.manual
        refusal = ""
        if held is None:
            refusal = f"nobody holds {output.target} by hand"
        elif source is Holder.CENTRE and held.source is not Holder.CENTRE:
            refusal = f"{held.who} at the cabinet holds {output.target}"
        if refusal:
            return refusal, self._refusal(command_id, refusal, output)
        effects = self._let_go(output, f"released by {who}", now)
        if command_id:
            effects += releasing.begun(output, command_id, self.control.proof_s, now)
        return "", effects

    def _left_as_it_is(self, output: Output) -> list[RuleEffect]:
        """Send nothing more to what is locked, nor what was sent off and has not reached it yet."""
        output.let_be()
        return [Withdraw(output.target)]

    def _former_over(self, output: Output, reason: str, now: Moment) -> list[RuleEffect]:
        """Put the end of a former process's run on record, before it was seen what became of it."""
        former, output.former = output.former, None
        if former is None:
            return []
        told = f"{reason}; a restart had interrupted it"
        stopped = self._event(output, ControlAction.STOPPED, told, now, who=former.who, cause=former.cause)
        output.rest(now, self.control.shortest_rest_s)
        if "off" not in (self.control.fail_state, former.fail_state):
            return [stopped]
        return [*output.command(on=False, cause=former.cause, now=now), stopped]

    def _refused(self, output: Output, *, on: bool, until_ms: int, source: Holder, now: Moment) -> str:
        """Say why nobody may hold it so now, or nothing."""
        held, target = output.manual, output.target
        limit_s = self.control.manual_s_max if source is Holder.CENTRE else self.control.local_manual_s_max
        until_s = (until_ms - now.wall_ms) / 1000
        refusals = (
            output.lock and f"{target} is locked for maintenance by {output.lock.who}",
            source is Holder.CENTRE
            and held
            and held.source is Holder.LOCAL
            and f"{held.who} at the cabinet holds {target}",
            until_s <= 0 and "its end has passed already",
            until_s > limit_s
            and f"{until_s:.0f} s is longer than {limit_s:g} s, the longest that is allowed",
            on and self.refused_on(output, now),
        )
        return next((refusal for refusal in refusals if isinstance(refusal, str) and refusal), "")

    def refused_on(self, output: Output, now: Moment) -> str:
        """Say why nobody may hold it on now, or nothing: people heed inhibits and its rest."""
        inhibited = self.inhibits.now(now)
        if inhibited and (inhibited.known or self.control.fail_state != "on"):
            return inhibited.told
        if output.run is None and now.s < output.rest_until_s:
            return f"{output.target} rests for another {output.rest_until_s - now.s:.0f} s"
        begun_as_off = output.former is not None and output.former.fail_state == "off"
        if begun_as_off or (self.control.fails_off and output.run is None and not output.is_off):
            return f"{output.target} has not been seen off since its last run"
        return ""

    def _refusal(self, command_id: str, refusal: str, output: Output) -> list[RuleEffect]:
        return [Answer(command_id, CommandOutcome.REFUSED, refusal, output.actual)] if command_id else []

    def _begin(self, output: Output, run: Run, reason: str, now: Moment) -> list[RuleEffect]:
        """Begin a run: on record first, then on the line."""
        self.budget.runs += 1
        self.stagger.started(self.control.staggered, now.s)
        event = self._event(
            output, ControlAction.STARTED, reason, now, who=run.who, cause=run.cause, sent=True
        )
        output.begin(run, now)
        return [event]

    def _end(
        self, output: Output, reason: str, now: Moment, holder: Holder | None = None
    ) -> list[RuleEffect]:
        """End a run, if one is under way: on the line first, then on record."""
        run = output.run
        if run is None:
            return []
        switch = output.end(now, self.control.shortest_rest_s)
        event = self._event(
            output,
            ControlAction.STOPPED,
            reason,
            now,
            holder=holder,
            who=run.who,
            cause=run.cause,
            sent=False,
        )
        return [*switch, event]

    def _manuals(self, now: Moment) -> list[RuleEffect]:
        """Answer for commands that are proved or are not, and let go of what is over."""
        effects: list[RuleEffect] = []
        for output in self.outputs:
            effects += releasing.answered(output, now)
            held = output.manual
            if held is None:
                continue
            if held.command_id and not held.answered:
                effects += self._answered(output, held, now)
            if now.s >= held.until_s:
                effects += self._let_go(output, "its time is over", now)
        return effects

    def _answered(self, output: Output, held: Manual, now: Moment) -> list[RuleEffect]:
        if output.read_count > held.read_count and output.actual == held.on:
            held.answered = True
            return [Answer(held.command_id, CommandOutcome.DONE, "reads back so", output.actual)]
        if now.s >= held.proof_until_s:
            held.answered = True
            reason = f"does not read back so within {self.control.proof_s:g} s"
            return [Answer(held.command_id, CommandOutcome.FAILED, reason, output.actual)]
        return []

    def _let_go(self, output: Output, reason: str, now: Moment) -> list[RuleEffect]:
        """End what somebody holds, and leave the output to whoever comes next."""
        held = output.manual
        if held is None:
            return []
        effects = self._manual_over(output, reason, now)
        run = output.run
        if self.control.fails_off:
            return [*effects, *self._end(output, f"{reason}: {held.who} held it on", now)]
        if self.control.start is not None:
            if run:
                run.holder, run.who = Holder.RULE, ""
            return effects
        rests_on = self.control.fail_state == "on" or bool(held.before)
        if run and not rests_on:
            effects += self._end(output, f"{reason}: as it was before", now)
        elif run is None and rests_on:
            output.returns = f"{reason}: as it was before"
            effects += self._returned(output, now)
        return effects

    def _returned(self, output: Output, now: Moment) -> list[RuleEffect]:
        """Let an output be on again that was so before somebody held it off, once it may."""
        held = output.manual
        if output.run or output.lock or (held and not held.on):
            output.returns = ""
        if not output.returns or output.former or self.refused_on(output, now):
            return []
        source, who = (held.source, held.who) if held else (Holder.RULE, "")
        return self._begin(output, Run(self._ids(), now.s, now.wall_ms, source, who), output.returns, now)

    def _manual_over(
        self, output: Output, reason: str, now: Moment, *, tell: bool = True
    ) -> list[RuleEffect]:
        """Forget who held it by hand; a command that is not answered yet has failed."""
        held, output.manual, output.returns = output.manual, None, ""
        if held is None:
            return []
        effects: list[RuleEffect] = []
        if held.command_id and not held.answered:
            effects.append(Answer(held.command_id, CommandOutcome.FAILED, reason, output.actual))
        if tell:
            effects.append(
                self._event(output, ControlAction.RELEASED, reason, now, who=held.who, cause=held.cause)
            )
        return effects

    def _ends_by_s(self, output: Output, now: Moment) -> float:  # noqa: ARG002
        """Return when its run ends at the latest."""
        return float("inf")

    def _taken(self, output: Output) -> None:
        """Take note that people have taken an output from the rules."""

    def _event(
        self,
        output: Output,
        action: ControlAction,
        reason: str,
        now: Moment,
        *,
        holder: Holder | None = None,
        who: str = "",
        cause: str = "",
        sent: bool | None = None,
    ) -> Emit:
        return self.teller.event(
            output.target,
            action,
            reason,
            now,
            holder=holder or self.holder_of(output),
            who=who,
            cause=cause,
            sent=sent,
            read_back=output.actual,
        )
