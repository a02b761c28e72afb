"""What people ask of rules: names are looked up, limits held, and what rules say is done and told."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from contract.commands import CommandKind
from contract.events import ControlAction, ControlChanged, Holder
from edge.by_hand import HOLD_S_MAX, ByHand, Refusal
from edge.clock import Moment
from edge.rules.effects import RuleEffect, Switch
from edge.rules.why import Why
from edge.settings import Ref, Settings
from tests.edge.controls.bench import OTHER, OUT, SPRAY, Bench
from tests.edge.controls.test_runs import PUMPS
from tests.edge.remote.making import command

NOW = Moment(0, 1_800_000_000_000)
SETTINGS = Settings.model_validate(
    {
        "schema": 1,
        "district": "north",
        "gateway": "gw-1",
        "broker": {"host": "127.0.0.1"},
        "lines": [{"kind": "tcp", "name": "l", "host": "127.0.0.1"}],
        "devices": [{"name": "relays", "line": "l", "profile": "waveshare_relay_8"}],
        "alarms": [{"name": "burst", "points": ["a/b"], "low": 1.0, "problem": "p", "message": "m"}],
        "controls": [
            {
                "name": "dust-spray",
                "output": "relays/relay_1",
                "fail_state": "off",
                "longest_run_s": 60.0,
                "start": {"point": "a/b", "above": 2.0},
                "stop": {"point": "a/b", "below": 1.0},
            }
        ],
    }
)


class Clock:
    """Stands still."""

    def now(self) -> Moment:
        """See edge.clock.Clock."""
        return NOW

    def s(self) -> float:
        """See edge.clock.Clock."""
        return 0.0


@dataclass
class Rules:
    """Stands in for the engine: notes what it is asked, and answers as it is told to."""

    refuses: str = ""
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def owners(self) -> dict[str, str]:
        """See edge.by_hand.Rules; they are in the way of nobody who looks at what was asked."""
        return {each: control.name for control in SETTINGS.controls for each in control.outputs}

    def locks(self) -> dict[str, tuple[str, int]]:
        """See edge.by_hand.Rules."""
        return {}

    def __getattr__(self, name: str) -> Any:
        def ask(*given: Any) -> Any:
            self.asked.append((name, *(each for each in given if each is not NOW)))
            effects: list[RuleEffect] = [Switch(Ref("relays", "relay_1"), on=True)]
            if name == "explain":
                return Why("burst", "alarm", "normal", None, ()) if given[0] == "burst" else None
            return effects if name in ("maintain", "set_periods") else (self.refuses, effects)

        return ask


@dataclass
class Hand:
    """Everything together."""

    rules: Rules = field(default_factory=Rules)
    done: list[RuleEffect] = field(default_factory=list)
    stopping: bool = False

    def __post_init__(self) -> None:
        def do(effects: Iterable[RuleEffect]) -> None:
            self.done += effects

        self.by_hand = ByHand(SETTINGS, self.rules, Clock(), do, lambda: self.stopping)


def test_what_is_asked_reaches_the_rules_and_what_they_say_is_done() -> None:
    """An output is also known by its control's name."""
    hand = Hand()
    it = hand.by_hand
    it.lock("relays/relay_1", "li")
    it.unlock("dust-spray", "li")
    assert it.manual("dust-spray", "li", on=True, for_s=60) == ("relays/relay_1", NOW.wall_ms + 60_000)
    it.release("dust-spray", "li")
    assert it.maintain("relays", "li", 60) == NOW.wall_ms + 60_000
    assert it.maintain("relays", "li", None) == 0
    it.reset("burst/a/b", "li")
    assert it.explain("burst").state == "normal"
    output = "relays/relay_1"
    assert hand.rules.asked == [
        ("lock", output, "li"),
        ("unlock", output, "li"),
        ("manual", output, True, NOW.wall_ms + 60_000, Holder.LOCAL, "li"),
        ("release", output, Holder.LOCAL, "li"),
        ("maintain", "relays", NOW.wall_ms + 60_000, "li"),
        ("maintain", "relays", None, "li"),
        ("reset", "burst/a/b", "li"),
        ("explain", "burst"),
    ]
    assert len(hand.done) == 7


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    """Nothing reaches the rules."""
    hand = Hand()
    for ask, told in (
        (lambda: hand.by_hand.lock("relays/relay_2", "li"), "write relays/relay_1"),
        (lambda: hand.by_hand.lock("relay_1", "li"), "write relays/relay_1$"),
        (lambda: hand.by_hand.maintain("relais", "li", 5), "write relays"),
        (lambda: hand.by_hand.reset("brust", "li"), "write burst"),
        (lambda: hand.by_hand.explain("dust-spry"), "write dust-spray"),
        (lambda: hand.by_hand.manual("dust-spray", "li", on=True, for_s=HOLD_S_MAX + 1), "lock the output"),
        (lambda: hand.by_hand.manual("dust-spray", "li", on=True, for_s=0), "more than 0 s"),
    ):
        with pytest.raises(Refusal, match=told):
            ask()
    assert [each[0] for each in hand.rules.asked] == ["explain"]


