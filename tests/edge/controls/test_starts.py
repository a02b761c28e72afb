"""What a rule may not start: against its stop, against its hands, again and again without sense."""

import collections
import itertools
from typing import Any

import pytest

from contract.events import ControlAction, ControlChanged, Holder
from tests.edge.controls.bench import CONTACTOR, FROST, OTHER, OUT, SPRAY, Bench
from tests.edge.controls.test_runs import PUMPS

STARTED, STOPPED = ControlAction.STARTED, ControlAction.STOPPED
PEOPLE = SPRAY | CONTACTOR | {"start": None, "stop": None}


def starts(bench: Bench) -> list[tuple[float, str]]:
    """Return when which output was started."""
    told = [event for event in bench.of(ControlChanged) if event.action is STARTED]
    return [(event.time_ms / 1000 - 1_800_000_000, event.point) for event in told]


@pytest.mark.parametrize(
    "changes",
    [
        {"start": {"point": "sensor/value", "above": 150.0, "mean_s": 60.0}},
        {"stop": {"point": "sensor/sump", "above": 3.0}},
        {"stop": {"point": "sensor/sump", "above": 3.0, "held_s": 5.0}},
        {"stop": {"point": "sensor/sump", "above": 3.0}, "fail_state": "on"} | CONTACTOR,
    ],
)
def test_nothing_starts_while_its_stop_condition_is_met(changes: dict[str, Any]) -> None:
    """A mean that is still high, or two points: the contactor does not chatter."""
    bench = Bench(SPRAY | changes)
    bench.step(70, value=400.0, sump=1.0)
    assert len(starts(bench)) == 1
    bench.step(30, value=100.0, sump=4.0)
    bench.step(30, value=100.0 if "sump" not in str(changes) else 400.0)
    assert len(starts(bench)) == 1
    assert not bench.on()
    bench.step(70, value=400.0, sump=1.0)
    assert bench.on()


def test_what_fails_on_and_has_lost_its_start_waits_for_its_stop_condition_to_end() -> None:
    """The sump is empty, and that is known: there is nothing to be pumped."""
    storm = SPRAY | CONTACTOR | {"fail_state": "on", "stop": {"point": "sensor/sump", "below": 1.0}}
    bench = Bench(storm)
    bench.step(5, value=100.0, sump=0.5)
    bench.step(200, value=None)
    assert not bench.on()
    bench.step(5, sump=2.0)
    assert bench.on()
    bench.step(200, sump=None)
    assert bench.on()
    assert len(starts(bench)) == 1


def test_the_second_pump_does_not_join_while_it_would_leave() -> None:
    """By two points: it would join and leave with every look."""
    lag = {"output": OTHER, "start": {"point": "sensor/value", "above": 300.0},
           "stop": {"point": "sensor/sump", "below": 1.0}}  # fmt: skip
    bench = Bench(SPRAY | {"lag": lag})
    bench.step(60, value=400.0, sump=0.5)
    assert [point for _, point in starts(bench)] == ["out"]
    bench.step(10, sump=2.0)
    assert [point for _, point in starts(bench)] == ["out", "other"]


@pytest.mark.parametrize("held_s", [60.0, 20.0])
def test_the_second_pump_joins_when_its_condition_has_held_in_this_run(held_s: float) -> None:
    """What it was in a run before does not count."""
    lag = PUMPS["lag"] | {"start": {"point": "sensor/value", "above": 300.0, "held_s": held_s}}
    bench = Bench(PUMPS | {"lag": lag})
    bench.step(held_s / 2, value=310.0)
    bench.step(1, value=100.0)
    bench.step(300)
    bench.step(held_s / 2 + 3, value=310.0)
    assert len(starts(bench)) == 2
    bench.step(held_s)
    assert len(starts(bench)) == 3


def test_the_second_pump_that_was_ended_joins_when_its_condition_has_held_anew() -> None:
    """Not with the next look."""
    lag = PUMPS["lag"] | {"start": {"point": "sensor/value", "above": 300.0, "held_s": 30.0}, "stop": None}
    bench = Bench(PUMPS | {"lag": lag})
    bench.step(40, value=310.0)
    assert (bench.on(OUT), bench.on(OTHER)) == (True, True)
    assert bench.manual(on=False, for_s=2, output=OTHER) == ""
    bench.step(25)
    assert len(starts(bench)) == 2
    bench.step(10)
    assert len(starts(bench)) == 3


def test_a_run_that_the_rule_takes_over_is_stopped_when_its_condition_has_held_since() -> None:
    """Somebody held it on meanwhile: what was before that does not count."""
    hold = SPRAY | CONTACTOR | {"fail_state": "hold"}
    bench = Bench(hold | {"stop": {"point": "sensor/value", "below": 120.0, "held_s": 60.0}})
    bench.step(5, value=200.0)
    bench.step(70, value=100.0)
    assert not bench.on()
    bench.step(100, value=140.0)
    bench.manual(on=True, for_s=5)
    bench.step(8)
    bench.step(50, value=100.0)
    assert bench.on()
    bench.step(15)
    assert not bench.on()


