"""The executor by itself: what is sent when, what is proved, what is a failure; moments are made up."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from contract.events import AlarmCleared, AlarmRaised
from contract.samples import ClockState, Quality, Sample, Value
from edge.clock import Moment
from edge.commands import Broadcast
from edge.lamps import verdicts
from edge.lamps.events import LampEffect, Send
from edge.lamps.executor import Lamps
from edge.lamps.fixtures import Fixture, GroupKey
from edge.lamps.settings import Lighting
from edge.lamps.verdicts import Seen
from edge.rules.effects import Emit, Write
from edge.settings import Ref
from lighting.commands import command
from lighting.compiling import Compiler
from lighting.documents import Override

NOON_MS = 1_799_985_600_000
"""2027-01-15 12:00 in Chongqing; monotonic time 0."""
GROUP = GroupKey("bus", "controller", "target")
HOUR_S = 3600


def moment(s: float, clock: ClockState = ClockState.SYNCHRONISED, wrong_s: float = 0, era: int = 0) -> Moment:
    """Return the moment so many seconds after noon."""
    return Moment(round(s * 1e9), NOON_MS + round((s + wrong_s) * 1000), clock, era)


def fixtures(count: int, group: GroupKey | None = None) -> list[Fixture]:
    """Return lamps of 100 W with controllers of their own."""
    return [
        Fixture(
            f"lamp-{n}",
            Ref(f"c-{n}", "target"),
            "bus",
            is_switch=False,
            actual=Ref(f"c-{n}", "actual"),
            power=(Ref(f"c-{n}", "power"),),
            rated_power_w=100,
            group=group,
        )
        for n in range(1, count + 1)
    ]


def plan(*periods: dict[str, object], count: int = 1, **levels: int) -> str:
    """Return a plan with levels by hour of the day, ``at_13=40``."""
    fixed = [{"start_time": f"{key[3:]}:00:00", "level": level} for key, level in levels.items()]
    names = [f"lamp-{n}" for n in range(1, count + 1)]
    return json.dumps(
        {
            "schema": 1,
            "name": "test",
            "place": {"latitude_deg": 29.56, "longitude_deg": 106.55},
            "programs": [{"id": "p", "active_periods": periods, "fixed_time_controls": fixed}],
            "calendars": [{"id": "c", "default_program": "p"}],
            "cabinets": [{"gateway": "g", "lamps": names}],
            "assignments": [{"calendar": "c", "addresses": ["g/*"]}],
        }
    )


class Stage:
    """The executor with lamps that do as they are told, unless a test reads something else."""

    def __init__(self, fixtures: Sequence[Fixture], lighting: Lighting | None = None, body: str = "") -> None:
        """Begin at noon with a plan."""
        ids = map("{:032x}".format, itertools.count(1))
        self.lamps = Lamps("g", fixtures, lighting or Lighting(), lambda: next(ids))
        self.sends: list[tuple[float, Send]] = []
        self.events: list[AlarmRaised | AlarmCleared] = []
        self.deaf: set[str] = set()
        self.power: dict[str, float] = {}
        self.says: dict[str, bool] = {}
        """What every controller says of failures."""
        self.levels = {fixture.name: 0 for fixture in fixtures}
        if body:
            problems, effects = self.lamps.in_force("lamp_plan", body, moment(0))
            assert problems == []
            self.take(effects, moment(0))

    def take(self, effects: Sequence[LampEffect], now: Moment) -> None:
        """Let lamps do what they are told."""
        for effect in effects:
            if isinstance(effect, Emit):
                assert isinstance(effect.event, AlarmRaised | AlarmCleared)
                self.events.append(effect.event)
                continue
            self.sends.append((now.s, effect))
            self.levels |= dict.fromkeys(set(effect.lamps) - self.deaf, effect.level)
            self.take(self.lamps.sent(effect, "", now), now)

    def read(self, now: Moment, quality: Quality = Quality.GOOD, error: str = "") -> None:
        """Let all lamps be read."""
        for name, lamp in self.lamps.states.items():
            level = self.levels[name]
            values: dict[Ref, Value] = {lamp.fixture.output: level}
            if lamp.fixture.actual:
                values[lamp.fixture.actual] = level
            values |= dict.fromkeys(lamp.fixture.power, self.power.get(name, float(level)))
            values |= {Ref(lamp.fixture.output.device, bit): value for bit, value in self.says.items()}
            samples = [
                Sample(now.wall_ms, *at, None if error else value, quality, error, now.clock)
                for at, value in values.items()
            ]
            self.take(self.lamps.observe(samples, now), now)

    def sense(self, at: str, value: Value, now: Moment) -> None:
        """Let a point be read; None fails."""
        quality = Quality.BAD if value is None else Quality.GOOD
        device, _, point = at.partition("/")
        error = "timeout" if value is None else ""
        self.take(self.lamps.observe([Sample(now.wall_ms, device, point, value, quality, error)], now), now)

    def pass_until(self, until_s: float, from_s: float, step_s: float = 5) -> None:
        """Let time pass; lamps are read in each step."""
        now_s = from_s
        while now_s <= until_s:
            self.take(self.lamps.tick(moment(now_s)), moment(now_s))
            self.read(moment(now_s))
            now_s += step_s

    @property
    def told(self) -> list[tuple[str, str]]:
        """(what, problem) of each alarm."""
        return [("raised" if isinstance(it, AlarmRaised) else "cleared", it.rule) for it in self.events]


def test_switch_ons_are_staggered_and_what_is_no_switch_on_is_not() -> None:
    """Ten lamps on take nine pauses; dimming them takes none."""
    stage = Stage(fixtures(10), Lighting(stagger_s=2), plan(count=10, at_12=0, at_13=80, at_14=40))
    stage.read(moment(1))
    stage.pass_until(HOUR_S + 60, HOUR_S, 0.5)
    times = [at_s for at_s, _ in stage.sends]
    assert len(times) == 10
    assert all(later - earlier >= 2 for earlier, later in itertools.pairwise(times))
    stage.sends.clear()
    stage.pass_until(2 * HOUR_S + 1, 2 * HOUR_S, 0.5)
    assert [at_s for at_s, _ in stage.sends] == [2 * HOUR_S] * 10


def test_no_more_than_a_few_commands_are_with_a_line_at_once() -> None:
    """The line's own queue never overflows: what has no room waits here."""
    stage = Stage(fixtures(100), Lighting(broadcast_min=0), plan(count=100, at_12=100, at_13=40))
    stage.levels = dict.fromkeys(stage.levels, 100)
    stage.read(moment(1))
    effects = stage.lamps.tick(moment(HOUR_S))
    assert len(effects) == 8
    [first, *_] = effects
    assert isinstance(first, Send)
    assert len(stage.lamps.sent(first, "", moment(HOUR_S))) == 1


