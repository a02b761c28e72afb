"""What a restart takes up: in time or late, under other settings, and what nobody can know any more."""

import json
from typing import Any

import pytest

from contract.events import ControlAction, ControlChanged, Holder
from contract.samples import ClockState
from tests.edge.controls.bench import CONTACTOR, FROST, OUT, SPRAY, Bench

STARTED, STOPPED, FOUND = ControlAction.STARTED, ControlAction.STOPPED, ControlAction.FOUND
DOOR = {"point": "sensor/door", "equals": True, "reason": "door open", "lasts_s": 100.0}
HOLD = SPRAY | CONTACTOR | {"fail_state": "hold"}
ON = HOLD | {"fail_state": "on"}


def of_run(bench: Bench, cause: str) -> list[ControlAction]:
    """Return what was told of a run."""
    told = [event.action for event in bench.of(ControlChanged) if event.cause == cause]
    return [action for action in told if action is not ControlAction.SWITCHED]


def cause_of(bench: Bench) -> str:
    """Return the id of the run under way."""
    run = bench.control.outputs[0].run
    assert run is not None
    return run.cause


def kept_held(on: bool, *, for_s: float = 3600, **changes: Any) -> Any:
    """Return what a process keeps under whose eyes somebody holds the output."""
    bench = Bench(SPRAY | changes)
    bench.step(5, value=100.0)
    assert bench.manual(on=on, for_s=for_s) == ""
    bench.step(5)
    return json.loads(json.dumps(bench.engine.remembered()))


@pytest.mark.parametrize("fail_state", ["off", "on", "hold", "local"])
def test_a_hand_s_off_that_is_recalled_late_ends_the_run_that_was_begun_meanwhile(fail_state: str) -> None:
    """The disk hung; who holds it off may stand before the nozzle."""
    changes = {"fail_state": fail_state} | (CONTACTOR if fail_state != "off" else {})
    late = Bench(SPRAY | changes, first_id=1000)
    late.step(20, value=200.0)
    assert late.on()
    cause = cause_of(late)
    late.do(late.engine.recall(kept_held(on=False, **changes), late.now))
    sent = len(late.orders)
    for _ in range(60):
        late.step(1)
        assert not late.on()
    assert not any(order.on for _, order in late.orders[sent:])
    assert of_run(late, cause) == [STARTED, STOPPED]
    assert not late.control.running
    assert late.control.holder is Holder.LOCAL


def test_a_hand_s_on_that_is_recalled_late_takes_the_run_that_was_begun_meanwhile() -> None:
    """The rule that began it does not end it."""
    kept = kept_held(on=True, **CONTACTOR, fail_state="hold")
    late = Bench(HOLD, first_id=1000)
    late.step(20, value=200.0)
    late.do(late.engine.recall(kept, late.now))
    late.step(20, value=100.0)
    assert late.on()
    late.said(late.engine.release(OUT, Holder.LOCAL, "wang", late.now))
    late.step(5)
    assert not late.on()


def test_no_run_of_a_former_process_is_taken_up_where_somebody_holds_it_off() -> None:
    """The hand came first, the memory later, and then the output could be read again."""
    bench = Bench(HOLD)
    bench.step(5, value=200.0)
    cause, kept = cause_of(bench), bench.engine.remembered()
    late = Bench(HOLD, first_id=1000)
    late.relays[late.control.output].on = True
    late.step(3, value=140.0)
    late.answers = False
    assert late.manual(on=False, for_s=100) == ""
    late.do(late.engine.recall(kept, late.now))
    late.answers = True
    late.step(30)
    assert not late.on()
    assert not late.control.running
    late.events = bench.events + late.events
    assert of_run(late, cause) == [STARTED, STOPPED]


