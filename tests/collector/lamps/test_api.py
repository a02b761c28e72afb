"""The interface to lamps: nights page by page, the month's report in three forms, and the gauges."""

import asyncio
import csv
import io
from pathlib import Path
from typing import Any

import pytest

from collector.intake import Received
from collector.lamps import nights as lamp_nights
from collector.lamps import reading as lamp_reading
from collector.lamps import report as lamp_report
from collector.lamps.reading import LampReading, Month
from collector.lamps.report import CSV_COLUMNS
from collector.service import Collector
from contract.events import LampChange
from tests.collector.lamps.making import HOUR_MS, ZONE, night, nightly, noon_ms
from tests.collector.making import Clock, given, projected, settings, standing
from tests.collector.test_api import asked, pages, told
from tests.collector.test_connections import NOON_MS, listened, state

REPORT = "/api/v1/lamps/report"
NIGHTS = "/api/v1/lamps/nights"

# Three cabinets in November. Counted by hand:
#
#                     5th               6th               7th
#  gw-1 lamp-1        lit               lit               lit
#  gw-1 lamp-2        dark, failed      dark, failed      lit
#  gw-1 lamp-3        off by plan       lit for 94.9 %    lit for 95.0 %
#  gw-2 lamp-1        seen for 40 %     lit               -
#  gw-2 lamp-2        lit               lit               two parts, lit
#  gw-3 lamp-1        lit, astray       -                 -
#
#  were to burn       5                 5                 4                 14
#  lit                3                 3                 4                 10
#  seen too little    1                 0                 0                 1
#  records            6                 5                 4                 15
#  without a failure  5                 4                 4                 13
COUNTED = {"records": 15, "should": 14, "lit": 10, "unseen": 1, "astray": 1, "intact": 13}
BY_NIGHT = {"2026-11-05": (5, 3), "2026-11-06": (5, 3), "2026-11-07": (4, 4)}
DARK = {"lit_s": 0, "dark_s": 36_000, "energy_wh": 0.0, "failures": ["lamp_failure"]}


def month(year: int = 2026) -> list[Received]:
    """Return what gateways told of the three nights, and of one in another month."""
    first, second, third = (night.replace("2026", str(year)) for night in BY_NIGHT)
    half = noon_ms(third) + 12 * HOUR_MS
    gw_1 = [
        night(1, "lamp-1", first),
        night(2, "lamp-2", first, **DARK),
        night(3, "lamp-3", first, should_s=0, lit_s=0, energy_wh=None, baseline_wh=0.0),
        night(4, "lamp-1", second),
        night(5, "lamp-2", second, **DARK),
        night(6, "lamp-3", second, lit_s=34_164, dark_s=1_836),
        night(7, "lamp-1", third),
        night(8, "lamp-2", third),
        night(9, "lamp-3", third, lit_s=34_200, dark_s=1_800),
        night(10, "lamp-1", f"{year}-10-31", lit_s=0, dark_s=36_000),
    ]
    gw_2 = [
        night(1, "lamp-1", first, lit_s=14_400, dark_s=0),
        night(2, "lamp-2", first),
        night(3, "lamp-1", second),
        night(4, "lamp-2", second),
        night(5, "lamp-2", third, should_s=18_000, lit_s=18_000, energy_wh=350.0, time_ms=half),
        night(6, "lamp-2", third, should_s=18_000, lit_s=18_000, energy_wh=350.0),
    ]
    gw_3 = [night(1, "lamp-1", first, astray_s=600, part="=1+1")]
    told = {"gw-1": gw_1, "gw-2": gw_2, "gw-3": gw_3}
    return [nightly(1, *records, gateway=gateway) for gateway, records in told.items()]


def fill(collector: Collector, year: int = 2026) -> None:
    """Take and project the month."""
    given(collector, month(year))
    asyncio.run(projected(collector))


