"""Nights of a gateway that is stopped, as the centre has them in the end: nothing is missing or twice."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from contract.events import LampNight
from lighting.figures import counted, was_lit
from tests.collector.lamps.making import nightly
from tests.collector.lamps.test_nights import read
from tests.collector.making import Clock, given, projected, settings, standing
from tests.edge.lamps import street as streets
from tests.edge.lamps.street import HOUR_S, Street
from tests.edge.lamps.test_nights import FED, LEVELS, NOON_S

LAMPS = ["lamp-11", "lamp-14"]
NIGHT, LAMP = "2027-01-15", "lamp-14"
"""It fails at eight in the evening, and is found dark whoever looks."""
AT_NINE_S = 5 * HOUR_S
AFTER_NOON_S = NOON_S + 300
DUSK_TO_NINE_S = 3 * HOUR_S
Story = Callable[[Street], Coroutine[Any, Any, None]]


def told(folder: Path, story: Story) -> tuple[dict[str, LampNight], int]:
    """Return what the centre has of the night, by lamp, and how many records it was told."""
    folder.mkdir()
    text = streets.settings([11, 14], ["north"], interval_s=300, lighting="proof_s = 700")
    subject = Street(folder, text, [(4 * HOUR_S, "lamp_fails", LAMP)])
    subject.documents["lamp_plan"] = streets.plan(LEVELS, FED, LAMPS, ["north"])
    subject.keeps_nights = True
    subject.run(story)
    records = [event for event in subject.events() if isinstance(event, LampNight)]
    with standing(settings(folder), Clock()) as collector:
        given(collector, [nightly(number, record) for number, record in enumerate(records, 1)])
        asyncio.run(projected(collector))
        return {night.lamp: night for _, night in read(collector) if night.night == NIGHT}, len(records)


async def until(second: float) -> None:
    """Wait until then."""
    await asyncio.sleep(second - asyncio.get_running_loop().time())


async def undisturbed(_street: Street) -> None:
    """The night as it is."""
    await until(AFTER_NOON_S)


def stopped(*spans: tuple[float, float], kill: bool = False) -> Story:
    """Return a story in which the gateway is off from one second to another."""

    async def story(street: Street) -> None:
        for from_s, until_s in spans:
            await until(from_s)
            await (street.kill() if kill else street.stop())
            await until(until_s)
            await street.start()
        await until(max(AFTER_NOON_S, asyncio.get_running_loop().time() + 120))

    return story


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LampNight]:
    """The night that nobody disturbs."""
    found, _ = told(tmp_path_factory.mktemp("whole") / "site", undisturbed)
    assert {*LAMPS} < {*found}
    assert {lamp for lamp in LAMPS if not was_lit(found[lamp])} == {LAMP}
    return found


def same(night: LampNight, whole: LampNight) -> None:
    """Hold what does not depend on who looked against the undisturbed night."""
    assert night.planned == whole.planned
    assert night.should_s == pytest.approx(whole.should_s, abs=60)
    assert (night.plan, night.failures) == (whole.plan, whole.failures)


def levels(night: LampNight) -> list[int]:
    """Return what the lamp was commanded to, in order."""
    return [change.level for change in night.commanded]


def test_a_short_stop_leaves_no_trace_in_the_night(tmp_path: Path, whole: dict[str, LampNight]) -> None:
    """Two stops for a minute, by night and in the morning: every figure is that of the undisturbed night."""
    story = stopped((AT_NINE_S, AT_NINE_S + 60), (10 * HOUR_S, 10 * HOUR_S + 60))
    found, records = told(tmp_path / "site", story)
    assert records == 3 * len(found)
    assert set(found) == set(whole)
    for lamp, night in found.items():
        same(night, whole[lamp])
        assert (night.lit_s, night.dark_s) == pytest.approx((whole[lamp].lit_s, whole[lamp].dark_s), abs=150)
        if lamp != LAMP:  # a dark one is commanded again by every start
            assert levels(night) == levels(whole[lamp])
        assert (night.energy_wh or 0) == pytest.approx(whole[lamp].energy_wh or 0, rel=0.01)
        assert night.baseline_wh == whole[lamp].baseline_wh
        assert night.corrected == whole[lamp].corrected
    assert counted(found.values()).lit == counted(whole.values()).lit


@pytest.mark.parametrize("kill", [False, True])
def test_a_gateway_that_is_off_over_the_end_of_the_night_tells_it_once(
    tmp_path: Path, whole: dict[str, LampNight], kill: bool
) -> None:
    """Stopped at nine and started two days later: due was what the plan says, of which three hours were seen.

    What a power cut tears out is half an hour at most.
    """
    found, records = told(tmp_path / "site", stopped((AT_NINE_S, AT_NINE_S + 48 * HOUR_S), kill=kill))
    assert records == (1 if kill else 2) * len(found)
    assert set(found) == set(whole)
    torn_s = HOUR_S / 2 if kill else 0
    for lamp in LAMPS:
        night = found[lamp]
        same(night, whole[lamp])
        seen_s = night.lit_s + night.dark_s
        assert DUSK_TO_NINE_S - torn_s - 120 < seen_s < DUSK_TO_NINE_S + 1000
        assert not was_lit(night)
        assert night.energy_wh is not None
        assert night.energy_wh < 3.2 * 120
        # The sun set at 18:21: what was saved is told of the hours that were measured, and no more.
        assert (2.5 - torn_s / HOUR_S) * 120 < night.baseline_wh < 2.7 * 120


def test_a_gateway_that_never_starts_again_has_told_the_night_so_far(
    tmp_path: Path, whole: dict[str, LampNight]
) -> None:
    """Three hours were due, and lit; the lamp that failed before is not."""

    async def story(street: Street) -> None:
        await until(AT_NINE_S)

    found, records = told(tmp_path / "site", story)
    assert records == len(found)
    assert {*LAMPS} <= set(found)
    for lamp in LAMPS:
        night = found[lamp]
        assert night.planned == whole[lamp].planned
        assert night.should_s == pytest.approx(DUSK_TO_NINE_S, abs=120)
        assert was_lit(night) == (lamp != LAMP)
        assert night.failures == whole[lamp].failures
        assert levels(night)[-1:] == [100]
        assert night.energy_wh is not None
        assert lamp == LAMP or 1.0 < night.energy_wh / night.baseline_wh < 1.2  # on since six


def test_by_day_a_stop_tells_nothing_of_a_night_in_which_nothing_was_due(tmp_path: Path) -> None:
    """Whoever changes a card at four in the afternoon makes no records of darkness."""

    async def story(_street: Street) -> None:
        await asyncio.sleep(600)

    assert told(tmp_path / "site", story) == ({}, 0)


def test_a_night_that_is_told_is_not_told_twice_by_a_power_cut(
    tmp_path: Path, whole: dict[str, LampNight]
) -> None:
    """The file that was kept before noon has it still: what is told again takes the former's place."""

    async def story(street: Street) -> None:
        await until(NOON_S + 20)
        await street.kill()
        await street.start()
        await asyncio.sleep(60)

    found, records = told(tmp_path / "site", story)
    assert records == 2 * len(found)
    for lamp in LAMPS:
        same(found[lamp], whole[lamp])
        assert found[lamp].lit_s == pytest.approx(whole[lamp].lit_s, abs=HOUR_S / 2)