def test_between_switch_points_a_tick_does_nothing_and_knows_until_when() -> None:
    """The next thing to do is the plan's next point, far away."""
    stage = Stage(fixtures(1), body=plan(at_12=0, at_17=100))
    stage.read(moment(1))
    stage.read(moment(121))  # patience is over
    assert stage.lamps.next_s(moment(200)) == pytest.approx(5 * HOUR_S)
    assert not stage.lamps.program.is_due(moment(5 * HOUR_S - 1))
    assert stage.lamps.program.is_due(moment(5 * HOUR_S))


def test_a_group_that_is_due_the_same_gets_one_broadcast() -> None:
    """Three lamps of a line, one request."""
    stage = Stage(fixtures(3, GROUP), body=plan(count=3, at_12=0, at_13=40))
    stage.read(moment(1))
    stage.pass_until(HOUR_S + 5, HOUR_S)
    assert [send.order for _, send in stage.sends] == [Broadcast("target", 40, "controller")]


@pytest.mark.parametrize("why", ["an override", "too few", "another lamp is held"])
def test_no_broadcast_where_it_would_reach_somebody_else(why: str) -> None:
    """Then each lamp gets its own command, and whom it does not concern gets none."""
    fixed = fixtures(3, GROUP)
    if why == "another lamp is held":
        fixed[2] = Fixture(
            "lamp-3", Ref("c-3", "target"), "bus", is_switch=False, local=Ref("in", "local"), group=GROUP
        )
    least = 4 if why == "too few" else 2
    stage = Stage(fixed, Lighting(broadcast_min=least), plan(count=3, at_12=0, at_13=40))
    stage.read(moment(1))
    stage.sense("in/local", True, moment(2))
    if why == "an override":
        override = {
            "lamps": ["lamp-3"],
            "level": 70,
            "start_ms": NOON_MS + 10_000,
            "expiration_ms": NOON_MS + 7200_000,
            "reason": "works",
        }
        body = json.dumps({"overrides": [override]})
        problems, effects = stage.lamps.in_force("lamp_overrides", body, moment(3))
        assert problems == []
        stage.take(effects, moment(3))
        stage.pass_until(60, 10)
        stage.sends.clear()
    stage.pass_until(HOUR_S + 30, HOUR_S)
    orders = [send.order for _, send in stage.sends]
    expected = {"an override": 2, "too few": 3, "another lamp is held": 2}[why]
    assert len(orders) == expected
    assert all(isinstance(order, Write) and order.value == 40 for order in orders)


