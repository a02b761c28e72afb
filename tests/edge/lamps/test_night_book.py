"""The book of the nights by itself: what is planned, what failed; a lamp that is read every ten seconds."""

import itertools
import json
from collections.abc import Callable

import pytest

from contract.events import LampChange, LampNight
from contract.samples import Quality
from edge.lamps.events import LampEffect
from edge.lamps.nights import NightBook
from edge.lamps.settings import Lighting
from edge.rules.effects import Emit
from tests.edge.lamps.test_executor import HOUR_S, NOON_MS, Stage, fixtures, moment, plan

NIGHT = plan(at_12=0, at_18=100, at_23=50, at_06=0)
OTHER = plan(at_12=0, at_18=30, at_06=0)


class Watch:
    """A stage whose nights are written down."""

    def __init__(self, body: str = NIGHT, lighting: Lighting | None = None) -> None:
        """Begin at noon."""
        ids = map("{:032x}".format, itertools.count(1))
        self.stage = Stage(fixtures(1), lighting)
        self.book = NightBook(self.stage.lamps, {"c-1": 10.0}, lambda: next(ids))
        self.sequence = 0
        self.book.plan_sequence = lambda: self.sequence
        self.told: list[LampNight] = []
        self.put("lamp_plan", body, 0)

    def put(self, kind: str, body: str, at_s: float) -> None:
        """Put a document in force."""
        problems, effects = self.stage.lamps.in_force(kind, body, moment(at_s))
        assert problems == []
        self.take(effects, at_s)
        self.sequence += kind == "lamp_plan"

    def look(
        self,
        from_s: float,
        until_s: float,
        hook: Callable[[float], None] = lambda _s: None,
        wrong_s: float = 0,
        era: int = 0,
    ) -> None:
        """Let time pass, by a clock that is wrong by so much."""
        for number in range(int((until_s - from_s) / 10)):
            at_s = from_s + 10 * number
            hook(at_s)
            now = moment(at_s, wrong_s=wrong_s, era=era)
            self.stage.take(self.stage.lamps.tick(now), now)
            self.stage.read(now)
            self.take(self.book.roll(now), at_s)

    def take(self, effects: list[LampEffect] | list[Emit], at_s: float) -> None:
        for effect in effects:
            if isinstance(effect, Emit) and isinstance(effect.event, LampNight):
                self.told.append(effect.event)
            else:
                self.stage.take([effect], moment(at_s))


def by_hour(changes: list[LampChange]) -> list[tuple[float, int]]:
    """Return (hour of the day, level)."""
    return [(round(12 + (it.at_ms - NOON_MS) / 3.6e6, 2), it.level) for it in changes]


def test_a_plan_that_takes_over_at_noon_changes_nothing_of_the_night_before() -> None:
    """It is in force a moment before the night is looked at: planned, and the plan's number, stay."""
    watch = Watch()
    watch.look(0, 24 * HOUR_S)
    watch.put("lamp_plan", OTHER, 24 * HOUR_S + 0.05)
    watch.look(24 * HOUR_S + 1, 24 * HOUR_S + 60)
    [night] = watch.told
    assert night.plan == 1
    assert by_hour(night.planned) == [(12, 0), (18, 100), (23, 50), (30, 0)]


def test_a_plan_that_takes_over_in_the_night_counts_from_then_on() -> None:
    """Until one o'clock the former was planned; a restart, or a word of the centre, moves nothing of that."""
    watch = Watch()
    watch.look(0, 13 * HOUR_S)
    watch.put("lamp_plan", OTHER, 13 * HOUR_S)
    watch.look(13 * HOUR_S, 24 * HOUR_S + 60)
    [night] = watch.told
    assert night.plan == 2
    assert by_hour(night.planned) == [(12, 0), (18, 100), (23, 50), (25, 30), (30, 0)]


@pytest.mark.parametrize("again", ["plan", "restart", "conditions"])
def test_what_is_planned_as_before_is_told_once(again: str) -> None:
    """The same plan again, another run of the program, or a condition that the plan does not know."""
    watch = Watch()
    watch.look(0, 13 * HOUR_S)
    if again == "plan":
        watch.put("lamp_plan", NIGHT, 13 * HOUR_S)
    elif again == "conditions":
        watch.put("lamp_conditions", "{}", 13 * HOUR_S)
    else:
        kept, watch = watch.book.data(), Watch()
        watch.book.load(kept)
        watch.put("lamp_plan", NIGHT, 13 * HOUR_S)
    watch.look(13 * HOUR_S, 24 * HOUR_S + 60)
    [night] = watch.told
    assert by_hour(night.planned) == [(12, 0), (18, 100), (23, 50), (30, 0)]


