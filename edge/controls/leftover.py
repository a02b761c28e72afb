"""An output that failed off and has no control any more, and is not known to be off: it is brought off.

Pure. It is not given up by itself: its alarm stays, over restarts, until it reads off or somebody at the
cabinet takes care of it. A lock leaves it as it is.
"""

from typing import Any

from contract.events import ControlAction, Holder
from edge.clock import Moment
from edge.controls.output import Output
from edge.controls.settings import Control
from edge.controls.states import Former, Lock
from edge.controls.telling import Teller
from edge.rules.effects import Emit, Ids, RuleEffect, Withdraw
from edge.rules.why import Fact, Why
from edge.settings import Ref

Said = tuple[str, list[RuleEffect]]


def stand_in(name: str, target: Ref, fail_state: str = "off") -> Control:
    """Return the little that is still known of a control of former settings."""
    return Control.model_validate(
        {"name": name, "output": str(target), "fail_state": fail_state, "problem": "control_failed"}
    )


class Leftover:
    """Such an output, by what it reads."""

    def __init__(
        self,
        control: Control,
        target: Ref,
        run: Former,
        ids: Ids,
        *,
        alarm_id: str = "",
    ) -> None:
        """``control`` is a ``stand_in`` of its former one, ``run`` the run that it was in the middle of."""
        self.control, self._run = control, run
        self._teller = Teller(control, "", ids)
        self.output = Output(target, control, self._teller)
        self.output.alarm_id = alarm_id
        self._since_s = float("inf")
        self.let_go = False
        """Somebody at the cabinet has taken it over for good."""

    @property
    def name(self) -> str:
        """Of the control that had it."""
        return self.control.name

    def bring_off(self, now: Moment) -> list[RuleEffect]:
        """Command it off; nothing where it is locked."""
        if self.output.lock:
            return []
        self._since_s = now.s
        return self.output.command(on=False, cause=self._run.cause, now=now)

    def update(self, now: Moment) -> list[RuleEffect]:
        """Return what holds it off, and the alarm where it does not follow or cannot be read."""
        if self.output.lock:
            return []
        effects = self.output.hold(now)
        if self.output.actual is None and now.s - self._since_s >= self.control.stale_s:
            reason = f"{self.output.target} was on when the settings changed, and has not been read off since"
            effects += self.output.fails(reason, now)
        return effects

    @property
    def is_done(self) -> bool:
        """Say whether it reads off, or somebody has taken it over."""
        return self.let_go or (not self.output.lock and self.output.is_off)

    def lock(self, who: str, now: Moment) -> Said:
        """Leave it as it is until it is unlocked."""
        if lock := self.output.lock:
            return f"{self.output.target} is locked already, by {lock.who}", []
        effects = self.recall_lock(who, now.wall_ms, now)
        return "", [*effects, self._told(ControlAction.LOCKED, f"locked by {who}", who, now)]

    def recall_lock(self, who: str, since_ms: int, now: Moment) -> list[RuleEffect]:
        """Take up a lock that was there before the start."""
        self.output.lock = Lock(who, since_ms)
        self.output.let_be()
        return [Withdraw(self.output.target), *self.output.clear_alarm(now)]

    def unlock(self, who: str, now: Moment) -> Said:
        """End the lock; it is brought off again."""
        if not self.output.lock:
            return f"{self.output.target} is not locked", []
        self.output.lock = None
        told = self._told(ControlAction.UNLOCKED, f"unlocked by {who}", who, now)
        return "", [told, *(self.bring_off(now) if self.output.actual is not False else [])]

    def release(self, who: str, now: Moment) -> Said:
        """Leave it to whoever says so, for good."""
        if lock := self.output.lock:
            return f"{self.output.target} is locked by {lock.who}; unlock it first", []
        self.let_go = True
        reason = f"released by {who}: no control has it any more, it stays as it is"
        told = self._told(ControlAction.RELEASED, reason, who, now)
        return "", [Withdraw(self.output.target), told, *self.output.clear_alarm(now)]

    def kept(self) -> dict[str, Any]:
        """Return what must survive a restart, as plain JSON."""
        run = self._run
        kept: dict[str, Any] = {"left": [run.cause, run.since_ms, run.holder.value, run.who]}
        return kept | ({"alarm": self.output.alarm_id} if self.output.alarm_id else {})

    def explain(self, now: Moment) -> Why:
        """Say what is known of it."""
        output, name = self.output, str(self.output.target)
        lock = output.lock
        facts = [Fact("holder", Holder.LOCK.value, name, text=lock.who)] if lock else []
        facts += [
            Fact("output", name, output.actual, output.desired),
            Fact("left", self.name),
        ]
        if output.alarm_id:
            facts.append(Fact("alarm", name, text=output.alarm_id))
        since_s = max(0, now.wall_ms - lock.since_ms) / 1000 if lock else None
        return Why(name, "output", "locked" if lock else "left", since_s, tuple(facts))

    def _told(self, action: ControlAction, reason: str, who: str, now: Moment) -> Emit:
        return self._teller.event(
            self.output.target,
            action,
            reason,
            now,
            holder=Holder.LOCK if self.output.lock else Holder.RULE,
            who=who,
            cause=self._run.cause,
            read_back=self.output.actual,
        )
