"""Alarms at the source (ISA-18.2): limit, deadband, on-delay, off-delay, moving mean.

Bad, stale or unpowered data neither raises an alarm nor clears one.
"""

from contract.events import AlarmCleared, AlarmRaised
from edge.clock import Moment
from edge.rules.effects import Emit, Ids, RuleEffect
from edge.rules.settings import Alarm
from edge.rules.window import Window
from edge.settings import Ref


class AlarmInstance:
    """One declared alarm on one of its points.

    A delay is over when a good value confirms the condition at its end; one wild value before a silence
    raises nothing.
    """

    def __init__(self, alarm: Alarm, target: Ref, part: str, ids: Ids) -> None:
        """Begin in the normal state."""
        self.alarm, self.target = alarm, target
        self.window = Window(alarm.mean_s, alarm.stale_s)
        self.active_id = ""
        """Id of the active occurrence, empty in the normal state; it survives a restart."""
        self._part, self._ids = part, ids
        self._turning_since_s: float | None = None

    @property
    def key(self) -> str:
        """Names the instance among all of a gateway."""
        return f"{self.alarm.name}/{self.target}"

    def update(self, now: Moment) -> list[RuleEffect]:
        """Look at the value as it is now; return what changed."""
        value = self.window.value(now.s)
        if value is None or not self._turns(value):
            self._turning_since_s = None
            return []
        if self._turning_since_s is None:
            self._turning_since_s = self.window.newest_s
        delay_s = self.alarm.off_delay_s if self.active_id else self.alarm.on_delay_s
        if self.window.newest_s - self._turning_since_s < delay_s:
            return []
        self._turning_since_s = None
        return [Emit(self._cleared(value, now) if self.active_id else self._raised(value, now))]

    def _turns(self, value: float) -> bool:
        """Say whether the value asks for the other state."""
        alarm = self.alarm
        if alarm.high is not None:
            return value <= alarm.high - alarm.deadband if self.active_id else value > alarm.high
        low = alarm.low if alarm.low is not None else 0.0
        return value >= low + alarm.deadband if self.active_id else value < low

    def _raised(self, value: float, now: Moment) -> AlarmRaised:
        self.active_id = self._ids()
        return AlarmRaised(
            self.active_id,
            now.wall_ms,
            self.alarm.name,
            self.target.device,
            self.target.point,
            self.alarm.problem,
            self.alarm.priority,
            self.alarm.message,
            self._part,
            value,
            self.alarm.high if self.alarm.high is not None else self.alarm.low,
            now.clock,
        )

    def _cleared(self, value: float, now: Moment) -> AlarmCleared:
        ended, self.active_id = self.active_id, ""
        return AlarmCleared(
            ended, now.wall_ms, self.alarm.name, self.target.device, self.target.point, value, now.clock
        )