def test_retries_have_pauses_and_an_end() -> None:
    """Four commands in all, each later than the one before, and then no more until again_s is over."""
    lighting = Lighting(proof_s=20, retries_max=3, retry_pause_s=10, again_s=1000)
    stage = Stage(fixtures(1), lighting, plan(at_12=0, at_13=40))
    stage.read(moment(1))
    stage.deaf = {"lamp-1"}
    stage.pass_until(HOUR_S + 900, HOUR_S, 1)
    times = [at_s - HOUR_S for at_s, _ in stage.sends]
    assert times == [0, 20, 50, 90]
    stage.pass_until(HOUR_S + 1300, HOUR_S + 901, 1)
    assert len(stage.sends) > 4


def test_a_reading_from_before_the_command_is_no_reason_to_repeat_it() -> None:
    """A command may be done in the middle of a cycle: what was read before it comes after its proof."""
    relay = Fixture("lamp-1", Ref("r", "relay"), "bus", is_switch=True)
    lamps = Stage([relay], body=plan(at_12=0, at_13=100)).lamps

    def read(on: bool, at_s: float) -> Sequence[LampEffect]:
        now = moment(at_s)
        return lamps.observe([Sample(now.wall_ms, "r", "relay", on)], now)

    assert read(False, 1) == []
    [send] = lamps.tick(moment(HOUR_S))
    assert isinstance(send, Send)
    assert read(True, HOUR_S + 1) == []
    assert lamps.sent(send, "", moment(HOUR_S + 1)) == []
    assert read(False, HOUR_S + 2) == []
    assert len(read(False, HOUR_S + 60)) == 1  # who switches it off by hand is found out, though


def test_a_lamp_that_does_not_keep_its_level_is_not_commanded_for_ever() -> None:
    """It takes each command and is back at 100 ten seconds later: four times, and then every ten minutes."""
    stage = Stage(fixtures(1), Lighting(again_s=600), plan(at_12=100, at_13=40))
    stage.levels["lamp-1"] = 100
    stage.read(moment(1))
    for at_s in range(HOUR_S, HOUR_S + 1200, 5):
        stage.take(stage.lamps.tick(moment(at_s)), moment(at_s))
        if stage.sends and at_s - stage.sends[-1][0] >= 10:
            stage.levels["lamp-1"] = 100
        stage.read(moment(at_s))
    assert 4 <= len(stage.sends) <= 8


