"""Controls: an output that follows a condition, with inhibits, longest run, rest, proof and lock-out.

The state of an output is what it reads back, never what was commanded.
"""

from dataclasses import dataclass

from contract.events import AlarmCleared, AlarmRaised, ControlAction, ControlChanged
from edge.clock import Moment
from edge.controls.settings import Control
from edge.rules.effects import Emit, Ids, RuleEffect, Switch
from edge.rules.watched import Watched
from edge.rules.window import Window
from edge.settings import Ref, ref

RENEWALS_PER_SELF_OFF = 3
REPEAT_SWITCH_S = 2.0
"""An output that does not follow is commanded again this often."""


@dataclass
class Run:
    """A run under way."""

    since_s: float
    value_at_start: float | None
    renew_at_s: float


@dataclass(frozen=True, slots=True)
class Inhibited:
    """Why an output must stay off; ``told`` has the value too. Not ``known``: for want of a good value."""

    reason: str
    told: str
    known: bool = True


class ControlInstance:
    """One declared control and the output it owns."""

    def __init__(self, control: Control, part: str, ids: Ids) -> None:
        """Begin off; an output that must not fail off is taken over as it reads back."""
        self.control = control
        self.output = ref(control.output)
        self.start = Watched(control.start, control.stale_s)
        self.stop = Watched(control.stop, control.stale_s)
        self.inhibit_windows = [Window(0, control.stale_s) for _ in control.inhibits]
        self.alarm_id = ""
        """Id of its active alarm (output does not follow, or locked out); it survives a restart."""
        self.runs_without_effect = 0
        self._part, self._ids = part, ids
        self._run: Run | None = None
        self._rest_until_s = float("-inf")
        self._desired: bool | None = False if control.fail_state == "off" else None
        self._actual: bool | None = None
        self._commanded_s = float("-inf")
        self._deviates_since_s: float | None = None
        self._told_inhibit = ""
        self._shut_down = False

    @property
    def running(self) -> bool:
        """Say whether a run is under way."""
        return self._run is not None

    @property
    def locked_out(self) -> bool:
        """Say whether runs without effect have locked it out."""
        effect = self.control.effect
        return effect is not None and self.runs_without_effect >= effect.runs_without_max

    def windows(self) -> list[tuple[Ref, Window]]:
        """Return every point it looks at, with the window that wants its values."""
        inhibits = zip(self.control.inhibits, self.inhibit_windows, strict=True)
        return [
            (ref(self.control.start.point), self.start.window),
            (ref(self.control.stop.point), self.stop.window),
            *((ref(inhibit.point), window) for inhibit, window in inhibits),
        ]

    def read_back(self, value: bool | None) -> None:
        """Take what the output reads; None where it could not be read."""
        self._actual = value
        if self._desired is None and value is not None and not self._shut_down:
            self._desired = value

    def update(self, now: Moment) -> list[RuleEffect]:
        """Decide on what is known now; return events and commands."""
        if self._desired is None:
            return []
        if self._shut_down:
            return self._hold_output_to_it(now)
        if self._run is None and self._desired:
            self._run = Run(now.s, None, now.s)  # taken over as found
        effects = self._while_running(self._run, now) if self._run else self._while_off(now)
        return [*effects, *self._hold_output_to_it(now)]

    def shut_down(self, now: Moment) -> list[RuleEffect]:
        """Return what leaves the output in its declared state when the gateway stops in an orderly way.

        From then on nothing is decided any more; the output is only held to that state.
        """
        self._shut_down = True
        if self.control.fail_state == "off":
            return self._ended("the gateway is stopping", now) if self._run else []
        self._run = None
        if self.control.fail_state == "on":
            self._desired, self._commanded_s = True, now.s
            return [Switch(self.output, on=True)]
        self._desired = None
        return []

    def _while_off(self, now: Moment) -> list[RuleEffect]:
        released = self._released(now) if self.locked_out else []
        if not self.start.holds(now.s):
            self._told_inhibit = ""
            return released
        if now.s < self._rest_until_s or self.locked_out:
            return released
        if self.stop.window.value(now.s) is None:
            return []  # a run would end at once: nobody could tell when to stop
        if inhibit := self._inhibited(now.s):
            told, self._told_inhibit = self._told_inhibit, inhibit.reason
            if told == inhibit.reason:
                return []  # its value changes all the time; that it inhibits is told once
            reason = f"{self.start.told(now.s)}, but {inhibit.told}"
            return [self._event(ControlAction.INHIBITED, reason, now)]
        self._told_inhibit = ""
        self._desired = True
        self.stop.reset()
        self._run = Run(now.s, self.start.window.value(now.s), now.s)
        return [self._event(ControlAction.STARTED, self.start.told(now.s), now)]

    def _while_running(self, run: Run, now: Moment) -> list[RuleEffect]:
        longest = self.control.longest_run_s
        if self.stop.holds(now.s):
            self.runs_without_effect = 0
            return self._ended(self.stop.told(now.s), now)
        if longest is not None and now.s - run.since_s >= longest:
            return self._ended(f"longest run of {longest:g} s reached", now, *self._judged(run, now))
        # Only an output that fails off goes off for want of values; any other stays as it is (fail_state).
        fails_off = self.control.fail_state == "off"
        if (inhibit := self._inhibited(now.s)) and (inhibit.known or fails_off):
            return self._ended(inhibit.told, now)
        for watched in (self.start, self.stop):
            if fails_off and watched.window.value(now.s) is None:
                return self._ended(f"no good value of {watched.condition.point}", now)
        return []

    def _ended(self, reason: str, now: Moment, *more: RuleEffect) -> list[RuleEffect]:
        self._run = None
        self._desired = False
        self._rest_until_s = now.s + self.control.shortest_rest_s
        self.start.reset()
        self._commanded_s = now.s
        self._deviates_since_s = None
        event = self._event(ControlAction.STOPPED, reason, now)
        return [Switch(self.output, on=False), event, *more]

    def _judged(self, run: Run, now: Moment) -> list[RuleEffect]:
        """Count a full-length run without effect; too many lock it out."""
        effect, after = self.control.effect, self.start.window.value(now.s)
        if effect is None or run.value_at_start is None or after is None:
            return []
        change = (
            run.value_at_start - after if self.control.start.above is not None else after - run.value_at_start
        )
        if change >= abs(run.value_at_start) * effect.falls_by_percent / 100:
            self.runs_without_effect = 0
            return []
        self.runs_without_effect += 1
        if not self.locked_out:
            return []
        reason = f"locked out after {self.runs_without_effect} runs without effect"
        return [self._event(ControlAction.LOCKED_OUT, reason, now), *self._alarm(reason, now)]

    def _released(self, now: Moment) -> list[RuleEffect]:
        """Leave lock-out when the stop condition holds by itself: the cause is gone."""
        if not self.stop.holds(now.s):
            return []
        self.runs_without_effect = 0
        return self._all_clear(now)

    def _inhibited(self, now_s: float) -> Inhibited | None:
        """Return why it must stay off, or None."""
        unknown: Inhibited | None = None
        for inhibit, window in zip(self.control.inhibits, self.inhibit_windows, strict=True):
            value = window.value(now_s)
            low, high = inhibit.at_or_below, inhibit.at_or_above
            if value is None:
                told = f"no good value of {inhibit.point} ({inhibit.reason})"
                unknown = unknown or Inhibited(told, told, known=False)
            elif (low is not None and value <= low) or (high is not None and value >= high):
                return Inhibited(inhibit.reason, f"{inhibit.reason}: {inhibit.point} {value:.4g}")
        return unknown

    def _hold_output_to_it(self, now: Moment) -> list[RuleEffect]:
        effects: list[RuleEffect] = []
        if self._run and now.s >= self._run.renew_at_s:
            self_off_s = self.control.self_off_s
            every_s = self_off_s / RENEWALS_PER_SELF_OFF if self_off_s else float("inf")
            self._run.renew_at_s = now.s + every_s
            self._commanded_s = now.s
            effects.append(Switch(self.output, on=True, self_off_s=self._timer(now)))
        if self._actual is None or self._actual == self._desired:
            follows = self._actual is not None
            self._deviates_since_s = None if follows else self._deviates_since_s
            return effects + (self._all_clear(now) if follows and not self.locked_out else [])
        if self._deviates_since_s is None:
            self._deviates_since_s = now.s
        if now.s - self._commanded_s >= REPEAT_SWITCH_S:
            self._commanded_s = now.s
            effects.append(Switch(self.output, on=bool(self._desired), self_off_s=self._timer(now)))
        if now.s - self._deviates_since_s >= self.control.proof_s and not self.alarm_id:
            told = "on" if self._desired else "off"
            reason = f"{self.output} was switched {told} and does not read back so"
            effects += [self._event(ControlAction.FAILED, reason, now), *self._alarm(reason, now)]
        return effects

    def _timer(self, now: Moment) -> float | None:
        """Return the device-side time of the next command: never beyond the longest run."""
        if not self._run or self.control.self_off_s is None:
            return None
        longest = self.control.longest_run_s
        rest_s = float("inf") if longest is None else self._run.since_s + longest - now.s
        return max(1.0, min(self.control.self_off_s, rest_s))

    def _event(self, action: ControlAction, reason: str, now: Moment) -> Emit:
        return Emit(
            ControlChanged(
                self._ids(), now.wall_ms, self.control.name, *self.output, action, reason[:500], now.clock
            )
        )

    def _alarm(self, message: str, now: Moment) -> list[RuleEffect]:
        if self.alarm_id:
            return []
        self.alarm_id = self._ids()
        raised = AlarmRaised(
            self.alarm_id,
            now.wall_ms,
            self.control.name,
            *self.output,
            self.control.problem,
            self.control.priority,
            message[:500],
            self._part,
            clock=now.clock,
        )
        return [Emit(raised)]

    def _all_clear(self, now: Moment) -> list[RuleEffect]:
        if not self.alarm_id:
            return []
        ended, self.alarm_id = self.alarm_id, ""
        cleared = AlarmCleared(ended, now.wall_ms, self.control.name, *self.output, clock=now.clock)
        return [Emit(cleared)]
