"""When an alarm is enabled, what a latched one waits for, and what planned work means."""

from contract.events import AlarmCleared, AlarmRaised, MaintenanceChanged
from contract.samples import ClockState
from edge.rules.alarms import DISABLED, MAINTENANCE_OVER
from tests.edge.rules.rigs import START_MS, Rig, short

H = 3600
"""START_MS is 16:00 on a Friday by local time."""


def test_another_point_enables_it_and_a_disabled_one_ends() -> None:
    """No flow is an alarm only while the pump runs; when the pump stops it is over."""
    rig = Rig({"low": 1.0, "enabled_when": [{"point": "other/running", "equals": True}]})
    rig.see(0, 0.0)
    rig.see(1, False, "other/running")
    rig.see(2, 0.0)
    assert rig.told == []
    rig.see(3, True, "other/running")
    rig.see(5, False, "other/running")
    rig.see(6, 0.0)
    assert short(rig.told) == [(3, "raised", "low"), (5, "cleared", DISABLED)]


def test_while_nobody_knows_whether_it_is_enabled_it_stays_as_it_is() -> None:
    """A silent pump raises nothing and clears nothing."""
    rig = Rig({"low": 1.0, "stale_s": 10.0, "enabled_when": [{"point": "other/running", "equals": True}]})
    rig.feed([(0, 0.0), (1, 0.0)])
    assert rig.told == []
    rig.see(2, True, "other/running")
    assert short(rig.told) == [(2, "raised", "low")]
    rig.feed([(15, 5.0), (16, 5.0), (17, 5.0)])
    assert len(rig.told) == 1
    rig.see(18, True, "other/running")
    assert short(rig.told)[1:] == [(18, "cleared", "")]


def test_a_time_of_day_past_midnight_enables_it_by_local_time() -> None:
    """From ten in the evening until six: it ends at six by itself, though no sample comes then."""
    rig = Rig({"high": 10.0, "stale_s": 4 * H, "enabled_when": [{"between": ["22:00", "06:00"]}]})
    rig.see(0, 11.0)
    rig.tick(1)
    for at_s in range(60, 15 * H, 60):
        rig.tick(at_s)
        if at_s % H == 0 and at_s < 13 * H:
            rig.see(at_s, 11.0)
    assert short(rig.told) == [(6 * H, "raised", "high"), (14 * H, "cleared", DISABLED)]


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    """Friday's night goes on until Saturday morning; Saturday's own is not one of the working days."""
    nights = {"between": ["22:00", "06:00"], "weekdays": [1, 2, 3, 4, 5]}
    rig = Rig({"high": 10.0, "enabled_when": [nights]})
    enabled = []
    for hour in range(72):
        rig.see(hour * H, 11.0 if hour % 2 else 0.0)
        why = rig.engine.explain("rule-1", rig.moment(hour * H))
        assert why is not None
        enabled.append(why.facts[-1].kind == "enabled")
    # 16:00 Friday + 6 h to + 14 h; then Monday from 22:00 would be + 78 h
    assert [hour for hour, it in enumerate(enabled) if it] == list(range(6, 14))


def test_without_a_time_there_is_no_time_of_day() -> None:
    """While the clock was never set such an alarm neither raises nor clears."""
    rig = Rig({"high": 10.0, "enabled_when": [{"between": ["00:00", "23:59"]}]})
    rig.clock = ClockState.UNSET
    rig.feed((at_s, 11.0) for at_s in range(100))
    assert rig.told == []
    rig.clock = ClockState.SYNCHRONISED
    rig.see(100, 11.0)
    assert short(rig.told) == [(100, "raised", "high")]


