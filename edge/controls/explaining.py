"""Why a control is in its state now, as facts.

States: locked, running, inhibited, held_off, locked_out, over_budget, resting, unknown (an output was never
read, or does not answer), off. Facts: holder (``name``, ``text`` is who, ``limit`` until UTC ms), output
(``value`` read back, ``limit`` wanted), run (``since_s``, ``limit`` the longest, ``text`` the cause), start,
stop, join, leave, inhibit (a point's ``value`` against its ``limit``), lasting (``text`` says which inhibit
held a while ago and holds on), rest (``value`` seconds are left), budget, without_effect (``value`` of
``limit`` runs), alarm.
"""

from collections.abc import Iterator

from contract.samples import Value
from edge.clock import Moment
from edge.controls.control import ControlInstance
from edge.controls.inhibits import holds
from edge.controls.output import Output
from edge.controls.settings import Inhibit
from edge.rules.watched import Watched
from edge.rules.why import Fact, Why


def explained(control: ControlInstance, now: Moment) -> Why:
    """Return the state of a control with what decides it."""
    facts = [fact for output in control.outputs for fact in _of_output(control, output, now)]
    conditions = {
        "start": control.start,
        "stop": control.stop,
        "join": control.joins,
        "leave": control.leaves,
    }
    facts += [_of_condition(kind, each, now) for kind, each in conditions.items() if each]
    facts += _of_inhibits(control, now)
    if control.budget.spent:
        facts.append(Fact("budget", control.control.name, text=control.budget.spent))
    if control.runs_without_effect:
        limit = control.control.runs_without_max
        facts.append(Fact("without_effect", control.control.name, control.runs_without_effect, limit))
    if control.alarm_id:
        facts.append(Fact("alarm", control.control.name, text=control.alarm_id))
    run = next((output.run for output in control.outputs if output.run), None)
    since_s = now.s - run.since_s if run else None
    return Why(control.control.name, "control", _state(control, now), since_s, tuple(facts))


def _state(control: ControlInstance, now: Moment) -> str:
    first = control.outputs[0]
    states = {
        "running": control.running,
        "locked": all(output.lock for output in control.outputs),
        "inhibited": control.told_inhibit is not None,
        "held_off": first.manual is not None and not first.manual.on,
        "locked_out": control.locked_out,
        "over_budget": bool(control.budget.spent),
        "unknown": first.actual is None,
        "resting": now.s < first.rest_until_s,
    }
    return next((name for name, holds_now in states.items() if holds_now), "off")


def _of_output(control: ControlInstance, output: Output, now: Moment) -> Iterator[Fact]:
    name = str(output.target)
    until_ms = output.manual.until_ms if output.manual else None
    who = output.lock.who if output.lock else output.manual.who if output.manual else ""
    yield Fact("holder", control.holder_of(output).value, name, until_ms, text=who)
    yield Fact("output", name, output.actual, output.desired)
    if output.run:
        longest_s = control.control.longest_run_s
        yield Fact("run", name, None, longest_s, now.s - output.run.since_s, output.run.cause)
    if now.s < output.rest_until_s:
        yield Fact("rest", name, round(output.rest_until_s - now.s, 1))
    if output.alarm_id:
        yield Fact("alarm", name, text=output.alarm_id)


def _of_condition(kind: str, watched: Watched, now: Moment) -> Fact:
    condition = watched.condition
    sign, limit = (">", condition.above) if condition.above is not None else ("<", condition.below)
    text = f"{sign} {condition.mean_s:g} {condition.held_s:g}"
    return Fact(kind, condition.point, watched.window.value(now.s), limit, text=text)


def _of_inhibits(control: ControlInstance, now: Moment) -> Iterator[Fact]:
    told: list[Inhibit] = []
    for inhibit, window in zip(control.inhibits.declared, control.inhibits.windows, strict=True):
        value = window.value(now.s)
        if value is None or holds(inhibit, value):
            yield Fact("inhibit", inhibit.point, value, _limit(inhibit), text=inhibit.reason)
            told.append(inhibit)
    inhibited = control.inhibits.now(now)
    if inhibited and not told:
        yield Fact("lasting", control.control.name, text=inhibited.told)


def _limit(inhibit: Inhibit) -> Value:
    limits = (inhibit.equals, inhibit.at_or_below, inhibit.at_or_above)
    return next((limit for limit in limits if limit is not None), None)
