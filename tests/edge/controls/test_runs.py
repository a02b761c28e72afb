"""Runs: their bounds, their proof, what follows whom, and what a restart finds."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from contract.events import AlarmCleared, AlarmRaised, ControlAction, ControlChanged, Holder
from contract.samples import ClockState
from tests.edge.controls.bench import CONTACTOR, FROST, OTHER, OUT, SPRAY, START_MS, Bench

PUMPS = SPRAY | {
    "name": "pumps",
    "lag": {
        "output": OTHER,
        "start": {"point": "sensor/value", "above": 300.0},
        "stop": {"point": "sensor/value", "below": 200.0},
    },
}
STARTED, STOPPED = ControlAction.STARTED, ControlAction.STOPPED


def started(bench: Bench) -> list[str]:
    """Return the outputs that were started, in order."""
    return [event.point for event in bench.of(ControlChanged) if event.action is STARTED]


def test_a_day_has_so_many_runs_and_says_once_that_they_are_used_up() -> None:
    """Until the site's midnight, which is not that of UTC; a restart brings none back."""
    bench = Bench(SPRAY | {"runs_per_day_max": 2, "longest_run_s": 60.0})
    bench.wall_ms_ahead = -bench.now.wall_ms % 86_400_000 + 15 * 3_600_000  # 23:00 at the site
    bench.step(1200, value=200.0)
    assert bench.actions() == [STARTED, STOPPED, STARTED, STOPPED, ControlAction.OVER_BUDGET]
    bench = bench.restarted()
    bench.step(2100)
    assert started(bench) == ["out"] * 2
    bench.step(400)
    assert started(bench) == ["out"] * 4


def test_a_day_has_so_many_seconds_of_running_and_they_end_a_run() -> None:
    """The device's own timer is set no further either."""
    bench = Bench(SPRAY | {"run_s_per_day_max": 100.0})
    bench.step(3000, value=200.0)
    on_s = sum(
        (later.time_ms - earlier.time_ms) / 1000
        for earlier, later in zip(bench.of(ControlChanged), bench.of(ControlChanged)[2:], strict=False)
        if earlier.action is STARTED
    )
    assert 99 <= on_s <= 102
    assert bench.actions() == [STARTED, STOPPED, ControlAction.OVER_BUDGET]


def test_a_clock_that_goes_back_a_day_brings_no_runs_back() -> None:
    """And one that was far ahead does not use up the days until then."""
    bench = Bench(SPRAY | {"runs_per_day_max": 1, "longest_run_s": 60.0})
    bench.step(100, value=200.0)
    bench.wall_ms_ahead = -2 * 86_400_000
    bench.step(1000)
    assert started(bench) == ["out"]
    bench.wall_ms_ahead = -86_400_000
    bench.step(10)
    assert started(bench) == ["out"] * 2


def test_controls_of_a_group_start_one_after_the_other() -> None:
    """Ten pumps that a power cut has stopped must not blow the fuse together."""
    controls = [
        SPRAY | {"name": f"c{number}", "output": f"relay/out_{number}", "group": "pumps", "stagger_s": 10.0}
        for number in range(3)
    ]
    bench = Bench(*controls, SPRAY | {"name": "alone"})
    bench.step(60, value=200.0)
    at_s = [event.time_ms for event in bench.of(ControlChanged) if event.action is STARTED]
    assert [time_ms - at_s[0] for time_ms in at_s] == [0, 0, 10_000, 20_000]


def test_two_pumps_lead_by_turns_and_the_second_joins_and_leaves_by_its_own_conditions() -> None:
    """The first of a run is the second of the next."""
    bench = Bench(PUMPS)
    for _ in range(2):
        bench.step(20, value=200.0)
        bench.step(20, value=310.0)
        assert (bench.on(OUT), bench.on(OTHER)) == (True, True)
        bench.step(20, value=190.0)
        assert (bench.on(OUT), bench.on(OTHER)) in ((True, False), (False, True))
        bench.step(20, value=100.0)
        assert not bench.on(OUT)
        assert not bench.on(OTHER)
    assert started(bench) == ["out", "other", "other", "out"]


