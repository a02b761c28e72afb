"""The month of lamps: what it counts, its CSV, and its page."""

import csv
import io
from datetime import date
from html.parser import HTMLParser

from collector.lamps.page import page
from collector.lamps.report import CSV_COLUMNS, Online, Report, as_csv, reported
from collector.lamps.words import failure_words
from contract.events import LampNight


def night(
    lamp: str, day: str, *, lit_s: int = 43_200, energy_wh: float | None = 700, **more: object
) -> LampNight:
    """Return the record of a night of twelve hours of light."""
    failures = more.get("failures", [])
    assert isinstance(failures, list)
    return LampNight(
        "0" * 32,
        0,
        lamp,
        "ctl",
        day,
        3,
        [],
        [],
        [],
        should_s=43_200,
        lit_s=lit_s,
        dark_s=43_200 - lit_s,
        astray_s=0,
        unpowered_s=0,
        corrected=0,
        energy_wh=energy_wh,
        baseline_wh=1300,
        failures=failures,
        part='50<01>"',
    )


ROWS = [
    ("north-1", night("lamp-1", "2026-11-01")),
    ("north-1", night("lamp-2", "2026-11-01", lit_s=0, energy_wh=0, failures=["lamp_failure"])),
    ("north-1", night("lamp-1", "2026-11-02")),
    ("north-1", night("lamp-2", "2026-11-02", lit_s=0, energy_wh=None, failures=["lamp_failure"])),
    ("north-2", night("lamp-1", "2026-11-01")),
    ("north-2", night("lamp-1", "2026-11-02", lit_s=40_000)),
]


def month() -> Report:
    """Return the report of the rows above."""
    online = {"2026-11-01": Online(2, 2), "2026-11-02": Online(1.5, 2)}
    return reported("north", date(2026, 11, 1), date(2026, 11, 30), ROWS, online)


def test_rates_are_counted_by_night_cabinet_and_lamp() -> None:
    """Three of six lamp-nights were lit: one lamp never, one for 92.6 % of a night only."""
    report = month()
    assert (report.whole.lit, report.whole.should) == (3, 6)
    assert [figures.lit for figures in report.by_night.values()] == [2, 1]
    assert report.by_gateway["north-2"].lit_rate == 0.5
    assert report.online_rate == 0.875
    assert [(lamp.gateway, lamp.lamp, len(lamp.unlit_nights)) for lamp in report.troubled] == [
        ("north-1", "lamp-2", 2),
        ("north-2", "lamp-1", 1),
    ]


def test_the_csv_has_a_line_for_each_lamp_and_night_and_reads_back() -> None:
    """Also what was not measured is told: by nothing, not by 0."""
    text = as_csv(ROWS)
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert list(rows[0]) == list(CSV_COLUMNS)
    assert len(rows) == len(ROWS)
    assert [row["lit"] for row in rows] == ["1", "0", "1", "0", "1", "0"]
    assert rows[3]["energy_wh"] == ""
    assert rows[0]["part"] == '50<01>"'


class _Found(HTMLParser):
    """Collects tags and what they point to."""

    def __init__(self) -> None:
        """Nothing yet."""
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_needs_nothing_else_and_says_what_the_report_says() -> None:
    """No script, no link; names are escaped; both languages."""
    english, chinese = page(month(), "en"), page(month(), "zh")
    for text in (english, chinese):
        found = _Found()
        found.feed(text)
        assert "script" not in found.tags
        assert found.links == []
        assert found.tags.count("svg") == 2
        assert "50.00 %" in text  # lit rate
        assert "87.50 %" in text  # online
        assert '50<01>"' not in text
        assert "north-1/lamp-2" in text
    assert "Lit rate" in english
    assert "亮灯率" in chinese
    assert "Lit rate" not in chinese
    for term in ("集中控制器在线率", "部件标识码", "3/6 灯夜"):
        assert term in chinese
    assert failure_words("cycling_failure", "zh") == "反复熄启"


def test_a_month_without_records_is_a_page_that_says_so() -> None:
    """Not a division by zero."""
    empty = reported("north", date(2026, 11, 1), date(2026, 11, 30), [], {})
    assert "not known" in page(empty, "en")
