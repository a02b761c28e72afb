"""Outputs of former settings: a run whose control is gone, or whose output moved, is ended all the same."""

from collections.abc import Mapping
from typing import Any

from contract.events import ControlAction
from edge.clock import Moment
from edge.controls.output import Output
from edge.controls.settings import Control
from edge.controls.states import Former
from edge.controls.telling import Teller
from edge.rules.effects import Ids, RuleEffect
from edge.settings import Ref, ref

HELD_FOR_S = 600.0
"""So long it is tried to bring such an output off; its own timer has done it by then."""


class Leftover:
    """An output that fails off and has no control any more: it is brought off, by what it reads."""

    def __init__(self, target: Ref, teller: Teller, control: Control, run: Former, now: Moment) -> None:
        """Command it off."""
        self.output = Output(target, control, teller)
        self._until_s = now.s + HELD_FOR_S
        self.effects = self.output.command(on=False, cause=run.cause, now=now)

    def update(self, now: Moment) -> list[RuleEffect]:
        """Return what holds it off."""
        return self.output.hold(now)

    def is_done(self, now: Moment) -> bool:
        """Say whether it reads off, or has been tried for long enough."""
        read = self.output.actual is False and self.output.read_count > 0
        return read or now.s >= self._until_s


def left(
    name: str,
    remembered: Mapping[str, Any],
    owners: Mapping[Ref, str],
    devices: set[str],
    ids: Ids,
    now: Moment,
) -> tuple[list[Leftover], list[RuleEffect]]:
    """See to the outputs that control ``name`` had and that are not its any more.

    ``owners`` are the controls of outputs now. What failed off is brought off or handed over, anything else
    stays as it is; all of it is on record.
    """
    leftovers: list[Leftover] = []
    effects: list[RuleEffect] = []
    fail_state = str(remembered.get("fail_state", "off"))
    for key, state in dict(remembered.get("outputs", {})).items():
        target = ref(str(key))
        if owners.get(target) == name:
            continue
        control = Control.model_validate(
            {"name": name, "output": str(key), "fail_state": fail_state, "problem": "control_failed"}
        )
        teller = Teller(control, "", ids)
        effects += teller.cleared(target, str(state.get("alarm", "")), now)
        if "run" not in state:
            continue
        run = Former.of(state["run"], fail_state)
        reason, action, sent = _fate(target, run.fail_state, owners, devices)
        if sent is not None:
            leftovers.append(Leftover(target, teller, control, run, now))
            effects += leftovers[-1].effects
        effects.append(teller.event(target, action, reason, now, cause=run.cause, sent=sent))
    return leftovers, effects


def _fate(
    target: Ref, fail_state: str, owners: Mapping[Ref, str], devices: set[str]
) -> tuple[str, ControlAction, bool | None]:
    """Return what becomes of an output: why, by what name, and what is sent."""
    if owner := owners.get(target):
        return f"the settings have changed: handed over to {owner}", ControlAction.RELEASED, None
    if fail_state != "off":
        return (
            f"the settings have changed: no control any more, it stays as it is ({fail_state})",
            ControlAction.RELEASED,
            None,
        )
    if target.device not in devices:
        reason = "the settings have changed: its device is gone, only its own timer can end the run"
        return reason, ControlAction.STOPPED, None
    return "the settings have changed: no control any more", ControlAction.STOPPED, False
