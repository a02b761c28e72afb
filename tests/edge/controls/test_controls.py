"""Controls: what starts, ends and holds an output, and what must never switch it."""

import itertools
from typing import Any

import pytest

from contract.events import ControlAction, ControlChanged
from contract.samples import ClockState, Quality, Sample
from edge.clock import Moment
from edge.rules.effects import Emit, RuleEffect, Switch
from edge.rules.engine import Engine
from edge.settings import Settings

START_MS = 1_800_000_000_000


def engine(**changes: Any) -> Engine:
    """Return the rules of a gateway with one control: relay/out follows sensor/value, on above 150."""
    told: dict[str, Any] = {
        "name": "spray",
        "output": "relay/out",
        "fail_state": "off",
        "start": {"point": "sensor/value", "above": 150.0},
        "stop": {"point": "sensor/value", "below": 120.0},
        "longest_run_s": 1800.0,
        "self_off_s": 60.0,
    }
    settings = Settings.model_validate(
        {
            "schema": 1,
            "district": "north",
            "gateway": "gw-1",
            "broker": {"host": "127.0.0.1"},
            "lines": [{"kind": "tcp", "name": "bus", "host": "127.0.0.1"}],
            "devices": [
                {"name": name, "line": "bus", "unit_id": number, "profile": "x"}
                for number, name in enumerate(("sensor", "relay"), 1)
            ],
            "controls": [told | changes],
        }
    )
    counter = itertools.count(1)
    return Engine(settings, lambda: f"{next(counter):032x}")


def moment(at_s: float, clock: ClockState = ClockState.SYNCHRONISED) -> Moment:
    """Return a moment."""
    return Moment(round(at_s * 1e9), START_MS + round(at_s * 1000), clock)


def observed(
    subject: Engine, at_s: float, *, clock: ClockState = ClockState.SYNCHRONISED, **values: Any
) -> list[RuleEffect]:
    """Let it see values of the sensor (value, cold) and of the relay (out)."""
    quality = Quality.GOOD if clock is ClockState.SYNCHRONISED else Quality.UNCERTAIN
    samples = [
        Sample(round(at_s * 1000), "relay" if name == "out" else "sensor", name, value, quality, "", clock)
        for name, value in values.items()
    ]
    return subject.observe(samples, moment(at_s, clock))


def actions(effects: list[RuleEffect]) -> list[ControlAction]:
    """Return what the control says it did."""
    events = [effect.event for effect in effects if isinstance(effect, Emit)]
    return [event.action for event in events if isinstance(event, ControlChanged)]


def switched(effects: list[RuleEffect]) -> list[bool]:
    """Return what the output was told."""
    return [effect.on for effect in effects if isinstance(effect, Switch)]


def test_a_clock_that_was_never_set_keeps_nothing_from_working() -> None:
    """After a power cut without network and clock battery it is 1970, and the dust rises all the same."""
    subject = engine()
    effects = observed(subject, 0, clock=ClockState.UNSET, value=200.0, out=False)
    assert actions(effects) == [ControlAction.STARTED]
    assert switched(effects) == [True]


def test_a_value_out_of_range_decides_nothing_whatever_the_clock() -> None:
    """Uncertain for its own sake is not uncertain for the clock's."""
    subject = engine()
    wild = Sample(0, "sensor", "value", 9e9, Quality.UNCERTAIN, "out_of_range", ClockState.UNSET)
    assert actions(subject.observe([wild], moment(0, ClockState.UNSET))) == []


def test_it_does_not_start_before_it_could_tell_when_to_stop() -> None:
    """With a longer mean for stopping than for starting it would start and stop with every tick."""
    subject = engine(stop={"point": "sensor/value", "below": 120.0, "mean_s": 60.0})
    told = [
        action
        for step in range(240)
        for action in actions(observed(subject, step / 2, value=200.0, out=subject.controls[0].running))
    ]
    assert told == [ControlAction.STARTED, ControlAction.SWITCHED]


def test_an_inhibit_is_told_once_whatever_its_value_does() -> None:
    """A frosty night of changing temperatures is one event, not one a poll."""
    subject = engine(inhibits=[{"point": "sensor/cold", "at_or_below": 2.0, "reason": "frost"}])
    told = [
        action
        for step in range(100)
        for action in actions(observed(subject, step, value=200.0, cold=1 - step / 100, out=False))
    ]
    assert told == [ControlAction.INHIBITED]


def test_after_the_order_to_stop_nothing_starts_any_more() -> None:
    """The line still answers for some seconds, and the condition still holds."""
    subject = engine()
    observed(subject, 0, value=200.0, out=False)
    observed(subject, 1, value=200.0, out=True)
    assert switched(subject.shut_down(moment(2))) == [False]
    later = [observed(subject, at_s, value=200.0, out=False) for at_s in (2.5, 3, 4)]
    assert [actions(effects) for effects in later] == [[ControlAction.SWITCHED], [], []]
    assert [switched(effects) for effects in later] == [[], [], []]


def test_an_output_that_does_not_go_off_at_the_stop_is_told_again() -> None:
    """The first order may be lost on the line."""
    subject = engine()
    observed(subject, 0, value=200.0, out=False)
    subject.shut_down(moment(2))
    assert switched(observed(subject, 4.5, value=200.0, out=True)) == [False]


def test_an_output_that_fails_on_stays_on_after_a_stop() -> None:
    """Its own last order is not taken back when the relay answers."""
    subject = engine(fail_state="on", self_off_s=None, longest_run_s=None)
    observed(subject, 0, value=100.0, out=False)
    assert switched(subject.shut_down(moment(1))) == [True]
    assert switched(observed(subject, 1.2, value=100.0, out=True)) == []
    assert switched(observed(subject, 9, value=100.0, out=True)) == []


@pytest.mark.parametrize("fail_state", ["on", "hold", "local"])
def test_what_does_not_fail_off_is_not_switched_off_by_a_restart(fail_state: str) -> None:
    """The lamps burn, the gateway has just started, and nothing has been measured yet."""
    inhibits = [{"point": "sensor/cold", "at_or_below": 2.0, "reason": "frost"}]
    subject = engine(fail_state=fail_state, self_off_s=None, longest_run_s=None, inhibits=inhibits)
    effects = [each for at_s in range(60) for each in observed(subject, at_s, out=True)]
    assert False not in switched(effects)
    assert False in switched(observed(subject, 61, value=100.0, cold=10.0, out=True))


@pytest.mark.parametrize("fail_state", ["on", "hold", "local"])
def test_what_does_not_fail_off_stays_on_when_its_inputs_are_lost(fail_state: str) -> None:
    """And what fails off goes off."""
    subject = engine(fail_state=fail_state, self_off_s=None, longest_run_s=None)
    observed(subject, 0, value=200.0, out=False)
    assert False not in switched([each for at_s in range(120) for each in observed(subject, at_s, out=True)])
    subject = engine()
    observed(subject, 0, value=200.0, out=False)
    assert False in switched([each for at_s in range(120) for each in observed(subject, at_s, out=True)])
