"""Controls that are missing one thing each: whoever watches them must find it out."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from unittest import mock

from contract.events import Holder
from edge.clock import Moment
from edge.controls.bounds import Bounded
from edge.controls.control import ControlInstance
from edge.controls.holding import Held
from edge.controls.inhibits import Inhibited, Lasting
from edge.controls.leftover import Leftover
from edge.controls.output import Output
from edge.controls.pair import Paired
from edge.controls.states import Manual, Run
from edge.rules.effects import Emit, RuleEffect
from edge.rules.watched import Watched


def _no_inhibits(
    usual: Callable[..., list[RuleEffect]],
) -> Callable[[Bounded, Output, Inhibited | None, Moment], list[RuleEffect]]:
    """Weakened: an inhibit that comes in the middle of a run is not looked at."""
    return lambda self, output, _inhibited, now: usual(self, output, None, now)


def _no_longest(
    usual: Callable[..., list[RuleEffect]],
) -> Callable[[Bounded, Output, Inhibited | None, Moment], list[RuleEffect]]:
    """Weakened: each renewal begins the longest run anew."""

    def weak(self: Bounded, output: Output, inhibited: Inhibited | None, now: Moment) -> list[RuleEffect]:
        if output.run:
            output.run.since_s = now.s
        return usual(self, output, inhibited, now)

    return weak


def _centre_unlocks(usual: Callable[..., str]) -> Callable[..., str]:
    """Weakened: the centre does not ask for the lock."""

    def weak(self: Held, output: Output, *, source: Holder, **given: Any) -> str:
        lock, output.lock = output.lock, None if source is Holder.CENTRE else output.lock
        try:
            return usual(self, output, source=source, **given)
        finally:
            output.lock = lock

    return weak


def _silent_end(usual: Callable[..., list[RuleEffect]]) -> Callable[..., list[RuleEffect]]:
    """Weakened: a run's end is not put on record."""
    return lambda self, *given: [effect for effect in usual(self, *given) if not isinstance(effect, Emit)]


def _run_goes_on(usual: Callable[..., list[RuleEffect]]) -> Callable[..., list[RuleEffect]]:
    """Weakened: a hand's off that is recalled late is commanded once, and the run stays."""

    def weak(self: Bounded, output: Output, held: Manual, now: Moment) -> list[RuleEffect]:
        if held.on:
            return usual(self, output, held, now)
        return output.command(on=False, cause=held.cause, who=held.who, now=now)

    return weak


def _unseen_is_clear(_usual: property) -> property:
    """Weakened: what nobody has seen of an inhibit that lasts has not held."""
    return property(lambda _self: float("-inf"))


def _stop_not_asked(_usual: Callable[..., str]) -> Callable[..., str]:
    """Weakened: only the start condition says when to start."""

    def weak(_self: ControlInstance, start: Watched, now: Moment) -> str:
        return start.told(now.s) if start.holds(now.s) else ""

    return weak


def _may_always(usual: Callable[..., list[RuleEffect]]) -> Callable[..., list[RuleEffect]]:
    """Weakened: the other of two asks neither budget, stagger nor lock-out."""
    return lambda self, now, **_asked: usual(self, now, may_start=True)


def _never_locked_out(_usual: property) -> property:
    """Weakened: runs without effect lock nothing out."""
    return property(lambda _self: False)


def _always_fit(_usual: Callable[..., bool]) -> Callable[..., bool]:
    """Weakened: who has failed has its turn again at once."""
    return lambda _self, _now: True


def _as_declared_now(usual: Callable[..., str]) -> Callable[..., str]:
    """Weakened: a run is of the fail state that is declared now."""
    return lambda self, output, former: usual(
        self, output, replace(former, fail_state=self.control.fail_state)
    )


def _comes_back_at_once(_usual: Callable[..., list[RuleEffect]]) -> Callable[..., list[RuleEffect]]:
    """Weakened: what a hand held off comes back without a rest."""
    return lambda self, output, now: self._begin(
        output, Run(self._ids(), now.s, now.wall_ms), output.returns, now
    )


def _waits_on(usual: Callable[..., list[RuleEffect]]) -> Callable[..., list[RuleEffect]]:
    """Weakened: a lock leaves a start that waits for its record."""
    return lambda self, *given: usual(self, *given)[:0]


def _given_up(_usual: property) -> property:
    """Weakened: an output of former settings is commanded off once, and then forgotten."""
    return property(lambda _self: True)


WEAKENED: Mapping[str, tuple[type, str, Callable[[Any], Any], str]] = {
    "inhibit_ignored_while_running": (Bounded, "_bounded", _no_inhibits, "on_while_inhibited"),
    "renewed_without_end": (Bounded, "_bounded", _no_longest, "longer_than_the_longest"),
    "lock_ignored_by_the_centre": (Held, "_refused", _centre_unlocks, "against_precedence"),
    "lock_leaves_what_waits": (Held, "_left_as_it_is", _waits_on, "against_precedence"),
    "left_and_given_up": (Leftover, "is_done", _given_up, "left_on"),
    "end_not_recorded": (Held, "_end", _silent_end, "not_in_the_audit"),
    "late_hand_leaves_the_run": (Bounded, "held_again", _run_goes_on, "run_not_wanted"),
    "unseen_is_clear": (Lasting, "watched_from_s", _unseen_is_clear, "on_while_inhibited"),
    "starts_against_its_stop": (ControlInstance, "_asked", _stop_not_asked, "started_against_its_stop"),
    "stands_in_at_any_time": (Paired, "_stands_in", _may_always, "without_stagger"),
    "joins_at_any_time": (Paired, "_lags", _may_always, "without_stagger"),
    "lock_out_ignored": (Bounded, "locked_out", _never_locked_out, "started_while_locked_out"),
    "tried_without_patience": (Output, "is_fit", _always_fit, "without_patience"),
    "goes_on_without_its_timer": (Bounded, "_ends_taken_up", _as_declared_now, "without_its_timer"),
    "comes_back_without_rest": (Held, "_returned", _comes_back_at_once, "without_rest"),
}
"""What is weakened, and what must be found because of it."""
BY_MACHINE = (
    "inhibit_ignored_while_running",
    "lock_ignored_by_the_centre",
    "lock_leaves_what_waits",
    "end_not_recorded",
    "unseen_is_clear",
)
"""What the machine must find out as well; the others need more of a story than its short lives have."""


@contextlib.contextmanager
def weakened(name: str) -> Iterator[None]:
    """Make the rules weaker for a while."""
    where, what, how, _ = WEAKENED[name]
    with mock.patch.object(where, what, how(getattr(where, what))):
        yield
