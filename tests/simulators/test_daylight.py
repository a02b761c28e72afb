"""The light at a sensor: a sun, fog, a story."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.daylight import LUX_BY_ELEVATION, Daylight, DaylightSettings, lux

HOUR_S = 3600


def daylight(**settings: float) -> Daylight:
    """Return a day whose noon is twelve hours after the start."""
    settings = {"noon_s": 12 * HOUR_S, **settings}
    return Daylight(DaylightSettings.model_validate({"kind": "daylight", "device": "light", **settings}))


def at(sky: Daylight, hour: float) -> float:
    """Return the illuminance at an hour."""
    sky.advance(hour * HOUR_S)
    return sky.values()["illuminance"]


def test_light_follows_the_sun() -> None:
    """Dark at midnight, over 30 lx well before seven, most at noon, and dark again."""
    sky = daylight()
    found = [at(sky, hour) for hour in (0, 5, 7, 12, 17, 19.5, 24)]
    assert found[0] < 0.01
    assert found[1] < 30 < found[2]
    assert max(found) == found[3] > 50_000
    assert found[4] > 30 > found[5]
    assert found[6] == pytest.approx(found[0])


def test_a_day_can_be_short() -> None:
    """So that a story of two minutes has its dusk."""
    sky = daylight(day_s=120, noon_s=0)
    assert at(sky, 0) > 50_000
    assert at(sky, 60 / HOUR_S) < 0.01


def test_fog_takes_light_and_gives_it_back() -> None:
    """Slowly, as fog comes."""
    foggy, clear = daylight(), daylight()
    foggy.happen("fog", None)
    assert at(foggy, 1 / HOUR_S) > 0.8 * at(clear, 1 / HOUR_S)
    assert at(foggy, 12) == pytest.approx(0.15 * at(clear, 12))
    foggy.happen("clear", None)
    assert at(foggy, 13) == pytest.approx(at(clear, 13))


def test_a_story_may_say_what_the_light_is() -> None:
    """Until it gives the sun back."""
    sky, sun = daylight(), daylight()
    sky.happen("light_becomes", 12.5)
    assert at(sky, 12) == 12.5
    sky.happen("light_becomes", None)
    assert at(sky, 12) == at(sun, 12)


@given(st.floats(-90, 90), st.floats(-90, 90))
def test_a_higher_sun_is_never_darker(one: float, other: float) -> None:
    """And the table's own values come out."""
    assert (lux(one) <= lux(other)) or one > other
    assert [lux(elevation) for elevation, _ in LUX_BY_ELEVATION] == pytest.approx(
        [light for _, light in LUX_BY_ELEVATION]
    )


@given(st.lists(st.floats(0.001, 50), min_size=1, max_size=20))
def test_the_way_to_a_time_does_not_matter(steps_s: list[float]) -> None:
    """In fog that comes."""
    many, once = daylight(), daylight()
    many.happen("fog", None)
    once.happen("fog", None)
    now_s = 0.0
    for step_s in steps_s:
        now_s += step_s
        many.advance(now_s)
    once.advance(now_s)
    assert many.values() == pytest.approx(once.values())