def test_an_event_period_enables_it_while_it_lasts_also_over_a_restart() -> None:
    """The centre tells a flood watch; it begins and ends by itself."""
    rig = Rig({"high": 10.0, "enabled_when": [{"period": "flood-watch"}]})
    rig.see(0, 11.0)
    rig.note(
        1, rig.engine.set_periods({"flood-watch": (START_MS + 10_000, START_MS + 100_000)}, rig.moment(1))
    )
    assert rig.told == []
    rig.tick(10)
    assert short(rig.told) == [(10, "raised", "high")]
    rig.restart(20)
    rig.tick(99)
    assert len(rig.told) == 1
    rig.see(99, 11.0)
    rig.tick(100)
    assert short(rig.told)[1:] == [(100, "cleared", DISABLED)]


def test_a_step_of_the_clock_is_found_within_a_minute() -> None:
    """The end of the night comes early when the clock is found to be hours behind."""
    rig = Rig({"high": 10.0, "stale_s": 10 * H, "enabled_when": [{"between": ["16:00", "20:00"]}]})
    rig.see(0, 11.0)
    rig.start_ms += 5 * H * 1000
    rig.tick(61)
    assert short(rig.told) == [(0, "raised", "high"), (61, "cleared", DISABLED)]


def test_a_latched_alarm_waits_for_a_person() -> None:
    """It is over, and stays; if it comes again it is the same; a reset ends it, once it is over."""
    rig = Rig({"high": 10.0, "latching": True})
    rig.feed([(0, 11.0), (1, 5.0), (2, 11.0)])
    refusal, effects = rig.engine.reset("rule-1", "Li", rig.moment(3))
    assert "still shows" in refusal
    assert effects == []
    rig.see(4, 5.0)
    assert short(rig.told) == [(0, "raised", "high")]
    rig.restart(5)
    refusal, effects = rig.engine.reset("rule-1", "Li", rig.moment(6))
    rig.note(6, effects)
    assert refusal == ""
    assert short(rig.told)[1:] == [(6, "cleared", "reset by Li")]
    assert "not active" in rig.engine.reset("rule-1", "Li", rig.moment(7))[0]
    assert "no alarm 'rule-9'" in rig.engine.reset("rule-9", "Li", rig.moment(7))[0]


def test_a_latched_alarm_that_is_disabled_still_waits() -> None:
    """That a person is to look does not depend on the hour."""
    rig = Rig({"high": 10.0, "latching": True, "enabled_when": [{"point": "other/on", "equals": True}]})
    rig.see(0, True, "other/on")
    rig.see(1, 11.0)
    rig.see(2, False, "other/on")
    assert short(rig.told) == [(1, "raised", "high")]
    assert rig.engine.reset("rule-1", "Li", rig.moment(3))[0] == ""


def test_what_is_raised_under_maintenance_is_planned_and_told_once_when_it_outlasts_it() -> None:
    """A cover opened for work and left open: planned, then raised anew as everybody's business."""
    rig = Rig({"high": 15.0})
    rig.note(0, rig.engine.maintain("meter", START_MS + 100_000, "Li", rig.moment(0)))
    rig.see(1, 40.0)
    rig.restart(50)
    rig.see(60, 40.0)
    for at_s in range(61, 300):
        rig.tick(at_s)
        rig.see(at_s, 40.0)
    alarms = [event for _, event in rig.told if isinstance(event, AlarmRaised | AlarmCleared)]
    assert short(rig.told) == [
        (1, "raised", "high"),
        (100, "cleared", MAINTENANCE_OVER),
        (100, "raised", "high"),
    ]
    planned, ended, unplanned = alarms
    assert isinstance(planned, AlarmRaised)
    assert isinstance(unplanned, AlarmRaised)
    assert planned.id == ended.id != unplanned.id
    assert (planned.planned, unplanned.planned) == (True, False)
    changes = [(at_s, event.until_ms) for at_s, event in rig.told if isinstance(event, MaintenanceChanged)]
    assert changes == [(0, START_MS + 100_000), (100, 0)]