def test_two_pumps_by_hours_let_the_less_used_one_lead() -> None:
    """However long each run was."""
    bench = Bench(PUMPS | {"lag": PUMPS["lag"] | {"alternate": "hours"}})
    for seconds in (300, 100, 100, 150):
        bench.step(seconds, value=200.0)
        bench.step(10, value=100.0)
    assert started(bench) == ["out", "other", "other", "other"]


def test_the_second_pump_takes_over_from_one_that_fails_with_an_alarm_until_that_runs() -> None:
    """Also in the next runs: the failed one is tried when both are needed, or the other fails."""
    bench = Bench(PUMPS)
    bench.relays[bench.control.outputs[0].target].broken = True
    bench.step(30, value=200.0)
    assert (bench.on(OUT), bench.on(OTHER)) == (False, True)
    assert ControlAction.TOOK_OVER in bench.actions()
    [alarm] = bench.alarms
    assert "relay/out" in alarm
    bench.step(20, value=100.0)
    bench.step(20, value=200.0)
    assert started(bench) == ["out", "other", "other"]
    assert bench.alarms == [alarm]
    bench.relays[bench.control.outputs[0].target].broken = False
    bench.step(20, value=310.0)
    assert (bench.on(OUT), bench.on(OTHER)) == (True, True)
    assert bench.alarms == []


def test_a_pump_that_is_locked_leaves_the_work_to_the_other() -> None:
    """Maintenance of one is no flood."""
    bench = Bench(PUMPS)
    bench.step(5, value=100.0)
    bench.said(bench.engine.lock(OUT, "wang", bench.now))
    bench.step(20, value=400.0)
    assert (bench.on(OUT), bench.on(OTHER)) == (False, True)
    assert bench.alarms == []


@pytest.mark.parametrize("lasts_s", [0.0, 30.0])
def test_a_switch_inhibits_by_its_state_and_for_so_long_after(lasts_s: float) -> None:
    """A door that is open, and the time to step back from it."""
    door = {"point": "sensor/door", "equals": True, "reason": "door open", "lasts_s": lasts_s}
    bench = Bench(SPRAY | {"inhibits": [door]})
    bench.step(5, value=200.0, door=True)
    assert not bench.on()
    bench.step(20, door=False)
    assert bench.on() is (lasts_s == 0)
    bench.step(20)
    assert bench.on()
    bench.step(2, door=True)
    assert not bench.on()


def test_rain_that_fell_while_nothing_asked_for_a_run_still_keeps_it_off() -> None:
    """A control that rests decides nothing, and remembers what inhibits beyond its own time."""
    rain = {"point": "sensor/rain", "equals": True, "reason": "rain", "lasts_s": 60.0}
    bench = Bench(SPRAY | {"inhibits": [rain]})
    bench.step(5, value=100.0, rain=False)
    assert bench.control.rests
    bench.step(5, rain=True)
    bench.step(10, rain=False)
    assert bench.control.rests
    bench.step(40, value=200.0)
    assert not bench.on()
    bench.step(20)
    assert bench.on()


def test_an_inhibit_that_lasts_is_remembered_behind_another_that_is_told() -> None:
    """Frost stands first in the list, and the door was open meanwhile."""
    door = {"point": "sensor/door", "equals": True, "reason": "door open", "lasts_s": 60.0}
    bench = Bench(SPRAY | {"inhibits": [FROST, door]})
    bench.step(5, value=200.0, cold=1.0, door=True)
    bench.step(1, door=False)
    bench.step(40, cold=10.0)
    assert not bench.on()
    bench.step(30)
    assert bench.on()


