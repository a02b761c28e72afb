"""Lamps of which there is no record: due by the plan, seen by nobody, counted as not lit and told apart."""

import asyncio
import csv
import io
from pathlib import Path
from typing import Any

import pytest

from collector.lamps import reading as lamp_reading
from collector.service import Collector
from contract.events import LampNight
from tests.collector.desired.test_desired import Desk, desk
from tests.collector.lamps.making import night, nightly, noon_ms
from tests.collector.lamps.test_desk import HOUR_MS, PLAN, push, told
from tests.collector.making import Clock, given, projected
from tests.collector.test_api import asked
from tests.collector.test_api import told as told_by

REPORT = "/api/v1/lamps/report"
JANUARY = {"month": "2027-01"}
NIGHTS = ("2027-01-16", "2027-01-17", "2027-01-18")
"""The plan is pushed in the afternoon of the 15th, so that the 16th is the first whole night under it."""
AFTER_MS = noon_ms("2027-01-19") + 2 * HOUR_MS


def tell(collector: Collector, **records: list[LampNight]) -> None:
    """Let cabinets tell of nights."""
    given(collector, [nightly(1, *each, gateway=f"gw-{name[-1]}") for name, each in records.items()])
    asyncio.run(projected(collector))


def lit(lamps: int, *days: str) -> list[LampNight]:
    """Return records of so many lamps, all of them lit."""
    pairs = [(day, lamp) for day in days for lamp in range(1, lamps + 1)]
    return [night(number, f"lamp-{lamp}", day) for number, (day, lamp) in enumerate(pairs, 1)]


def figures(centre: Desk) -> dict[str, Any]:
    """Return the month's report."""
    found: dict[str, Any] = told_by(centre.collector, REPORT, **JANUARY)
    return found


def test_a_cabinet_without_power_is_not_left_out_of_the_lit_rate(tmp_path: Path) -> None:
    """It told of one night of three: 14 of 18 lamp-nights were lit, and 4 of them nobody told of."""
    clock = Clock()
    with desk(tmp_path, clock) as centre:
        push(centre)
        tell(centre.collector, gw_1=lit(4, *NIGHTS), gw_2=lit(2, NIGHTS[0]))
        clock.now_ms = AFTER_MS
        report = figures(centre)
        whole = report["figures"]
        assert (whole["lit"], whole["should"], whole["missing"], whole["records"]) == (14, 18, 4, 14)
        assert whole["lit_rate"] == pytest.approx(14 / 18)
        assert (whole["intact"], whole["intact_rate"]) == (14, 1.0)
        assert [(it["night"], it["lit"], it["missing"]) for it in report["by_night"]] == [
            (NIGHTS[0], 6, 0),
            (NIGHTS[1], 4, 2),
            (NIGHTS[2], 4, 2),
        ]
        assert [(it["gateway"], it["lit_rate"], it["missing"]) for it in report["by_cabinet"]] == [
            ("gw-1", 1.0, 0),
            ("gw-2", pytest.approx(1 / 3), 4),
        ]
        assert report["troubled_lamps"] == 2
        assert [(it["lamp"], it["missing"], it["unlit_nights"]) for it in report["troubled"]] == [
            ("lamp-1", 2, []),
            ("lamp-2", 2, []),
        ]
        for language, said in (("en", "4 of them without a record"), ("zh", "其中 4 灯夜无记录")):
            page = asked(centre.collector, REPORT, **JANUARY, format="html", lang=language).text
            assert said in page