def test_two_broken_pumps_are_tried_in_turn_with_patience_and_within_the_day_s_runs() -> None:
    """Not a hundred times in ten minutes; each failure once is an alarm."""
    bench = Bench(PUMPS | {"stagger_s": 20.0})
    for relay in bench.relays.values():
        relay.broken = True
    bench.step(3600, value=200.0)
    began = starts(bench)
    assert 4 <= len(began) <= 20  # its longest run of 600 s gives six
    assert {point for _, point in began} == {"out", "other"}
    assert all(later - earlier >= 20 for (earlier, _), (later, _) in itertools.pairwise(began))
    assert len(bench.alarms) == 2
    bench = Bench(PUMPS | {"runs_per_day_max": 2, "longest_run_s": 3600.0})
    for relay in bench.relays.values():
        relay.broken = True
    bench.step(3000, value=200.0)
    assert [point for _, point in starts(bench)] == ["out", "other"]


def test_two_storm_pumps_on_a_dead_line_are_tried_in_turn_with_patience() -> None:
    """Neither can be read: each stays wanted for a while."""
    bench = Bench(PUMPS | CONTACTOR | {"fail_state": "on"})
    bench.step(5, value=100.0)
    bench.step(5, value=200.0)
    bench.answers = False
    bench.step(3600)
    assert 3 <= len(starts(bench)) <= 14
    assert bench.control.running


def test_a_second_pump_that_fails_again_and_again_joins_with_patience() -> None:
    """It is tried once more while both are needed, then ever more seldom."""
    bench = Bench(PUMPS | {"longest_run_s": 7200.0})
    bench.relays[bench.control.outputs[1].target].broken = True
    bench.step(3600, value=310.0)
    assert bench.on(OUT)
    assert 2 <= collections.Counter(point for _, point in starts(bench))["other"] <= 9


def test_a_dry_pump_that_is_locked_out_does_not_join() -> None:
    """Nor does the other take over: a lock-out is of the control."""
    proof = {"point": "sensor/current", "above": 2.0, "within_s": 10.0, "runs_without_max": 1}
    bench = Bench(PUMPS | {"proves": proof})
    bench.step(3, value=200.0, current=0.0)
    bench.step(300, value=310.0)
    assert bench.control.locked_out
    assert [point for _, point in starts(bench)] == ["out", "other"]
    assert not bench.on(OUT)
    assert not bench.on(OTHER)


def test_a_pump_that_fails_while_the_control_is_locked_out_keeps_its_run() -> None:
    """The other is not started in its place."""
    proof = {"point": "sensor/current", "above": 2.0, "within_s": 30.0, "runs_without_max": 1}
    bench = Bench(PUMPS | {"proves": proof, "fail_state": "off"})
    bench.step(3, value=200.0, current=5.0)
    bench.control.proving.runs_without = 1
    bench.relays[bench.control.outputs[0].target].broken = True
    bench.relays[bench.control.outputs[0].target].on = False
    bench.step(60)
    assert [point for _, point in starts(bench)] == ["out"]


@pytest.mark.parametrize("fail_state", ["on", "hold"])
def test_what_was_on_before_a_hand_comes_back_when_it_has_rested(fail_state: str) -> None:
    """The lamp in it must cool down, whoever switched it."""
    bench = Bench(PEOPLE | {"fail_state": fail_state, "shortest_rest_s": 60.0})
    bench.relays[bench.control.output].on = True
    bench.step(5)
    assert bench.manual(on=False, for_s=3) == ""
    bench.step(50)
    assert not bench.on()
    bench = bench.restarted()
    bench.step(20)
    assert bench.on()
    assert bench.actions()[-3:] == [STOPPED, ControlAction.RELEASED, STARTED]


def test_what_was_on_before_a_hand_comes_back_after_the_frost() -> None:
    """Nothing is begun, and ended with the next look, while an inhibit holds."""
    bench = Bench(PEOPLE | {"fail_state": "hold", "inhibits": [FROST]})
    bench.relays[bench.control.output].on = True
    bench.step(5, cold=10.0)
    bench.manual(on=False, for_s=10)
    bench.step(30, cold=1.0)
    assert not bench.on()
    assert STARTED not in bench.actions()
    bench.step(5, cold=10.0)
    assert bench.on()


@pytest.mark.parametrize("how", ["held", "locked"])
def test_what_was_to_come_back_does_so_after_another_hand_and_not_after_a_lock(how: str) -> None:
    """Who holds it after it was held gives it back as it was before both; a lock leaves it as it is."""
    bench = Bench(PEOPLE | {"fail_state": "hold", "shortest_rest_s": 60.0})
    bench.relays[bench.control.output].on = True
    bench.step(5)
    bench.manual(on=False, for_s=3)
    bench.step(10)
    if how == "held":
        bench.manual(on=False, for_s=20)
        bench.step(5)
        bench.said(bench.engine.release(OUT, Holder.LOCAL, "wang", bench.now))
    else:
        bench.said(bench.engine.lock(OUT, "wang", bench.now))
        bench.said(bench.engine.unlock(OUT, "wang", bench.now))
    bench.step(100)
    assert bench.on() is (how == "held")
