"""The record of a lamp's night, as a whole gateway before a simulated cabinet writes it down."""

import asyncio
from pathlib import Path

import pytest

from contract.events import LampNight
from lighting.figures import counted, was_lit
from tests.edge.lamps.street import HOUR_S, Street, plan, settings

LAMPS = [f"lamp-{number}" for number in range(11, 19)]
LEVELS = {"12:00:00": 0, "18:00:00": 100, "23:00:00": 50, "06:00:00": 0}
FED = {"12:00:00": 0, "17:30:00": 100, "07:00:00": 0}
NOON_S = 20 * HOUR_S
"""The story begins at four in the afternoon."""


def street(tmp_path: Path, *story: tuple[float, str, str]) -> Street:
    """Return the cabinet with a plan for the night, read every two minutes."""
    made = Street(tmp_path, settings(interval_s=120, lighting="proof_s = 260"), story)
    made.documents["lamp_plan"] = plan(LEVELS, FED, LAMPS, ["north", "south"])
    return made


def records(street: Street) -> dict[str, LampNight]:
    """Return the nights that were told, by lamp; each lamp's has one id, however often it is told."""
    found = [event for event in street.events() if isinstance(event, LampNight)]
    assert len({each.lamp for each in found}) == len({each.id for each in found})
    return {each.lamp: each for each in found}


def test_at_noon_every_lamp_s_night_is_told(tmp_path: Path) -> None:
    """Planned, commanded, measured; twelve hours of light; a lamp that failed at eight is not lit."""
    subject = street(tmp_path, (4 * HOUR_S, "lamp_fails", "lamp-14"))
    subject.run(lambda _street: asyncio.sleep(NOON_S + 120))
    found = records(subject)
    assert set(found) == {*LAMPS, "north", "south"}
    assert {lamp: night.feeds for lamp, night in found.items() if night.feeds} == {"north": 4, "south": 4}
    lamps = [found[lamp] for lamp in LAMPS]
    for night in lamps:
        assert night.night == "2027-01-15"
        assert [change.level for change in night.planned] == [0, 100, 50, 0]
        assert 12 * 3600 - 60 <= night.should_s <= 12 * 3600 + 60
        assert [change.level for change in night.commanded][-2:] == [50, 0]
    figures = counted(lamps)
    assert (figures.should, figures.lit) == (8, 7)
    assert figures.lit_rate == pytest.approx(7 / 8)
    failed = found["lamp-14"]
    assert failed.failures == ["lamp_failure"]
    assert not was_lit(failed)
    assert failed.dark_s > 9.5 * 3600
    good = found["lamp-11"]
    assert good.lit_s > 11.9 * 3600
    assert good.energy_wh is not None
    assert 0.5 * 120 * 12 < good.energy_wh < 120 * 12
    assert 120 * 13 < good.baseline_wh < 120 * 14  # sunset to sunrise in January
    assert failed.energy_wh is not None
    assert failed.energy_wh < 0.3 * good.energy_wh


def test_by_day_nothing_is_asked_of_lamps_behind_a_circuit_that_is_off(tmp_path: Path) -> None:
    """They are always on by their own plan, the circuit says when; a tripped breaker is no excuse."""
    subject = street(tmp_path, (4 * HOUR_S, "breaker_trips", "south"), (6 * HOUR_S, "breaker_reset", "south"))
    subject.documents["lamp_plan"] = plan({"12:00:00": 100}, FED, LAMPS, ["north", "south"])
    subject.run(lambda _street: asyncio.sleep(NOON_S + 120))
    told = [event for event in subject.events() if isinstance(event, LampNight)]
    found = {each.lamp: each for each in told if each.night == "2027-01-15"}
    for lamp in ("lamp-11", "lamp-16"):  # 17:30 to 7:00
        assert 13.5 * 3600 - 600 <= found[lamp].should_s <= 13.5 * 3600 + 600
    assert was_lit(found["lamp-11"])
    assert found["lamp-16"].lit_s < 11.6 * 3600


def test_a_night_within_which_the_gateway_starts_again_is_one_night(tmp_path: Path) -> None:
    """What was written down is taken up; the half hour of darkness between counts as seen by nobody."""
    subject = street(tmp_path)

    async def story(street: Street) -> None:
        await asyncio.sleep(5 * HOUR_S)
        kept = street.gateway.nights.data()
        await street.stop()
        await asyncio.sleep(HOUR_S / 2)
        await street.start()
        street.gateway.nights.load(kept)
        await asyncio.sleep(NOON_S - asyncio.get_running_loop().time() + 120)

    subject.run(story)
    night = records(subject)["lamp-11"]
    assert 12 * 3600 - 60 <= night.should_s <= 12 * 3600 + 60
    unseen_s = night.should_s - night.lit_s - night.dark_s
    assert HOUR_S / 2 - 400 < unseen_s < HOUR_S / 2 + 120
    assert night.dark_s < 120
    assert was_lit(night)


@pytest.mark.parametrize(
    "kept", [b'[{"lamp":', b'[{"lamp": "lamp\xff11"}]', b'[{"unheard_of":' + b"[" * 10_000]
)
def test_what_was_kept_and_cannot_be_read_begins_anew(tmp_path: Path, kept: bytes) -> None:
    """A torn file is no reason not to start, nor is a flipped bit."""
    subject = street(tmp_path)

    async def story(street: Street) -> None:
        street.gateway.nights.load(kept)
        await asyncio.sleep(300)
        assert b'"lamp-11"' in street.gateway.nights.data()

    subject.run(story)