def test_hysteresis_of_a_light_sensor_and_the_sun_where_it_says_nothing() -> None:
    """Dark on, between as before, bright off; a sensor that is lost is told, and then the sun decides."""
    sensor = {"kind": "sensor", "sensor": "lux/lx", "on_level": 20, "off_level": 40}
    stage = Stage(fixtures(1), Lighting(sensor_stale_s=300), plan(sensor, at_12=80))
    stage.read(moment(0))
    found = []
    for at_s, lux in enumerate([5, 30, 50, 30, 5], start=1):
        stage.sense("lux/lx", lux, moment(at_s * 60))
        stage.pass_until(at_s * 60 + 2, at_s * 60 + 1, 1)
        found.append(stage.levels["lamp-1"])
    assert found == [80, 80, 0, 0, 80]
    stage.sense("lux/lx", None, moment(360))
    assert stage.told == []  # one failed reading says nothing
    for at_s in range(420, 700, 60):
        stage.sense("lux/lx", None, moment(at_s))
    stage.pass_until(705, 700, 1)
    assert stage.told == [("raised", "lamp_sensor_failure")]
    assert stage.levels["lamp-1"] == 0  # by day, as the sun says
    stage.pass_until(8 * HOUR_S + 10, 8 * HOUR_S, 1)
    assert stage.levels["lamp-1"] == 80  # and by night
    stage.sense("lux/lx", 50, moment(8 * HOUR_S + 20))
    stage.pass_until(8 * HOUR_S + 30, 8 * HOUR_S + 21, 1)
    assert stage.levels["lamp-1"] == 0
    assert stage.told[-1] == ("cleared", "lamp_sensor_failure")


def test_a_value_opens_a_period() -> None:
    """While traffic is above 300 the lamps are on."""
    busy = {"kind": "value", "reference": "traffic/rate", "operator": "gt", "state": 300}
    stage = Stage(fixtures(1), body=plan(busy, at_12=80))
    stage.read(moment(0))
    for at_s, rate, level in ((60, 100, 0), (120, 400, 80), (180, 200, 0)):
        stage.sense("traffic/rate", rate, moment(at_s))
        stage.pass_until(at_s + 2, at_s + 1, 1)
        assert stage.levels["lamp-1"] == level


def test_by_pattern_an_unset_clock_counts_on() -> None:
    """The plan is followed by the counted time, and that the time is only counted is told."""
    stage = Stage(fixtures(1), Lighting(untrusted_clock="pattern", patience_s=60))
    unset = ClockState.UNSET
    problems, effects = stage.lamps.in_force("lamp_plan", plan(at_12=30, at_13=70), moment(0, unset))
    assert problems == []
    stage.take(effects, moment(0, unset))
    stage.read(moment(1, unset))
    assert stage.levels["lamp-1"] == 30
    stage.take(stage.lamps.tick(moment(61, unset)), moment(61, unset))
    assert stage.told == [("raised", "lamp_clock_untrusted")]
    stage.take(stage.lamps.tick(moment(HOUR_S, unset)), moment(HOUR_S, unset))
    assert stage.levels["lamp-1"] == 70
    known = moment(HOUR_S + 1, wrong_s=-1800, era=1)
    stage.take(stage.lamps.tick(known), known)
    assert stage.levels["lamp-1"] == 30
    assert stage.told[-1] == ("cleared", "lamp_clock_untrusted")


def test_a_gateway_without_lamps_has_nothing_to_say_of_them() -> None:
    """No plan, no clock, no lamps: no alarm; one that a former run raised is over."""
    stage = Stage([])
    for at_s in (0, 200, 400):
        now = moment(at_s, ClockState.UNSET)
        stage.take(stage.lamps.tick(now), now)
    assert stage.told == []
    stage.take(stage.lamps.recall({"no_lamp_plan/g/lighting": "f" * 32}, moment(401)), moment(401))
    assert stage.told == [("cleared", "no_lamp_plan")]


