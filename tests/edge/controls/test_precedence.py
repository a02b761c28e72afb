"""Who holds an output: the lock, inhibits, somebody at the cabinet, the centre, the rules."""

from typing import Any

import pytest

from contract.events import CommandOutcome, ControlAction, ControlChanged, Holder
from tests.edge.controls.bench import CONTACTOR, FROST, SPRAY, Bench

COMMAND = "c" * 32
MANUAL_ONLY = SPRAY | {"start": None, "stop": None}


def frosty(**changes: Any) -> Bench:
    """Return a bench with a spray that frost inhibits, in dust, off, and warm."""
    bench = Bench(SPRAY | {"inhibits": [FROST]} | changes)
    bench.step(value=100.0, cold=10.0)
    return bench


def running(**changes: Any) -> Bench:
    """Return the same in the middle of a run."""
    bench = frosty(**changes)
    bench.step(10, value=200.0)
    assert bench.on()
    return bench


def held_by(bench: Bench) -> Holder:
    """Return who holds the spray's output."""
    return bench.control.holder


def test_a_lock_ends_a_run_and_nothing_starts_until_it_is_taken_off() -> None:
    """Not the rule, not somebody at the cabinet, not the centre; and the refusal says who locked it."""
    bench = running()
    assert bench.said(bench.engine.lock("relay/out", "wang", bench.now)) == ""
    assert bench.control.holder is Holder.LOCK
    bench.step(3600)
    assert not bench.on()
    for by in (Holder.LOCAL, Holder.CENTRE):
        assert "locked for maintenance by wang" in bench.manual(on=True, by=by)
    assert "locked already" in bench.said(bench.engine.lock("relay/out", "li", bench.now))
    assert bench.said(bench.engine.unlock("relay/out", "wang", bench.now)) == ""
    bench.step(5)
    assert bench.on()
    assert bench.actions() == [
        ControlAction.STARTED,
        ControlAction.LOCKED,
        ControlAction.STOPPED,
        ControlAction.UNLOCKED,
        ControlAction.STARTED,
    ]


def test_a_lock_survives_restarts_whatever_was_in_force_and_new_settings() -> None:
    """Only whoever stands at the cabinet takes it off."""
    bench = running()
    bench.said(bench.engine.lock("relay/out", "wang", bench.now))
    again = bench.restarted(after_s=86_400)
    again.step(60)
    assert not again.on()
    assert again.control.holder is Holder.LOCK
    without = again.restarted(SPRAY | {"output": "relay/other"})
    back = without.restarted(SPRAY)
    back.step(60)
    assert not back.on()
    assert back.control.holder is Holder.LOCK


def test_who_works_on_a_locked_output_may_switch_it_by_hand() -> None:
    """The gateway sends nothing: it is not there to fight with the technician."""
    bench = running()
    bench.said(bench.engine.lock("relay/out", "wang", bench.now))
    bench.step(5)
    sent = len(bench.orders)
    bench.relays[bench.control.output].on = True
    bench.step(300)
    assert len(bench.orders) == sent
    bench.said(bench.engine.unlock("relay/out", "wang", bench.now))
    bench.step(3, value=100.0)
    assert not bench.on()  # nobody here had switched it on
    assert ControlAction.FOUND in bench.actions()


@pytest.mark.parametrize("fail_state", ["on", "hold", "local"])
def test_a_lock_leaves_what_does_not_fail_off_as_it_is(fail_state: str) -> None:
    """A street light does not go out because somebody works at its cabinet."""
    bench = running(fail_state=fail_state, **CONTACTOR)
    sent = len(bench.orders)
    bench.said(bench.engine.lock("relay/out", "wang", bench.now))
    bench.step(600, value=100.0)
    assert bench.on()
    assert len(bench.orders) == sent
    bench.said(bench.engine.unlock("relay/out", "wang", bench.now))
    bench.step(5)
    assert not bench.on()


