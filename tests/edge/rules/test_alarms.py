"""Alarms at the source: limit, deadband, delays; and what bad data may not do."""

import itertools
from collections.abc import Iterable

from contract.events import AlarmCleared, AlarmRaised, Event, Priority
from contract.samples import Quality, Sample
from edge.clock import Moment
from edge.rules.effects import Emit
from edge.rules.engine import Engine
from edge.settings import Settings

PART = "5001030102000001"
BASE = {
    "schema": 1,
    "district": "north",
    "gateway": "gw-1",
    "broker": {"host": "127.0.0.1"},
    "lines": [{"kind": "tcp", "name": "line", "host": "127.0.0.1"}],
    "devices": [{"name": "cover-1", "line": "line", "profile": "wt901c485", "part": PART}],
}


def engine(**alarm: object) -> Engine:
    """Return an engine with one alarm on cover-1/inclination."""
    rule = {
        "name": "cover-open",
        "points": ["cover-1/inclination"],
        "high": 15,
        "problem": "cover_open",
        "message": "open",
        **alarm,
    }
    numbers = itertools.count(1)
    settings = Settings.model_validate({**BASE, "alarms": [rule]})
    return Engine(settings, lambda: f"{next(numbers):032x}")


def moment(second: float) -> Moment:
    """Return the moment ``second`` seconds after the start."""
    return Moment(round(second * 1e9), 1_800_000_000_000 + round(second * 1000))


def sample(second: float, value: float | None, quality: Quality = Quality.GOOD) -> Sample:
    """Return a sample of the inclination."""
    return Sample(1_800_000_000_000 + round(second * 1000), "cover-1", "inclination", value, quality)


def events(subject: Engine, values: Iterable[tuple[float, float | None]]) -> list[tuple[float, Event]]:
    """Feed (second, value); None is a failed read. Return (second, event)."""
    found: list[tuple[float, Event]] = []
    for second, value in values:
        quality = Quality.BAD if value is None else Quality.GOOD
        effects = subject.observe([sample(second, value, quality)], moment(second))
        found += [(second, effect.event) for effect in effects if isinstance(effect, Emit)]
    return found


def kinds(found: list[tuple[float, Event]]) -> list[tuple[float, type[Event]]]:
    """Return (second, type of event)."""
    return [(second, type(event)) for second, event in found]


def test_over_the_limit_raises_and_beyond_the_deadband_clears() -> None:
    """Both events name the same occurrence; the next one has a name of its own."""
    subject = engine(deadband=5)
    found = events(subject, enumerate([0, 16, 14, 11, 10, 16]))
    assert kinds(found) == [(1, AlarmRaised), (4, AlarmCleared), (5, AlarmRaised)]
    raised, cleared, again = (event for _, event in found)
    assert isinstance(raised, AlarmRaised)
    assert isinstance(cleared, AlarmCleared)
    assert isinstance(again, AlarmRaised)
    assert raised.id == cleared.id != again.id
    assert (raised.part, raised.value, raised.limit, raised.priority) == (PART, 16, 15, Priority.MEDIUM)


def test_a_tilt_shorter_than_the_on_delay_is_traffic() -> None:
    """Two seconds must be held without a break."""
    subject = engine(on_delay_s=2)
    assert kinds(events(subject, enumerate([0, 40, 40, 0, 40, 40, 40]))) == [(6, AlarmRaised)]


def test_it_clears_only_after_the_off_delay() -> None:
    """A cover that swings is one alarm."""
    subject = engine(off_delay_s=3)
    values = [40, 0, 40, 0, 0, 0, 0, 0]
    assert kinds(events(subject, enumerate(values))) == [(0, AlarmRaised), (6, AlarmCleared)]


def test_one_wild_value_before_a_silence_raises_nothing() -> None:
    """A delay is over only when a good value confirms the condition at its end."""
    subject = engine(on_delay_s=2)
    assert events(subject, [(0, 40.0), (1, None), (2, None), (3, None)]) == []
    assert subject.tick(moment(30)) == []
    assert kinds(events(subject, [(31, 40.0)])) == [(31, AlarmRaised)]


def test_a_low_limit_is_the_mirror() -> None:
    """Below raises, above limit plus deadband clears."""
    subject = engine(high=None, low=140, deadband=20)
    found = kinds(events(subject, enumerate([280, 139, 150, 159, 160])))
    assert found == [(1, AlarmRaised), (4, AlarmCleared)]


def test_bad_data_neither_raises_nor_clears() -> None:
    """A failed read in the middle of a delay starts nothing and ends nothing."""
    subject = engine(on_delay_s=1)
    assert kinds(events(subject, enumerate([None, 40, None, 40, None, None]))) == [(3, AlarmRaised)]
    assert subject.alarms[0].active_id
    uncertain = [sample(9, 0.0, Quality.UNCERTAIN)]
    assert subject.observe(uncertain, moment(9)) == []
    assert subject.tick(moment(500)) == []
    assert subject.alarms[0].active_id


def test_a_mean_is_held_against_the_limit_where_one_is_declared() -> None:
    """One gust is no storm."""
    subject = engine(mean_s=10, stale_s=5)
    values = [(second, 100.0 if second == 12 else 0.0) for second in range(15)]
    assert events(subject, values) == []
    assert kinds(events(subject, [(second, 100.0) for second in range(15, 30)]))[0][1] is AlarmRaised


def test_an_active_alarm_survives_a_restart_and_is_not_raised_twice() -> None:
    """The new process takes up the occurrence and clears it under its old name."""
    first = engine()
    [(_, raised)] = events(first, [(0, 40.0)])
    second = engine()
    assert second.recall(first.remembered(), moment(5)) == []
    assert events(second, [(6, 41.0)]) == []
    [(_, cleared)] = events(second, [(7, 0.0)])
    assert isinstance(raised, AlarmRaised)
    assert isinstance(cleared, AlarmCleared)
    assert cleared.id == raised.id


def test_an_active_alarm_whose_rule_was_removed_is_cleared() -> None:
    """Otherwise it would stand at the centre for ever."""
    first = engine()
    [(_, raised)] = events(first, [(0, 40.0)])
    other = engine(name="renamed")
    [effect] = other.recall(first.remembered(), moment(5))
    assert isinstance(effect, Emit)
    assert isinstance(effect.event, AlarmCleared)
    assert isinstance(raised, AlarmRaised)
    assert effect.event.id == raised.id