def test_what_is_over_before_the_maintenance_is_nobodys_business() -> None:
    """The cover is closed again; only then the work is said to be done."""
    rig = Rig({"high": 15.0})
    rig.note(0, rig.engine.maintain("meter", START_MS + 100_000, "Li", rig.moment(0)))
    rig.feed([(1, 40.0), (20, 2.0)])
    rig.note(30, rig.engine.maintain("meter", None, "Li", rig.moment(30)))
    rig.feed([(31, 2.0), (32, 40.0)])
    raised = [event.planned for _, event in rig.told if isinstance(event, AlarmRaised)]
    assert raised == [True, False]
    assert rig.engine.maintain("meter", None, "Li", rig.moment(33)) == []


def test_silence_at_the_end_of_maintenance_tells_nothing_anew_but_of_silence() -> None:
    """Whether the cover is still open only a good value can say; that the device is silent needs none."""
    rig = Rig({"high": 15.0, "stale_s": 20.0}, {"kind": "stale", "stale_s": 20.0})
    rig.note(0, rig.engine.maintain("meter", START_MS + 100_000, "Li", rig.moment(0)))
    rig.see(1, 40.0)
    for at_s in range(2, 200):
        rig.tick(at_s)
    told = [
        (at_s, event.condition, event.planned) for at_s, event in rig.told if isinstance(event, AlarmRaised)
    ]
    assert told == [(1, "high", True), (21, "stale", True), (100, "stale", False)]
    rig.see(200, 40.0)
    told = [
        (at_s, event.condition, event.planned) for at_s, event in rig.told if isinstance(event, AlarmRaised)
    ]
    assert told[3:] == [(200, "high", False)]


def test_an_alarm_from_before_the_maintenance_stays_what_it_is() -> None:
    """It was told; the work is perhaps done because of it."""
    rig = Rig({"high": 15.0})
    rig.see(0, 40.0)
    rig.note(1, rig.engine.maintain("meter", START_MS + 100_000, "Li", rig.moment(1)))
    rig.see(2, 40.0)
    rig.note(3, rig.engine.maintain("meter", None, "Li", rig.moment(3)))
    rig.see(4, 40.0)
    assert short(rig.told) == [(0, "raised", "high")]


def test_another_device_is_not_under_maintenance() -> None:
    """Planned work is at one device."""
    rig = Rig({"high": 15.0, "points": ["meter/level", "other/level"]})
    rig.note(0, rig.engine.maintain("other", START_MS + 100_000, "Li", rig.moment(0)))
    rig.see(1, 40.0)
    rig.see(2, 40.0, "other/level")
    planned = {event.device: event.planned for _, event in rig.told if isinstance(event, AlarmRaised)}
    assert planned == {"meter": False, "other": True}


def test_an_alarm_says_why_it_is_in_its_state() -> None:
    """The value and its limit, how long a delay has run, who is at work there, and the other instances."""
    rig = Rig({"high": 15.0, "on_delay_s": 60.0, "points": ["meter/level", "other/level"]})
    rig.note(0, rig.engine.maintain("meter", START_MS + 100_000, "Li", rig.moment(0)))
    rig.feed([(1, 40.0), (11, 41.0)])
    why = rig.engine.explain("rule-1", rig.moment(12))
    assert why is not None
    assert (why.name, why.kind, why.state) == ("rule-1/meter/level/high", "alarm", "pending")
    facts = {fact.kind: fact for fact in why.facts}
    assert facts["value"][1:5] == ("meter/level", 41.0, 15.0, 1.0)
    assert facts["delay"][1:4] == ("on", 10.0, 60.0)
    assert facts["maintenance"].value == START_MS + 100_000
    assert facts["maintenance"].text == "Li"
    assert (facts["instance"].name, facts["instance"].text) == ("rule-1/other/level/high", "unknown")
    assert rig.engine.explain("rule-2", rig.moment(12)) is None
    rig.feed([(31, 40.0), (61, 40.0)])
    why = rig.engine.explain("rule-1/meter/level", rig.moment(71))
    assert why is not None
    assert (why.state, why.since_s) == ("active", 10.0)
