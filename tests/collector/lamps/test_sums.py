"""What the sums of a month leave out: circuits beside their lamps, and energy of nights that went wrong."""

import asyncio
import csv
import io
from pathlib import Path
from typing import Any

import pytest

from contract.events import LampNight
from tests.collector.desired.test_desired import desk
from tests.collector.lamps.making import night, nightly
from tests.collector.lamps.test_desk import PLAN, push
from tests.collector.lamps.test_missing import AFTER_MS, JANUARY, NIGHTS
from tests.collector.making import Clock, given, projected, settings, standing
from tests.collector.test_api import asked
from tests.collector.test_api import told as told_by

REPORT = "/api/v1/lamps/report"
DAY = "2026-11-05"


def reported(folder: Path, *records: LampNight) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Return the month's report and its CSV's lines, of a cabinet that told these records."""
    with standing(settings(folder), Clock()) as collector:
        given(collector, [nightly(1, *records)])
        asyncio.run(projected(collector))
        text = asked(collector, REPORT, month="2026-11", format="csv").text.removeprefix("\ufeff")
        return told_by(collector, REPORT, month="2026-11"), list(csv.DictReader(io.StringIO(text)))


def test_a_circuit_counts_beside_its_lamps_neither_as_a_lamp_nor_with_its_energy(tmp_path: Path) -> None:
    """Of its eight lamps one is dark, and 4.9 kWh were used, which both measured; its failures are told."""
    dark = {"lit_s": 0, "dark_s": 36_000, "energy_wh": 0.0, "failures": ["lamp_failure"]}
    lamps = [night(number, f"lamp-{number}", DAY) for number in range(1, 8)]
    circuit = night(
        9, "north", DAY, feeds=8, energy_wh=4_900.0, baseline_wh=8_000.0, failures=["switching_error_off"]
    )
    report, lines = reported(tmp_path, *lamps, night(8, "lamp-8", DAY, **dark), circuit)
    figures = report["figures"]
    assert (figures["lit"], figures["should"], figures["records"], figures["intact"]) == (7, 8, 8, 7)
    assert figures["energy_wh"] == 4_900
    assert figures["failures"] == {"lamp_failure": 1, "switching_error_off": 1}
    assert [lamp["lamp"] for lamp in report["troubled"]] == ["lamp-8", "north"]
    assert [(line["feeds"], line["lit"]) for line in lines if line["lamp"] == "north"] == [("8", "")]
    assert sum(line["lit"] == "1" for line in lines) == 7


def test_a_circuit_of_a_dead_cabinet_is_not_missing_beside_its_lamps(tmp_path: Path) -> None:
    """That it feeds others is known from its last night."""
    text = PLAN.replace('lamps = ["lamp-{1-2}"]', 'lamps = ["lamp-{1-2}", "north"]')
    clock = Clock()
    with desk(tmp_path, clock) as centre:
        push(centre, text)
        told = [night(1, "lamp-1", NIGHTS[0]), night(2, "lamp-2", NIGHTS[0])]
        told.append(night(3, "north", NIGHTS[0], feeds=2))
        given(centre.collector, [nightly(1, *told, gateway="gw-2")])
        asyncio.run(projected(centre.collector))
        clock.now_ms = AFTER_MS
        report = told_by(centre.collector, REPORT, **JANUARY)
        by_cabinet = {it["gateway"]: (it["lit"], it["should"], it["missing"]) for it in report["by_cabinet"]}
        assert by_cabinet == {"gw-1": (0, 12, 12), "gw-2": (2, 6, 4)}


@pytest.mark.parametrize(
    ("told", "compared"),
    [
        ({}, True),
        ({"lit_s": 10_800, "dark_s": 0, "energy_wh": 210.0}, False),  # nobody saw it for most of the night
        ({"lit_s": 25_000, "dark_s": 0, "energy_wh": 490.0}, False),  # nor for a third of it
        ({"lit_s": 0, "dark_s": 36_000, "energy_wh": 0.0}, False),  # dark
        ({"lit_s": 34_200, "dark_s": 0}, True),
        ({"should_s": 0, "lit_s": 0, "energy_wh": 0.0}, True),  # off by plan: that is what was saved
    ],
)
def test_energy_is_compared_only_where_a_lamp_did_what_it_was_to(
    tmp_path: Path, told: dict[str, Any], compared: bool
) -> None:
    """Neither darkness nor blindness is a saving; what was used is told in any case."""
    report, _ = reported(tmp_path, night(1, "lamp-1", DAY, **told), night(2, "lamp-2", DAY))
    figures = report["figures"]
    used_wh = told.get("energy_wh", 700.0)
    assert figures["energy_wh"] == 700 + used_wh
    assert figures["compared_wh"] == 700 + used_wh * compared
    assert figures["baseline_wh"] == 1000 * (1 + compared)