def test_a_document_with_a_mistake_changes_nothing() -> None:
    """A plan without one of the lamps is refused in words, and the former one goes on."""
    stage = Stage(fixtures(2), body=plan(count=2, at_12=60))
    stage.read(moment(1))
    problems = stage.lamps.problems("lamp_plan", plan(count=1, at_12=10))
    assert problems == ["cabinets: the lamp 'lamp-2' of g is in no plan"]
    problems, effects = stage.lamps.in_force("lamp_plan", "{", moment(2))
    assert (len(problems), effects) == (1, [])
    stage.pass_until(60, 3, 1)
    assert set(stage.levels.values()) == {60}


def test_a_stored_document_outlives_a_change_of_the_settings() -> None:
    """A lamp more, or one less: the others go on by plan and by hand, the new one is on and told."""
    override = {"level": 50, "start_ms": NOON_MS, "expiration_ms": NOON_MS + 3600_000, "reason": "works"}
    body = json.dumps({"overrides": [{**override, "lamps": ["lamp-2"]}]})
    more, less = Stage(fixtures(3), Lighting(patience_s=60)), Stage(fixtures(1))
    for stage in (more, less):
        for kind, text in (("lamp_overrides", body), ("lamp_plan", plan(count=2, at_12=30))):
            problems, effects = stage.lamps.in_force(kind, text, moment(0))
            assert problems == []
            stage.take(effects, moment(0))
        stage.pass_until(100, 1)
    assert more.levels == {"lamp-1": 30, "lamp-2": 50, "lamp-3": 100}
    assert more.told == [("raised", "no_lamp_plan")]
    assert isinstance(more.events[0], AlarmRaised)
    assert "lamp-3 of the settings" in more.events[0].message
    assert (less.levels, less.told) == ({"lamp-1": 30}, [])


def test_after_a_start_documents_come_in_any_order() -> None:
    """A long override that its plan allows is not refused because the plan is read after it."""
    override = {
        "lamps": ["lamp-1"],
        "level": 5,
        "start_ms": NOON_MS,
        "expiration_ms": NOON_MS + 20 * 3600_000,
    }
    body = json.dumps({"overrides": [{**override, "reason": "works"}]})
    allowing = json.dumps({**json.loads(plan(at_12=60)), "overrides": {"longest_s": 86_400}})
    stage = Stage(fixtures(1))
    for kind, text in (("lamp_overrides", body), ("lamp_plan", allowing), ("lamp_overrides", body)):
        problems, effects = stage.lamps.in_force(kind, text, moment(1))
        assert problems == []
        stage.take(effects, moment(1))
    stage.pass_until(30, 2)
    assert stage.levels == {"lamp-1": 5}
    refusing = Stage(fixtures(1), body=plan(at_12=60)).lamps.problems("lamp_overrides", body)
    assert refusing == ["overrides[0].expiration_ms: lasts longer than 43200 s"]


def test_what_holds_for_a_lamp_is_what_the_preview_says() -> None:
    """Program and ``lighting.commands`` agree at every minute, overrides on overrides included."""
    spans = [(10, 60, 5), (30, 40, 90), (35, 200, 20)]
    overrides = [
        Override(
            lamps=["lamp-1"],
            level=level,
            start_ms=NOON_MS + start * 60_000,
            expiration_ms=NOON_MS + end * 60_000,
            reason="works",
        )
        for start, end, level in spans
    ]
    stage = Stage(fixtures(1), body=plan(at_12=60, at_13=40))
    stage.lamps.program.put_overrides(overrides)
    assert stage.lamps.program.plan is not None
    place = stage.lamps.program.plan.place
    until_ms = NOON_MS + 5 * 3600_000
    timeline = Compiler(stage.lamps.program.plan).timeline("c", place, NOON_MS, until_ms)
    for minute in range(240):
        now = moment(minute * 60)
        stage.take(stage.lamps.tick(now), now)
        expected = command(timeline.at(now.wall_ms), {}, overrides, "lamp-1", now.wall_ms)
        assert stage.lamps.program.commands["lamp-1"] == expected