@pytest.mark.parametrize("other", ["on", "hold", "local"])
@pytest.mark.parametrize("name", ["spray", "renamed"])
def test_a_run_that_was_begun_under_fails_off_ends_under_other_settings(other: str, name: str) -> None:
    """Its device's timer is what ends it if the gateway dies: it does not go on without."""
    bench = Bench(SPRAY)
    bench.step(10, value=200.0)
    cause = cause_of(bench)
    again = bench.restarted(SPRAY | CONTACTOR | {"fail_state": other, "name": name})
    again.answers = False
    again.step(3, value=140.0)
    # It dies again before it could read the output: what it kept must not turn the run into another sort.
    again = again.restarted()
    again.answers = True
    again.step(20)
    assert not again.on()
    assert of_run(again, cause)[-1] in (STOPPED, ControlAction.RELEASED)
    again.step(5, value=200.0)
    assert again.on()
    assert cause_of(again) != cause


def test_a_run_that_was_begun_under_another_state_ends_where_it_is_to_fail_off_now() -> None:
    """Nothing of what fails off runs without its timer."""
    bench = Bench(HOLD)
    bench.step(10, value=200.0)
    cause = cause_of(bench)
    again = bench.restarted(SPRAY)
    again.step(5, value=140.0)
    assert not again.on()
    assert of_run(again, cause) == [STARTED, STOPPED]


def test_an_inhibit_that_lasts_goes_on_after_a_restart() -> None:
    """The time to step back from the door is no shorter because the gateway was restarted."""
    bench = Bench(SPRAY | {"inhibits": [DOOR]})
    bench.step(5, value=200.0, door=True)
    bench.step(20, door=False)
    again = bench.restarted(after_s=5.0)
    again.step(70)
    assert not again.on()
    again.step(10)
    assert again.on()


def test_an_inhibit_that_was_over_long_before_a_restart_does_not_come_back() -> None:
    """Whoever restarts the gateway does not wait for the door once more."""
    bench = Bench(SPRAY | {"inhibits": [DOOR]})
    bench.step(5, value=140.0, door=True)
    bench.step(200, door=False)
    bench.step(5, value=200.0)
    again = bench.restarted(after_s=5.0)
    again.step(5)
    assert again.on()


@pytest.mark.parametrize("ahead_ms", [0, -3_600_000, 3_600_000])
def test_what_nobody_saw_counts_as_if_the_inhibit_had_just_held(ahead_ms: int) -> None:
    """A gateway that was away, or whose clock tells nothing, does not know whether the door was open."""
    bench = Bench(SPRAY | {"inhibits": [DOOR]})
    bench.step(200, value=100.0, door=False)
    bench.manual(on=False, for_s=1)
    bench.step(5)
    bench.wall_ms_ahead += ahead_ms
    again = bench.restarted(after_s=300.0 if not ahead_ms else 5.0)
    again.step(95, value=200.0)
    assert not again.on()
    assert "door" in again.manual(on=True)
    again.step(10)
    assert again.on()


def test_a_gateway_that_remembers_nothing_does_not_know_either_and_what_fails_on_does_not_ask() -> None:
    """A storm pump waits for a door that was seen open, not for one that nobody saw."""
    bench = Bench(SPRAY | {"inhibits": [DOOR]})
    bench.step(95, value=200.0, door=False)
    assert not bench.on()
    bench.step(10)
    assert bench.on()
    storm = Bench(ON | {"inhibits": [DOOR]})
    storm.step(5, value=200.0, door=False)
    assert storm.on()
    storm.step(5, door=True)
    storm.step(5, door=False)
    again = storm.restarted()
    again.step(80)
    assert not again.on()
    again.step(20)
    assert again.on()


def test_a_clock_that_was_never_set_does_not_shorten_an_inhibit() -> None:
    """It counts on from the last known time: how long the gateway was away nobody knows."""
    bench = Bench(SPRAY | {"inhibits": [DOOR]})
    bench.step(200, value=100.0, door=False)
    bench.manual(on=False, for_s=1)
    bench.step(5)
    kept = bench.engine.remembered()
    again = Bench(*(each.model_dump() for each in bench.settings.controls), at_s=bench.now_s + 1)
    again.clock = ClockState.UNSET
    again.do(again.engine.recall(kept, again.now))
    again.step(95, value=200.0, door=False)
    assert not again.on()


