"""Stamps: followed while somebody vouches for the wall clock, else counted on; never back without a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.samples import ClockState
from edge.clock import CREDIBLE_FROM_MS, Moment, Step, SystemClock, Timeline
from edge.polling import Stamps

NOW_MS = CREDIBLE_FROM_MS + 10**10
DAY_MS = 86_400_000
SECOND = 1_000_000_000


def test_a_machine_without_a_battery_counts_from_what_was_known() -> None:
    """In 1970 by its wall clock, it begins after the last stamp of the boot before, and is unset."""
    timeline = Timeline(NOW_MS)
    assert timeline.observe(0, 0, synchronised=False) == Moment(0, NOW_MS + 1, ClockState.UNSET)
    assert timeline.observe(SECOND, DAY_MS, synchronised=False).wall_ms == NOW_MS + 1001


def test_the_first_synchronisation_tells_what_was_missing() -> None:
    """Offset and event; time begins anew, so that it may be earlier."""
    steps: list[Step] = []
    timeline = Timeline(on_step=steps.append)
    timeline.observe(0, NOW_MS + DAY_MS, synchronised=False)
    moment = timeline.observe(SECOND, NOW_MS, synchronised=True)
    assert moment == Moment(SECOND, NOW_MS, ClockState.SYNCHRONISED, 1)
    assert timeline.offset_ms == -DAY_MS - 1000
    assert steps == [Step(NOW_MS + DAY_MS + 1000, NOW_MS, ClockState.UNSET, moment)]


@pytest.mark.parametrize("by_ms", [DAY_MS, -DAY_MS])
def test_a_clock_set_by_hand_changes_no_stamp(by_ms: int) -> None:
    """The kernel takes its word back as the clock is set, and the jump is what makes us ask."""
    wall_ms, mono_ns, vouched, asked = NOW_MS, 0, True, 0

    def ask() -> bool:
        nonlocal asked
        asked += 1
        return vouched

    clock = SystemClock(Timeline(), ask, lambda: mono_ns, lambda: wall_ms * 1_000_000)
    assert clock.now().clock is ClockState.SYNCHRONISED
    mono_ns, wall_ms, vouched = 10_000_000, NOW_MS + 10 + by_ms, False
    assert clock.now() == Moment(mono_ns, NOW_MS + 10, ClockState.HOLDOVER, 1)
    for _ in range(1000):
        clock.now()
    assert asked == 2


def test_a_small_step_back_is_held_until_the_clock_is_there() -> None:
    """Time goes slowly, is marked, and is told; nothing is stamped earlier."""
    steps: list[Step] = []
    timeline = Timeline(on_step=steps.append)
    timeline.observe(0, NOW_MS, synchronised=True)
    held = timeline.observe(SECOND, NOW_MS - 9_000, synchronised=True)
    assert held == Moment(SECOND, NOW_MS + 100, ClockState.HOLDOVER, 1)
    assert [(step.from_ms, step.to_ms) for step in steps] == [(NOW_MS + 1000, NOW_MS - 9_000)]
    moments = [
        timeline.observe(SECOND * (1 + each), NOW_MS - 9_000 + 1000 * each, synchronised=True)
        for each in range(1, 20)
    ]
    assert [moment.wall_ms for moment in moments] == sorted(moment.wall_ms for moment in moments)
    assert moments[8].clock is ClockState.HOLDOVER
    assert moments[-1] == Moment(20 * SECOND, NOW_MS + 10_000, ClockState.SYNCHRONISED, 1)


def test_a_second_step_back_is_held_from_its_own_beginning() -> None:
    """Not from that of one long over: time would leap ahead by all that has passed since."""
    timeline = Timeline()
    timeline.observe(0, NOW_MS, synchronised=True)
    timeline.observe(SECOND, NOW_MS - 1_000, synchronised=True)
    for second in range(2, 60):
        followed = timeline.observe(second * SECOND, NOW_MS + (second - 2) * 1000, synchronised=True)
    assert followed.clock is ClockState.SYNCHRONISED
    held = timeline.observe(60 * SECOND, followed.wall_ms - 1_000, synchronised=True)
    assert held == Moment(60 * SECOND, followed.wall_ms + 100, ClockState.HOLDOVER, 1)


@pytest.mark.parametrize("by_ms", [-501, -500, 500, 501])
def test_a_step_that_takes_no_stamp_back_is_told_beyond_a_slew(by_ms: int) -> None:
    """Forwards, or backwards by less than has passed: it is followed, and more than 500 ms are an event."""
    steps: list[Step] = []
    timeline = Timeline(on_step=steps.append)
    timeline.observe(0, NOW_MS, synchronised=True)
    moment = timeline.observe(SECOND, NOW_MS + 1000 + by_ms, synchronised=True)
    assert moment == Moment(SECOND, NOW_MS + 1000 + by_ms, ClockState.SYNCHRONISED, 1)
    told = [Step(NOW_MS + 1000, NOW_MS + 1000 + by_ms, ClockState.SYNCHRONISED, moment)]
    assert steps == (told if abs(by_ms) > 500 else [])


def test_what_is_too_far_ahead_goes_back_and_says_so() -> None:
    """More than hold_back_s_max: an era of its own, in which the device's stamps may be earlier."""
    steps: list[Step] = []
    timeline, stamps = Timeline(hold_back_s_max=60, on_step=steps.append), Stamps()
    ahead = timeline.observe(0, NOW_MS, synchronised=True)
    back = timeline.observe(0, NOW_MS - 61_000, synchronised=True)
    assert (back.wall_ms, back.clock, back.era) == (NOW_MS - 61_000, ClockState.SYNCHRONISED, ahead.era + 1)
    assert steps[-1].to_ms - steps[-1].from_ms == -61_000
    assert stamps.row("d", (), (), ahead).time_ms == NOW_MS
    assert stamps.row("d", (), (), back).time_ms == NOW_MS - 61_000
    assert stamps.row("d", (), (), back).time_ms == NOW_MS - 60_999


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.integers(-2 * DAY_MS, 2 * DAY_MS), st.booleans()), min_size=1)
)
def test_time_never_goes_back_within_an_era(story: list[tuple[int, int, bool]]) -> None:
    """Whatever the wall clock does; and what is called synchronised is what the wall clock says."""
    timeline, mono_ms = Timeline(), 0
    last = Moment(0, 0, ClockState.UNSET)
    for step_ms, away_ms, synchronised in story:
        mono_ms += step_ms
        wall_ms = NOW_MS + mono_ms + away_ms
        moment = timeline.observe(mono_ms * 1_000_000, wall_ms, synchronised=synchronised)
        assert moment.era > last.era or moment.wall_ms >= last.wall_ms
        if moment.clock is ClockState.SYNCHRONISED:
            assert synchronised
            assert moment.wall_ms == wall_ms
        last = moment