def test_an_alarm_is_kept_over_a_restart_and_a_lamp_that_is_gone_is_cleared() -> None:
    """The same occurrence goes on: it is neither raised again nor forgotten."""
    stage = Stage(fixtures(1), body=plan(at_12=80))
    stage.power = {"lamp-1": 0.0}
    stage.pass_until(200, 0)
    assert stage.told == [("raised", "lamp_failure")]
    remembered = stage.lamps.remembered()
    later = Stage(fixtures(1), body=plan(at_12=80))
    later.take(later.lamps.recall(remembered, moment(1)), moment(1))
    later.power = {"lamp-1": 0.0}
    later.pass_until(300, 2)
    assert later.told == []
    later.power = {}
    later.pass_until(400, 305)
    assert later.told == [("cleared", "lamp_failure")]
    gone = Stage([Fixture("other", Ref("x", "target"), "bus", is_switch=False)])
    gone.take(gone.lamps.recall(remembered, moment(1)), moment(1))
    assert gone.told == [("cleared", "lamp_failure")]


def held(by: str) -> list[Fixture]:
    """Return a switch with a local switch or a breaker on another device."""
    local, breaker = (Ref("in", "it") if by == key else None for key in ("local", "breaker"))
    return [Fixture("lamp-1", Ref("r", "relay"), "bus", is_switch=True, local=local, breaker=breaker)]


@pytest.mark.parametrize("by", ["local", "breaker"])
def test_a_hold_outlasts_readings_that_fail(by: str) -> None:
    """Somebody works behind it: that the input module is silent for once, or for hours, frees no lamp."""
    stage = Stage(held(by), body=plan(at_12=100))
    stage.sense("in/it", True, moment(1))
    stage.read(moment(2))
    for at_s in (10, 20, 30, 4000):
        stage.sense("in/it", None, moment(at_s))
        stage.pass_until(at_s + 6, at_s + 1)
    assert stage.sends == []
    stage.sense("in/it", False, moment(4010))
    assert len(stage.sends) == 1


@pytest.mark.parametrize("by", ["local", "breaker"])
def test_nothing_is_sent_before_who_may_hold_a_lamp_was_read_but_not_for_ever(by: str) -> None:
    """After a start lamps wait for it as long as for the clock; a dead module leaves no street dark."""
    stage = Stage(held(by), Lighting(patience_s=60), plan(at_12=100))
    stage.pass_until(30, 1)
    assert stage.sends == []
    stage.sense("in/it", None, moment(31))
    stage.pass_until(70, 32)
    assert [at_s for at_s, _ in stage.sends] == [62]


def test_a_hold_is_remembered_over_a_restart() -> None:
    """Also where the input module is dead from then on; it ends when that says so."""
    stage = Stage(held("local"), body=plan(at_12=100))
    stage.sense("in/it", True, moment(1))
    later = Stage(held("local"), Lighting(patience_s=60), plan(at_12=100))
    later.take(later.lamps.recall(stage.lamps.remembered(), moment(1)), moment(1))
    later.pass_until(200, 2)
    assert later.sends == []
    later.sense("in/it", False, moment(201))
    assert len(later.sends) == 1


def test_without_supply_nothing_is_raised_cleared_or_sent() -> None:
    """An alarm stands through it; what is due is sent when the supply is there again."""
    stage = Stage(fixtures(1), body=plan(at_12=80, at_13=40))
    stage.power = {"lamp-1": 0.0}
    stage.pass_until(200, 0)
    stage.sends.clear()
    for at_s in range(HOUR_S - 300, HOUR_S + 600, 5):
        stage.read(moment(at_s), Quality.UNPOWERED, "feeder_off")
    assert stage.sends == []
    assert stage.told == [("raised", "lamp_failure")]
    stage.read(moment(HOUR_S + 600))
    assert [send.order for _, send in stage.sends] == [Write(Ref("c-1", "target"), 40)]


