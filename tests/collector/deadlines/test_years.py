"""Arrangements of years: those shipped are as published, a city's replace them, bad ones are refused."""

import re
from datetime import date
from pathlib import Path

import chinese_calendar
import pytest

from collector.deadlines.years import SHIPPED, days_of, load_years
from tests.collector.deadlines import oracle
from toml_files import TomlFileError

GOOD = """schema = 1
year = 2027
source = "made up"
workdays = [2027-02-14]
[[holidays]]
name = { en = "Spring Festival", zh = "春节" }
from = 2027-02-05
until = 2027-02-11
"""


def test_ten_published_years_are_shipped_and_no_other() -> None:
    """Nothing is guessed of a year that was not published."""
    assert list(load_years(None)) == list(range(oracle.FIRST.year, oracle.LAST.year + 1))
    assert {path.name for path in SHIPPED.iterdir()} == {f"cn-{year}.toml" for year in load_years(None)}


def test_every_published_holiday_has_its_name_and_make_up_days_are_no_holidays() -> None:
    """The festival of each day is one of those that its span is named after, in Chinese too."""
    published = chinese_calendar.constants.holidays
    make_up = chinese_calendar.constants.workdays
    named: dict[date, tuple[str, str]] = {}
    for content in load_years(None).values():
        for holiday in content.holidays:
            named |= dict.fromkeys(holiday.days(), (holiday.name.en, holiday.name.zh))
    chinese = {each.value: each.chinese for each in chinese_calendar.Holiday}
    days = [day for day in published if oracle.FIRST <= day <= oracle.LAST]
    assert len(days) > 250
    for day in days:
        english, zh = named[day]
        assert published[day].lower() in english.lower()
        assert chinese[published[day]] in zh
    _, worked = days_of(load_years(None))
    assert worked == {day for day in make_up if oracle.FIRST <= day <= oracle.LAST}


def test_a_city_adds_a_year_and_replaces_another(tmp_path: Path) -> None:
    """Whole years: what is not in the city's file is not off there."""
    (tmp_path / "cn-2027.toml").write_text(GOOD)
    replaced = GOOD.replace("2027", "2026")
    (tmp_path / "cn-2026.toml").write_text(replaced)
    (tmp_path / "read me.txt").write_text("not ours")
    years = load_years(tmp_path)
    assert (len(years), years[2027].source, len(years[2026].holidays)) == (11, "made up", 1)
    off, worked = days_of(years)
    assert date(2026, 2, 5) in off
    assert date(2026, 10, 1) not in off
    assert date(2026, 2, 14) in worked


def test_the_later_arrangement_holds_for_the_last_week_of_a_year(tmp_path: Path) -> None:
    """It was published later."""
    (tmp_path / "cn-2027.toml").write_text(GOOD.replace("02-05", "01-01").replace("02-11", "01-01"))
    early = GOOD.replace("2027-02-05", "2027-12-30").replace("2027-02-11", "2028-01-02")
    (tmp_path / "cn-2028.toml").write_text(
        early.replace("year = 2027", "year = 2028").replace("2027-02-14", "")
    )
    off, _ = days_of(load_years(tmp_path))
    assert {date(2027, 12, 30), date(2028, 1, 2)} <= off


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("year = 2027", "year = 2028"), ":2: year: is 2028, and the file is named after 2027"),
        (("2027-02-05", "2027-2-5"), ":7: not valid TOML"),
        (("2027-02-05", '"2027-02-05"'), ":7: holidays[0].from"),
        (("2027-02-11", "2027-01-11"), ":5: holidays[0]: from 2027-02-05 until 2027-01-11 is no"),
        (("2027-02-11", "2027-12-11"), ":5: holidays[0]: from 2027-02-05 until 2027-12-11 is no"),
        (("2027-02-05", "2025-02-05"), ":5: holidays[0]: from 2025-02-05 until 2027-02-11 is no"),
        (("2027-02-14", "2027-02-15"), ":4: workdays[0]: 2027-02-15 is a Monday, which is worked"),
        (("2027-02-14", "2027-02-07"), ":4: workdays[0]: 2027-02-07 is a holiday as well"),
        (("2027-02-14", "2026-02-14"), ":4: workdays[0]: 2026-02-14 is no day of 2027"),
        (("2027-02-14", "2027-02-14, 2027-02-14"), ":4: workdays[1]: 2027-02-14 is given twice"),
        (
            ('source = "made up"', 'sauce = ""\nsource = "x"'),
            ":3: sauce: is not a key of this table; remove it",
        ),
        (
            ("2027-02-05\nuntil = 2027-02-11", "2026-12-20\nuntil = 2027-01-02"),
            ":7: holidays[0].from: 2026-12-20 is no day of 2027; write one from 2026-12-25 to 2027-12-31",
        ),
    ],
)
def test_a_bad_file_is_refused_with_its_line(change: tuple[str, str], said: str, tmp_path: Path) -> None:
    """A wrong day would move deadlines in silence."""
    (tmp_path / "cn-2027.toml").write_text(GOOD.replace(*change))
    with pytest.raises(TomlFileError) as caught:
        load_years(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/cn-2027.toml{said}")


def test_days_that_are_off_twice_are_told(tmp_path: Path) -> None:
    """One of the spans is mistaken."""
    again = GOOD + GOOD[GOOD.index("[[") :].replace("02-05", "02-11").replace(
        "until = 2027-02-11", "until = 2027-02-12"
    )
    (tmp_path / "cn-2027.toml").write_text(again)
    with pytest.raises(TomlFileError, match=r":9: holidays\[1\]: 2027-02-11 belongs to two"):
        load_years(tmp_path)


def test_a_year_that_leaves_no_work_is_refused(tmp_path: Path) -> None:
    """It would put every deadline off by months; and a calendar of such years would have none."""
    months = [(3, 31), (4, 30), (5, 31), (6, 30), (7, 31), (8, 31), (9, 30)]
    name = '[[holidays]]\nname = { en = "x", zh = "某" }\n'
    spans = [f"{name}from = 2027-{month:02}-01\nuntil = 2027-{month:02}-{days}\n" for month, days in months]
    (tmp_path / "cn-2027.toml").write_text(GOOD + "".join(spans))
    with pytest.raises(TomlFileError, match=r"holidays: leaves 10[0-9] working days in 2027, fewer than 150"):
        load_years(tmp_path)


def test_every_bad_file_of_a_folder_is_told_at_once(tmp_path: Path) -> None:
    """With how a file is to be called."""
    (tmp_path / "2027.toml").write_text(GOOD)
    (tmp_path / "cn-2028.toml").write_text(GOOD)
    (tmp_path / "cn-2029.toml").write_bytes("元旦".encode("gbk"))
    with pytest.raises(TomlFileError) as caught:
        load_years(tmp_path)
    told = str(caught.value).replace(f"{tmp_path}/", "")
    assert re.sub(r":[0-9]+: ", ": ", told).splitlines() == [
        "2027.toml: is not named after a year; name it cn-YYYY.toml after its year, such as cn-2027.toml",
        "cn-2028.toml: year: is 2027, and the file is named after 2028; write 2028, or rename the file",
        "cn-2029.toml: not UTF-8 text; save the file as UTF-8",
    ]


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    """With what is wanted."""
    with pytest.raises(TomlFileError, match="cannot be read: no such file or directory; name a folder"):
        load_years(tmp_path / "nope")
