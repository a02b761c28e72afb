"""Whose turn it is: deadlines, urgency, nobody starved, the silent never dearer than their allowance."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.health import BACK_OFF_MAX_S, DOUBTFUL_BURST_S, DOUBTFUL_SHARE, Unit
from edge.schedule import Schedule, Turn, quantile


def turn(name: str, interval_s: float = 1, *, urgent: bool = False, timeout_s: float = 0.5) -> Turn:
    """Return a turn that is due at once."""
    return Turn(name, Unit(timeout_s), interval_s, urgent, 0)


def taken(
    schedule: Schedule, until_s: float, cost_s: dict[str, float], now_s: float = 0
) -> list[tuple[float, str]]:
    """Play the line: a turn costs its time, a device of cost 0.5 does not answer. Return (time, device)."""
    found = []
    while now_s < until_s:
        chosen, rest_s = schedule.choose(now_s)
        if chosen is None:
            assert rest_s > 0
            now_s += rest_s
            continue
        found.append((now_s, chosen.device))
        began_s, spent_s = now_s, cost_s[chosen.device]
        if spent_s >= 0.5:
            spent_s = chosen.unit.learnt_timeout_s()
            chosen.unit.failed(timed_out=True)
        elif chosen.powered:
            if chosen.unit.dead:
                schedule.revived(chosen, now_s)
            chosen.unit.answered(spent_s)
        now_s += spent_s
        schedule.done(chosen, began_s=began_s, now_s=now_s)
    return found


def test_everyone_is_asked_on_its_own_grid() -> None:
    """Intervals do not drift by what a poll costs."""
    schedule = Schedule([turn("a", 1), turn("b", 2)], 0)
    found = taken(schedule, 10, {"a": 0.1, "b": 0.1})
    assert [at_s for at_s, name in found if name == "a"][1:5] == [1, 2, 3, 4]
    assert len([name for _, name in found if name == "b"]) == 5


def test_alarms_come_before_routine_and_nobody_starves() -> None:
    """On a line with too much to do routine devices wait, but never longer than their deadline allows."""
    turns = [turn("alarm", 1, urgent=True), *(turn(f"routine-{number}", 1) for number in range(3))]
    schedule = Schedule(turns, 0)
    found = taken(schedule, 60, {each.device: 0.4 for each in turns})
    counts = {each.device: sum(name == each.device for _, name in found) for each in turns}
    assert counts["alarm"] >= max(counts.values())
    assert min(counts.values()) > 20


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(0, 12), st.floats(0.01, 0.2))
def test_the_silent_cost_no_more_than_their_allowance(sound: int, silent: int, cost_s: float) -> None:
    """However many do not answer, a tenth of the line's time is the most they take, after a first burst."""
    names = [f"sound-{number}" for number in range(sound)] + [f"silent-{number}" for number in range(silent)]
    schedule = Schedule([turn(name, 0.5) for name in names], 0)
    cost = {name: 0.5 if name.startswith("silent") else cost_s for name in names}
    taken(schedule, 120, cost)
    spent_s = sum(each.busy_s for each in schedule.turns.values() if each.unit.doubtful)
    first_s = silent * 0.5  # nobody can know before the first time
    assert spent_s <= first_s + DOUBTFUL_BURST_S + 0.5 + DOUBTFUL_SHARE * 121


def test_a_dead_unit_is_asked_ever_less_often_but_never_forgotten() -> None:
    """Its intervals double up to the longest back-off."""
    schedule = Schedule([turn("dead", 1)], 0)
    times = [at_s for at_s, _ in taken(schedule, 120, {"dead": 0.5})]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps[0] == 1
    assert gaps[1] > 4  # a tenth of the line's time has to save up for its timeout
    assert max(gaps) <= BACK_OFF_MAX_S + 1
    assert gaps[-1] >= BACK_OFF_MAX_S - 1


