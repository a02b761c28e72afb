"""All controls of a gateway: who asks for an output by name finds it here. Pure but for their memory."""

from collections.abc import Iterable, Mapping
from typing import Any

from contract.events import AlarmCleared, Holder
from edge.clock import Moment
from edge.controls import former, memory
from edge.controls.budget import Stagger
from edge.controls.control import ControlInstance
from edge.controls.explaining import explained
from edge.controls.holding import Said
from edge.controls.output import Output
from edge.rules.effects import Emit, Ids, RuleEffect
from edge.rules.why import Why
from edge.settings import Ref, Settings, ref

UNREADABLE = "unknown: the locks could not be read"
"""Who has locked everything where nobody can tell what was locked."""
STOPS_KEPT_MS = 31 * 86_400_000
"""No rest is longer."""


class Desk:
    """The controls with their outputs, locks of outputs that none has any more, and what former ones left."""

    def __init__(self, settings: Settings, ids: Ids) -> None:
        """Build an instance for each control."""
        parts = {device.name: device.part for device in settings.devices}
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
        self.outputs: dict[Ref, tuple[ControlInstance, Output]] = {
            output.target: (control, output) for control in self.controls for output in control.outputs
        }
        self.leftovers: list[former.Leftover] = []
        self._ids, self._devices = ids, set(parts)
        self._recalled = self._locks_recalled = False
        self._locks: dict[str, tuple[str, int]] = {}
        self._stops: dict[str, int] = {}
        """When runs of outputs ended that no control has any more (UTC ms): who has one next lets it rest."""

    def targets(self) -> set[Ref]:
        """Return every output that is switched here."""
        return {*self.outputs, *(each.output.target for each in self.leftovers)}

    def left_reads(self, target: Ref, value: bool | None) -> None:
        """Take what an output of former settings reads; None where it could not be read."""
        for leftover in self.leftovers:
            if leftover.output.target == target:
                leftover.output.read_back(value)

    def see_to_leftovers(self, now: Moment) -> list[RuleEffect]:
        """Return what brings outputs of former settings off."""
        effects = [effect for leftover in self.leftovers for effect in leftover.update(now)]
        self.leftovers = [each for each in self.leftovers if not each.is_done(now)]
        return effects

    def lock(self, output: str, who: str, now: Moment) -> Said:
        """See Engine.lock."""
        found = self.outputs.get(ref(output))
        return found[0].lock(found[1], who, now) if found else _unknown(output)

    def unlock(self, output: str, who: str, now: Moment) -> Said:
        """See Engine.unlock."""
        if found := self.outputs.get(ref(output)):
            return found[0].unlock(found[1], who, now)
        return ("", []) if self._locks.pop(output, None) else _unknown(output)

    def manual(
        self, output: str, on: bool, until_ms: int, source: Holder, who: str, now: Moment, command_id: str
    ) -> Said:
        """See Engine.manual."""
        if not (found := self.outputs.get(ref(output))):
            return _unknown(output)
        control, target = found
        return control.manual(
            target, on=on, until_ms=until_ms, source=source, who=who, now=now, command_id=command_id
        )

    def release(self, output: str, source: Holder, who: str, now: Moment, command_id: str) -> Said:
        """See Engine.release."""
        if not (found := self.outputs.get(ref(output))):
            return _unknown(output)
        return found[0].release(found[1], source=source, who=who, now=now, command_id=command_id)

    def explain(self, name: str, now: Moment) -> Why | None:
        """Say why a control is in its state now; None where there is none of that name."""
        return next((explained(each, now) for each in self.controls if each.control.name == name), None)

    @property
    def locks(self) -> dict[str, tuple[str, int]]:
        """What is locked: output → by whom, and when (UTC ms); also outputs that no control has any more."""
        locked = {str(each.target): each.lock for _, each in self.outputs.values() if each.lock}
        return self._locks | {name: (lock.who, lock.since_ms) for name, lock in locked.items()}

    def kept(self) -> dict[str, Any]:
        """Return what must survive a restart, as plain JSON: "controls" and "locks"."""
        return {
            "controls": {each.control.name: state for each in self.controls if (state := memory.kept(each))},
            "locks": {name: list(lock) for name, lock in self.locks.items()},
            "stops": self._stops,
        }

    def recall_locks(self, locks: Mapping[str, Iterable[Any]] | None, now: Moment) -> list[RuleEffect]:
        """Take up locks of a former process; None, where nobody can tell, locks everything."""
        effects: list[RuleEffect] = []
        self._locks_recalled = True
        if locks is None:
            locks = {str(name): (UNREADABLE, now.wall_ms) for name in self.outputs}
        for name, (who, since_ms) in locks.items():
            if found := self.outputs.get(ref(name)):
                effects += found[0].recall_lock(found[1], str(who), int(since_ms), now)
            else:
                self._locks[name] = (str(who), int(since_ms))
        return effects

    def recall(self, remembered: Mapping[str, Any], now: Moment) -> list[RuleEffect]:
        """Take up what ``kept`` gave; what controls of former settings had is seen to.

        Once: a buffer that is opened again at work holds what this process itself has kept.
        """
        if self._recalled:
            return []
        self._recalled = True
        # Their own file is read first, and what was unlocked since is not locked again.
        effects = [] if self._locks_recalled else self.recall_locks(remembered.get("locks", {}), now)
        states = {name: memory.former(each) for name, each in dict(remembered.get("controls", {})).items()}
        owners = {target: control.control.name for target, (control, _) in self.outputs.items()}
        for name, state in states.items():
            leftovers, done = former.left(name, state, owners, self._devices, self._ids, now)
            self.leftovers += leftovers
            effects += done
        for name, state in states.items():
            for key, output in state.get("outputs", {}).items():
                if (
                    "run" in output
                    and (found := self.outputs.get(ref(key)))
                    and found[0].control.name != name
                ):
                    begun_under = str(state.get("fail_state", "off"))
                    effects += memory.hand_over(*found, output["run"], begun_under, now)
        self._let_rest(remembered.get("stops", {}), states, now)
        for control in self.controls:
            effects += memory.recall(control, states.pop(control.control.name, {}), now)
        for name, state in states.items():
            if alarm_id := state.get("alarm"):
                gone = AlarmCleared(alarm_id, now.wall_ms, name, "settings", "settings", clock=now.clock)
                effects.append(Emit(gone))
        return effects

    def _let_rest(self, stops: Mapping[str, int], states: Mapping[str, Any], now: Moment) -> None:
        """Let outputs rest whose runs end with the settings they were of, or have lately."""
        ended = {
            str(key): now.wall_ms
            for name, state in states.items()
            for key, output in state.get("outputs", {}).items()
            if "run" in output and name not in self._owners(ref(key))
        }
        for key, ended_ms in (dict(stops) | ended).items():
            if not (found := self.outputs.get(ref(key))):
                self._stops |= {key: ended_ms} if now.wall_ms - ended_ms < STOPS_KEPT_MS else {}
                continue
            control, output = found
            rest_s = min(0.0, (ended_ms - now.wall_ms) / 1000) + control.control.shortest_rest_s
            if rest_s > 0:
                output.rest(now, rest_s)

    def _owners(self, target: Ref) -> list[str]:
        return [self.outputs[target][0].control.name] if target in self.outputs else []


def _unknown(output: str) -> Said:
    return f"no control has the output {output!r}", []
