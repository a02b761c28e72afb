"""A lamp and its controller: power by level, what a loss of supply forgets, when a failure is told."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.lamp import FAILURES, Fault, Lamp, LampFigures

VOLTS, RATED_W = 230.0, 120.0
FIGURES = LampFigures()


def lamp(*, powered_s: float | None = 0, **figures: float) -> Lamp:
    """Return a lamp that has its supply since then."""
    made = Lamp(LampFigures.model_validate(figures), RATED_W, VOLTS)
    if powered_s is not None:
        made.supply(True, powered_s)
    return made


def number(lamp: Lamp, point: str, now_s: float) -> float:
    """Return a value as a number."""
    value = lamp.values(now_s)[point]
    assert isinstance(value, int | float)
    return value


def told(lamp: Lamp, now_s: float) -> set[str]:
    """Return the failures that its status word says."""
    values = lamp.values(now_s)
    return {name for name in FAILURES if values[name]}


def test_power_follows_the_level_by_its_curve() -> None:
    """Rated at 100 %, standby at 0 %, in between less than in proportion, but for the driver's loss."""
    it, powers = lamp(), []
    for index, level in enumerate((100, 70, 50, 10, 0)):
        it.command(level, 10.0 * index + 10)
        powers.append(number(it, "active_power", 10.0 * index + 19))
    part = FIGURES.driver_loss + (1 - FIGURES.driver_loss) * 0.5**FIGURES.curve
    assert (powers[0], powers[2], powers[4]) == pytest.approx((RATED_W, part * RATED_W, FIGURES.standby_w))
    assert powers == sorted(powers, reverse=True)
    assert powers[3] > 0.1 * RATED_W * 0.9


@given(st.integers(0, 100), st.sampled_from([None, "fails", "draws_much", "draws_little"]), st.floats(0, 20))
def test_volts_amperes_and_power_factor_make_the_watts(level: int, fault: Fault | None, at_s: float) -> None:
    """At every level, with every fault, in the inrush as well."""
    it = lamp()
    it.command(level, 5)
    it.befall(fault, 6)
    values = {
        name: number(it, name, 6 + at_s) for name in ("supply_voltage", "supply_current", "power_factor")
    }
    assert math.prod(values.values()) == pytest.approx(number(it, "active_power", 6 + at_s))
    assert 0 < values["power_factor"] <= 1


def test_it_takes_more_current_when_it_is_switched_on_and_no_more_power() -> None:
    """For the time of the inrush; dimming up later takes none."""
    it = lamp(powered_s=100)
    rush, after = number(it, "supply_current", 100.1), number(it, "supply_current", 100.4)
    assert rush == pytest.approx(FIGURES.inrush_factor * after)
    assert number(it, "active_power", 100.1) == pytest.approx(RATED_W)
    it.command(50, 200)
    it.command(100, 210)
    assert number(it, "supply_current", 210.1) == pytest.approx(after)


def test_without_supply_it_forgets_its_command_and_comes_up_at_its_default() -> None:
    """Counters stay, a loss is counted, the written default holds, and it hears when it has booted."""
    it = lamp(powered_s=None)
    assert not it.hears(50)
    assert it.values(50)["supply_loss_count"] == 0, "before its first supply it has lost none"
    it.supply(True, 60)
    assert (it.level, it.hears(60.4), it.hears(60.5)) == (100, False, True)
    it.default_level = 40
    it.command(80, 70)
    it.supply(False, 3670)
    assert (it.level, it.hears(3671)) == (0, False)
    it.supply(True, 9000)
    values = it.values(9000)
    assert (values["target_light_command"], values["actual_light_state"]) == (40, 40)
    assert (values["supply_loss_count"], values["switch_on_counter"]) == (1, 2)
    assert number(it, "operating_hours", 9000) == pytest.approx(3610 / 3600)
    kwh = (10 * RATED_W + 3600 * (0.08 + 0.92 * 0.8**1.1) * RATED_W) / 3.6e6
    assert number(it, "active_energy", 9000) == pytest.approx(kwh)