def test_a_run_by_hand_after_a_night_of_rest_counts_for_the_new_day() -> None:
    """Yesterday's budget was spent; nobody looked at midnight."""
    bench = Bench(SPRAY | {"runs_per_day_max": 1}, at_s=16 * 3600 - 200)
    bench.step(20, value=200.0)
    bench.step(20, value=100.0)
    assert bench.control.rests
    bench.now_s += 86_400
    bench.said(bench.engine.manual(OUT, True, bench.now.wall_ms + 60_000, Holder.LOCAL, "wang", bench.now))
    bench.step(10)
    assert bench.on()
    assert bench.orders[-1][1].self_off_s is None or bench.orders[-1][1].self_off_s > 10
    assert bench.control.budget.runs == 1


def test_a_control_at_rest_wakes_for_its_start_for_its_output_and_for_a_hand() -> None:
    """Each of them alone ends the rest; what it ran is counted from its start, not from the last look."""
    bench = Bench(SPRAY)
    bench.step(100, value=100.0)
    assert bench.control.rests
    bench.relays[bench.control.outputs[0].target].on = True
    bench.step(2)
    assert not bench.on()  # somebody else had switched it: found, and ended
    bench.step(100)
    assert bench.control.rests
    bench.said(bench.engine.manual(OUT, True, START_MS + 230_000, Holder.LOCAL, "wang", bench.now))
    bench.step(10)
    assert bench.on()
    assert bench.control.outputs[0].on_s <= 12.0
    bench.step(100)
    assert bench.control.rests
    bench.step(1, value=200.0)
    assert bench.on()


@pytest.mark.parametrize(
    ("fail_state", "on"), [("off", False), ("on", True), ("hold", False), ("local", False)]
)
def test_a_lost_inhibit_keeps_off_what_may_not_run_blindly(fail_state: str, on: bool) -> None:
    """What fails on does not wait for a rain gauge; the others stay as they are."""
    bench = Bench(
        SPRAY | {"inhibits": [FROST], "fail_state": fail_state} | (CONTACTOR if fail_state != "off" else {})
    )
    bench.step(100, value=200.0, cold=None)
    assert bench.on() is on


@pytest.mark.parametrize(("fail_state", "on"), [("on", True), ("hold", False), ("local", False)])
def test_lost_inputs_bring_what_fails_on_on_and_leave_the_others(fail_state: str, on: bool) -> None:
    """Frost, where it is known, still keeps it off."""
    bench = Bench(SPRAY | {"inhibits": [FROST], "fail_state": fail_state} | CONTACTOR)
    bench.step(10, value=100.0, cold=1.0)
    bench.step(100, value=None)
    assert not bench.on()
    bench.step(10, cold=10.0)
    assert bench.on() is on
    if on:
        assert "no good value of sensor/value, and it fails on" in bench.of(ControlChanged)[-2].reason


@pytest.mark.parametrize(
    ("proof", "before", "after", "shown"),
    [
        ({"rises_by": 50.0}, 100.0, 150.0, True),
        ({"rises_by": 50.0}, 100.0, 149.0, False),
        ({"falls_by_percent": 10.0}, 200.0, 180.0, True),
        ({"falls_by_percent": 10.0}, 200.0, 181.0, False),
        ({"rises_by_percent": 50.0}, 2.0, 3.0, True),
        ({"falls_by": 5.0}, 2.0, -3.0, True),
        ({"above": 4.0}, 0.0, 4.5, True),
        ({"above": 4.0}, 0.0, 4.0, False),
        ({"below": 4.0}, 9.0, 3.0, True),
        ({"below": 4.0}, 9.0, 9.0, False),
    ],
)
def test_an_effect_proves_a_run_or_its_absence_ends_it(
    proof: dict[str, float], before: float, after: float, shown: bool
) -> None:
    """Pressure, current, falling dust: what the point shows within its time."""
    bench = Bench(
        SPRAY | {"proves": proof | {"point": "sensor/shows", "within_s": 20.0}, "shortest_rest_s": 60.0}
    )
    bench.step(5, value=200.0, shows=before)
    bench.step(25, shows=after)
    assert bench.on() is shown
    assert (ControlAction.PROVED in bench.actions()) is shown
    assert (ControlAction.NO_EFFECT in bench.actions()) is not shown
    assert bool(bench.alarms) is not shown


