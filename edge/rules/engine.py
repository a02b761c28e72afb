"""All rules of a gateway: samples and moments in, events and commands out. Pure but for its own memory."""

from collections.abc import Iterable, Mapping
from typing import Any

from contract.events import AlarmCleared, Holder
from contract.samples import ClockState, Quality, Sample
from edge.clock import Moment
from edge.controls.desk import Desk
from edge.controls.holding import Said
from edge.rules.alarms import AlarmInstance
from edge.rules.effects import Emit, Ids, RuleEffect
from edge.rules.why import Why
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
        self.desk = Desk(settings, ids)
        self.controls = self.desk.controls
        self._windows: dict[Ref, list[Window]] = {}
        for instance in self.alarms:
            self._windows.setdefault(instance.target, []).append(instance.window)
        for control in self.controls:
            for target, window in control.windows():
                self._windows.setdefault(target, []).append(window)
        self._devices = {target.device for target in self.targets()}

    def targets(self) -> set[Ref]:
        """Return every point that a rule looks at or switches."""
        return {*self._windows, *self.desk.targets()}

    def observe(self, samples: Iterable[Sample], now: Moment) -> list[RuleEffect]:
        """Take fresh samples and decide; only good numbers reach the rules."""
        for sample in samples:
            if sample.device not in self._devices and not self.desk.leftovers:
                continue
            target = Ref(sample.device, sample.point)
            good = counts(sample)
            self.desk.read_back(target, sample.value if good and isinstance(sample.value, bool) else None)
            if good and isinstance(sample.value, int | float):
                for window in self._windows.get(target, ()):
                    window.add(sample.value, now.s)
        return self.tick(now)

    def tick(self, now: Moment) -> list[RuleEffect]:
        """Decide on what has become due by time alone."""
        effects = [effect for alarm in self.alarms for effect in alarm.update(now)]
        for control in self.controls:
            effects += control.update(now)
        return effects + self.desk.see_to_leftovers(now)

    def lock(self, output: str, who: str, now: Moment) -> Said:
        """Lock an output for maintenance until it is unlocked; return why not, or what is to be done."""
        return self.desk.lock(output, who, now)

    def unlock(self, output: str, who: str, now: Moment) -> Said:
        """End a lock; return why not, or what is to be done."""
        return self.desk.unlock(output, who, now)

    def manual(
        self,
        output: str,
        on: bool,
        until_ms: int,
        source: Holder,
        who: str,
        now: Moment,
        command_id: str = "",
    ) -> Said:
        """Hold an output on or off until then; return why not, or what is to be done.

        ``command_id`` is that of the centre's command: an Answer tells how it ended, a refusal included.
        """
        return self.desk.manual(output, on, until_ms, source, who, now, command_id)

    def release(self, output: str, source: Holder, who: str, now: Moment, command_id: str = "") -> Said:
        """End what somebody holds by hand; return why not, or what is to be done."""
        return self.desk.release(output, source, who, now, command_id)

    def explain(self, name: str, now: Moment) -> Why | None:
        """Say why a control is in its state now; None where there is none of that name."""
        return self.desk.explain(name, now)

    def shut_down(self, now: Moment) -> list[RuleEffect]:
        """Return what leaves every output in its declared state."""
        return [effect for control in self.controls for effect in control.shut_down(now)]

    def remembered(self) -> dict[str, Any]:
        """Return what must survive a restart, as plain JSON: active alarms, lock-outs."""
        return {
            "alarms": {alarm.key: alarm.active_id for alarm in self.alarms if alarm.active_id},
            **self.desk.kept(),
        }

    def recall(self, remembered: Mapping[str, Any], now: Moment) -> list[RuleEffect]:
        """Take up what a former run remembered; an active alarm whose rule is gone is cleared."""
        active = dict(remembered.get("alarms", {}))
        for alarm in self.alarms:
            alarm.active_id = active.pop(alarm.key, "")
        effects = self.desk.recall(remembered, now)
        for key, alarm_id in active.items():
            rule, device, point = key.split("/")
            gone = AlarmCleared(alarm_id, now.wall_ms, rule, device, point, clock=now.clock)
            effects.append(Emit(gone))
        return effects


def counts(sample: Sample) -> bool:
    """Say whether rules may decide on it; they count in monotonic time, so an unset clock does not matter."""
    only_clock = sample.clock is ClockState.UNSET and not sample.error
    return sample.quality is Quality.GOOD or (sample.quality is Quality.UNCERTAIN and only_clock)