def test_a_condition_that_is_over_stays_planned() -> None:
    """Fog from 20 to 22: the record says so, also when the centre no longer does."""
    foggy = json.loads(NIGHT)
    foggy["conditions"] = ["fog"]
    foggy["programs"].append({"id": "f", "fixed_time_controls": [{"start_time": "12:00:00", "level": 70}]})
    foggy["calendars"][0]["rules"] = [{"program": "f", "condition": "fog"}]
    watch = Watch(json.dumps(foggy))
    span = {"condition": "fog", "from_ms": NOON_MS + 8 * 3600_000, "until_ms": NOON_MS + 10 * 3600_000}
    watch.look(0, 8 * HOUR_S)
    watch.put("lamp_conditions", json.dumps({"conditions": [span]}), 8 * HOUR_S)
    watch.look(8 * HOUR_S, 20 * HOUR_S)
    watch.put("lamp_conditions", "{}", 20 * HOUR_S)
    watch.look(20 * HOUR_S, 24 * HOUR_S + 60)
    [night] = watch.told
    assert by_hour(night.planned) == [(12, 0), (18, 100), (20, 70), (22, 100), (23, 50), (30, 0)]


def between(watch: Watch, from_h: float, until_h: float) -> Callable[[float], None]:
    """Let the lamp draw nothing between two hours after noon."""

    def hook(at_s: float) -> None:
        dark = from_h * HOUR_S <= at_s < until_h * HOUR_S
        watch.stage.power = {"lamp-1": 0.0} if dark else {}

    return hook


def test_a_failure_that_ends_within_the_night_is_in_its_record() -> None:
    """Dark from eight to five, and no command in between: the night was not intact."""
    watch = Watch(plan(at_12=0, at_18=100, at_06=0))
    watch.look(0, 24 * HOUR_S + 20, between(watch, 8, 17))
    assert watch.stage.told == [("raised", "lamp_failure"), ("cleared", "lamp_failure")]
    assert [night.failures for night in watch.told] == [["lamp_failure"]]


@pytest.mark.parametrize(
    ("repaired_h", "failures"), [(26, []), (33, ["lamp_failure"]), (49, ["lamp_failure"])]
)
def test_a_failure_of_the_night_before_counts_where_it_shows_or_stands(
    repaired_h: float, failures: list[str]
) -> None:
    """Repaired by day it proves itself at dusk; repaired at nine, or not at all, it has failed again."""
    watch = Watch(plan(at_12=0, at_18=100, at_06=0))
    watch.look(0, 48 * HOUR_S + 20, between(watch, 8, repaired_h))
    assert [night.failures for night in watch.told] == [["lamp_failure"], failures]


def test_a_failure_that_nobody_could_look_for_stands() -> None:
    """A night without supply proves no repair."""
    watch = Watch(plan(at_12=0, at_18=100, at_06=0))
    watch.look(0, 24 * HOUR_S, between(watch, 8, 99))
    for at_s in range(24 * HOUR_S, 48 * HOUR_S + 60, 60):
        watch.stage.read(moment(at_s), Quality.UNPOWERED, "feeder_off")
        watch.take(watch.book.roll(moment(at_s)), at_s)
    assert [night.failures for night in watch.told] == [["lamp_failure"], ["lamp_failure"]]


def test_a_clock_that_is_a_day_ahead_for_minutes_ends_no_night() -> None:
    """At nine in the evening, for five minutes: they are seen by nobody, and the night goes on."""
    watch = Watch(plan(at_12=0, at_18=100, at_06=0))
    watch.look(0, 9 * HOUR_S)
    watch.look(9 * HOUR_S, 9 * HOUR_S + 300, wrong_s=24 * HOUR_S)
    watch.look(9 * HOUR_S + 300, 24 * HOUR_S + 60, era=1)
    [night] = watch.told
    assert night.night == "2027-01-15"
    assert abs(night.should_s - 12 * 3600) <= 60
    assert 12 * 3600 - 400 <= night.lit_s <= 12 * 3600 - 200
    assert by_hour(night.commanded)[-1] == (30, 0)


def test_a_clock_that_leaps_ahead_and_stays_is_believed_after_a_while() -> None:
    """It was three hours late: what lies between was seen by nobody, the rest is told."""
    watch = Watch(plan(at_12=0, at_18=100, at_06=0))
    watch.look(0, 9 * HOUR_S)
    watch.look(9 * HOUR_S, 21 * HOUR_S + 60, wrong_s=3 * HOUR_S)
    [night] = watch.told
    assert abs(night.should_s - 12 * 3600) <= 60
    assert abs(night.lit_s - (9 * 3600 - 600)) <= 60
    assert night.dark_s == 0


def test_a_power_cut_soon_after_noon_tells_the_night_under_its_id_again() -> None:
    """What is on disk is still the night that was told: nothing of it is added to itself."""
    watch = Watch()
    watch.look(0, 23.75 * HOUR_S)
    kept = watch.book.data()
    watch.look(23.75 * HOUR_S, 24 * HOUR_S + 60)
    later = Watch()
    later.book.load(kept)
    now = moment(24 * HOUR_S + 600)
    later.take(later.book.roll(now), now.s)
    [night], [again] = watch.told, later.told
    assert (again.id, again.night, again.should_s) == (night.id, night.night, night.should_s)
    assert again.energy_wh == pytest.approx(night.energy_wh)