def test_runs_without_effect_lock_it_out_until_the_stop_condition_holds_by_itself() -> None:
    """A dry pump is not tried for ever; a restart does not try it again either."""
    proof = {"point": "sensor/shows", "above": 4.0, "within_s": 20.0}
    bench = Bench(SPRAY | {"proves": proof, "shortest_rest_s": 60.0})
    bench.step(500, value=200.0, shows=0.0)
    assert started(bench) == ["out"] * 2
    assert bench.actions()[-1] is ControlAction.LOCKED_OUT
    bench = bench.restarted()
    bench.step(500)
    assert started(bench) == ["out"] * 2
    assert len(bench.of(AlarmRaised)) == 1
    bench.step(10, value=100.0)
    assert bench.alarms == []
    bench.step(500, value=200.0, shows=5.0)
    assert started(bench) == ["out"] * 3


def test_a_lost_proof_judges_nothing_and_what_does_not_fail_off_runs_on_without_one() -> None:
    """A broken pressure gauge is no dry pump, and a storm pump is not stopped for want of a proof."""
    proof = {"point": "sensor/shows", "above": 4.0, "within_s": 20.0}
    bench = Bench(SPRAY | {"proves": proof})
    bench.step(100, value=200.0, shows=None)
    assert bench.on()
    assert bench.alarms == []
    bench = Bench(SPRAY | {"proves": proof, "fail_state": "local"} | CONTACTOR)
    bench.step(3600, value=200.0, shows=0.0)
    assert bench.on()
    assert len(bench.alarms) == 1
    assert bench.actions() == [STARTED, ControlAction.NO_EFFECT]


def test_renewals_belong_to_the_run_and_end_with_it() -> None:
    """One cause, one start, one stop; the board's timer is never set beyond the longest run."""
    bench = Bench(SPRAY | {"longest_run_s": 90.0, "shortest_rest_s": 1000.0})
    bench.step(300, value=200.0)
    causes = {event.cause for event in bench.of(ControlChanged)}
    assert len(causes) == 1
    on_at = [(at_s, order.self_off_s or 0) for at_s, order in bench.orders if order.on]
    assert len(on_at) >= 4
    assert max(at_s + timer_s for at_s, timer_s in on_at) <= on_at[0][0] + 92
    assert not bench.on()


@pytest.mark.parametrize("away_s", [5.0, 100.0])
def test_a_run_that_a_crash_interrupted_is_ended_by_what_the_output_reads(away_s: float) -> None:
    """On or off by its own timer: the run's end is on record under its own cause, and it rests."""
    bench = Bench(SPRAY | {"shortest_rest_s": 120.0})
    bench.step(30, value=200.0)
    [cause] = {event.cause for event in bench.of(ControlChanged)}
    since = len(bench.of(ControlChanged))
    again = bench.restarted(after_s=away_s)
    assert again.on() is (away_s < 60)
    again.step(60)
    assert not again.on()
    ended = again.of(ControlChanged)[since]
    assert (ended.action, ended.cause, ended.read_back) == (STOPPED, cause, away_s < 60)
    again.step(70)
    assert again.on()


def test_an_output_that_fails_off_and_is_found_on_is_switched_off_and_told() -> None:
    """Whoever switched it on was not us."""
    bench = Bench()
    bench.relays[bench.control.output].on = True
    bench.step(5, value=100.0)
    assert not bench.on()
    assert bench.actions() == [ControlAction.FOUND]


