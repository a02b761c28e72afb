"""All rules of a gateway: samples and moments in, events and commands out. Pure but for its own memory."""

from collections.abc import Iterable, Mapping
from typing import Any

from contract.events import AlarmCleared
from contract.samples import ClockState, Quality, Sample
from edge.clock import Moment
from edge.controls.control import ControlInstance
from edge.rules.alarms import AlarmInstance
from edge.rules.effects import Emit, Ids, RuleEffect
from edge.rules.window import Window
from edge.settings import Ref, Settings, ref


class Engine:
    """The declared rules with their states."""

    def __init__(self, settings: Settings, ids: Ids) -> None:
        """Build an instance for each alarm's point and each control."""
        parts = {device.name: device.part for device in settings.devices}
        self.alarms = [
            AlarmInstance(alarm, ref(name), parts.get(ref(name).device, ""), ids)
            for alarm in settings.alarms
            for name in alarm.points
        ]
        self.controls = [
            ControlInstance(control, parts.get(ref(control.output).device, ""), ids)
            for control in settings.controls
        ]
        self._windows: dict[Ref, list[Window]] = {}
        for instance in self.alarms:
            self._windows.setdefault(instance.target, []).append(instance.window)
        for control in self.controls:
            for target, window in control.windows():
                self._windows.setdefault(target, []).append(window)
        self._outputs = {control.output: control for control in self.controls}
        self._devices = {target.device for target in self.targets()}

    def targets(self) -> set[Ref]:
        """Return every point that a rule looks at or switches."""
        return {*self._windows, *self._outputs}

    def observe(self, samples: Iterable[Sample], now: Moment) -> list[RuleEffect]:
        """Take fresh samples and decide; only good numbers reach the rules."""
        for sample in samples:
            if sample.device not in self._devices:
                continue
            target = Ref(sample.device, sample.point)
            good = counts(sample)
            if control := self._outputs.get(target):
                control.read_back(sample.value if good and isinstance(sample.value, bool) else None)
            if good and isinstance(sample.value, int | float):
                for window in self._windows.get(target, ()):
                    window.add(sample.value, now.s)
        return self.tick(now)

    def tick(self, now: Moment) -> list[RuleEffect]:
        """Decide on what has become due by time alone."""
        effects = [effect for alarm in self.alarms for effect in alarm.update(now)]
        for control in self.controls:
            effects += control.update(now)
        return effects

    def shut_down(self, now: Moment) -> list[RuleEffect]:
        """Return what leaves every output in its declared state."""
        return [effect for control in self.controls for effect in control.shut_down(now)]

    def remembered(self) -> dict[str, Any]:
        """Return what must survive a restart, as plain JSON: active alarms, lock-outs."""
        return {
            "alarms": {alarm.key: alarm.active_id for alarm in self.alarms if alarm.active_id},
            "controls": {
                control.control.name: [control.alarm_id, control.runs_without_effect]
                for control in self.controls
                if control.alarm_id or control.runs_without_effect
            },
        }

    def recall(self, remembered: Mapping[str, Any], now: Moment) -> list[RuleEffect]:
        """Take up what a former run remembered; an active alarm whose rule is gone is cleared."""
        active = dict(remembered.get("alarms", {}))
        for alarm in self.alarms:
            alarm.active_id = active.pop(alarm.key, "")
        states = dict(remembered.get("controls", {}))
        for control in self.controls:
            control.alarm_id, control.runs_without_effect = states.pop(control.control.name, ["", 0])
        effects: list[RuleEffect] = []
        for key, alarm_id in active.items():
            rule, device, point = key.split("/")
            gone = AlarmCleared(alarm_id, now.wall_ms, rule, device, point, clock=now.clock)
            effects.append(Emit(gone))
        for name, (alarm_id, _) in states.items():
            if alarm_id:
                gone = AlarmCleared(alarm_id, now.wall_ms, name, "settings", "settings", clock=now.clock)
                effects.append(Emit(gone))
        return effects


def counts(sample: Sample) -> bool:
    """Say whether rules may decide on it; they count in monotonic time, so an unset clock does not matter."""
    only_clock = sample.clock is ClockState.UNSET and not sample.error
    return sample.quality is Quality.GOOD or (sample.quality is Quality.UNCERTAIN and only_clock)
