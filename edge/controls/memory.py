"""What of a control must survive a restart, as plain JSON; and what is taken up of it.

Whatever this process has come to by itself stands: what was kept may be read late, from a disk that hung.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from contract.events import ControlAction, Holder
from edge.clock import Moment
from edge.controls.bounds import Bounded
from edge.controls.output import Output
from edge.controls.states import Former, Manual
from edge.rules.effects import RuleEffect


def kept(control: Bounded) -> dict[str, Any]:
    """Return a control's state; empty where there is nothing to know."""
    known: dict[str, Any] = {
        "alarm": control.alarm_id,
        "without": control.runs_without_effect,
        "lead": control.next_lead,
        "outputs": {str(each.target): state for each in control.outputs if (state := each.kept())},
        "inhibits": control.inhibits.kept(),
    }
    known = {key: value for key, value in known.items() if value}
    if control.budget.runs or control.budget.run_s:
        known["day"] = control.budget.kept()
    return known | {"fail_state": control.control.fail_state} if known else {}


def former(remembered: object) -> dict[str, Any]:
    """Return a kept state in today's form."""
    if isinstance(remembered, list):  # as gateways before precedence kept it
        alarm_id, without = remembered
        return {"alarm": alarm_id, "without": without}
    return dict(remembered) if isinstance(remembered, Mapping) else {}


def recall(control: Bounded, remembered: Mapping[str, Any], now: Moment) -> list[RuleEffect]:
    """Take up what a former process kept; what it was in the middle of is seen to when the output is read."""
    effects: list[RuleEffect] = []
    control.budget.look(now)
    control.inhibits.recall(remembered.get("inhibits", {}), now)
    if "day" in remembered:
        control.budget.recall(remembered["day"])
    control.next_lead = min(int(remembered.get("lead", 0)), len(control.outputs) - 1)
    control.proving.runs_without = control.proving.runs_without or int(remembered.get("without", 0))
    alarm_id = str(remembered.get("alarm", ""))
    if control.alarm_id and alarm_id != control.alarm_id:
        effects += control.teller.cleared(control.outputs[0].target, alarm_id, now)
    else:
        control.alarm_id = alarm_id
    states, fail_state = remembered.get("outputs", {}), str(remembered.get("fail_state", "off"))
    for output in control.outputs:
        if state := states.get(str(output.target)):
            effects += _output(control, output, state, fail_state, now)
    return effects


def _output(
    control: Bounded, output: Output, state: Mapping[str, Any], fail_state: str, now: Moment
) -> list[RuleEffect]:
    effects: list[RuleEffect] = []
    alarm_id = str(state.get("alarm", ""))
    if output.alarm_id and alarm_id != output.alarm_id:
        effects += control.teller.cleared(output.target, alarm_id, now)
    else:
        output.alarm_id, output.failed = alarm_id, output.failed or bool(state.get("failed"))
    output.on_s += float(state.get("on_s", 0))
    rest_s = (int(state.get("rest_ms", 0)) - now.wall_ms) / 1000
    if rest_s > 0 and output.rest_until_s < now.s:
        output.rest(now, min(rest_s, control.control.shortest_rest_s))
    if run := state.get("run"):
        effects += _former(control, output, Former.of(run, fail_state), now)
    if manual := state.get("manual"):
        effects += _manual(control, output, manual, fail_state, now)
    told = output.heard or output.lock or output.manual
    if control.control.start is None and not control.control.fails_off and not told:
        output.returns = str(state.get("returns", ""))
    return effects


def _former(control: Bounded, output: Output, former: Former, now: Moment) -> list[RuleEffect]:
    """Take up the run that a former process was in the middle of; it may have run on, which counts."""
    if output.run:
        return [_overtaken(control, output, former, now), *control.known_late(output, former, now)]
    longest_s = control.control.longest_run_s
    if control.control.fails_off and longest_s is not None and not former.counted:
        control.budget.run_s += min(longest_s, now.s - former.since_s(now))
        former = replace(former, counted=True)
    output.former = former
    return []


def hand_over(
    control: Bounded, output: Output, run: list[Any], fail_state: str, now: Moment
) -> list[RuleEffect]:
    """Give a control the run of another that had its output: what was begun as failing off ends so."""
    former = Former.of(run, fail_state)
    if output.run is None and former.fail_state == "off" and not control.control.fails_off:
        output.former = former
    return control.known_late(output, former, now)


def _overtaken(control: Bounded, output: Output, former: Former, now: Moment) -> RuleEffect:
    """End a former run on record: when it became known, another was under way already."""
    reason = "a restart has interrupted it, and another run was begun before that was known"
    return control.teller.event(
        output.target, ControlAction.STOPPED, reason, now, who=former.who, cause=former.cause
    )


def _manual(
    control: Bounded, output: Output, kept_manual: list[Any], fail_state: str, now: Moment
) -> list[RuleEffect]:
    """Keep to what people said: off for the rest of its time, on only where it does not fail off."""
    on, until_ms, source, who, _, cause, before = kept_manual
    holder = Holder(source)
    most_s = control.control.manual_s_max if holder is Holder.CENTRE else control.control.local_manual_s_max
    rest_s = min(most_s, (until_ms - now.wall_ms) / 1000)
    if output.heard or output.lock:
        refusal = "somebody has said otherwise since the start"
    elif rest_s <= 0:
        refusal = "its time is over"
    elif on and "off" in (control.control.fail_state, fail_state):
        refusal = "the gateway was started again"
    else:
        refusal = ""
    if refusal:
        return [
            control.teller.event(output.target, ControlAction.RELEASED, refusal, now, who=who, cause=cause)
        ]
    # Whether it was proved nobody knows any more: the centre is not answered a second time.
    output.manual = Manual(
        on, now.s + rest_s, until_ms, holder, who, "", cause, before, output.read_count, now.s
    )
    return control.held_again(output, output.manual, now)