def test_a_sound_device_misses_no_deadline_for_a_doubtful_one() -> None:
    """Nine of 44 ms in an interval of 660 ms, and a tenth that falls silent: its second chance waits."""
    names = [f"unit-{number}" for number in range(10)]
    schedule = Schedule([turn(name, 0.66) for name in names], 0)
    taken(schedule, 10, dict.fromkeys(names, 0.044))
    found = taken(schedule, 60, dict.fromkeys(names, 0.044) | {"unit-4": 0.5}, now_s=10)
    for name in set(names) - {"unit-4"}:
        ends = [at_s + 0.044 for at_s, other in found if other == name]
        met = {int(end_s / 0.66) for end_s in ends}  # read within each interval of the grid
        assert met >= set(range(int(min(ends) / 0.66), int(60 / 0.66)))
    assert len([name for _, name in found if name == "unit-4"]) >= 8


@pytest.mark.parametrize("dark_s", [20, 60])
def test_a_line_that_boots_in_the_dark_has_everyone_within_a_minute_of_power(dark_s: float) -> None:
    """Thirty of forty have never answered; what that cost is not held against them for long."""
    names = [f"unit-{number}" for number in range(40)]
    schedule = Schedule([turn(name, 1) for name in names], 0)
    cost = dict.fromkeys(names[:10], 0.04) | dict.fromkeys(names[10:], 0.5)
    taken(schedule, dark_s, cost)
    found = taken(schedule, dark_s + 90, dict.fromkeys(names, 0.04), now_s=dark_s)
    first = {name: min(at_s for at_s, other in found if other == name) for name in names}
    assert max(first.values()) < dark_s + 30


def test_one_that_answers_again_wakes_the_others() -> None:
    """What silenced thirty is often one fuse."""
    names = [f"unit-{number}" for number in range(30)]
    schedule = Schedule([turn(name, 1) for name in names], 0)
    taken(schedule, 20, dict.fromkeys(names, 0.02))
    taken(schedule, 400, dict.fromkeys(names, 0.5), now_s=20)
    assert all(each.unit.dead for each in schedule.turns.values())
    found = taken(schedule, 430, dict.fromkeys(names, 0.02), now_s=400)
    first = {name: min(at_s for at_s, other in found if other == name) for name in names}
    assert max(first.values()) < 400 + 20
    assert not any(each.unit.dead for each in schedule.turns.values())


def test_an_unpowered_device_is_neither_failed_nor_backed_off() -> None:
    """It keeps its place, and is asked soon and staggered when its feeder is on again."""
    schedule = Schedule([turn("lamp-1", 10), turn("lamp-2", 10), turn("relay", 1)], 0)
    schedule.unpowered(["lamp-1", "lamp-2"])
    taken(schedule, 100, {"lamp-1": 0.0, "lamp-2": 0.0, "relay": 0.05})
    assert not schedule.turns["lamp-1"].unit.doubtful
    schedule.energised(["lamp-2", "lamp-1"], 101)
    dues = [schedule.turns[name].due_s for name in ("lamp-1", "lamp-2")]
    assert dues == [102, 102.1]


def test_timeouts_are_learnt_from_answers_and_forgiven_once() -> None:
    """Three times the slowest recent answer and a margin; the settings' after a first failure."""
    unit = Unit(1.0)
    assert unit.learnt_timeout_s() == 1.0
    for _ in range(5):
        unit.answered(0.02)
    assert abs(unit.learnt_timeout_s() - 0.11) < 1e-9
    unit.failed(timed_out=True)
    assert unit.learnt_timeout_s() == 1.0
    unit.failed(timed_out=True)
    unit.failed(timed_out=True)
    assert unit.dead
    assert abs(unit.learnt_timeout_s() - 0.11) < 1e-9


def test_garbled_answers_alone_do_not_make_a_unit_dead() -> None:
    """It speaks: what it needs is a better line, not silence."""
    unit = Unit(1.0)
    for _ in range(10):
        unit.failed(timed_out=False)
    assert not unit.dead


def test_figures_say_what_was_achieved() -> None:
    """Quantiles of intervals, and the line time that was taken."""
    schedule = Schedule([turn("a", 1), turn("b", 1)], 0)
    taken(schedule, 50, {"a": 0.1, "b": 0.3})
    assert abs((quantile(schedule.turns["a"].intervals_s, 0.5) or 0) - 1) < 1e-6
    assert abs(schedule.turns["b"].busy_s - 0.3 * 50) < 0.5
    assert quantile([], 0.5) is None
