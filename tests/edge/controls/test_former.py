"""What former settings left: outputs without a control are brought off, and none is given up in silence."""

import json
from typing import Any

import pytest

from contract.events import AlarmCleared, AlarmRaised, ControlAction, ControlChanged, Holder
from edge.rules.effects import Switch, Withdraw
from tests.edge.controls.bench import CONTACTOR, OTHER, OUT, SPRAY, Bench, Relay, target

ELSEWHERE: dict[str, Any] = SPRAY | {
    "name": "other",
    "output": OTHER,
    "start": {"point": "sensor/value", "above": 900.0},
}
HOUR_S = 3600.0


def stuck(**changes: Any) -> tuple[Bench, Relay]:
    """Return a bench whose control is gone in the middle of a run, and the relay that does not go off."""
    bench = Bench(SPRAY | changes)
    bench.step(10, value=200.0)
    relay = bench.relays[target()]
    relay.welded = True
    return bench.restarted(ELSEWHERE), relay


def kept(bench: Bench) -> Any:
    """Return what a restart knows, as the buffer file gives it back."""
    return json.loads(json.dumps(bench.engine.remembered()))


def sent(bench: Bench, name: str = OUT) -> int:
    """Count the commands of an output."""
    return sum(order.output == target(name) for _, order in bench.orders)


def test_an_output_without_control_that_stays_on_is_not_given_up() -> None:
    """One alarm, over restarts too, until it reads off; then nothing of it is left."""
    bench, relay = stuck()
    bench.step(2 * HOUR_S)
    assert len(bench.alarms) == 1
    before = sent(bench)
    bench.step(60)
    assert sent(bench) > before
    again = bench.restarted(kept=kept(bench))
    again.step(2 * HOUR_S)
    assert len(again.of(AlarmRaised)) == 1
    assert len(again.alarms) == 1
    relay.welded = False
    again.step(20)
    assert not again.on(OUT)
    assert again.alarms == []
    assert kept(again)["controls"] == {}
    assert again.engine.owners() == {OTHER: "other"}
    stops = [event for event in again.of(ControlChanged) if event.action is ControlAction.STOPPED]
    assert len(stops) == 1


def test_one_that_cannot_be_read_is_told_of_too() -> None:
    """Its own timer has closed it, as everybody hopes; the alarm ends when it is seen."""
    bench = Bench(SPRAY)
    bench.step(10, value=200.0)
    bench.answers = False
    without = bench.restarted(ELSEWHERE)
    without.step(HOUR_S)
    assert [message for message in without.alarms if message.startswith("relay/out was on when")]
    without.answers = True
    without.step(20)
    assert without.alarms == []


def test_an_alarm_that_stands_when_its_control_goes_stays_until_the_output_reads_off() -> None:
    """The run is over, the valve is not: it is what the settings forgot, and still open."""
    bench = Bench(SPRAY)
    bench.step(10, value=200.0)
    relay = bench.relays[target()]
    relay.welded = True
    bench.step(20, value=100.0)
    assert len(bench.alarms) == 1
    without = bench.restarted(ELSEWHERE, kept=kept(bench))
    without.step(HOUR_S)
    assert len(without.of(AlarmRaised)) == 1
    assert len(without.alarms) == 1
    relay.welded = False
    without.step(20)
    assert without.alarms == []


def test_somebody_who_locks_it_has_it_and_it_is_brought_off_when_they_unlock() -> None:
    """Nothing is sent meanwhile, after a restart neither; the alarm is theirs now."""
    bench, relay = stuck()
    bench.step(60)
    assert bench.said(bench.engine.lock(OUT, "wang", bench.now)) == ""
    assert bench.alarms == []
    before = sent(bench)
    bench.step(HOUR_S)
    assert "locked already, by wang" in bench.said(bench.engine.lock(OUT, "li", bench.now))
    assert "unlock it first" in bench.said(bench.engine.release(OUT, Holder.LOCAL, "li", bench.now))
    assert sent(bench) == before
    again = bench.restarted(kept=kept(bench))
    again.step(HOUR_S)
    assert sent(again) == 0
    why = again.engine.explain(OUT, again.now)
    assert why
    assert (why.kind, why.state) == ("output", "locked")
    relay.welded = False
    assert again.said(again.engine.unlock(OUT, "wang", again.now)) == ""
    again.step(20)
    assert not again.on(OUT)
    assert again.engine.desk.leftovers == []
    who = [(event.action, event.who) for event in again.of(ControlChanged) if event.who]
    assert who == [(ControlAction.LOCKED, "wang"), (ControlAction.UNLOCKED, "wang")]


