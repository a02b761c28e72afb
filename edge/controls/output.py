"""One output: what it is to be, what it reads, who holds it, and how it is brought and held to it.

The state of an output is what it reads back, never what was commanded.
"""

from typing import Any

from contract.events import ControlAction, Holder
from edge.clock import Moment
from edge.controls.settings import Control
from edge.controls.states import Former, Lock, Manual, Released, Run
from edge.controls.telling import Teller
from edge.rules.effects import Emit, RuleEffect, Switch
from edge.settings import Ref

RENEWALS_PER_SELF_OFF = 3
REPEAT_SWITCH_S = 2.0
"""An output that does not follow is commanded again after this, doubled each time,"""
REPEAT_OFF_MAX_S, REPEAT_ON_MAX_S = 10.0, 60.0
"""up to this."""
TIMER_MARGIN_S = 2.0
"""The gateway ends a run itself; the device's own timer is set no further beyond that than this."""
TRY_AGAIN_S, TRY_AGAIN_MAX_S = 60.0, 3600.0
"""One of two that has failed has its turn again after this at the earliest, doubled each time, up to this."""
FOUND_AGAIN_S = 60.0
"""That an output reads otherwise than commanded by itself is told so often at most."""


class Output:
    """An output with its run, if one is under way."""

    def __init__(
        self, target: Ref, control: Control, teller: Teller, *, may_stay_failed: bool = False
    ) -> None:
        """Begin off; an output that must not fail off is taken over as it reads back.

        ``may_stay_failed``: another output stands in for it, so a failure ends only when it is seen to go on.
        """
        self.target, self._control, self._teller = target, control, teller
        self._may_stay_failed = may_stay_failed
        self.run: Run | None = None
        self.manual: Manual | None = None
        self.released: Released | None = None
        self.lock: Lock | None = None
        self.heard = False
        """Whether this process was told by people what to do: what they told a former one is over."""
        self.former: Former | None = None
        self.actual: bool | None = None
        self.read_count = 0
        self.desired: bool | None = False if control.fails_off else None
        self.alarm_id = ""
        """Id of the active alarm that it does not follow; it survives a restart."""
        self.failed = False
        """It would not go on, or did not answer, when it should have been on; until it is seen on."""
        self.failing = False
        """The same of the run under way."""
        self.try_again_s = float("-inf")
        """From when on it may have its turn again although it has failed."""
        self.returns = ""
        """Why it is to be on again as soon as it has rested and nothing keeps it off."""
        self.rest_until_s = float("-inf")
        self.rest_until_ms = 0
        self.on_s = 0.0
        """How long its runs have lasted in all."""
        self.shut_down = False
        self._commanded_s = float("-inf")
        self._repeat_s = REPEAT_SWITCH_S
        self._deviates_since_s: float | None = None
        self._unread_since_s: float | None = None
        self._follows, self._unconfirmed = True, False
        self._read_before = 0  # how often it had been read when it was commanded
        self._found_told_s = float("-inf")
        self._failures = 0  # in a row
        self._cause, self._who = "", ""  # of the last command
        self._holder = Holder.RULE

    def read_back(self, value: bool | None) -> None:
        """Take what the output reads; None where it could not be read."""
        self.actual = value
        if value is None:
            return
        self.read_count += 1
        if self.desired is None and not self.shut_down and not self.lock:
            self.desired = value

    def begin(self, run: Run, now: Moment) -> None:
        """Be on from now on; the next ``hold`` sends it."""
        self.run, self.desired, self.failing, self.returns = run, True, False, ""
        run.renew_at_s = now.s
        self._commanded(run.cause, run.who, now)

    def end(self, now: Moment, rest_s: float) -> list[RuleEffect]:
        """Be off from now on: return the command."""
        if self.run:
            self._commanded(self.run.cause, self.run.who, now)
            self.rest(now, rest_s)
        self.run, self.desired, self.failing = None, False, False
        return [self._order(on=False, now=now)]

    def rest(self, now: Moment, rest_s: float) -> None:
        """Do not begin another run for so long."""
        self.rest_until_s, self.rest_until_ms = now.s + rest_s, now.wall_ms + round(rest_s * 1000)

    def command(self, *, on: bool, cause: str, who: str = "", now: Moment) -> list[RuleEffect]:
        """Bring it to this without a run: return the command."""
        self.desired = on
        self._commanded(cause, who, now)
        return [self._order(on=on, now=now)]

    def let_be(self) -> None:
        """Send nothing more: it stays as it is. A run is remembered, and taken up by what it then reads."""
        if self.run and not self.lock:
            self.former = self._interrupted
        self.run, self.desired = None, None
        self._follows, self._unconfirmed = True, False
        self._deviates_since_s = None

    @property
    def is_off(self) -> bool:
        """Whether it was seen off since it was last told so: only then another run may begin."""
        return self.actual is False and not self._unconfirmed

    def is_fit(self, now: Moment) -> bool:
        """Say whether it has not failed, or so long ago that it is worth another try."""
        return not self.failed or now.s >= self.try_again_s

    def unread_s(self, now: Moment) -> float:
        """Return for how long nobody could read it although it was to be on."""
        return 0.0 if self._unread_since_s is None else now.s - self._unread_since_s

    def hold(
        self, now: Moment, ends_by_s: float = float("inf"), holder: Holder = Holder.RULE
    ) -> list[RuleEffect]:
        """Return what brings it to what it is to be: renewals, repetitions, and what is told of it.

        ``ends_by_s`` is when its run ends at the latest: the device's own timer is never set beyond.
        """
        self._holder = holder
        if self.desired is None or (self.lock and self._follows):
            return []  # who works on a locked output may switch it as they like
        effects: list[RuleEffect] = []
        if self.run and now.s >= self.run.renew_at_s:
            effects.append(self._order(on=True, now=now, ends_by_s=ends_by_s))
        if self.actual is None:
            return [*effects, *self._while_unread(now)]
        self._unread_since_s = None
        if self.actual == self.desired:
            return [*effects, *self._while_it_follows(now)]
        return [*effects, *self._while_it_deviates(now, ends_by_s)]

    def clear_alarm(self, now: Moment) -> list[RuleEffect]:
        """End the alarm, if there is one."""
        ended, self.alarm_id = self.alarm_id, ""
        return self._teller.cleared(self.target, ended, now)

    def kept(self) -> dict[str, Any]:
        """Return what must survive a restart, as plain JSON."""
        known: dict[str, Any] = {
            "alarm": self.alarm_id,
            "failed": self.failed,
            "on_s": round(self.on_s, 3),
            "rest_ms": self.rest_until_ms,
            "returns": self.returns,
        }
        if former := self._interrupted or self.former:
            known["run"] = former.kept()
        if self.manual:
            known["manual"] = self.manual.kept()
        return {key: value for key, value in known.items() if value}

    @property
    def _interrupted(self) -> Former | None:
        """Its run as another process will see it."""
        run = self.run
        if run is None:
            return None
        return Former(run.cause, run.since_ms, run.holder, run.who, self._control.fail_state)

    def _commanded(self, cause: str, who: str, now: Moment) -> None:
        self._cause, self._who = cause, who
        self._commanded_s, self._repeat_s = now.s, REPEAT_SWITCH_S
        self._deviates_since_s = self._unread_since_s = None
        self._follows, self._unconfirmed = False, True
        self._read_before = self.read_count

    def _order(self, *, on: bool, now: Moment, ends_by_s: float = float("inf")) -> Switch:
        """Return the command; the next renewal is due a third of the device's own time later."""
        self._commanded_s = now.s
        self_off_s = self._control.self_off_s if on and self.run else None
        if self.run and on:
            every_s = self_off_s / RENEWALS_PER_SELF_OFF if self_off_s else float("inf")
            self.run.renew_at_s = now.s + every_s
        if self_off_s is None:
            return Switch(self.target, on=on)
        return Switch(
            self.target, on=True, self_off_s=min(self_off_s, max(0.0, ends_by_s - now.s) + TIMER_MARGIN_S)
        )

    def _while_it_follows(self, now: Moment) -> list[RuleEffect]:
        effects: list[RuleEffect] = []
        self._deviates_since_s = None
        self._repeat_s = REPEAT_SWITCH_S
        if self._unconfirmed and self.read_count == self._read_before:
            return []  # it was so before: what the command did is not known yet
        if not self._follows and self._unconfirmed:
            told = "on" if self.actual else "off"
            effects.append(self._event(ControlAction.SWITCHED, f"reads {told} as commanded", now))
        self._follows, self._unconfirmed = True, False
        if self.actual or not self._may_stay_failed:
            self.failed = self.failing = False
            self._failures = 0
        return effects if self.failed else [*effects, *self.clear_alarm(now)]

    def _while_it_deviates(self, now: Moment, ends_by_s: float) -> list[RuleEffect]:
        effects: list[RuleEffect] = []
        if self._deviates_since_s is None:
            self._deviates_since_s = now.s
        if self._follows:
            self._follows = False
            effects += self._found(now)
        if now.s - self._commanded_s >= self._repeat_s:
            effects.append(self._order(on=bool(self.desired), now=now, ends_by_s=ends_by_s))
            self._wait_longer()
        if now.s - self._deviates_since_s >= self._control.proof_s:
            told = "on" if self.desired else "off"
            effects += self.fails(f"{self.target} was switched {told} and does not read back so", now)
        return effects

    def _while_unread(self, now: Moment) -> list[RuleEffect]:
        """Nobody knows what it is: bring it off again now and then; on, it is renewed anyway."""
        if self.desired is False:
            if self._unconfirmed and now.s - self._commanded_s >= self._repeat_s:
                self._wait_longer()
                return [self._order(on=False, now=now)]
            return []
        if self._unread_since_s is None:
            self._unread_since_s = now.s
        if not self.run or self.unread_s(now) < self._control.stale_s:
            return []
        return self.fails(
            f"{self.target} is to be on and has not answered for {self._control.stale_s:g} s", now
        )

    def _found(self, now: Moment) -> list[RuleEffect]:
        """It reads otherwise than it was: nobody here has done that."""
        self._unconfirmed = True
        if now.s - self._found_told_s < FOUND_AGAIN_S:
            return []
        self._found_told_s = now.s
        if self.run is None:
            self._cause, self._who = self._teller.ids(), ""
        was = "off in the middle of a run" if self.desired else "on, and nobody here has switched it"
        return [self._event(ControlAction.FOUND, f"reads {was}; it is switched back", now)]

    def fails(self, reason: str, now: Moment) -> list[RuleEffect]:
        """Tell that it does not do what it is to do, once."""
        if self.desired and not self.failing:
            self.failed = self.failing = True
            self.try_again_s = now.s + min(TRY_AGAIN_MAX_S, TRY_AGAIN_S * 2 ** min(self._failures, 10))
            self._failures += 1
        if self.alarm_id:
            return []
        self.alarm_id, raised = self._teller.raised(self.target, reason, now)
        return [self._event(ControlAction.FAILED, reason, now), *raised]

    def _wait_longer(self) -> None:
        """Do not flood a line with what is not followed anyway; off is tried more often than on."""
        most_s = REPEAT_ON_MAX_S if self.desired else REPEAT_OFF_MAX_S
        patient = (
            self._deviates_since_s is None
            or self._commanded_s - self._deviates_since_s > self._control.proof_s
        )
        if patient:
            self._repeat_s = min(2 * self._repeat_s, most_s)

    def _event(self, action: ControlAction, reason: str, now: Moment) -> Emit:
        return self._teller.event(
            self.target,
            action,
            reason,
            now,
            holder=self._holder,
            who=self.run.who if self.run else self._who,
            cause=self.run.cause if self.run else self._cause,
            sent=self.desired,
            read_back=self.actual,
        )
