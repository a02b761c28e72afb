"""All rules of a gateway: samples and moments in, events and commands out. Pure but for its own memory.

A sample touches only what looks at its point; time-outs wait in a heap. Nothing looks at all rules.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from contract.events import AlarmCleared, Holder
from contract.samples import Sample
from edge.clock import Moment
from edge.controls.control import ControlInstance
from edge.controls.desk import Desk
from edge.controls.holding import Said
from edge.rules import making
from edge.rules.agenda import Agenda, Timed
from edge.rules.alarms import AlarmInstance
from edge.rules.baseline import Learners
from edge.rules.effects import Emit, Ids, RuleEffect
from edge.rules.maintenance import Maintenance
from edge.rules.routes import Routes, flag
from edge.rules.why import Fact, Why
from edge.settings import Ref, Settings

T = TypeVar("T")

PERIODS_MAX = 100
_RANKS = ("active", "latched", "pending", "unknown", "normal", "disabled")
"""Of an alarm's instances, the first of these speaks for all."""


class Engine:
    """The declared rules with their states."""

    def __init__(self, settings: Settings, ids: Ids) -> None:
        """Build an instance for each level of each alarm on each of its points, and each control."""
        self.maintenance = Maintenance(ids)
        self._periods: dict[str, tuple[int, int]] = {}
        maintained = self.maintenance.of.__contains__
        self.learners = Learners(settings.utc_offset_min, self._periods, maintained)
        self.alarms = list(making.alarms(settings, ids, self._periods, maintained, self.learners))
        self.desk = Desk(settings, ids)
        self.controls = self.desk.controls
        self._routes = Routes(self.alarms, self.controls)
        self._agenda = Agenda()
        self._begun = False

    @property
    def due_s(self) -> float:
        """When something may be due by time alone; infinity for never."""
        return min(self._agenda.due_s, self.maintenance.due_s) if self._begun else -math.inf

    def targets(self) -> set[Ref]:
        """Return every point that a rule looks at or switches."""
        return {*(Ref(*target) for target in self._routes.of), *self.desk.targets()}

    def observe(self, samples: Iterable[Sample], now: Moment) -> list[RuleEffect]:
        """Take fresh samples and decide on what they change, and on what has become due."""
        routes, now_s = self._routes.of, now.s
        alarms: Iterable[AlarmInstance] = ()
        controls: Iterable[ControlInstance] = ()
        for sample in samples:
            if route := routes.get((sample.device, sample.point)):
                if asked := route.take(sample, now, now_s):
                    alarms = _joined(alarms, asked)
                if route.controls and (
                    heeding := [each for each in route.controls if each.heeds(now_s, now)]
                ):
                    controls = _joined(controls, heeding)
            if self.desk.leftovers:
                self.desk.left_reads(Ref(sample.device, sample.point), flag(sample))
        effects: list[RuleEffect] = []
        for alarm in alarms:
            if changes := alarm.update(now):
                effects += changes
            if alarm.timed:
                self._agenda.note(alarm)
        for control in controls:
            self._ask(control, now, effects)
        if now_s >= self._agenda.due_s or now_s >= self.maintenance.due_s or not self._begun:
            self._run_due(now, effects)
        return effects + self.desk.see_to_leftovers(now) if self.desk.leftovers else effects

    def tick(self, now: Moment) -> list[RuleEffect]:
        """Decide on what has become due by time alone."""
        effects: list[RuleEffect] = []
        if now.s >= self.due_s:
            self._run_due(now, effects)
        return effects + self.desk.see_to_leftovers(now)

    def shut_down(self, now: Moment) -> list[RuleEffect]:
        """Return what leaves every output in its declared state."""
        effects = [effect for control in self.controls for effect in control.shut_down(now)]
        self._note_controls()
        return effects

    def owners(self) -> dict[str, str]:
        """Return every output that people may ask for with its control; "" where it has none any more."""
        return self.desk.owners()

    def locks(self) -> Mapping[str, tuple[str, int]]:
        """Return what is locked: output, by whom, and when (UTC ms)."""
        return self.desk.locks

    def lock(self, output: str, who: str, now: Moment) -> Said:
        """Lock an output for maintenance until it is unlocked; return why not, or what is to be done."""
        return self._noted(self.desk.lock(output, who, now))

    def unlock(self, output: str, who: str, now: Moment) -> Said:
        """End a lock; return why not, or what is to be done."""
        return self._noted(self.desk.unlock(output, who, now))

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
        return self._noted(self.desk.manual(output, on, until_ms, source, who, now, command_id))

    def release(self, output: str, source: Holder, who: str, now: Moment, command_id: str = "") -> Said:
        """End what somebody holds by hand; return why not, or what is to be done."""
        return self._noted(self.desk.release(output, source, who, now, command_id))

    def recall_locks(self, locks: Mapping[str, tuple[str, int]] | None, now: Moment) -> list[RuleEffect]:
        """Take up the locks of a former process; None, where nobody can tell, locks everything."""
        effects = self.desk.recall_locks(locks, now)
        self._note_controls()
        return effects

    def maintain(self, device: str, until_ms: int | None, who: str, now: Moment) -> list[RuleEffect]:
        """Begin, prolong or (None, or a time that is past) end planned work at a device.

        Alarms that are raised meanwhile are marked as planned; one that outlasts it is raised anew.
        """
        effects: list[RuleEffect] = [*self.maintenance.set(device, until_ms, who, now)]
        if device not in self.maintenance.of:
            self._look_again(device, now, effects)
        return effects

    def set_periods(self, periods: Mapping[str, tuple[int, int]], now: Moment) -> list[RuleEffect]:
        """Take the event periods that are known now, in place of all before: name → from, until; UTC ms.

        The first PERIODS_MAX of them count.
        """
        self._periods.clear()
        self._periods |= dict(list(periods.items())[:PERIODS_MAX])
        effects: list[RuleEffect] = []
        for alarm in self.alarms:
            if any(each.enabling.period for each in alarm.enabled_when):
                self._ask(alarm, now, effects)
        return effects

    def reset(self, alarm: str, who: str, now: Moment) -> tuple[str, list[RuleEffect]]:
        """Reset what is latched of an alarm, by its name or its key; return why not, or what changed."""
        mine = self._named(alarm)
        if not mine:
            return f"no alarm {alarm!r}; `gengfu edge check` counts them, the settings name them", []
        latched = [each for each in mine if each.active_id]
        if not latched:
            return f"{alarm} is not active; there is nothing to reset", []
        refusals, effects = [], []
        for each in latched:
            refusal, changed = each.reset(who, now)
            refusals += [refusal] if refusal else []
            effects += changed
        return ("" if effects else refusals[0]), effects

    def explain(self, name: str, now: Moment) -> Why | None:
        """Say why an alarm (by name or key) or a control is in its state; None where there is none.

        Of several instances of an alarm the one that matters most speaks, and names the others.
        """
        told = [alarm.explain(now) for alarm in self._named(name)]
        if not told:
            return self.desk.explain(name, now)
        first, *rest = sorted(told, key=lambda why: _RANKS.index(why.state))
        facts = list(first.facts)
        [alarm] = [each for each in self.alarms if each.key == first.name]
        if work := self.maintenance.of.get(alarm.target.device):
            facts.append(Fact("maintenance", alarm.target.device, work.until_ms, text=work.who))
        facts += [Fact("instance", why.name, since_s=why.since_s, text=why.state) for why in rest]
        return Why(first.name, first.kind, first.state, first.since_s, tuple(facts))

    def remembered(self) -> dict[str, Any]:
        """Return what must survive a restart, as plain JSON: active alarms, maintenance, lock-outs."""
        active = [alarm for alarm in self.alarms if alarm.active_id]
        return {
            "alarms": {alarm.key: alarm.active_id for alarm in active},
            "alarm_flags": {alarm.key: flags for alarm in active if (flags := alarm.remembered())},
            "maintenance": self.maintenance.remembered(),
            "baselines": self.learners.remembered(),
            "periods": {name: list(times) for name, times in self._periods.items()},
            **self.desk.kept(),
        }

    def recall(self, remembered: Mapping[str, Any], now: Moment) -> list[RuleEffect]:
        """Take up what a former run remembered; an active alarm whose rule is gone is cleared.

        What was come to since stands: maintenance, periods.
        """
        self.learners.recall(remembered.get("baselines", {}))
        self.maintenance.recall(remembered.get("maintenance", {}), now)
        for name, (from_ms, until_ms) in remembered.get("periods", {}).items():
            self._periods.setdefault(name, (from_ms, until_ms))
        active, flags = self._by_level(remembered.get("alarms", {})), remembered.get("alarm_flags", {})
        for alarm in self.alarms:
            alarm.recall(active.pop(alarm.key, ""), flags.get(alarm.key, {}))
        effects = self.desk.recall(remembered, now)
        self._note_controls()
        for key, alarm_id in active.items():
            rule, device, point, *_ = key.split("/")
            gone = AlarmCleared(alarm_id, now.wall_ms, rule, device, point, clock=now.clock)
            effects.append(Emit(gone))
        return effects

    def _by_level(self, active: Mapping[str, str]) -> dict[str, str]:
        """Return active alarms by their keys now; before there were levels, keys did not name them."""
        only: dict[str, str] = {}
        for alarm in self.alarms:
            only.setdefault(alarm.key.rpartition("/")[0], alarm.key)
        return {only.get(key, key): alarm_id for key, alarm_id in active.items()}

    def _named(self, name: str) -> list[AlarmInstance]:
        return [each for each in self.alarms if each.key == name or each.key.startswith(f"{name}/")]

    def _look_again(self, device: str, now: Moment, effects: list[RuleEffect]) -> None:
        """A device's maintenance is over: what was raised under it and still shows is told."""
        for alarm in self.alarms:
            if alarm.planned and alarm.target.device == device:
                self._ask(alarm, now, effects)

    def _run_due(self, now: Moment, effects: list[RuleEffect]) -> None:
        if not self._begun:
            self._begun = True
            for alarm in self.alarms:
                if alarm.timed:
                    self._ask(alarm, now, effects)
            for control in self.controls:
                self._ask(control, now, effects)
        for device, told in self.maintenance.over(now).items() if now.s >= self.maintenance.due_s else ():
            effects.append(told)
            self._look_again(device, now, effects)
        for timed in self._agenda.due(now.s):
            self._ask(timed, now, effects)

    def _ask(self, timed: Timed, now: Moment, effects: list[RuleEffect]) -> None:
        """Let an alarm or a control decide, and note when it wants to be asked again."""
        effects += timed.update(now)
        self._agenda.note(timed)

    def _noted(self, said: Said) -> Said:
        self._note_controls()
        return said

    def _note_controls(self) -> None:
        """Somebody has said something to a control: it may be due earlier than it was."""
        for control in self.controls:
            self._agenda.note(control)


def _joined(some: Iterable[T], more: Iterable[T]) -> Iterable[T]:
    """Return both, in order, each once; of one device most often there is only one with anything in it."""
    return dict.fromkeys([*some, *more]) if some and more else some or more
