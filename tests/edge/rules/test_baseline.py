"""Unusual against the same time on like days: a burst is told, and what only looks like one is not."""

import json
import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.events import AlarmCleared, AlarmRaised
from edge.rules.learnt_text import from_text, to_text
from tests.edge.rules.rigs import START_MS, Rig

MINUTE_S, DAY_S = 60, 86_400
MIDNIGHT_S = 8 * 3600
"""START_MS is 16:00 on a Friday by local time: the night to Saturday begins so much later."""
MONDAY_S = MIDNIGHT_S + 2 * DAY_S
BURST: dict[str, Any] = {
    "kind": "baseline",
    "points": ["meter/pressure"],
    "falls_by_percent": 15.0,
    "stale_s": 150.0,
    "on_delay_s": 120.0,
    "confirmed_by": [
        {"point": "other/pressure", "falls_by_percent": 10.0},
        {"point": "meter/flow", "rises_by_percent": 30.0},
    ],
    "confirmed_min": 2,
}
ALONE = {name: value for name, value in BURST.items() if not name.startswith("confirmed")}
Change = Callable[[float], tuple[float, float, float]]


class Town:
    """A district's water: pressure falls and flow rises when people get up, at weekends later."""

    def __init__(self, *alarms: dict[str, Any], **more: Any) -> None:
        """Begin on a Friday afternoon."""
        self.rig = Rig(*alarms, **more)
        self._chance = random.Random(1)
        self._at_s = 0

    def until(self, to_s: float, change: Change = lambda _at_s: (1, 1, 1)) -> None:
        """Let time pass; ``change`` gives factors for the two pressures and the flow."""
        while self._at_s < to_s:
            hour = (16 + self._at_s / 3600) % 24
            weekday = (4 + (16 * 3600 + self._at_s) // DAY_S) % 7
            peak = 9 if weekday >= 5 else 7
            use = 0.3 + math.exp(-((hour - peak) ** 2) / 2) + 0.5 * math.exp(-((hour - 19) ** 2) / 4)
            here, there, flow = change(self._at_s)
            noise = [self._chance.gauss(1, 0.01) for _ in range(3)]
            self.rig.see(self._at_s, (300 - 80 * use) * here * noise[0], "meter/pressure")
            self.rig.see(self._at_s, (320 - 80 * use) * there * noise[1], "other/pressure")
            self.rig.see(self._at_s, 100 * use * flow * noise[2], "meter/flow")
            self._at_s += MINUTE_S

    def told(self) -> list[tuple[str, float]]:
        """Return what was raised and cleared, and at which hour since the Monday's midnight."""
        return [
            (type(event).__name__, round((at_s - MONDAY_S) / 3600, 1))
            for at_s, event in self.rig.told
            if isinstance(event, AlarmRaised | AlarmCleared)
        ]


def during(from_s: float, to_s: float, here: float, there: float, flow: float) -> Change:
    """Return a change of these factors in that time."""
    return lambda at_s: (here, there, flow) if from_s <= at_s < to_s else (1, 1, 1)


FRIDAY_S = MONDAY_S + 4 * DAY_S
"""By then four working days and two of a weekend are known."""
AT_S = FRIDAY_S + 2 * 3600


@pytest.mark.parametrize(
    ("what", "change", "told"),
    [
        ("a burst at night", (0.78, 0.85, 1.8), True),
        ("a hydrant is tested at one point", (0.7, 1.0, 1.1), False),
        ("a pump goes off: all pressures fall, and the flow does", (0.75, 0.75, 0.8), False),
        ("a hydrant is tested and the neighbour is not seen", (0.7, math.nan, 1.8), False),
    ],
)
def test_a_burst_is_told_and_what_looks_like_one_is_not(
    what: str, change: tuple[float, float, float], told: bool
) -> None:
    """At two in the morning; it is over when the pressure is back."""
    town = Town(BURST)
    town.until(AT_S)
    assert town.told() == [], what
    town.until(AT_S + 3600, during(AT_S, AT_S + 1800, *change))
    kinds = [kind for kind, _ in town.told()]
    assert kinds == (["AlarmRaised", "AlarmCleared"] if told else []), what
    for _, event in town.rig.told:
        if isinstance(event, AlarmRaised):
            assert event.condition == "baseline"
            assert event.limit is not None
            assert isinstance(event.value, float)
            assert event.value < event.limit


def test_without_confirmation_a_hydrant_test_is_told() -> None:
    """The control: the pressure alone cannot tell them apart."""
    town = Town(ALONE)
    town.until(AT_S + 3600, during(AT_S, AT_S + 1800, 0.7, 1.0, 1.1))
    assert [kind for kind, _ in town.told()] == ["AlarmRaised", "AlarmCleared"]


def test_a_weekend_is_not_held_against_working_days() -> None:
    """People get up two hours later on Saturday; as a working day that would be told, as below."""
    rises = {**ALONE, "rises_by_percent": 15.0}
    del rises["falls_by_percent"]
    town = Town(rises, ALONE)
    town.until(MONDAY_S + 14 * DAY_S)
    assert town.told() == []


def test_a_holiday_that_the_centre_told_counts_as_weekend() -> None:
    """And one that nobody told is a working day like no other."""
    rises = {**ALONE, "rises_by_percent": 15.0, "holidays": "holidays"}
    del rises["falls_by_percent"]
    told = []
    for known in (True, False):
        town = Town(rises)
        town.until(MONDAY_S + 14 * DAY_S)
        begin_ms = START_MS + (MONDAY_S + 14 * DAY_S) * 1000
        periods = {"holidays": (begin_ms, begin_ms + DAY_S * 1000)} if known else {}
        town.rig.engine.set_periods(periods, town.rig.moment(MONDAY_S + 14 * DAY_S))
        late = _slept_in(MONDAY_S + 14 * DAY_S)
        town.until(MONDAY_S + 15 * DAY_S, late)
        told.append(bool(town.told()))
    assert told == [False, True]


def _slept_in(midnight_s: float) -> Change:
    """Return what makes a working day one of a weekend: the use of seven o'clock comes at nine."""

    def change(at_s: float) -> tuple[float, float, float]:
        hour = (at_s - midnight_s) / 3600
        evening = 0.3 + 0.5 * math.exp(-((hour - 19) ** 2) / 4)
        early, late = (evening + math.exp(-((hour - peak) ** 2) / 2) for peak in (7, 9))
        return (300 - 80 * late) / (300 - 80 * early), 1, 1

    return change


def test_what_an_alarm_told_is_not_learnt() -> None:
    """A leak that comes every night stays unusual: the usual is what it was before."""
    town = Town(BURST)
    town.until(AT_S)
    learner = next(iter(town.rig.engine.learners._of.values()))
    before = [list(values) for values in learner._learnt]
    nights = [AT_S + DAY_S * number for number in range(8)]

    def leaks(at_s: float) -> tuple[float, float, float]:
        return (0.78, 0.85, 1.8) if any(night <= at_s < night + 3600 for night in nights) else (1, 1, 1)

    town.until(AT_S + 8 * DAY_S, leaks)
    raised = [hour for kind, hour in town.told() if kind == "AlarmRaised"]
    assert len(raised) == 7  # all of eight nights but Saturday's: only two days of a weekend were known
    place = 2 * 4 + 1  # a quarter past two
    assert list(learner._learnt[place]) == before[place]
    assert len(learner._learnt[place + 20]) > len(before[place + 20])


def test_it_says_nothing_before_it_knows_enough_days() -> None:
    """Two nights are no habit."""
    town = Town(ALONE)
    tuesday_s = MONDAY_S + 2 * DAY_S
    town.until(tuesday_s + 3 * 3600, during(tuesday_s + 3600, tuesday_s + 7200, 0.5, 1, 1))
    assert town.told() == []


def test_what_was_learnt_survives_a_restart_as_plain_json() -> None:
    """Small, and good enough to judge by at once; what is damaged is let go."""
    town = Town(BURST)
    town.until(AT_S)
    assert town.rig.engine.learners.take_news()
    assert not town.rig.engine.learners.take_news()
    text = json.dumps(town.rig.engine.remembered())
    assert len(text) < 40_000
    town.rig.restart(AT_S)
    town.until(AT_S + 3600, during(AT_S + 900, AT_S + 1800, 0.78, 0.85, 1.8))
    assert [kind for kind, _ in town.told()] == ["AlarmRaised", "AlarmCleared"]
    fresh = Town(BURST)
    damaged = {"baselines": dict.fromkeys(town.rig.engine.remembered()["baselines"], "no such text")}
    fresh.rig.engine.recall(damaged, fresh.rig.moment(0))
    assert fresh.rig.engine.remembered()["baselines"] == {}


@given(st.lists(st.lists(st.floats(-1e6, 1e6, width=32), max_size=7), min_size=1, max_size=50))
def test_what_is_learnt_is_kept_as_it_is(learnt: list[list[float]]) -> None:
    """As float32, which is what devices measure."""
    text = to_text(learnt)
    assert from_text(text, len(learnt), 7) == (learnt if any(learnt) else None)
    if any(learnt):
        assert from_text(text, len(learnt) + 1, 7) is None


def test_maintenance_is_not_learnt() -> None:
    """A meter that is being calibrated teaches nothing."""
    town = Town(ALONE)
    town.until(MONDAY_S)
    learner = next(iter(town.rig.engine.learners._of.values()))
    known = sum(map(len, learner._learnt))
    until_ms = START_MS + (MONDAY_S + 6 * 3600) * 1000
    town.rig.engine.maintain("meter", until_ms, "Li", town.rig.moment(MONDAY_S))
    town.until(MONDAY_S + 6 * 3600)
    assert sum(map(len, learner._learnt)) <= known + 1  # the slot that was under way at midnight
