"""All rules of a gateway: samples and moments in, events and commands out. Pure but for its own memory."""

from collections.abc import Iterable, Mapping
from typing import Any

from contract.events import AlarmCleared, Holder
from contract.samples import ClockState, Quality, Sample
from edge.clock import Moment
from edge.controls import former, memory
from edge.controls.budget import Stagger
from edge.controls.control import ControlInstance
from edge.controls.explaining import explained
from edge.controls.holding import Said
from edge.controls.output import Output
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
        stagger = Stagger()
        self.controls = [
            ControlInstance(
                control,
                parts.get(ref(control.output).device, ""),
                ids,
                stagger=stagger,
                utc_offset_min=settings.utc_offset_min,
            )
            for control in settings.controls
        ]
        self._ids, self._declared_devices = ids, set(parts)
        self._leftovers: list[former.Leftover] = []
        self._recalled = False
        self._locks: dict[str, tuple[str, int]] = {}  # of outputs that no control has any more
        self._windows: dict[Ref, list[Window]] = {}
        for instance in self.alarms:
            self._windows.setdefault(instance.target, []).append(instance.window)
        for control in self.controls:
            for target, window in control.windows():
                self._windows.setdefault(target, []).append(window)
        self._outputs = {
            output.target: (control, output) for control in self.controls for output in control.outputs
        }
        self._devices = {target.device for target in self.targets()}

    def targets(self) -> set[Ref]:
        """Return every point that a rule looks at or switches."""
        return {*self._windows, *self._outputs, *(each.output.target for each in self._leftovers)}

    def observe(self, samples: Iterable[Sample], now: Moment) -> list[RuleEffect]:
        """Take fresh samples and decide; only good numbers reach the rules."""
        for sample in samples:
            if sample.device not in self._devices and not self._leftovers:
                continue
            target = Ref(sample.device, sample.point)
            good = counts(sample)
            for output in self._read_by(target):
                output.read_back(sample.value if good and isinstance(sample.value, bool) else None)
            if good and isinstance(sample.value, int | float):
                for window in self._windows.get(target, ()):
                    window.add(sample.value, now.s)
        return self.tick(now)

    def tick(self, now: Moment) -> list[RuleEffect]:
        """Decide on what has become due by time alone."""
        effects = [effect for alarm in self.alarms for effect in alarm.update(now)]
        for control in self.controls:
            effects += control.update(now)
        for leftover in self._leftovers:
            effects += leftover.update(now)
        self._leftovers = [each for each in self._leftovers if not each.is_done(now)]
        return effects

    def lock(self, output: str, who: str, now: Moment) -> Said:
        """Lock an output for maintenance until it is unlocked; return why not, or what is to be done."""
        found = self._outputs.get(ref(output))
        return found[0].lock(found[1], who, now) if found else _unknown(output)

    @property
    def locks(self) -> dict[str, tuple[str, int]]:
        """What is locked: output → by whom, and when (UTC ms); also outputs that no control has any more."""
        locked = {str(each.target): each.lock for _, each in self._outputs.values() if each.lock}
        return self._locks | {name: (lock.who, lock.since_ms) for name, lock in locked.items()}

    def recall_locks(self, locks: Mapping[str, Iterable[Any]] | None, now: Moment) -> list[RuleEffect]:
        """Take up locks of a former process; None, where nobody can tell, locks everything."""
        effects: list[RuleEffect] = []
        if locks is None:
            locks = {
                str(name): ("unknown: the locks could not be read", now.wall_ms) for name in self._outputs
            }
        for name, (who, since_ms) in locks.items():
            if found := self._outputs.get(ref(name)):
                effects += found[0].recall_lock(found[1], str(who), int(since_ms), now)
            else:
                self._locks[name] = (str(who), int(since_ms))
        return effects

    def unlock(self, output: str, who: str, now: Moment) -> Said:
        """End a lock; return why not, or what is to be done."""
        found = self._outputs.get(ref(output))
        if found:
            return found[0].unlock(found[1], who, now)
        return ("", []) if self._locks.pop(output, None) else _unknown(output)

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
        found = self._outputs.get(ref(output))
        if found is None:
            return _unknown(output)
        control, target = found
        return control.manual(
            target, on=on, until_ms=until_ms, source=source, who=who, now=now, command_id=command_id
        )

    def release(self, output: str, source: Holder, who: str, now: Moment, command_id: str = "") -> Said:
        """End what somebody holds by hand; return why not, or what is to be done."""
        found = self._outputs.get(ref(output))
        if found is None:
            return _unknown(output)
        return found[0].release(found[1], source=source, who=who, now=now, command_id=command_id)

    def explain(self, name: str, now: Moment) -> Why | None:
        """Say why a control is in its state now; None where there is none of that name."""
        return next((explained(each, now) for each in self.controls if each.control.name == name), None)

    def _read_by(self, target: Ref) -> list[Output]:
        """Return the outputs that this point is."""
        found = [each.output for each in self._leftovers if each.output.target == target]
        return [*found, self._outputs[target][1]] if target in self._outputs else found

    def shut_down(self, now: Moment) -> list[RuleEffect]:
        """Return what leaves every output in its declared state."""
        return [effect for control in self.controls for effect in control.shut_down(now)]

    def remembered(self) -> dict[str, Any]:
        """Return what must survive a restart, as plain JSON: active alarms, lock-outs."""
        return {
            "alarms": {alarm.key: alarm.active_id for alarm in self.alarms if alarm.active_id},
            "controls": {
                control.control.name: state for control in self.controls if (state := memory.kept(control))
            },
            "locks": {name: list(lock) for name, lock in self.locks.items()},
        }

    def recall(self, remembered: Mapping[str, Any], now: Moment) -> list[RuleEffect]:
        """Take up what a former run remembered; an active alarm whose rule is gone is cleared."""
        active = dict(remembered.get("alarms", {}))
        for alarm in self.alarms:
            alarm.active_id = active.pop(alarm.key, "")
        effects: list[RuleEffect] = self._recall_controls(remembered, now)
        for key, alarm_id in active.items():
            rule, device, point = key.split("/")
            gone = AlarmCleared(alarm_id, now.wall_ms, rule, device, point, clock=now.clock)
            effects.append(Emit(gone))
        return effects

    def _recall_controls(self, remembered: Mapping[str, Any], now: Moment) -> list[RuleEffect]:
        """Take up locks and controls; what controls of former settings had is seen to.

        Once: a buffer that is opened again at work holds what this process itself has kept.
        """
        effects: list[RuleEffect] = []
        if self._recalled:
            return effects
        self._recalled = True
        effects += self.recall_locks(remembered.get("locks", {}), now)
        states = {name: memory.former(each) for name, each in dict(remembered.get("controls", {})).items()}
        owners = {target: control.control.name for target, (control, _) in self._outputs.items()}
        for name, state in states.items():
            leftovers, done = former.left(name, state, owners, self._declared_devices, self._ids, now)
            self._leftovers += leftovers
            effects += done
        for control in self.controls:
            effects += memory.recall(control, states.pop(control.control.name, {}), now)
        for name, state in states.items():
            if alarm_id := state.get("alarm"):
                gone = AlarmCleared(alarm_id, now.wall_ms, name, "settings", "settings", clock=now.clock)
                effects.append(Emit(gone))
        return effects


def _unknown(output: str) -> Said:
    return f"no control has the output {output!r}", []


def counts(sample: Sample) -> bool:
    """Say whether rules may decide on it; they count in monotonic time, so an unset clock does not matter."""
    only_clock = sample.clock is ClockState.UNSET and not sample.error
    return sample.quality is Quality.GOOD or (sample.quality is Quality.UNCERTAIN and only_clock)
