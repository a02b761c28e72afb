"""Waves: the next waits for the one before, too many failures stop it, whoever is absent holds up nobody."""

from hypothesis import given
from hypothesis import strategies as st

from collector.rollouts.stepping import RolloutState, Step, Target, TargetState, step, waves

W, P, ON, F, A = TargetState


def targets(*waves_of: list[TargetState]) -> list[Target]:
    """Return targets by wave."""
    return [
        Target(f"gw-{wave}{n}", wave, state)
        for wave, states in enumerate(waves_of)
        for n, state in enumerate(states)
    ]


def test_the_first_wave_is_pushed_at_once() -> None:
    """And nobody else."""
    assert step(targets([W, W], [W]), 0) == Step(push=("gw-00", "gw-01"))


def test_the_next_wave_waits_for_all_of_the_one_before() -> None:
    """Whoever is absent is not waited for."""
    assert step(targets([ON, P], [W]), 0) == Step()
    assert step(targets([ON, A], [W]), 0) == Step(push=("gw-10",))


def test_more_failures_than_may_be_stop_it() -> None:
    """They are named."""
    assert step(targets([ON, F], [W]), 1).push == ("gw-10",)
    told = step(targets([F, F], [W]), 1)
    assert told == Step((), RolloutState.STOPPED, "2 of 3 failed, 1 may: gw-00, gw-01")


def test_it_is_done_when_nobody_is_waited_for() -> None:
    """Also where somebody failed, or is absent."""
    assert step(targets([ON, F], [A]), 1).end is RolloutState.DONE


@given(
    st.lists(st.lists(st.sampled_from(list(TargetState)), min_size=1, max_size=4), min_size=1, max_size=4),
    st.integers(0, 16),
)
def test_nobody_is_pushed_to_while_an_earlier_wave_is_open(
    states: list[list[TargetState]], failures_max: int
) -> None:
    """Nor twice, nor after more failures than may be."""
    given_targets = targets(*states)
    told = step(given_targets, failures_max)
    by_name = {each.gateway: each for each in given_targets}
    for name in told.push:
        assert by_name[name].state is W
        assert not any(each.wave < by_name[name].wave and each.state in (W, P) for each in given_targets)
    if told.push:
        assert sum(each.state is F for each in given_targets) <= failures_max


def test_the_rest_is_one_more_wave() -> None:
    """Sizes beyond the end do no harm."""
    assert waves(["a", "b", "c", "d"], [1, 2]) == [("a", 0), ("b", 1), ("c", 1), ("d", 2)]
    assert waves(["a"], [1, 2]) == [("a", 0)]