def test_what_rules_refuse_is_told_and_put_on_record() -> None:
    """Their effects are done all the same: the audit is among them."""
    hand = Hand(Rules("locked by wang"))
    with pytest.raises(Refusal, match="locked by wang"):
        hand.by_hand.manual("dust-spray", "li", on=True, for_s=5)
    assert len(hand.done) == 1


def test_commands_of_the_centre_hold_as_the_centre_and_carry_their_id() -> None:
    """A refusal is a sentence, not an error."""
    hand = Hand()
    switch = command(1, target="relays/relay_1")
    release = command(2, kind=CommandKind.RELEASE, target="relays/relay_1")
    reset = command(3, kind=CommandKind.RESET_ALARM, target="burst")
    assert [hand.by_hand.command(each) for each in (switch, release, reset)] == ["", "", ""]
    assert hand.rules.asked == [
        ("manual", "relays/relay_1", True, switch.until_ms, Holder.CENTRE, "li", switch.id),
        ("release", "relays/relay_1", Holder.CENTRE, "li", release.id),
        ("reset", "burst", "li"),
    ]
    assert "write relays/relay_1" in hand.by_hand.command(command(4, target="relays/relay_9"))
    hand.stopping = True
    assert hand.by_hand.command(switch) == "the gateway is stopping"


class At:
    """A people's desk in front of real rules, whatever process they are of."""

    def __init__(self, bench: Bench) -> None:
        """Ask the bench's engine."""
        self._bench = bench
        self.by_hand = ByHand(bench.settings, bench.engine, self, lambda effects: bench.do(list(effects)))

    def now(self) -> Moment:
        """See edge.clock.Clock."""
        return self._bench.now

    def s(self) -> float:
        """See edge.clock.Clock."""
        return self._bench.now_s

    def holders(self) -> dict[str, Any]:
        """Return who holds each output, by what is told of all of them."""
        facts = [fact for why in self.by_hand.state() for fact in why.facts if fact.kind == "holder"]
        return {str(fact.value): fact.name for fact in facts}


def test_of_two_outputs_each_can_be_asked_for_and_the_name_of_their_control_means_both() -> None:
    """Whoever locks the pumps by their name may put a hand on either."""
    bench = Bench(PUMPS)
    bench.step(5, value=100.0)
    at = At(bench)
    assert at.by_hand.lock(OTHER, "wang") == [OTHER]
    assert at.holders() == {OUT: "rule", OTHER: "lock"}
    assert at.by_hand.lock("pumps", "li") == [OUT, OTHER]
    assert at.holders() == {OUT: "lock", OTHER: "lock"}
    with pytest.raises(Refusal, match=f"{OUT} is locked already, by li; {OTHER} is locked already, by wang"):
        at.by_hand.lock("pumps", "li")
    with pytest.raises(Refusal, match=f"locks of several people .{OUT} by li, {OTHER} by wang.; write the"):
        at.by_hand.unlock("pumps", "li")
    assert at.by_hand.unlock(OTHER, "wang") == [OTHER]
    assert at.by_hand.unlock("pumps", "li") == [OUT, OTHER]
    assert at.by_hand.manual(OTHER, "wang", on=True, for_s=60)[0] == OTHER
    bench.step(3)
    assert (bench.on(), bench.on(OTHER)) == (False, True)
    assert at.by_hand.release("pumps", "wang") == [OUT, OTHER]
    bench.step(3)
    assert not bench.on(OTHER)
    assert at.by_hand.explain(OTHER).name == "pumps"


def test_which_of_two_outputs_is_held_has_to_be_said() -> None:
    """At the cabinet and in a command of the centre."""
    at = At(Bench(PUMPS))
    told = f"pumps has 2 outputs; write {OUT} or {OTHER}"
    with pytest.raises(Refusal, match=told):
        at.by_hand.manual("pumps", "wang", on=True, for_s=60)
    assert at.by_hand.command(command(1, target="pumps")) == told
    assert at.by_hand.command(command(2, kind=CommandKind.RELEASE, target="pumps")) == told


def test_a_lock_of_an_output_that_no_control_has_any_more_is_shown_and_can_be_taken_off() -> None:
    """On record: the file of locks is written anew by it."""
    bench = Bench(SPRAY)
    bench.step(5, value=100.0)
    At(bench).by_hand.lock(OUT, "wang")
    without = bench.restarted(SPRAY | {"name": "other", "output": OTHER})
    at = At(without)
    assert at.holders() == {OTHER: "rule", OUT: "lock"}
    assert at.by_hand.explain(OUT).state == "locked"
    assert at.by_hand.unlock(OUT, "li") == [OUT]
    last = without.of(ControlChanged)[-1]
    assert (last.action, last.device, last.point, last.who) == (ControlAction.UNLOCKED, "relay", "out", "li")
    assert without.engine.desk.locks == {}
    with pytest.raises(Refusal, match="there is no output of a control 'relay/out' here; write relay/other"):
        at.by_hand.unlock(OUT, "li")