def test_a_locked_run_of_a_former_process_is_counted_once_in_the_day_s_budget() -> None:
    """However often the gateway is restarted under the lock."""
    changes = {"run_s_per_day_max": 1000.0}
    bench = Bench(SPRAY | changes)
    bench.step(10, value=200.0)
    kept = bench.engine.remembered()
    kept["locks"] = {OUT: ["wang", 0]}
    again = bench.restarted(kept=kept)
    for _ in range(5):
        again.step(100)
        again = again.restarted()
    assert again.control.budget.run_s < 200


def test_a_run_that_a_restart_interrupted_and_a_hand_then_held_off_rests() -> None:
    """Before anybody could read what became of it."""
    bench = Bench(SPRAY | {"shortest_rest_s": 100.0})
    bench.step(30, value=200.0)
    again = bench.restarted(after_s=1.0)
    assert again.manual(on=False, for_s=2) == ""
    again.step(90)
    assert not again.on()
    again.step(15)
    assert again.on()


def test_frost_that_holds_at_the_start_is_no_doubt() -> None:
    """What inhibits without lasting is what is read now."""
    bench = Bench(SPRAY | {"inhibits": [FROST]})
    bench.step(2, value=200.0, cold=10.0)
    assert bench.on()


def test_a_run_that_was_found_on_ends_when_it_is_known_late_that_it_was_begun_as_failing_off() -> None:
    """The settings changed, and the disk hung: it has no timer any more, and does not go on without."""
    bench = Bench(SPRAY)
    bench.step(10, value=200.0)
    kept = bench.engine.remembered()
    late = Bench(HOLD, first_id=1000)
    late.relays = bench.relays
    late.now_s = bench.now_s
    late.step(5, value=140.0)
    assert late.control.running
    late.do(late.engine.recall(kept, late.now))
    late.step(100)
    assert not late.on()
    assert not late.control.running


def test_a_lock_that_was_taken_off_does_not_come_back_with_a_late_memory() -> None:
    """Locks have a file of their own, and that was read in time."""
    bench = Bench(SPRAY)
    bench.step(5, value=100.0)
    bench.said(bench.engine.lock(OUT, "wang", bench.now))
    kept = bench.engine.remembered()
    late = Bench(SPRAY, first_id=1000)
    late.do(late.engine.recall_locks(kept["locks"], late.now))
    late.step(5, value=200.0)
    assert late.said(late.engine.unlock(OUT, "wang", late.now)) == ""
    late.do(late.engine.recall(kept, late.now))
    late.step(5)
    assert late.on()


def test_what_is_told_of_a_run_that_was_taken_over_has_its_cause() -> None:
    """A run is one id in the record, through restarts and failures."""
    bench = Bench(HOLD)
    bench.step(10, value=200.0)
    cause = cause_of(bench)
    again = bench.restarted()
    again.step(5)
    again.answers = False
    again.step(60)
    assert of_run(again, cause) == [STARTED, FOUND, ControlAction.FAILED]


@pytest.mark.parametrize("on", [True, False])
def test_a_run_that_a_restart_interrupted_and_a_hand_then_held_on_is_the_same_or_rests(on: bool) -> None:
    """The output cannot be read at first: it may be on, and then it was on all the time."""
    hold = HOLD | {"shortest_rest_s": 30.0}
    bench = Bench(hold)
    bench.step(10, value=200.0)
    cause = cause_of(bench)
    again = bench.restarted(after_s=1.0)
    again.answers = False
    again.step(2)
    assert again.manual(on=True, for_s=100) == ""
    again.relays[again.control.output].on = on
    again.answers = True
    again.step(20, value=100.0)
    assert again.on() is on
    assert of_run(again, cause) == [STARTED, FOUND if on else STOPPED]
    again.step(20)
    assert again.on()
    assert again.control.outputs[0].run is not None
    assert again.control.outputs[0].run.holder is Holder.LOCAL


def test_what_people_said_to_a_former_process_is_over_when_they_have_spoken_to_this_one() -> None:
    """The disk hung: the newer word stands, also when its time is over."""
    late = Bench(first_id=1000)
    late.step(5, value=100.0)
    assert late.manual(on=True, for_s=10) == ""
    late.step(20)
    late.do(late.engine.recall(kept_held(on=False), late.now))
    late.step(5, value=200.0)
    assert late.on()
    assert late.actions()[-2:] == [ControlAction.RELEASED, STARTED]