DIMMED = fixtures(1)[0]
CIRCUIT = Fixture("c", Ref("r", "relay"), "bus", is_switch=True, power=(Ref("m", "w"),), rated_power_w=1000)
CONTACTOR = Fixture(
    "c",
    Ref("r", "relay"),
    "bus",
    is_switch=True,
    actual=Ref("i", "closed"),
    power=(Ref("m", "w"),),
    rated_power_w=1000,
)


@pytest.mark.parametrize(
    ("fixture", "level", "seen", "shows"),
    [
        (DIMMED, 50, Seen(50, 50, 52), set()),
        (DIMMED, 50, Seen(50, 0, 1), {"lamp_failure"}),
        (DIMMED, 50, Seen(50, 50, 52, failure=True), {"lamp_failure"}),
        (DIMMED, 50, Seen(50, 50, 20), {"lamp_power_too_low"}),
        (DIMMED, 50, Seen(50, 50, 90), {"lamp_power_too_high"}),
        (DIMMED, 50, Seen(50, 80, 60), {"dimming_failure"}),
        (DIMMED, 0, Seen(0, 0, 1.2), set()),
        (DIMMED, 0, Seen(0, 100, 100), {"lamp_unexpected_on"}),
        (DIMMED, 0, Seen(0, None, 60), {"lamp_unexpected_on"}),
        (DIMMED, 0, Seen(0, 100, 100, relay_failure=True), {"lamp_unexpected_on"}),
        (DIMMED, 0, Seen(0, 0, 1.2, relay_failure=True), {"relay_failure"}),
        (DIMMED, 0, Seen(0, relay_failure=True), {"relay_failure"}),
        (DIMMED, 50, Seen(50, 50, 52, relay_failure=True), set()),
        (DIMMED, 50, Seen(50, 50, 52, cycling_failure=True), {"cycling_failure"}),
        (DIMMED, 0, Seen(0, 0, 1.2, cycling_failure=True), set()),
        (CIRCUIT, 100, Seen(1, None, 900, relay_failure=True), {"relay_failure"}),
        (CIRCUIT, 100, Seen(1, None, 900, cycling_failure=True), {"cycling_failure"}),
        (DIMMED, 50, Seen(50, 50, 52, 180), {"supply_voltage_too_low"}),
        (DIMMED, 50, Seen(50, 50, 52, 280), {"supply_voltage_too_high"}),
        (CIRCUIT, 100, Seen(1, None, 900), set()),
        (CIRCUIT, 100, Seen(1, None, 500), {"lamp_power_too_low"}),
        (CIRCUIT, 100, Seen(1, None, 1500), {"lamp_power_too_high"}),
        (CIRCUIT, 100, Seen(0, None, None), {"relay_failure"}),
        (CIRCUIT, 100, Seen(1, None, 3), {"relay_failure"}),
        (CIRCUIT, 0, Seen(0, None, 800), {"relay_failure"}),
        (CIRCUIT, 0, Seen(0, None, 3), set()),
        (CONTACTOR, 100, Seen(1, 0, 3), {"switching_error_on"}),
        (CONTACTOR, 0, Seen(0, 1, 900), {"switching_error_off"}),
        (CONTACTOR, 100, Seen(1, 1, 3), {"lamp_failure"}),
        (CONTACTOR, 100, Seen(1, 1, 950), set()),
    ],
)
def test_what_is_read_has_one_name(fixture: Fixture, level: int, seen: Seen, shows: set[str]) -> None:
    """Each wrong reading is one failure, not several."""
    limits = Lighting(voltage_low_v=200, voltage_high_v=250)
    due = float(level) if not fixture.is_switch else 100.0 * bool(level)
    found = list(verdicts.findings(fixture, level, due, seen, limits))
    assert {it.problem for it in found if it.shows} == shows


def test_darkness_by_plan_proves_nothing() -> None:
    """A lamp that is commanded off neither has nor has not a lamp failure, whatever it draws."""
    found = verdicts.findings(DIMMED, 0, 0, Seen(0, 0, 1.2), Lighting())
    assert all(it.shows is None for it in found if it.problem in ("lamp_failure", "lamp_power_too_low"))


