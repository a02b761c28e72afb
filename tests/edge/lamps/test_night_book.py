"""The book of the nights by itself: what is planned, what failed; a lamp that is read every ten seconds."""

import itertools
import json
from collections.abc import Callable

import pytest

from contract.events import LampChange, LampNight
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
        self._take(effects, at_s)
        self.sequence += kind == "lamp_plan"

    def look(self, from_s: float, until_s: float, hook: Callable[[float], None] = lambda _s: None) -> None:
        """Let time pass."""
        for number in range(int((until_s - from_s) / 10)):
            at_s = from_s + 10 * number
            hook(at_s)
            now = moment(at_s)
            self.stage.take(self.stage.lamps.tick(now), now)
            self.stage.read(now)
            self._take(self.book.roll(now), at_s)

    def _take(self, effects: list[LampEffect] | list[Emit], at_s: float) -> None:
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
