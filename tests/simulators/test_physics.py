"""The world behind the devices behaves as dust, covers and pipes do."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.physics import Cover, CoverSettings, Dust, DustSettings, Pipe, PipeSettings, noise


def dust() -> Dust:
    """Dust with the shipped figures."""
    return Dust(DustSettings(kind="dust", device="station"))


def test_works_raise_dust_and_spray_brings_it_down() -> None:
    """Slowly by itself, quickly under spray; humidity rises under spray and falls after."""
    air = dust()
    air.works = True
    air.advance(30)
    dusty = air.values()
    assert dusty["pm10"] > 300
    assert dusty["pm2_5"] < dusty["pm10"] < dusty["tsp"]
    left = dust()
    left.works = True
    left.advance(30)
    left.works = air.works = False
    air.spray = True
    air.advance(38)
    left.advance(38)
    assert air.values()["pm10"] < 100
    assert left.values()["pm10"] > 250
    assert air.values()["humidity"] > dusty["humidity"] + 5
    air.spray = False
    air.advance(300)
    assert air.values()["humidity"] == pytest.approx(dusty["humidity"], abs=0.1)
    assert air.values()["pm10"] == pytest.approx(60, abs=1)


def test_spray_wins_against_works() -> None:
    """Under spray the works' dust falls below 120 while they go on."""
    air = dust()
    air.works = True
    air.advance(60)
    air.spray = True
    air.advance(70)
    assert air.values()["pm10"] < 120


@given(st.lists(st.floats(0.001, 20), min_size=1, max_size=30))
def test_the_way_to_a_time_does_not_matter(steps_s: list[float]) -> None:
    """Many small steps and one large one arrive at the same world."""
    many: list[Dust | Cover | Pipe] = []
    once: list[Dust | Cover | Pipe] = []
    for worlds in (many, once):
        air = dust()
        air.works = True
        cover = Cover(CoverSettings(kind="cover", device="cover"))
        cover.lifted = True
        pipe = Pipe(PipeSettings(kind="pipe", device="pressure"))
        pipe.burst = True
        worlds += [air, cover, pipe]
    now_s = 0.0
    for step_s in steps_s:
        now_s += step_s
        for world in many:
            world.advance(now_s)
    for stepped, leapt in zip(many, once, strict=True):
        leapt.advance(now_s)
        assert stepped.values() == pytest.approx(leapt.values())


def test_cover_is_lifted_and_put_back() -> None:
    """Evenly, within its time."""
    cover = Cover(CoverSettings(kind="cover", device="cover", lifted_deg=40, move_s=2))
    cover.lifted = True
    cover.advance(1)
    assert cover.values()["roll"] == pytest.approx(20.6)
    cover.advance(50)
    assert cover.values()["roll"] == pytest.approx(40.6)
    cover.lifted = False
    cover.advance(52)
    assert cover.values()["roll"] == pytest.approx(0.6)


def test_pipe_bursts_and_recovers() -> None:
    """Low within seconds, sound again after the repair."""
    pipe = Pipe(PipeSettings(kind="pipe", device="pressure"))
    pipe.burst = True
    pipe.advance(6)
    assert pipe.values()["pressure"] == pytest.approx(90, abs=5)
    pipe.burst = False
    pipe.advance(30)
    assert pipe.values()["pressure"] == pytest.approx(280, abs=2)


def test_noise_repeats_by_seed() -> None:
    """The same seed, series and tick give the same noise; another seed or series another."""
    series = [noise(7, "station/pm10", tick) for tick in range(500)]
    assert series == [noise(7, "station/pm10", tick) for tick in range(500)]
    assert series != [noise(8, "station/pm10", tick) for tick in range(500)]
    assert series != [noise(7, "station/tsp", tick) for tick in range(500)]
    assert statistics.fmean(series) == pytest.approx(0, abs=0.2)
    assert statistics.stdev(series) == pytest.approx(1, abs=0.2)