TELLING = replace(
    DIMMED,
    relay_failure=Ref("c-1", "relay_failure"),
    cycling_failure=Ref("c-1", "cycling_failure"),
    leakage=Ref("c-1", "leakage_detected"),
)


def test_what_a_controller_forgets_with_its_supply_is_no_repair() -> None:
    """A lamp that cycles tonight and tomorrow is one alarm; an hour of light without a word of it ends it."""
    stage = Stage([TELLING], body=plan(at_12=100))
    stage.says = {"cycling_failure": True, "leakage_detected": True}
    stage.pass_until(120, 0)
    told = [("raised", "cycling_failure"), ("raised", "leakage_detected")]
    assert sorted(stage.told) == told
    for at_s in range(125, 12 * HOUR_S, 600):
        stage.read(moment(at_s), Quality.UNPOWERED, "feeder_off")
    stage.says = {"cycling_failure": False, "leakage_detected": False}
    stage.pass_until(12 * HOUR_S + 1800, 12 * HOUR_S)
    stage.read(moment(12 * HOUR_S + 1810), Quality.UNPOWERED, "feeder_off")
    stage.pass_until(14 * HOUR_S - 60, 13 * HOUR_S)
    assert sorted(stage.told) == told
    stage.pass_until(14 * HOUR_S + 120, 14 * HOUR_S - 55)
    assert sorted(stage.told[2:]) == [("cleared", "cycling_failure"), ("cleared", "leakage_detected")]


def test_leakage_is_told_whatever_the_lamp_is_commanded_and_whoever_holds_it() -> None:
    """It is a danger to people; that it leaks no more shows only where current flows."""
    stage = Stage([replace(TELLING, local=Ref("i", "local"))], body=plan(at_12=0))
    stage.sense("i/local", True, moment(0))
    stage.says = {"cycling_failure": True, "leakage_detected": True}
    stage.pass_until(120, 0)
    assert stage.told == [("raised", "local_override"), ("raised", "leakage_detected")]
    stage.says = {"leakage_detected": False}
    stage.pass_until(2 * HOUR_S, 130, 60)
    assert len(stage.told) == 2


def test_a_relay_that_fails_is_told_while_its_lamp_is_off_and_ends_when_it_is_off_and_sound() -> None:
    """Nothing else of it can be seen: the lamp draws nothing."""
    stage = Stage([TELLING], body=plan(at_12=0, at_13=100, at_14=0))
    stage.says = {"relay_failure": True}
    stage.pass_until(HOUR_S - 5, 0)
    assert stage.told == [("raised", "relay_failure")]
    stage.says = {"relay_failure": False}
    stage.pass_until(2 * HOUR_S - 5, HOUR_S, 30)
    assert stage.told == [("raised", "relay_failure")]
    stage.pass_until(2 * HOUR_S + 120, 2 * HOUR_S)
    assert stage.told == [("raised", "relay_failure"), ("cleared", "relay_failure")]


def test_a_circuit_should_draw_what_its_lamps_are_commanded_to() -> None:
    """Two lamps at 40 per cent behind a contactor: full power is too much, 40 per cent is right."""
    lamps = fixtures(2)
    circuit = Fixture(
        "north",
        Ref("r", "relay"),
        "bus",
        is_switch=True,
        power=(Ref("m", "w"),),
        rated_power_w=200,
        members=("lamp-1", "lamp-2"),
    )
    body = json.loads(plan(count=2, at_12=40))
    body["cabinets"][0]["lamps"].append("north")
    stage = Stage([*lamps, circuit], body=json.dumps(body))
    stage.power = {"north": 80.0}
    stage.levels["north"] = 1
    stage.pass_until(300, 0)
    assert stage.told == []
    stage.power = {"north": 200.0}
    stage.pass_until(600, 305)
    assert stage.told == [("raised", "lamp_power_too_high")]
