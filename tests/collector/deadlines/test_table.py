"""The table of limits: the most specific rule holds, and says why; what is ambiguous is refused."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.deadlines.calendar import Hours, WorkingCalendar
from collector.deadlines.limits import LimitKind, TimeLimit
from collector.deadlines.settings import Deadlines
from collector.deadlines.table import DeadlineRule, DeadlineTable, Season, competing
from collector.settings import EXAMPLE, Settings, load
from tests.collector.deadlines import oracle
from tests.collector.deadlines.oracle import minute_of
from toml_files import TomlFile, TomlFileError

CALENDAR = WorkingCalendar({}, (Hours(0, 3_600_000),))
WINTER = Season((11, 1), (3, 31))


def rule(
    amount: float, class_code: str = "", area: str = "", severity: str = "", season: Season | None = None
) -> DeadlineRule:
    """Return a rule that is known by its amount."""
    return DeadlineRule(TimeLimit(LimitKind.WORKING_HOURS, amount), class_code, area, severity, season)


TABLE = DeadlineTable(
    [
        rule(1),
        rule(2, "01"),
        rule(3, "0102"),
        rule(4, "0102", season=WINTER),
        rule(5, "0102", severity="serious"),
        rule(6, "0102", area="500103"),
        rule(7, "0102", area="500103", season=WINTER),
        rule(8, area="500103001"),
    ]
)


@pytest.mark.parametrize(
    ("day", "class_code", "area", "severity", "amount"),
    [
        ((2026, 7, 1), "0301", "", "", 1),
        ((2026, 7, 1), "0105", "500103001001001", "", 2),  # the class comes before the area
        ((2026, 7, 1), "010201", "", "", 3),
        ((2026, 1, 1), "010201", "", "", 4),
        ((2026, 3, 31), "010201", "", "", 4),
        ((2026, 4, 1), "010201", "", "", 3),
        ((2026, 11, 1), "010201", "", "", 4),
        ((2026, 1, 1), "010201", "", "serious", 5),  # severity comes before the time of year
        ((2026, 1, 1), "010201", "500103001001001", "serious", 7),  # and the area before both
        ((2026, 7, 1), "010201", "500103001001001", "serious", 6),
        ((2026, 7, 1), "0301", "500103001001001", "", 8),
    ],
)
def test_the_most_specific_rule_holds(
    day: tuple[int, int, int], class_code: str, area: str, severity: str, amount: float
) -> None:
    """By class, area, severity, time of year, in this order."""
    chosen = TABLE.select(oracle.ms(minute_of(*day)), CALENDAR, class_code, area, severity)
    assert chosen is not None
    assert chosen.limit.amount == amount


def test_a_rule_says_why_it_holds() -> None:
    """With its number in the settings, in both languages."""
    chosen = TABLE.select(oracle.ms(minute_of(2026, 1, 1)), CALENDAR, "0102", "500103")
    assert chosen is not None
    assert chosen.because.en == "because of rule 7: class 0102, area 500103, season 11-01--03-31"
    assert chosen.because.zh == "依据第7条：类别0102，区域500103，时段11-01--03-31"


def test_a_case_for_which_no_rule_holds_has_no_limit_here() -> None:
    """Its class then says how long."""
    table = DeadlineTable([rule(1, "02"), rule(2, severity="serious")])
    assert table.select(0, CALENDAR, "0102") is None
    assert DeadlineTable().select(0, CALENDAR, "0102") is None


def test_the_day_of_a_season_is_the_local_one() -> None:
    """Half past midnight of the first of November, in China."""
    chosen = TABLE.select(oracle.ms(minute_of(2026, 11, 1, 0, 30)), CALENDAR, "0102")
    assert chosen is not None
    assert chosen.limit.amount == 4


days = st.integers(0, 365).map(lambda number: date(2024, 1, 1) + timedelta(number))
month_days = days.map(lambda day: (day.month, day.day))
rules = st.builds(
    rule,
    st.integers(1, 100),
    st.sampled_from(["", "01", "0102", "02"]),
    st.sampled_from(["", "500103", "500103001"]),
    st.sampled_from(["", "serious"]),
    st.none() | st.builds(Season, month_days, month_days),
)


@settings(deadline=None)
@given(st.lists(rules, max_size=8))
def test_rules_that_do_not_compete_never_tie(table: list[DeadlineRule]) -> None:
    """Of rules of one rank at most one holds for any case on any day, so their order says nothing."""
    clash = bool(list(competing(table)))
    ties = False
    for number in range(366):
        day = date(2024, 1, 1) + timedelta(number)
        holding = [
            each for each in table if each.holds("010201", "500103001001001", "serious", (day.month, day.day))
        ]
        alike = [(each.rank, each.class_code, each.area) for each in holding]
        ties = ties or len(set(alike)) < len(alike)
    assert clash or not ties
    if clash:
        with pytest.raises(ValueError, match="hold for the same cases"):
            DeadlineTable(table)


def written(folder: Path, text: str) -> Path:
    """Write settings with this text behind what is needed."""
    path = folder / "collector.toml"
    path.write_text(f'schema = 1\ndistrict = "north"\n[broker]\nhost = "x"\n{text}')
    return path


ROW = '[[deadlines.limits]]\nclass_code = "0102"\nkind = "working_hours"\namount = 4\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ROW + ROW, ":9: deadlines.limits[1]: holds for the same cases as limits[0]; remove one"),
        (ROW.replace("4", "0"), ":8: deadlines.limits[0].amount: must be more than 0"),
        (ROW + 'from = "11-01"\n', ":5: deadlines.limits[0]: from and until belong together"),
        (ROW + 'from = "11-31"\nuntil = "12-01"\n', ":9: deadlines.limits[0].from: '11-31' is no day"),
        (ROW.replace("working_hours", "hours"), ":7: deadlines.limits[0].kind"),
        (ROW + 'area = "gw"\n', ":9: deadlines.limits[0].area: must be 0 to 15 digits"),
        ('[deadlines]\nhours = ["8-12"]\n', ":6: deadlines.hours: '8-12' is no stretch of a day"),
        ('[deadlines]\nhours = ["09:00-24:30"]\n', ":6: deadlines.hours: '09:00-24:30' ends before"),
        ('[deadlines]\nhours = ["09:00-12:00", "11:00-13:00"]\n', ":6: deadlines.hours: stretches overlap"),
        ('[deadlines]\nhours = ["09:00-09:30"]\n', ":6: deadlines.hours: less than an hour a day"),
        (
            '[deadlines]\nworking_days_end = "end_of_day"\n'
            + ROW.replace("hours", "days").replace("4", "1.5"),
            ":5: deadlines: limit 1 is 1.5 working days, and they end with a day; write whole",
        ),
    ],
)
def test_mistakes_are_told_by_line_and_key(text: str, said: str, tmp_path: Path) -> None:
    """One line each."""
    with pytest.raises(TomlFileError) as caught:
        load(written(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path}/collector.toml{said}")


def test_a_calendar_folder_that_is_none_is_told(tmp_path: Path) -> None:
    """A relative path begins at the settings."""
    with pytest.raises(TomlFileError) as caught:
        load(written(tmp_path, '[deadlines]\ncalendar_folder = "nope"\n'))
    assert str(caught.value).startswith(f"{tmp_path}/nope: cannot be read: no such file")


def test_settings_make_a_calendar_and_a_table(tmp_path: Path) -> None:
    """The city's own calendar, its hours, its way to count days; seasons go over New Year."""
    (tmp_path / "years").mkdir()
    (tmp_path / "years" / "cn-2027.toml").write_text(
        'schema = 1\nyear = 2027\nsource = "x"\nworkdays = []\n[[holidays]]\n'
        'name = { en = "New Year", zh = "元旦" }\nfrom = 2027-01-01\nuntil = 2027-01-03\n'
    )
    text = (
        '[deadlines]\ncalendar_folder = "years"\nhours = ["09:00-17:00"]\nworking_days_end = "end_of_day"\n'
        '[[deadlines.limits]]\nfrom = "12-01"\nuntil = "02-15"\nkind = "working_days"\namount = 2\n'
    )
    loaded = load(written(tmp_path, text))
    start = oracle.ms(minute_of(2026, 12, 31, 10))
    chosen = loaded.settings.deadlines.table().select(start, loaded.calendar, "0102")
    assert chosen is not None
    assert chosen.limit == TimeLimit(LimitKind.WORKING_DAYS, 2, to_end_of_day=True)
    assert loaded.calendar.day_ms == 8 * 3_600_000
    assert loaded.calendar.remarks(start, start) == ()


def test_the_example_tells_every_key_of_deadlines_with_its_default() -> None:
    """The example is the manual."""
    lines = [line.removeprefix("# ") for line in EXAMPLE.read_text().splitlines()]
    begin, end = lines.index("[deadlines]"), lines.index("[lamps]")
    kept = [
        line
        for line in lines[begin:end]
        if line.startswith(
            ("[", *Deadlines.model_fields, "class", "area", "sev", "from", "until", "kind", "amount")
        )
    ]
    told = TomlFile(
        "\n".join(line for line in kept if " = " in line or line.startswith("[")), "example"
    ).data["deadlines"]
    assert set(told) == set(Deadlines.model_fields)
    assert set(told["limits"][0]) == {"class_code", "area", "severity", "from", "until", "kind", "amount"}
    assert (
        Deadlines.model_validate({key: value for key, value in told.items() if key != "limits"})
        == Deadlines()
    )
    assert TomlFile(EXAMPLE.read_text(), "example").parse(Settings).deadlines == Deadlines()