def test_an_inhibit_goes_before_people() -> None:
    """Frost ends what somebody holds on, refuses another try, and does not let it come back by itself."""
    bench = frosty()
    assert bench.manual(on=True, for_s=600) == ""
    bench.step(5)
    assert bench.on()
    bench.step(2, cold=1.0)
    assert not bench.on()
    assert "frost" in bench.manual(on=True)
    bench.step(60, cold=10.0)
    assert not bench.on()
    assert bench.actions() == [
        ControlAction.HELD, ControlAction.STARTED, ControlAction.STOPPED, ControlAction.RELEASED
    ]  # fmt: skip
    assert [event.holder for event in bench.of(ControlChanged) if event.action is ControlAction.STOPPED] == [
        Holder.INHIBIT
    ]


def test_people_may_hold_it_off_in_any_weather() -> None:
    """Only on needs a reason to be safe."""
    bench = running()
    bench.step(1, cold=1.0)
    assert bench.manual(on=False) == ""


def test_the_cabinet_goes_before_the_centre_and_the_centre_before_the_rule() -> None:
    """The centre cannot take from somebody at the cabinet; these take from it."""
    bench = running()
    assert bench.manual(on=False, for_s=300, by=Holder.CENTRE, command=COMMAND) == ""
    bench.step(30)
    assert not bench.on()
    assert held_by(bench) is Holder.CENTRE
    assert bench.manual(on=True, for_s=100) == ""
    bench.step(5)
    assert bench.on()
    assert held_by(bench) is Holder.LOCAL
    assert "wang at the cabinet holds" in bench.manual(on=False, by=Holder.CENTRE, command="d" * 32)
    refused = bench.said(bench.engine.release("relay/out", Holder.CENTRE, "centre/li", bench.now))
    assert "wang at the cabinet" in refused
    assert bench.on()
    assert [(answer.command_id, answer.outcome) for answer in bench.told] == [
        (COMMAND, CommandOutcome.DONE),
        ("d" * 32, CommandOutcome.REFUSED),
    ]


def test_what_the_centre_holds_always_ends() -> None:
    """It gives an end that is not past and not too far; then the rule decides again."""
    bench = frosty(manual_s_max=600.0)
    assert "longer than 600 s" in bench.manual(on=True, for_s=601, by=Holder.CENTRE)
    assert "passed already" in bench.manual(on=True, for_s=0, by=Holder.CENTRE)
    assert bench.manual(on=True, for_s=120, by=Holder.CENTRE, command=COMMAND) == ""
    bench.step(118)
    assert bench.on()
    bench.step(3)
    assert not bench.on()
    assert bench.control.holder is Holder.RULE
    assert all(
        order.self_off_s is not None and order.self_off_s <= 120 for at_s, order in bench.orders if order.on
    )


def test_a_local_manual_ends_too() -> None:
    """Whoever went home must not have left the valve open, nor the pump dead."""
    bench = running(local_manual_s_max=3600.0)
    assert "longer than 3600 s" in bench.manual(on=False, for_s=3601)
    assert bench.manual(on=False, for_s=3600) == ""
    bench.step(3590)
    assert not bench.on()
    bench.step(20)
    assert bench.on()


def test_a_manual_run_is_bounded_by_the_longest_run_and_heeds_the_rest() -> None:
    """What protects the machine and the water holds for people as well."""
    bench = frosty(shortest_rest_s=100.0, longest_run_s=300.0)
    assert bench.manual(on=True, for_s=3000) == ""
    bench.step(301)
    assert not bench.on()
    assert "rests for another" in bench.manual(on=True)
    bench.step(100)
    assert bench.manual(on=True) == ""


def test_a_run_that_somebody_takes_over_is_as_long_as_it_already_was() -> None:
    """The longest run counts from when the output went on, and its cause is that of its beginning."""
    bench = running(longest_run_s=300.0, shortest_rest_s=60.0)
    bench.step(200)
    assert bench.manual(on=True, for_s=3000) == ""
    bench.step(85)
    assert bench.on()
    bench.step(15)
    assert not bench.on()
    started, stopped = (
        next(event for event in bench.of(ControlChanged) if event.action is action)
        for action in (ControlAction.STARTED, ControlAction.STOPPED)
    )
    assert started.cause == stopped.cause != ""