@pytest.mark.parametrize("fail_state", ["on", "hold", "local"])
def test_what_does_not_fail_off_goes_on_with_its_run_after_a_restart(fail_state: str) -> None:
    """The same run, under the same cause."""
    bench = Bench(SPRAY | {"fail_state": fail_state} | CONTACTOR)
    bench.step(30, value=200.0)
    [cause] = {event.cause for event in bench.of(ControlChanged)}
    again = bench.restarted(after_s=100)
    sent = len(again.orders)
    again.step(60)
    assert again.on()
    assert not [order for _, order in again.orders[sent:] if not order.on]
    again.step(5, value=100.0)
    assert not again.on()
    assert {event.cause for event in again.of(ControlChanged)} == {cause}


@pytest.mark.parametrize(
    ("after", "stays", "action"),
    [
        (SPRAY | {"name": "other", "output": OTHER}, False, STOPPED),
        (SPRAY | {"output": OTHER}, False, STOPPED),
        (SPRAY | {"name": "other"}, False, ControlAction.RELEASED),
    ],
)
def test_a_run_whose_control_has_changed_is_ended_or_handed_over(
    after: dict[str, Any], stays: bool, action: ControlAction
) -> None:
    """The settings changed in the middle of it: nobody may be left with an open valve."""
    bench = Bench()
    bench.step(30, value=200.0)
    [cause] = {event.cause for event in bench.of(ControlChanged)}
    again = bench.restarted(after)
    relay = bench.relays[bench.control.output]
    again.relays[bench.control.output] = relay
    relay.off_at_s = float("inf")  # not even its timer
    again.step(30, value=100.0)
    assert relay.on is stays
    assert (cause, action) in {(event.cause, event.action) for event in again.of(ControlChanged)}


def test_an_output_rests_although_its_control_was_away_meanwhile() -> None:
    """Settings that are changed and changed back do not start a pump that has just stopped."""
    rests = SPRAY | {"shortest_rest_s": 100.0}
    bench = Bench(rests)
    bench.step(30, value=200.0)
    away = bench.restarted(rests | {"output": OTHER})
    away.step(3, value=100.0)
    back = away.restarted(rests)
    back.step(80, value=200.0)
    assert not back.on()
    back.step(30)
    assert back.on()


@pytest.mark.parametrize("fail_state", ["on", "hold", "local"])
def test_a_run_of_a_former_control_that_does_not_fail_off_stays_as_it_is(fail_state: str) -> None:
    """A street light has no control any more; it burns."""
    bench = Bench(SPRAY | {"fail_state": fail_state} | CONTACTOR)
    bench.step(30, value=200.0)
    again = bench.restarted(SPRAY | {"name": "other", "output": OTHER})
    again.step(30, value=100.0)
    assert again.relays[bench.control.output].on
    assert ControlAction.RELEASED in again.actions()


def test_on_a_dead_line_a_run_ends_and_is_not_begun_again_before_the_output_answers() -> None:
    """What cannot be read cannot be left alone: one failure, one alarm, few commands, no flood."""
    bench = Bench()
    bench.step(30, value=200.0)
    bench.answers = False
    sent = len(bench.orders)
    bench.step(3600)
    assert not bench.on()  # its own timer
    assert bench.actions() == [STARTED, ControlAction.FAILED, STOPPED]
    assert len(bench.alarms) == 1
    assert len(bench.orders) - sent < 3600 / 9
    bench.answers = True
    bench.step(10)
    assert bench.on()
    assert bench.alarms == []


@pytest.mark.parametrize("fail_state", ["on", "hold", "local"])
def test_on_a_dead_line_what_does_not_fail_off_stays_wanted(fail_state: str) -> None:
    """It is told once, and is seen to when the line is back."""
    bench = Bench(SPRAY | {"fail_state": fail_state} | CONTACTOR)
    bench.step(30, value=200.0)
    bench.answers = False
    bench.step(600)
    assert bench.control.running
    bench.relays[bench.control.output].on = False  # its board was without power
    bench.answers = True
    bench.step(10)
    assert bench.on()
    assert bench.actions() == [STARTED, ControlAction.FAILED, ControlAction.FOUND]
    assert len(bench.of(AlarmCleared)) == 1


