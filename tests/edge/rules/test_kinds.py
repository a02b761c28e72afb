"""Each kind of alarm: what raises it, what clears it, and what says nothing of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.events import AlarmCleared, AlarmRaised, Priority
from contract.samples import Quality, Value
from tests.edge.rules.rigs import Rig, short


def test_each_limit_is_an_alarm_of_its_own() -> None:
    """High-high comes on top of high, with a key, an id and a priority of its own, and goes before it."""
    rig = Rig({"high": 10.0, "high_high": 20.0, "low": 2.0, "high_high_priority": "highest", "deadband": 1.0})
    rig.feed(enumerate([5.0, 11.0, 21.0, 19.5, 19.0, 9.0, 1.0, 3.0]))
    assert short(rig.told) == [
        (1, "raised", "high"),
        (2, "raised", "high_high"),
        (4, "cleared", ""),
        (5, "cleared", ""),
        (6, "raised", "low"),
        (7, "cleared", ""),
    ]
    raised = [event for _, event in rig.told if isinstance(event, AlarmRaised)]
    assert [event.priority for event in raised] == [Priority.MEDIUM, Priority.HIGHEST, Priority.MEDIUM]
    assert len({event.id for event in raised}) == 3
    assert [event.limit for event in raised] == [10, 20, 2]


def test_an_alarm_of_before_there_were_levels_is_taken_up() -> None:
    """The key in the buffer of a gateway that was updated does not name a level."""
    rig = Rig({"high": 10.0})
    rig.note(0, rig.engine.recall({"alarms": {"rule-1/meter/level": "a" * 32}}, rig.moment(0)))
    rig.feed([(1, 11.0), (2, 9.0)])
    [(_, cleared)] = rig.told
    assert isinstance(cleared, AlarmCleared)
    assert cleared.id == "a" * 32


def test_a_rise_is_told_as_soon_as_both_its_ends_are_there() -> None:
    """Five bar within ten seconds, wherever they began; it ends when good values of ten seconds say so."""
    rig = Rig({"kind": "rate", "rises_by": 5.0, "falls_by": 5.0, "within_s": 10.0})
    rig.feed([(0, 1.0), (1, 1.0), (2, 6.5)])
    assert short(rig.told) == [(2, "raised", "rate")]
    rig.feed((at_s, 6.5) for at_s in range(3, 20))
    assert short(rig.told)[1:] == [(12, "cleared", "")]  # the second 1 is no longer within ten seconds
    rig.feed([(20, 1.0)])
    assert short(rig.told)[2:] == [(20, "raised", "rate")]


def test_the_same_change_over_a_longer_time_is_no_rate() -> None:
    """Half a bar a second is under five in ten seconds; the boundary itself counts as within."""
    rig = Rig({"kind": "rate", "rises_by": 5.0, "within_s": 10.0})
    rig.feed((at_s, at_s * 0.5) for at_s in range(100))
    assert rig.told == []
    rig.feed([(100, 50.1)])
    assert short(rig.told) == [(100, "raised", "rate")]


def test_after_a_hole_a_rate_cannot_say_that_nothing_changes() -> None:
    """One value after a silence has risen by nothing: that clears no alarm."""
    rig = Rig({"kind": "rate", "rises_by": 5.0, "within_s": 10.0, "stale_s": 3.0})
    rig.feed([(0, 0.0), (1, 9.0)])
    rig.feed([(20, 9.0), (21, 9.0), (22, 9.0)])
    assert short(rig.told) == [(1, "raised", "rate")]
    rig.feed((at_s, 9.0) for at_s in range(23, 31))
    assert short(rig.told)[1:] == [(30, "cleared", "")]


def test_a_deviation_needs_both_points() -> None:
    """With one of them silent there is nothing to compare."""
    rig = Rig({"kind": "deviation", "from": "other/level", "by": 2.0, "deadband": 1.0, "stale_s": 5.0})
    rig.see(0, 10.0)
    rig.see(1, 12.5, "other/level")
    assert short(rig.told) == [(1, "raised", "deviation")]
    rig.feed((at_s, 12.5) for at_s in range(7, 30))  # the other one is silent
    assert len(rig.told) == 1
    rig.see(30, 12.5, "other/level")
    assert short(rig.told)[1:] == [(30, "cleared", "")]


@pytest.mark.parametrize(
    ("declared", "values", "raised", "cleared"),
    [
        ({"equals": True}, [False, True, True, False], 1, 3),
        ({"differs": True}, [True, False, True], 1, 2),
        ({"equals": 3}, [1, 2, 3, 4], 2, 3),
        ({"equals": "fault"}, ["ok", "fault", "ok"], 1, 2),
    ],
)
def test_a_discrete_alarm_is_about_one_value(
    declared: dict[str, Any], values: list[Value], raised: int, cleared: int
) -> None:
    """A bool, a number, a text."""
    rig = Rig({"kind": "discrete", **declared})
    rig.feed(enumerate(values))
    assert short(rig.told) == [(raised, "raised", "discrete"), (cleared, "cleared", "")]


def test_silence_is_told_when_its_time_is_over_and_ended_by_a_good_value() -> None:
    """By time alone: no sample comes to say it. A bad one says nothing more."""
    rig = Rig({"kind": "stale", "stale_s": 30.0})
    rig.see(0, 1.0)
    rig.see(20, None)
    rig.tick(29.5)
    assert rig.told == []
    rig.tick(30)
    rig.see(40, None)
    rig.tick(500)
    assert short(rig.told) == [(30, "raised", "stale")]
    rig.see(501, 1.0)
    assert short(rig.told)[1:] == [(501, "cleared", "")]
    rig.tick(531)
    assert short(rig.told)[2:] == [(531, "raised", "stale")]


def test_a_device_that_never_answers_is_stale_after_the_start() -> None:
    """It counts from the first moment, and after a restart it is still the same occurrence."""
    rig = Rig({"kind": "stale", "stale_s": 30.0})
    rig.tick(0)
    rig.tick(31)
    rig.restart(40)
    rig.tick(40)
    rig.tick(100)
    assert short(rig.told) == [(31, "raised", "stale")]
    rig.see(101, 1.0)
    assert short(rig.told)[1:] == [(101, "cleared", "")]


def test_what_has_no_power_is_not_stale() -> None:
    """Lamp controllers by day: the time counts from when the power is back."""
    rig = Rig({"kind": "stale", "stale_s": 30.0})
    rig.see(0, 1.0)
    for at_s in range(10, 1000, 10):
        rig.see(at_s, None, quality=Quality.UNPOWERED)
        rig.tick(at_s + 5)
    rig.see(1000, None)
    rig.tick(1029)
    assert rig.told == []
    rig.tick(1030)
    assert short(rig.told) == [(1030, "raised", "stale")]
    rig.see(1040, None, quality=Quality.UNPOWERED)
    rig.tick(2000)
    assert len(rig.told) == 1


def test_a_value_that_does_not_move_is_told_and_ended_by_one_that_does() -> None:
    """A frozen sensor; noise within the band is no movement, and a hole is none either."""
    rig = Rig({"kind": "flatline", "flat_by": 0.2, "flat_for_s": 60.0, "stale_s": 15.0})
    rig.feed((at_s, 5.0 + 0.1 * (at_s % 3)) for at_s in range(0, 60, 10))
    assert rig.told == []
    rig.see(60, 5.1)
    assert short(rig.told) == [(60, "raised", "flatline")]
    rig.feed([(200, 5.0), (210, 5.1)])
    assert len(rig.told) == 1
    rig.see(220, 5.5)
    assert short(rig.told)[1:] == [(220, "cleared", "")]


def test_a_slow_drift_is_not_flat() -> None:
    """Each step is small, and over the time they are not."""
    rig = Rig({"kind": "flatline", "flat_by": 1.0, "flat_for_s": 60.0})
    rig.feed((at_s, at_s * 0.02) for at_s in range(0, 1000, 10))
    assert rig.told == []


KINDS: list[dict[str, Any]] = [
    {"high": 10.0, "low": -10.0},
    {"high": 10.0, "mean_s": 20.0},
    {"high": 10.0, "max_s": 300.0, "aligned": True},
    {"kind": "rate", "rises_by": 5.0, "falls_by": 5.0, "within_s": 30.0},
    {"kind": "deviation", "from": "other/level", "by": 3.0},
    {"kind": "discrete", "equals": 7},
    {"kind": "flatline", "flat_for_s": 30.0},
]


@given(
    kind=st.sampled_from(KINDS),
    good=st.lists(st.sampled_from([0.0, 7, 12.0, -12.0]), min_size=0, max_size=30),
    worse=st.lists(
        st.tuples(
            st.sampled_from([Quality.BAD, Quality.STALE, Quality.UNPOWERED, Quality.UNCERTAIN]),
            st.sampled_from([None, 0.0, 7, 12.0, -12.0, float("nan")]),
            st.sampled_from(["meter/level", "other/level"]),
        ),
        max_size=30,
    ),
)
def test_bad_data_neither_raises_nor_clears_a_process_alarm(
    kind: dict[str, Any], good: list[float], worse: list[tuple[Quality, Value, str]]
) -> None:
    """Whatever came before, and whatever value a bad sample carries: nothing is told by it."""
    rig = Rig(kind)
    for number, value in enumerate(good):
        rig.see(number * 10, value)
        rig.see(number * 10 + 5, 1.0, "other/level")
    rig.tick(600)  # a window that was under way is over
    before = len(rig.told)
    for number, (quality, carried, point) in enumerate(worse):
        rig.see(600 + number * 10, carried, point, quality)
    rig.tick(5000)
    assert len(rig.told) == before


def test_a_good_value_that_is_no_number_is_not_good() -> None:
    """A float32 register may hold NaN or infinity: nothing can be compared with them, and nothing falls."""
    rig = Rig({"high": 10.0, "mean_s": 5.0}, {"low": 1.0}, {"kind": "stale", "stale_s": 30.0})
    rig.feed((at_s, float("nan") if at_s % 2 else float("inf")) for at_s in range(30))
    rig.tick(31)
    assert short(rig.told) == [(30, "raised", "stale")] or short(rig.told) == [(31, "raised", "stale")]


@given(
    values=st.lists(st.tuples(st.integers(1, 8), st.sampled_from([0.0, 9.5, 10.5, 20.0])), max_size=80),
    on_delay_s=st.sampled_from([0, 3, 10]),
    off_delay_s=st.sampled_from([0, 4, 12]),
    deadband=st.sampled_from([0.0, 1.0]),
)
def test_delays_and_deadband_do_what_they_say(
    values: list[tuple[int, float]], on_delay_s: int, off_delay_s: int, deadband: float
) -> None:
    """Against the plain definition: since when has every value asked for the other state without a hole."""
    rig = Rig(
        {
            "high": 10.0,
            "deadband": deadband,
            "on_delay_s": on_delay_s,
            "off_delay_s": off_delay_s,
            "stale_s": 6,
        }
    )
    at_s, active, seen = 0.0, False, list[tuple[float, float]]()
    expected = []
    for step_s, value in values:
        at_s += step_s
        seen.append((at_s, value))
        since_s, later_s = None, at_s
        for earlier_s, number in reversed(seen):
            asks = number <= 10 - deadband if active else number > 10
            if not asks or later_s - earlier_s > 6:
                break
            since_s = later_s = earlier_s
        if since_s is not None and at_s - since_s >= (off_delay_s if active else on_delay_s):
            active, seen = not active, [seen[-1]]
            expected.append((at_s, active))
        rig.see(at_s, value)
    assert [(at, isinstance(event, AlarmRaised)) for at, event in rig.told] == expected


def test_chatter_around_a_limit_is_one_alarm() -> None:
    """A value that crosses its limit every second: with the delays that the manual recommends it is one."""
    told = Rig({"high": 10.0, "deadband": 0.5, "on_delay_s": 5.0, "off_delay_s": 30.0})
    noisy = Rig({"high": 10.0})
    for at_s in range(3600):
        value = 10.2 if at_s < 10 or at_s % 2 else 9.8
        told.see(at_s, value)
        noisy.see(at_s, value)
    assert short(told.told) == [(5, "raised", "high")]
    assert len(noisy.told) > 3000  # the control: without them it is one after the other


def test_clear_and_raised_again_are_two_occurrences() -> None:
    """Two events with two keys: what is over never becomes active again."""
    rig = Rig({"high": 10.0, "deadband": 0.5})
    rig.feed(enumerate([11.0, 9.0, 11.0, 9.0]))
    ids = [event.id for _, event in rig.told]
    assert ids[0] == ids[1] != ids[2] == ids[3]