def test_every_change_of_holder_is_on_record_with_who() -> None:
    """Who held it when can be read from the events alone."""
    bench = running()
    bench.manual(on=False, for_s=50, by=Holder.CENTRE)
    bench.step(60)
    bench.manual(on=True, for_s=50)
    bench.said(bench.engine.release("relay/out", Holder.LOCAL, "wang", bench.now))
    bench.said(bench.engine.lock("relay/out", "wang", bench.now))
    changes = list(bench.of(ControlChanged))
    holders = [changes[0].holder]
    for event in changes:
        if event.holder is not holders[-1]:
            holders.append(event.holder)
    assert holders == [Holder.RULE, Holder.CENTRE, Holder.RULE, Holder.LOCAL, Holder.RULE, Holder.LOCK]
    assert {event.who for event in changes} == {"", "centre/li", "wang"}


def test_an_output_without_start_and_stop_is_moved_by_people_alone() -> None:
    """And goes off when their time is over."""
    bench = Bench(MANUAL_ONLY)
    bench.step(100, value=500.0)
    assert not bench.on()
    assert bench.manual(on=True, for_s=30) == ""
    bench.step(20)
    assert bench.on()
    bench.step(15)
    assert not bench.on()


@pytest.mark.parametrize("before", [True, False])
def test_what_does_not_fail_off_is_afterwards_what_it_was_before(before: bool) -> None:
    """Where no rule knows better."""
    bench = Bench(MANUAL_ONLY | {"fail_state": "hold"} | CONTACTOR)
    bench.relays[bench.control.output].on = before
    bench.step(5)
    bench.manual(on=not before, for_s=30)
    bench.step(20)
    assert bench.on() is not before
    bench.step(20)
    assert bench.on() is before


def test_a_command_that_is_not_read_back_has_failed_and_one_that_is_replaced_too() -> None:
    """The centre is told what the output reads, not what was sent."""
    bench = frosty()
    bench.relays[bench.control.output].broken = True
    bench.manual(on=True, by=Holder.CENTRE, command=COMMAND)
    bench.step(10)
    bench.relays[bench.control.output].broken = False
    bench.step(100)
    bench.answers = False
    bench.manual(on=True, by=Holder.CENTRE, command="d" * 32)
    bench.manual(on=False)
    outcomes = [(answer.command_id[0], answer.outcome, answer.value) for answer in bench.told]
    assert outcomes == [("c", CommandOutcome.FAILED, False), ("d", CommandOutcome.FAILED, False)]
    assert "superseded" in bench.told[1].reason


def test_a_manual_hold_off_survives_a_restart_and_a_hold_on_does_not_where_it_fails_off() -> None:
    """Somebody may stand in front of the nozzle; nobody needs the water that much."""
    bench = running()
    bench.manual(on=False, for_s=600)
    again = bench.restarted(after_s=60)
    again.step(500)
    assert not again.on()
    again.step(60)
    assert again.on()
    bench = frosty()
    bench.manual(on=True, for_s=600)
    bench.step(5)
    again = bench.restarted()
    again.step(30)
    assert not again.on()
    assert again.control.holder is Holder.RULE


def test_nobody_holds_what_is_not_there() -> None:
    """An output that no control has."""
    bench = Bench()
    for said in (
        bench.engine.lock("relay/none", "wang", bench.now),
        bench.engine.unlock("relay/none", "wang", bench.now),
        bench.engine.manual("relay/none", True, 1, Holder.LOCAL, "wang", bench.now),
        bench.engine.release("relay/none", Holder.LOCAL, "wang", bench.now),
    ):
        assert said == ("no control has the output 'relay/none'", [])