@pytest.mark.parametrize(
    ("fault", "level", "lit", "failure"),
    [
        ("fails", 80, 0, "lamp_failure"),
        ("dims_wrong", 30, 100, "dimming_failure"),
        ("sticks_on", 0, 70, "relay_failure"),
        ("cycles", 30, 30, "cycling_failure"),
        ("leaks", 30, 30, "leakage_detected"),
    ],
)
def test_a_failure_is_told_after_a_while_and_until_the_contrary_is_seen(
    fault: Fault, level: int, lit: int, failure: str
) -> None:
    """Not at once; the repair shows as soon as the lamp does as it is told."""
    it = lamp()
    it.command(70, 5)
    it.befall(fault, 200)
    it.command(level, 200)
    assert it.level == lit
    assert told(it, 209.9) == set()
    assert told(it, 210) == {failure}
    it.befall(None, 500)
    assert told(it, 500) == set()
    assert it.level == level


def test_a_failed_lamp_that_is_commanded_off_stays_failed_until_it_is_seen_lit() -> None:
    """Off shows nothing either way; without supply the controller has to find it again."""
    it = lamp()
    it.befall("fails", 10)
    it.command(0, 60)
    assert told(it, 600) == {"lamp_failure"}
    it.befall(None, 700)
    assert told(it, 700) == {"lamp_failure"}
    it.command(50, 800)
    assert told(it, 800) == set()
    it.befall("fails", 900)
    assert told(it, 1000) == {"lamp_failure"}
    it.supply(False, 1000)
    it.supply(True, 2000)
    assert [told(it, at_s) for at_s in (2001, 2009.9, 2010)] == [set(), set(), {"lamp_failure"}]


def test_short_doubts_are_forgotten() -> None:
    """Wrong for less than it takes to tell, twice, is not told."""
    it = lamp()
    for at_s in (10.0, 30.0):
        it.befall("fails", at_s)
        it.befall(None, at_s + 9)
    it.befall("fails", 50)
    assert told(it, 59) == set()


@pytest.mark.parametrize(("fault", "factor"), [("draws_much", 1.5), ("draws_little", 0.55)])
def test_a_wrong_draw_is_no_failure_that_the_controller_knows(fault: Fault, factor: float) -> None:
    """Its level is as commanded; whoever knows the rated power sees it."""
    it = lamp()
    it.befall(fault, 10)
    assert number(it, "active_power", 500) == pytest.approx(RATED_W * factor)
    assert (it.level, told(it, 500)) == (100, set())


Act = tuple[float, str]


@given(
    st.lists(
        st.tuples(
            st.floats(0.01, 500),
            st.sampled_from(["on", "off", "0", "35", "100", "fails", "sticks_on", "draws_much", "well"]),
        ),
        max_size=12,
    ),
    st.lists(st.floats(0.01, 3000), max_size=12),
)
def test_looking_changes_nothing(acts: list[Act], looks_s: list[float]) -> None:
    """Energy, hours, temperature, failures: the same whether somebody looked in between or not."""

    def ended(looked: list[float]) -> dict[str, object]:
        it, now_s = Lamp(LampFigures(), RATED_W, VOLTS), 0.0
        for rest_s, act in acts:
            for look_s in sorted(looked):
                if now_s < look_s <= now_s + rest_s:
                    it.values(look_s)
            now_s += rest_s
            if act in ("on", "off"):
                it.supply(act == "on", now_s)
            elif act.isdigit():
                it.command(int(act), now_s)
            else:
                faults: dict[str, Fault | None] = {"fails": "fails", "sticks_on": "sticks_on"}
                it.befall("draws_much" if act == "draws_much" else faults.get(act), now_s)
        return dict(it.values(now_s + 5))

    assert ended(looks_s) == pytest.approx(ended([]))