def test_somebody_who_releases_it_has_it_for_good() -> None:
    """On record; the centre cannot: it does not see the valve."""
    bench, _ = stuck()
    bench.step(60)
    refusal = bench.said(bench.engine.release(OUT, Holder.CENTRE, "centre/li", bench.now))
    assert "somebody at the cabinet has to see to it" in refusal
    assert bench.manual(on=False) == "relay/out has no control any more; lock it, or release it"
    assert bench.said(bench.engine.release(OUT, Holder.LOCAL, "wang", bench.now)) == ""
    before = sent(bench)
    bench.step(HOUR_S)
    assert sent(bench) == before
    assert bench.alarms == []
    last = bench.of(ControlChanged)[-1]
    assert (last.action, last.who, last.read_back) == (ControlAction.RELEASED, "wang", True)
    assert bench.restarted(kept=kept(bench)).engine.desk.leftovers == []


def test_a_locked_output_whose_control_is_gone_is_sent_nothing() -> None:
    """Somebody works on it, and the settings were changed beside; it is brought off when they are done."""
    bench = Bench(SPRAY)
    bench.step(10, value=200.0)
    known = kept(bench) | {"locks": {OUT: ["wang", 1]}}
    without = bench.restarted(ELSEWHERE, kept=known)
    without.relays[target()].off_at_s = float("inf")
    without.step(HOUR_S)
    assert sent(without) == 0
    assert without.on(OUT)
    assert without.engine.desk.locks == {OUT: ("wang", 1)}
    stopped = next(event for event in without.of(ControlChanged) if event.action is ControlAction.STOPPED)
    assert (stopped.holder, stopped.sent) == (Holder.LOCK, None)
    assert "locked by wang" in stopped.reason
    again = without.restarted(kept=kept(without))
    again.step(60)
    assert sent(again) == 0
    assert again.said(again.engine.unlock(OUT, "wang", again.now)) == ""
    again.step(5)
    assert not again.on(OUT)


@pytest.mark.parametrize("locks", [{OUT: ("wang", 1)}, None])
def test_a_lock_that_is_read_after_it_takes_back_what_was_sent_off(locks: Any) -> None:
    """The file of locks is read after the buffer: nothing has run yet."""
    bench = Bench(SPRAY)
    bench.step(10, value=200.0)
    engine = Bench(ELSEWHERE).engine
    first = engine.recall(kept(bench), bench.now)
    assert [effect.output for effect in first if isinstance(effect, Switch)] == [target()]
    then = engine.recall_locks(locks, bench.now)
    assert Withdraw(target()) in then
    assert not any(isinstance(effect, Switch) for effect in then)
    assert OUT in engine.desk.locks


def test_where_the_locks_cannot_be_read_what_becomes_known_later_is_locked_too() -> None:
    """The buffer opens late, from a disk that hung."""
    bench = Bench(SPRAY)
    bench.step(10, value=200.0)
    engine = Bench(ELSEWHERE).engine
    engine.recall_locks(None, bench.now)
    later = engine.recall(kept(bench), bench.now)
    assert not any(isinstance(effect, Switch) for effect in later)
    assert set(engine.desk.locks) == {OUT, OTHER}


def test_a_control_that_gets_it_takes_it_over_and_the_alarm_of_the_former_ends() -> None:
    """Another one, which brings it off itself."""
    bench, relay = stuck()
    bench.step(60)
    third = bench.restarted(ELSEWHERE | {"name": "third", "output": OUT}, kept=kept(bench))
    ended = third.of(AlarmCleared)
    assert [event.rule for event in ended] == ["spray"]
    relay.welded = False
    third.step(20)
    assert not third.on(OUT)
    assert third.alarms == []
    assert "handed over to third" in [event.reason.partition(": ")[2] for event in third.of(ControlChanged)]


def test_its_own_control_that_is_back_takes_it_over_with_its_alarm() -> None:
    """One alarm all the time."""
    bench, relay = stuck()
    bench.step(60)
    back = bench.restarted(SPRAY, kept=kept(bench))
    back.step(60, value=100.0)
    assert len(back.of(AlarmRaised)) == 1
    assert len(back.alarms) == 1
    relay.welded = False
    back.step(20)
    assert not back.on(OUT)
    assert back.alarms == []


def test_an_alarm_of_what_does_not_fail_off_ends_with_its_control() -> None:
    """It stays as it is, and nobody looks at it any more."""
    bench = Bench(SPRAY | CONTACTOR | {"fail_state": "hold"})
    bench.step(10, value=200.0)
    bench.relays[target()].welded = True
    bench.step(20, value=100.0)
    assert len(bench.alarms) == 1
    without = bench.restarted(ELSEWHERE, kept=kept(bench))
    without.step(60)
    assert without.alarms == []
    assert sent(without) == 0
