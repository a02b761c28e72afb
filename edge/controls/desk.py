"""All controls of a gateway: who asks for an output by name finds it here. Pure but for their memory."""

from collections.abc import Iterable, Mapping
from typing import Any

from contract.events import AlarmCleared, ControlAction, Holder
from edge.clock import Moment
from edge.controls import former, memory
from edge.controls.budget import Stagger
from edge.controls.control import ControlInstance
from edge.controls.explaining import explained
from edge.controls.holding import Said
from edge.controls.leftover import Leftover, stand_in
from edge.controls.output import Output
from edge.controls.telling import Teller
from edge.rules.effects import Emit, Ids, RuleEffect
from edge.rules.why import Fact, Why
from edge.settings import Ref, Settings, ref

UNREADABLE = "unknown: the locks could not be read"
"""Who has locked everything where nobody can tell what was locked."""
NO_CONTROL = "settings"
"""Stands on record for the control of an output that has none any more."""
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
        self.leftovers: list[Leftover] = []
        self._ids, self._devices = ids, set(parts)
        self._recalled = self._locks_recalled = self._all_locked = False
        self._locks: dict[str, tuple[str, int]] = {}
        """Of outputs that nobody here has anything to do with any more."""
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
        self.leftovers = [each for each in self.leftovers if not each.is_done]
        return effects

    def owners(self) -> dict[str, str]:
        """Return every output that somebody may ask for with its control; "" where it has none any more."""
        known = {str(target): control.control.name for target, (control, _) in self.outputs.items()}
        return known | dict.fromkeys(
            [str(each.output.target) for each in self.leftovers] + [*self._locks], ""
        )

    def lock(self, output: str, who: str, now: Moment) -> Said:
        """See Engine.lock."""
        if leftover := self._leftover(output):
            return leftover.lock(who, now)
        found = self.outputs.get(ref(output))
        return found[0].lock(found[1], who, now) if found else _unknown(output)

    def unlock(self, output: str, who: str, now: Moment) -> Said:
        """See Engine.unlock."""
        if found := self.outputs.get(ref(output)):
            return found[0].unlock(found[1], who, now)
        if leftover := self._leftover(output):
            return leftover.unlock(who, now)
        if not (lock := self._locks.pop(output, None)):
            return _unknown(output)
        teller = Teller(stand_in(NO_CONTROL, ref(output)), "", self._ids)
        reason = f"unlocked by {who}; locked by {lock[0]}; no control has it any more"
        return "", [teller.event(ref(output), ControlAction.UNLOCKED, reason, now, who=who)]

    def manual(
        self, output: str, on: bool, until_ms: int, source: Holder, who: str, now: Moment, command_id: str
    ) -> Said:
        """See Engine.manual."""
        if self._leftover(output):
            return f"{output} has no control any more; lock it, or release it", []
        if not (found := self.outputs.get(ref(output))):
            return _unknown(output)
        control, target = found
        return control.manual(
            target, on=on, until_ms=until_ms, source=source, who=who, now=now, command_id=command_id
        )

    def release(self, output: str, source: Holder, who: str, now: Moment, command_id: str) -> Said:
        """See Engine.release."""
        if leftover := self._leftover(output):
            if source is not Holder.LOCAL:
                return f"{output} has no control any more; somebody at the cabinet has to see to it", []
            said = leftover.release(who, now)
            self.leftovers = [each for each in self.leftovers if not each.is_done]
            return said
        if not (found := self.outputs.get(ref(output))):
            return _unknown(output)
        return found[0].release(found[1], source=source, who=who, now=now, command_id=command_id)

    def explain(self, name: str, now: Moment) -> Why | None:
        """Say why a control, by its name or its output's, is in its state now; None where there is none.

        An output that has no control any more speaks for itself.
        """
        if leftover := self._leftover(name):
            return leftover.explain(now)
        if lock := self._locks.get(name):
            since_s = max(0, now.wall_ms - lock[1]) / 1000
            return Why(name, "output", "locked", since_s, (Fact("holder", "lock", name, text=lock[0]),))
        of_output = self.outputs.get(ref(name))
        named = next((each for each in self.controls if each.control.name == name), None)
        control = of_output[0] if of_output else named
        return explained(control, now) if control else None

    @property
    def locks(self) -> dict[str, tuple[str, int]]:
        """What is locked: output → by whom, and when (UTC ms); also outputs that no control has any more."""
        outputs = [output for _, output in self.outputs.values()] + [each.output for each in self.leftovers]
        locked = {str(each.target): each.lock for each in outputs if each.lock}
        return self._locks | {name: (lock.who, lock.since_ms) for name, lock in locked.items()}

    def kept(self) -> dict[str, Any]:
        """Return what must survive a restart, as plain JSON: "controls" and "locks"."""
        controls = {each.control.name: state for each in self.controls if (state := memory.kept(each))}
        for leftover in self.leftovers:
            known = controls.setdefault(leftover.name, {}).setdefault("outputs", {})
            known[str(leftover.output.target)] = leftover.kept()
        return {
            "controls": controls,
            "locks": {name: list(lock) for name, lock in self.locks.items()},
            "stops": self._stops,
        }

    def recall_locks(self, locks: Mapping[str, Iterable[Any]] | None, now: Moment) -> list[RuleEffect]:
        """Take up locks of a former process; None, where nobody can tell, locks everything."""
        effects: list[RuleEffect] = []
        self._locks_recalled = True
        if locks is None:
            self._all_locked = True
            locks = dict.fromkeys(self.owners(), (UNREADABLE, now.wall_ms))
        for name, (who, since_ms) in locks.items():
            if found := self.outputs.get(ref(name)):
                effects += found[0].recall_lock(found[1], str(who), int(since_ms), now)
            elif leftover := self._leftover(name):
                effects += leftover.recall_lock(str(who), int(since_ms), now)
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
        locks = self._locks_of(states, now)
        for name, state in states.items():
            leftovers, done = former.left(name, state, owners, self._devices, locks, self._ids, now)
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
        for leftover in self.leftovers:
            self._locks.pop(str(leftover.output.target), None)
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

    def _locks_of(self, states: Mapping[str, Any], now: Moment) -> Mapping[str, tuple[str, int]]:
        """Return the locks of outputs; where nobody can tell them, of all that former controls had."""
        if not self._all_locked:
            return self._locks
        had = [str(key) for state in states.values() for key in state.get("outputs", {})]
        return dict.fromkeys(had, (UNREADABLE, now.wall_ms)) | self._locks

    def _leftover(self, output: str) -> Leftover | None:
        return next((each for each in self.leftovers if str(each.output.target) == output), None)

    def _owners(self, target: Ref) -> list[str]:
        return [self.outputs[target][0].control.name] if target in self.outputs else []


def _unknown(output: str) -> Said:
    return f"no control has the output {output!r}", []
