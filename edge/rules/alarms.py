"""Alarms at the source (ISA-18.2): delays, latching, enabling, maintenance around what a detector shows.

Bad, stale or unpowered data neither raises an alarm nor clears one; only the kind stale is about them.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from contract.events import AlarmCleared, AlarmRaised
from contract.samples import Value
from edge.clock import Moment
from edge.rules.detectors import Detector
from edge.rules.effects import Emit, Ids, RuleEffect
from edge.rules.enabling import EnablingInstance, all_hold
from edge.rules.settings import AlarmForm, Level
from edge.rules.why import Fact, Why
from edge.settings import Ref

_NOTHING: tuple[RuleEffect, ...] = ()
DISABLED, MAINTENANCE_OVER = "disabled", "maintenance is over, raised anew"


def _nobody() -> None:
    pass


class AlarmInstance:
    """One level of a declared alarm on one of its points.

    A delay is over when a good value confirms the condition at its end; one wild value before a silence
    raises nothing, and a hole in the values begins it anew.
    """

    def __init__(
        self,
        alarm: AlarmForm,
        level: Level,
        target: Ref,
        detector: Detector,
        enabled_when: list[EnablingInstance],
        *,
        part: str,
        ids: Ids,
        maintained: Callable[[str], bool],
    ) -> None:
        """Begin in the normal state; ``maintained`` says whether a device is under maintenance."""
        self.alarm, self.level, self.target = alarm, level, target
        self.detector, self.enabled_when = detector, enabled_when
        self.active_id = ""
        """Id of the active occurrence, empty in the normal state; it survives a restart."""
        self.planned = False
        """The active occurrence was raised under maintenance."""
        self.over = False
        """The condition of the active occurrence is gone, but it is latched: a person resets it."""
        self.timed = detector.timed or bool(enabled_when)
        """Whether it may have to be asked again though nothing new was measured."""
        self.on_asked: Callable[[], None] = _nobody
        """Called whenever it may have changed."""
        self.stirred = False
        """It is active, or a delay is under way."""
        self._part, self._ids, self._maintained = part, ids, maintained
        self._on_delay_s: float = getattr(alarm, "on_delay_s", 0.0)
        self._off_delay_s = alarm.off_delay_s
        self._turning_since_s: float | None = None
        self._judged_s = -math.inf
        self._enabled: bool | None = True
        self._known = False
        self._since_s: float | None = None

    @property
    def key(self) -> str:
        """Names the instance among all of a gateway."""
        return f"{self.alarm.name}/{self.target}/{self.level.key}"

    @property
    def shown(self) -> bool:
        """Whether its condition counts as there."""
        return bool(self.active_id) and not self.over

    @property
    def restless(self) -> bool:
        """Whether it wants to see each value: a delay is under way, or it is to be told anew."""
        return self._turning_since_s is not None or self.planned or bool(self.enabled_when)

    @property
    def due_s(self) -> float:
        """When it is to be asked again though nothing new was measured; infinity for never."""
        due_s = self.detector.due_s
        for enabling in self.enabled_when:
            due_s = min(due_s, enabling.due_s)
        return due_s

    def update(self, now: Moment) -> Sequence[RuleEffect]:
        """Look at the values as they are now; return what changed."""
        effects = self._judged(now)
        self._stir()
        return effects

    def _judged(self, now: Moment) -> Sequence[RuleEffect]:
        if self.enabled_when:
            self._enabled = all_hold(self.enabled_when, now)
            if not self._enabled:
                return self._not_enabled(now)
        detector, shown = self.detector, bool(self.active_id) and not self.over
        shows = detector.shows(now, active=shown)
        self._known = shows is not None
        if shows is None:
            self._turning_since_s = None
        elif shows is not shown:
            return self._turn(now, to=shows)
        else:
            self._turning_since_s = None
            if self.planned and shows and not self._maintained(self.target.device):
                return self._told_unplanned(now)
        return _NOTHING

    def reset(self, who: str, now: Moment) -> tuple[str, list[RuleEffect]]:
        """End a latched occurrence whose condition is gone; return why not, or what changed."""
        if not self.over:
            return f"{self.key}: its condition still shows", []
        cleared = self._cleared(now, f"reset by {who}"[:500])
        self._stir()
        return "", [cleared]

    def remembered(self) -> dict[str, Any]:
        """Return what must survive a restart beside the id, as plain JSON; nothing where there is nothing."""
        flags = {"planned": self.planned, "over": self.over}
        return {name: flag for name, flag in flags.items() if flag}

    def recall(self, alarm_id: str, flags: dict[str, Any]) -> None:
        """Take up an active occurrence of a former run."""
        self.active_id = alarm_id
        self.planned, self.over = bool(flags.get("planned")), bool(flags.get("over"))
        self._stir()

    def explain(self, now: Moment) -> Why:
        """Say why it is in its state."""
        self._known = self.detector.shows(now, active=self.shown) is not None
        state = self._state()
        since_s = None if self._since_s is None else now.s - self._since_s
        return Why(self.key, "alarm", state, since_s, tuple(self._facts(now)))

    def _stir(self) -> None:
        """Say that it may have changed."""
        self.stirred = bool(self.active_id) or self._turning_since_s is not None
        self.on_asked()

    def _turn(self, now: Moment, *, to: bool) -> Sequence[RuleEffect]:
        """Take it that the other state shows; go over to it when that has been so for long enough."""
        newest_s = self.detector.newest_s
        hole = newest_s - self._judged_s > self.alarm.stale_s
        self._judged_s = newest_s
        if self._turning_since_s is None or hole:
            self._turning_since_s = newest_s
        if newest_s - self._turning_since_s < (self._on_delay_s if to else self._off_delay_s):
            return _NOTHING
        self._turning_since_s = None
        self._since_s = now.s
        if to and self.active_id:  # latched, and there again: the same occurrence
            self.over = False
            return self._told_unplanned(now) if self.planned and not self._is_planned() else _NOTHING
        if to:
            return [self._raised(now)]
        if self.alarm.latching:
            self.over = True
            return _NOTHING
        return [self._cleared(now)]

    def _not_enabled(self, now: Moment) -> Sequence[RuleEffect]:
        """Suppressed by design: an active alarm ends; while nobody knows, it stays as it is."""
        self._turning_since_s = None
        if self._enabled is None or not self.shown:
            return _NOTHING
        self._since_s = now.s
        if self.alarm.latching:
            self.over = True
            return _NOTHING
        return [self._cleared(now, DISABLED)]

    def _told_unplanned(self, now: Moment) -> list[RuleEffect]:
        """It outlasted the maintenance under which it was raised: from now on it is somebody's business."""
        return [self._cleared(now, MAINTENANCE_OVER), self._raised(now)]

    def _is_planned(self) -> bool:
        return self._maintained(self.target.device)

    def _raised(self, now: Moment) -> Emit:
        self.active_id, self.planned, self.over = self._ids(), self._is_planned(), False
        return Emit(
            AlarmRaised(
                self.active_id,
                now.wall_ms,
                self.alarm.name,
                self.target.device,
                self.target.point,
                self.alarm.problem,
                self.level.priority,
                self.alarm.message,
                self._part,
                self.detector.value,
                self.detector.limit,
                now.clock,
                self.level.condition,
                self.planned,
            )
        )

    def _cleared(self, now: Moment, reason: str = "") -> Emit:
        ended, self.active_id = self.active_id, ""
        self.planned = self.over = False
        value: Value = self.detector.value if self._known else None
        return Emit(AlarmCleared(ended, now.wall_ms, self.alarm.name, *self.target, value, now.clock, reason))

    def _state(self) -> str:
        if self.active_id:
            return "latched" if self.over else "active"
        if self._enabled is False:
            return "disabled"
        if self._turning_since_s is not None:
            return "pending"
        return "normal" if self._known and self._enabled else "unknown"

    def _facts(self, now: Moment) -> list[Fact]:
        detector, name = self.detector, str(self.target)
        age_s = None if math.isinf(detector.newest_s) else now.s - detector.newest_s
        told = Fact("value" if self._known else "unknown", name, detector.value, detector.limit, age_s)
        facts = [told]
        if self._turning_since_s is not None:
            delay_s = self._off_delay_s if self.shown else self._on_delay_s
            turning_s = detector.newest_s - self._turning_since_s
            facts.append(Fact("delay", "off" if self.shown else "on", turning_s, delay_s))
        words = {True: "enabled", False: "disabled", None: "enabling_unknown"}
        facts += [Fact(words[each.holds(now)], each.name) for each in self.enabled_when]
        if self.over:
            facts.append(Fact("latched", name))
        return facts