def test_nothing_starts_that_was_never_read() -> None:
    """On start the state is read back, not assumed."""
    bench = Bench()
    bench.answers = False
    bench.step(100, value=200.0)
    assert bench.orders == []


def test_a_relay_that_does_not_follow_is_tried_again_with_patience() -> None:
    """One alarm; the run is on record once."""
    bench = Bench(SPRAY | {"longest_run_s": 3600.0})
    bench.relays[bench.control.output].broken = True
    bench.step(600, value=200.0)
    assert bench.actions() == [STARTED, ControlAction.FAILED]
    assert len(bench.alarms) == 1


@pytest.mark.parametrize("clock", [ClockState.SYNCHRONISED, ClockState.UNSET])
def test_what_is_remembered_is_plain_json(clock: ClockState) -> None:
    """It goes into the buffer file with the events."""
    bench = Bench(PUMPS | {"runs_per_day_max": 100})
    bench.clock = clock
    bench.step(30, value=400.0)
    bench.manual(on=False, output=OTHER)
    kept = json.loads(json.dumps(bench.engine.remembered()))
    again = bench.restarted(kept=kept)
    again.step(10)
    assert not again.on(OTHER)


def test_what_was_kept_is_taken_up_once_and_late_if_need_be() -> None:
    """From a disk that hung at the start; opened again at work it holds what this process itself kept."""
    bench = Bench()
    bench.step(30, value=200.0)
    [cause] = {event.cause for event in bench.of(ControlChanged)}
    kept = bench.engine.remembered()
    late = Bench(first_id=1000)
    late.step(30, value=200.0)
    late.do(late.engine.recall(kept, late.now))
    assert (STOPPED, cause) in [(event.action, event.cause) for event in late.of(ControlChanged)]
    assert late.on()
    late.said(late.engine.lock(OUT, "wang", late.now))
    locked = late.engine.remembered()
    late.said(late.engine.unlock(OUT, "wang", late.now))
    late.do(late.engine.recall(locked, late.now))
    late.step(30)
    assert late.on()


def test_what_a_former_version_remembered_is_taken_up() -> None:
    """It kept an alarm and the runs without effect as a list."""
    bench = Bench()
    again = bench.restarted(kept={"controls": {"spray": ["a" * 32, 1], "gone": ["b" * 32, 0]}})
    assert again.control.runs_without_effect == 1
    assert [event.id for event in again.of(AlarmCleared)] == ["b" * 32]


CHANGES: list[tuple[str, Callable[[Bench], object]]] = [
    ("off", lambda bench: bench.step(5, value=100.0)),
    ("running", lambda bench: bench.step(5, value=200.0)),
    ("inhibited", lambda bench: bench.step(5, value=200.0, cold=1.0)),
    ("held_off", lambda bench: bench.manual(on=False)),
    ("locked", lambda bench: bench.said(bench.engine.lock(OUT, "wang", bench.now))),
]


@pytest.mark.parametrize(("state", "change"), CHANGES)
def test_a_control_says_why_it_is_so(state: str, change: Callable[[Bench], object]) -> None:
    """As facts, which whoever shows them words."""
    bench = Bench(SPRAY | {"inhibits": [FROST]})
    bench.step(5, value=100.0, cold=10.0)
    change(bench)
    why = bench.engine.explain("spray", bench.now)
    assert why is not None
    assert (why.name, why.kind, why.state) == ("spray", "control", state)
    assert {"holder", "output", "start", "stop"} <= {fact.kind for fact in why.facts}
    assert bench.engine.explain("none", bench.now) is None


def test_an_idle_control_is_not_due_and_one_with_something_under_way_is() -> None:
    """Nobody looks at two hundred controls twice a second for nothing."""
    bench = Bench()
    bench.step(5, value=100.0)
    assert bench.control.due_s == float("inf")
    bench.step(5, value=200.0)
    assert bench.now_s < bench.control.due_s <= bench.now_s + 0.5