def test_the_csv_has_a_line_for_what_is_missing_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lit column adds up to the report's rate; the order is by gateway, night and lamp."""
    clock = Clock()
    with desk(tmp_path, clock) as centre:
        push(centre)
        tell(centre.collector, gw_1=lit(3, *NIGHTS)[1:], gw_3=lit(1, NIGHTS[1]))
        clock.now_ms = AFTER_MS
        text = asked(centre.collector, REPORT, **JANUARY, format="csv").text
        rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
        places = [(row["gateway"], row["night"], row["lamp"]) for row in rows]
        assert places == sorted(places)
        assert len(places) == len(set(places)) == 19
        lost = [row for row in rows if row["record"] == "0"]
        assert len(lost) == 1 + 3 + 6
        assert {(row["lit"], row["seen"], row["should_s"], row["energy_wh"]) for row in lost} == {
            ("0", "0", "", "")
        }
        judged = [row["lit"] for row in rows if row["lit"]]
        whole = figures(centre)["figures"]
        assert (judged.count("1"), len(judged)) == (whole["lit"], whole["should"]) == (9, 19)
        for size in (1, 2, 5):
            monkeypatch.setattr(lamp_reading, "SLICE_RECORDS", size)
            assert asked(centre.collector, REPORT, **JANUARY, format="csv").text == text


def test_a_night_is_missed_once_it_should_have_been_told_and_no_more_when_it_is(tmp_path: Path) -> None:
    """An hour after noon; a cabinet that tells what it kept is made up for. Gauges likewise."""
    clock = Clock()
    with desk(tmp_path, clock) as centre:
        push(centre)
        tell(centre.collector, gw_1=lit(4, NIGHTS[0]))
        clock.now_ms = noon_ms("2027-01-17") + HOUR_MS - 1
        assert figures(centre)["figures"]["missing"] == 0
        clock.now_ms += 1
        assert figures(centre)["figures"]["missing"] == 2
        assert 'gengfu_lamps_lit_ratio{district="north"} 0.6666' in asked(centre.collector, "/metrics").text
        tell(centre.collector, gw_2=lit(2, NIGHTS[0]))
        assert figures(centre)["figures"]["missing"] == 0
        clock.monotonic_s += 61
        assert 'gengfu_lamps_lit_ratio{district="north"} 1.0\n' in asked(centre.collector, "/metrics").text


def test_a_lamp_is_missed_only_where_the_plan_that_held_wanted_it_to_burn(tmp_path: Path) -> None:
    """Not on a night that is off by plan, nor once it is in no plan, nor before a plan takes effect."""
    clock = Clock()
    quiet = PLAN.replace(
        'default_program = "night"',
        'default_program = "dark"\nrules = [{ program = "night", days = ["sat"] }]',
    ).replace(
        "[[calendars]]",
        '[[programs]]\nid = "dark"\nfixed_time_controls = [{ start_time = 12:00:00, level = 0 }]\n'
        "[[calendars]]",
    )
    smaller = PLAN.replace('[[cabinets]]\ngateway = "gw-2"\nlamps = ["lamp-{1-2}"]\n', "").replace(
        ', "gw-2/lamp-1"', ""
    )
    smaller = smaller.replace(', "gw-2/*"', "")
    with desk(tmp_path, clock) as centre:
        push(centre, quiet)
        told(centre, "PUT", "plan", {"text": PLAN, "who": "li", "effective_ms": noon_ms("2027-01-22")})
        clock.now_ms = noon_ms("2027-01-18") + HOUR_MS
        push(centre, smaller)
        clock.now_ms = AFTER_MS + 24 * HOUR_MS
        by_night = {it["night"]: it["missing"] for it in figures(centre)["by_night"] if it["missing"]}
        # 2027-01-16 is a Saturday; the plan for the 22nd never took effect; on the 18th it changed
        assert by_night == {"2027-01-16": 6, "2027-01-19": 4}


def test_what_was_cleared_away_by_its_age_is_not_missing(tmp_path: Path) -> None:
    """Records are kept for lamp_nights_retention_days; of older nights nobody can say."""
    clock = Clock()
    with desk(tmp_path, clock) as centre:
        push(centre)
        clock.now_ms = AFTER_MS + 1099 * 24 * HOUR_MS
        assert [it["night"] for it in figures(centre)["by_night"] if it["missing"]] == [
            f"2027-01-{day}" for day in range(18, 32)
        ]