def test_the_report_says_what_was_counted_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lit rate 10 of 14; the same with one record a slice."""
    with standing(settings(tmp_path), Clock()) as collector:
        fill(collector)
        report = told(collector, REPORT, month="2026-11")
        figures = report["figures"]
        assert {name: figures[name] for name in COUNTED} == COUNTED
        assert figures["lit_rate"] == pytest.approx(10 / 14)
        assert figures["intact_rate"] == pytest.approx(13 / 15)
        assert figures["failures"] == {"lamp_failure": 2}
        assert {each["night"]: (each["should"], each["lit"]) for each in report["by_night"]} == BY_NIGHT
        assert [(each["gateway"], each["should"], each["lit"]) for each in report["by_cabinet"]] == [
            ("gw-1", 8, 5),
            ("gw-2", 5, 4),
            ("gw-3", 1, 1),
        ]
        assert [
            (each["gateway"], each["lamp"], len(each["unlit_nights"])) for each in report["troubled"]
        ] == [
            ("gw-1", "lamp-2", 2),
            ("gw-1", "lamp-3", 1),
            ("gw-2", "lamp-1", 1),
        ]
        assert report["troubled_lamps"] == 3
        assert figures["energy_wh"] == 12 * 700
        assert (report["first"], report["last"]) == ("2026-11-01", "2026-11-30")
        assert "at least 95 %" in " ".join(report["rules"])
        monkeypatch.setattr(lamp_reading, "SLICE_RECORDS", 1)
        assert told(collector, REPORT, month="2026-11") == report


def test_the_csv_has_every_record_in_order_and_no_formula(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In slices of any size it is the same text; its lit column adds up to the report's figure."""
    with standing(settings(tmp_path), Clock()) as collector:
        fill(collector)
        response = asked(collector, REPORT, month="2026-11", format="csv")
        assert response.headers["content-type"] == "text/csv; charset=utf-8"
        assert 'filename="lamps-north-2026-11.csv"' in response.headers["content-disposition"]
        text = response.text.removeprefix("\ufeff")
        lines = list(csv.DictReader(io.StringIO(text)))
        assert list(lines[0]) == list(CSV_COLUMNS)
        assert len(lines) == 15
        assert sum(line["lit"] == "1" for line in lines) == 10
        assert [line["part"] for line in lines if line["gateway"] == "gw-3"] == ["'=1+1"]
        places = [(line["gateway"], line["night"], line["lamp"]) for line in lines]
        assert places == sorted(places)
        for size in (1, 5, 15):
            monkeypatch.setattr(lamp_reading, "SLICE_RECORDS", size)
            assert asked(collector, REPORT, month="2026-11", format="csv").text == response.text
        empty = asked(collector, REPORT, month="2026-01", format="csv").text
        assert empty == "\ufeff" + ",".join(CSV_COLUMNS) + "\r\n"


