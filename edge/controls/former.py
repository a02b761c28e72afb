"""What former settings left: a run whose control is gone, or whose output moved, is ended all the same."""

from collections.abc import Mapping
from typing import Any

from contract.events import ControlAction, Holder
from edge.clock import Moment
from edge.controls.leftover import Leftover, stand_in
from edge.controls.states import Former
from edge.controls.telling import Teller
from edge.rules.effects import Ids, RuleEffect
from edge.settings import Ref, ref


def left(
    name: str,
    remembered: Mapping[str, Any],
    owners: Mapping[Ref, str],
    devices: set[str],
    locks: Mapping[str, tuple[str, int]],
    ids: Ids,
    now: Moment,
) -> tuple[list[Leftover], list[RuleEffect]]:
    """See to the outputs that control ``name`` had and that are not its any more.

    ``owners`` are the controls of outputs now, ``locks`` says who locked what, and when (UTC ms). What failed
    off is brought off or handed over, anything else stays as it is, as does what is locked; all of it is on
    record. Leftovers are still to be seen off.
    """
    leftovers: list[Leftover] = []
    effects: list[RuleEffect] = []
    for key, state in dict(remembered.get("outputs", {})).items():
        target, alarm_id, lock = ref(str(key)), str(state.get("alarm", "")), locks.get(str(key))
        if owners.get(target) == name:
            continue
        fail_state = "off" if "left" in state else str(remembered.get("fail_state", "off"))
        if "run" in state:
            fail_state = Former.of(state["run"], fail_state).fail_state
        control = stand_in(name, target, fail_state)
        teller = Teller(control, "", ids)
        run = _run(state, alarm_id, ids, now)
        reason, action, is_left = _fate(target, fail_state, owners, devices)
        if run and is_left:
            leftovers.append(Leftover(control, target, run, ids, alarm_id=alarm_id))
            if lock:
                effects += leftovers[-1].recall_lock(*lock, now)
                reason += f", and locked by {lock[0]}: it stays as it is"
            else:
                effects += leftovers[-1].bring_off(now)
        else:
            effects += teller.cleared(target, alarm_id, now)
        if "run" in state or ("left" in state and not is_left):
            effects.append(
                teller.event(
                    target,
                    action if "run" in state else ControlAction.RELEASED,  # it was stopped some settings ago
                    reason,
                    now,
                    holder=Holder.LOCK if lock else Holder.RULE,
                    cause=run.cause if run else "",
                    sent=False if is_left and not lock else None,
                )
            )
    return leftovers, effects


def _run(state: Mapping[str, Any], alarm_id: str, ids: Ids, now: Moment) -> Former | None:
    """Return the run that an output was in the middle of, or that left it on, if any."""
    if kept := state.get("run") or state.get("left"):
        return Former.of(kept)
    return Former(ids(), now.wall_ms, Holder.RULE, "") if alarm_id else None  # it has not gone off since


def _fate(
    target: Ref, fail_state: str, owners: Mapping[Ref, str], devices: set[str]
) -> tuple[str, ControlAction, bool]:
    """Return what becomes of an output: why, by what name, and whether it is still to be seen off."""
    changed = "the settings have changed"
    if owner := owners.get(target):
        return f"{changed}: handed over to {owner}", ControlAction.RELEASED, False
    if fail_state != "off":
        reason = f"{changed}: no control any more, it stays as it is ({fail_state})"
        return reason, ControlAction.RELEASED, False
    if target.device not in devices:
        reason = f"{changed}: its device is gone, only its own timer can end the run"
        return reason, ControlAction.STOPPED, False
    return f"{changed}: no control any more", ControlAction.STOPPED, True
