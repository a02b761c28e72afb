"""Event-driven: a sample touches what looks at its point, time-outs wait, and nothing looks at all rules."""

import random
from collections import Counter
from collections.abc import Sequence

import pytest

from bench.rules import Bench
from contract.samples import Sample
from edge.clock import Moment
from edge.controls.control import ControlInstance
from edge.rules.alarms import AlarmInstance
from edge.rules.effects import RuleEffect
from tests.edge.rules.rigs import START_MS, Rig, short

Asked = Counter[str]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Count who is asked to decide, by the device it looks at."""
    found: Asked = Counter()
    update, decide = AlarmInstance.update, ControlInstance.update

    def counted(alarm: AlarmInstance, now: Moment) -> Sequence[RuleEffect]:
        found[alarm.target.device] += 1
        return update(alarm, now)

    def counted_control(control: ControlInstance, now: Moment) -> list[RuleEffect]:
        found[control.output.device] += 1
        return decide(control, now)

    monkeypatch.setattr(AlarmInstance, "update", counted)
    monkeypatch.setattr(ControlInstance, "update", counted_control)
    return found


def test_a_sample_touches_only_what_looks_at_its_point(asked: Asked) -> None:
    """Of a cabinet's 743 alarms: those of one sensor, and its neighbour's that compares with it."""
    bench = Bench(random.Random(1))
    for at_s in range(5):
        bench.second(at_s)
    asked.clear()
    now = Moment(5_500_000_000, START_MS + 5_500)
    bench.engine.observe([Sample(now.wall_ms, "sensor-011", "level", 500.0)], now)
    assert set(asked) <= {"sensor-010", "sensor-011"}
    assert asked.total() <= 8
    asked.clear()
    bench.engine.observe([Sample(now.wall_ms, "sensor-011", "unknown", 500.0)], now)
    assert asked == Counter()


def test_a_tick_asks_no_alarm_that_is_not_due(asked: Asked) -> None:
    """While all goes well a time-out is looked at once in its time, not at each tick."""
    bench = Bench(random.Random(1))
    for at_s in range(400):
        bench.second(at_s)
    asked.clear()
    for at_s in range(400, 460):
        now = Moment(at_s * 10**9, START_MS + at_s * 1000)
        for sample in [Sample(now.wall_ms, f"sensor-{number:03}", "level", 100.0) for number in range(190)]:
            bench.engine.observe([sample], now)
        asked.clear()
        bench.engine.tick(now)
        assert not [device for device in asked if device.startswith("sensor")]


def test_a_time_out_comes_though_others_moved(asked: Asked) -> None:
    """Each of many stale alarms is told at its own time, however often the others were heard meanwhile."""
    points = [f"meter/level-{number}" for number in range(50)]
    rig = Rig({"kind": "stale", "stale_s": 30.0, "points": points})
    for at_s in range(120):
        for number in range(50):
            if at_s <= number or number % 2:
                rig.see(at_s, 1.0, f"meter/level-{number}")
        rig.tick(at_s)
    assert short(rig.told) == [(number + 30, "raised", "stale") for number in range(0, 50, 2)]
    assert asked["meter"] < 50 * 8