def test_a_report_holds_a_slice_and_the_lamps_of_one_cabinet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of lamps in trouble only the worst are told, and the others counted."""
    monkeypatch.setattr(lamp_report, "TROUBLED_MAX", 3)
    monkeypatch.setattr(lamp_reading, "SLICE_RECORDS", 4)
    most = 0

    def read(*arguments: Any, **more: Any) -> Any:
        nonlocal most
        found = real(*arguments, **more)
        most = max(most, len(found))
        return found

    real = lamp_nights.read
    monkeypatch.setattr(lamp_nights, "read", read)
    with standing(settings(tmp_path), Clock()) as collector:
        for cabinet in range(5):
            records = [night(number, f"lamp-{number}", "2026-11-05", **DARK) for number in range(4)]
            records += [night(10 + cabinet, "lamp-0", "2026-11-06", **DARK)] * (cabinet == 3)
            given(collector, [nightly(1, *records, gateway=f"gw-{cabinet}")])
        asyncio.run(projected(collector))
        reading = LampReading("north", collector.state, ZONE, now_ms=lambda: 0)
        report = asyncio.run(reading.report(Month.named("2026-11")))
        assert most == 4
        assert report.troubled_lamps == 20
        assert [(lamp.gateway, lamp.lamp) for lamp in report.troubled] == [
            ("gw-3", "lamp-0"),
            ("gw-0", "lamp-0"),
            ("gw-0", "lamp-1"),
        ]
        assert not report._lamps


def test_the_page_comes_in_both_languages_and_may_fetch_nothing(tmp_path: Path) -> None:
    """A browser is told so."""
    with standing(settings(tmp_path), Clock()) as collector:
        fill(collector)
        english = asked(collector, REPORT, month="2026-11", format="html")
        chinese = asked(collector, REPORT, month="2026-11", format="html", lang="zh")
        assert english.headers["content-type"] == "text/html; charset=utf-8"
        assert english.headers["content-security-policy"].startswith("default-src 'none'")
        assert "71.43 %" in english.text
        assert "71.43 %" in chinese.text
        assert "10 of 14 lamp-nights" in english.text
        assert '<html lang="zh">' in chinese.text


def test_the_online_rate_is_of_gateways_with_lamps_that_gave_a_sign(tmp_path: Path) -> None:
    """One is connected throughout, one for half of a night, one was never heard but for its records."""
    clock = Clock()
    with standing(settings(tmp_path), clock) as collector:
        noon = noon_ms("2026-11-05")
        listened(collector, clock, [(0, True), (24, True)])
        given(collector, [state(True, noon, gateway="gw-1"), state(True, noon, gateway="no-lamps")])
        given(
            collector, [state(True, noon, gateway="gw-2"), state(False, noon + 12 * HOUR_MS, gateway="gw-2")]
        )
        fill(collector)
        clock.now_ms = noon_ms("2026-12-05")
        report = told(collector, REPORT, month="2026-11")
        [first, *others] = report["by_night"]
        assert (first["online"], first["gateways"]) == (1.5, 3)
        assert [each["online"] for each in others] == [None, None]
        assert report["online_rate"] == 0.5


def test_a_cabinet_without_a_sign_for_a_month_is_taken_to_be_removed(tmp_path: Path) -> None:
    """Of three with lamps one told of a night in the month before, one was connected then; the will of the
    third, last heard in November, never came."""
    clock = Clock()
    february, march = noon_ms("2027-02-20"), noon_ms("2027-03-02")
    with standing(settings(tmp_path), clock) as collector:
        fill(collector)
        given(collector, [state(True, noon_ms("2026-11-08"), gateway=name) for name in ("gw-1", "gw-3")])
        given(collector, [state(False, february, gateway="gw-3")])
        given(collector, [nightly(2, night(9, "lamp-1", "2027-02-19"), gateway="gw-2")])
        asyncio.run(projected(collector))
        listened(collector, clock, [((march - NOON_MS) / HOUR_MS + hour, True) for hour in (0, 24)])
        clock.now_ms = noon_ms("2027-04-02")
        [only] = told(collector, REPORT, month="2027-03")["by_night"]
        assert (only["night"], only["online"], only["gateways"]) == ("2027-03-02", 0.0, 2)


def test_nights_are_told_with_all_that_was_planned_commanded_and_measured(tmp_path: Path) -> None:
    """Filtered by gateway, lamp and dates; the last one is included."""
    noon = noon_ms("2026-11-05")
    record = night(
        1,
        "lamp-3",
        "2026-11-05",
        planned=[LampChange(noon + 1, 100, "program")],
        commanded=[LampChange(noon + 2, 100, "program")],
        measured=[LampChange(noon + 3, 98, "measured")],
        failures=["dimming_failure"],
        corrected=2,
    )
    with standing(settings(tmp_path), Clock()) as collector:
        given(
            collector,
            [nightly(1, record, night(2, "lamp-3", "2026-11-06"), night(3, "lamp-4", "2026-11-05"))],
        )
        given(collector, [nightly(1, night(1, "lamp-3", "2026-11-05"), gateway="gw-2")])
        asyncio.run(projected(collector))
        [item] = told(collector, NIGHTS, gateway="gw-1", lamp="lamp-3", to="2026-11-05")["items"]
        assert item["planned"] == [{"at_ms": noon + 1, "level": 100, "reason": "program"}]
        assert item["measured"] == [{"at_ms": noon + 3, "level": 98, "reason": "measured"}]
        assert (item["begins_ms"], item["ends_ms"]) == (noon, noon + 24 * HOUR_MS)
        assert (item["lit"], item["seen"], item["corrected"]) == (True, True, 2)
        whole = told(collector, NIGHTS)["items"]
        assert len(whole) == 4
        for limit in (1, 2, 3):
            assert pages(collector, NIGHTS, limit) == whole
        later = told(collector, NIGHTS, **{"from": "2026-11-06"})["items"]
        assert [(each["gateway"], each["night"]) for each in later] == [("gw-1", "2026-11-06")]


@pytest.mark.parametrize(
    ("path", "query", "said"),
    [
        (NIGHTS, {"lamp": "lamp-1"}, "give gateway as well"),
        (NIGHTS, {"from": "2026-11-06", "to": "2026-11-05"}, "nothing lies between"),
        (NIGHTS, {"from": "yesterday"}, "from"),
        (NIGHTS, {"cursor": "a/b"}, "not one of ours"),
        (NIGHTS, {"cursor": "gw-2/2026-11-05/lamp-1", "gateway": "gw-1"}, "not one of this gateway"),
        (NIGHTS, {"first": "2026-11-05"}, "knows gateway, lamp, from, to, limit, cursor"),
        (REPORT, {}, "month"),
        (REPORT, {"month": "2026-13"}, "month"),
        (REPORT, {"month": "0000-01"}, "there is no 0000-01"),
        (REPORT, {"month": "9999-12"}, "there is no 9999-12"),
        (REPORT, {"month": "2026-11", "format": "pdf"}, "csv"),
        (REPORT, {"month": "2026-11", "lang": "de"}, "zh"),
    ],
)
def test_what_is_out_of_bounds_is_refused_with_a_reason(
    path: str, query: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """422, never 500."""
    with standing(settings(tmp_path), Clock()) as collector:
        response = asked(collector, path, **query)
        assert response.status_code == 422
        assert said in response.text


def test_more_reports_at_once_than_may_be_are_refused(tmp_path: Path) -> None:
    """And once one is done, or has failed, another may be made."""
    with standing(settings(tmp_path), Clock()) as collector:
        reading = LampReading("north", collector.state, ZONE, now_ms=lambda: 0)

        async def scenario() -> list[BaseException | lamp_report.Report]:
            november = Month.named("2026-11")
            return await asyncio.gather(*(reading.report(november) for _ in range(4)), return_exceptions=True)

        for _ in range(2):
            kinds = [type(each).__name__ for each in asyncio.run(scenario())]
            assert sorted(kinds) == ["Busy", "Busy", "Report", "Report"]


def test_gauges_tell_of_the_last_night_that_was_told(tmp_path: Path) -> None:
    """An hour after noon the night before counts, a minute later at most; the unknown has no gauge."""
    clock = Clock(now_ms=noon_ms("2026-11-08") + HOUR_MS // 2)
    with standing(settings(tmp_path), clock) as collector:
        fill(collector)
        assert 'lamps_lit_ratio{district="north"} 0.6\n' in asked(collector, "/metrics").text
        clock.now_ms, clock.monotonic_s = noon_ms("2026-11-08") + HOUR_MS, clock.monotonic_s + 59
        assert 'lamps_lit_ratio{district="north"} 0.6\n' in asked(collector, "/metrics").text
        clock.monotonic_s += 1
        text = asked(collector, "/metrics").text
        assert 'gengfu_lamps_lit_ratio{district="north"} 1.0\n' in text
        assert 'gengfu_lamps_intact_ratio{district="north"} 1.0\n' in text
        clock.now_ms, clock.monotonic_s = noon_ms("2026-11-10"), clock.monotonic_s + 61
        assert "lamps_lit_ratio{" not in asked(collector, "/metrics").text


def test_a_zone_with_summer_time_has_nights_of_its_own_length(tmp_path: Path) -> None:
    """The settings name it; the hour that is skipped is missing."""
    loaded = settings(tmp_path, tables='[lamps]\ntime_zone = "Europe/Berlin"')
    with standing(loaded, Clock()) as collector:
        given(collector, [nightly(1, night(1, "lamp-1", "2026-03-28"))])
        asyncio.run(projected(collector))
        [item] = told(collector, NIGHTS)["items"]
        assert item["ends_ms"] - item["begins_ms"] == 23 * HOUR_MS
