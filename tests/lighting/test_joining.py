"""A night that a gateway tells in parts is one record."""

import itertools

import msgspec
import pytest

from contract.events import LampChange, LampNight
from contract.limits import LAMP_CHANGES_MAX
from contract.samples import ClockState
from lighting.joining import joined

NOON_MS = 1_793_851_200_000
HOUR_MS = 3_600_000


def part(number: int, **told: object) -> LampNight:
    """Return a part that was told ``number`` hours after noon."""
    made = LampNight(
        f"{number:032x}", NOON_MS + number * HOUR_MS, "lamp-1", "ctl", "2026-11-05", 3, [], [], [],
        should_s=3600, lit_s=3500, dark_s=60, astray_s=5, unpowered_s=10, corrected=1, baseline_wh=1300,
    )  # fmt: skip
    return msgspec.structs.replace(made, **told)


def change(hour: float, level: int, reason: str = "program") -> LampChange:
    """Return a change so many hours after noon."""
    return LampChange(NOON_MS + round(hour * HOUR_MS), level, reason)


def test_what_can_be_summed_is_summed_and_the_rest_is_kept() -> None:
    """Seconds, energy and commands add up; the baseline is the whole night's in each part already."""
    first = part(8, energy_wh=200.5, failures=["lamp_failure"], commanded=[change(6, 100)], part="5001")
    second = part(24, energy_wh=300.25, failures=["communication_failure"], commanded=[change(12, 50)])
    whole = joined([first, second])
    assert (whole.should_s, whole.lit_s, whole.dark_s) == (7200, 7000, 120)
    assert (whole.astray_s, whole.unpowered_s, whole.corrected) == (10, 20, 2)
    assert (whole.energy_wh, whole.baseline_wh) == (500.75, 1300)
    assert whole.failures == ["communication_failure", "lamp_failure"]
    assert whole.commanded == [change(6, 100), change(12, 50)]
    assert (whole.id, whole.time_ms, whole.part) == (second.id, second.time_ms, "5001")


def test_the_order_in_which_parts_arrive_does_not_matter() -> None:
    """A part that could not be decoded at first comes after those that followed it."""
    parts = [
        part(8, measured=[change(6, 100)], plan=3, planned=[change(6, 100), change(18, 0)]),
        part(14, measured=[change(9, 0)], plan=4, planned=[change(6, 80), change(16, 0)], energy_wh=1.0),
        part(24, measured=[change(15, 50)], plan=4, planned=[change(6, 80), change(16, 0)]),
    ]
    assert len({msgspec.json.encode(joined(order)) for order in itertools.permutations(parts)}) == 1


@pytest.mark.parametrize(
    ("energies", "whole"), [((None, None), None), ((None, 5.0), 5.0), ((0.0, None), 0.0)]
)
def test_energy_that_nobody_measured_is_no_zero(
    energies: tuple[float | None, float | None], whole: float | None
) -> None:
    """A part with a figure has it for its own time."""
    assert joined([part(8, energy_wh=energies[0]), part(24, energy_wh=energies[1])]).energy_wh == whole


def test_each_plan_stands_for_its_own_part_of_the_night() -> None:
    """The level that the later plan had in force at the restart is the later part's first."""
    old = part(8, plan=3, planned=[change(6, 100), change(11, 60), change(18, 0)])
    new = part(24, plan=4, planned=[change(6, 80), change(16, 0)])
    assert joined([old, new]).planned == [change(6, 100), change(8, 80), change(16, 0)]


def test_too_many_changes_end_with_the_last() -> None:
    """The record stays one of the contract."""
    many = [change(6 + number / 100, number % 2 * 100) for number in range(LAMP_CHANGES_MAX)]
    whole = joined([part(8, measured=many), part(24, measured=[change(15, 7)], should_s=172_800)])
    assert len(whole.measured) == LAMP_CHANGES_MAX
    assert (whole.measured[0], whole.measured[-1]) == (many[0], change(15, 7))
    assert msgspec.json.decode(msgspec.json.encode(whole), type=LampNight) == whole


def test_a_clock_that_was_not_set_in_one_part_is_told() -> None:
    """The worst of all."""
    assert joined([part(8, clock=ClockState.UNSET), part(24)]).clock is ClockState.UNSET
