"""Deadlines against a walk through ten years of the published calendar, minute by minute."""

import functools
from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.deadlines.calendar import DAY_MS, HOUR_MS, Hours, WorkingCalendar
from collector.deadlines.limits import Due, LimitKind, TimeLimit, due, extended
from collector.deadlines.years import load_years
from tests.collector.deadlines import oracle
from tests.collector.deadlines.oracle import DAY_MIN, DAYS, MINUTE_MS, OFFICE, SCHEDULES, Schedule, minute_of

ROOM_MIN = 60 * DAY_MIN
"""So much of the ten years is left after a start, so that the walk finds its end."""
starts = st.integers(0, DAYS * DAY_MIN - ROOM_MIN)
schedules = st.sampled_from(SCHEDULES)
spans = st.integers(1, 80 * 60)
"""Up to 80 working hours: over the longest holidays too."""


@functools.cache
def calendar(schedule: Schedule = OFFICE) -> WorkingCalendar:
    """Return the calendar that is shipped, with these hours."""
    hours = tuple(Hours(start * MINUTE_MS, end * MINUTE_MS) for start, end in schedule)
    return WorkingCalendar(load_years(None), hours)


def working(minutes: float) -> TimeLimit:
    """Return a limit of so many working minutes."""
    return TimeLimit(LimitKind.WORKING_HOURS, minutes / 60)


def test_every_day_of_ten_years_is_worked_as_published() -> None:
    """Day by day: holidays, make-up workdays, plain weekends."""
    first = (oracle.FIRST - date(1970, 1, 1)).days
    ours = bytes(calendar().works_on(first + number) for number in range(DAYS))
    assert ours == oracle.worked_days()
    assert (sum(ours), len(ours)) == (2493, 3652)


@settings(deadline=None)
@given(starts, spans, schedules)
def test_a_deadline_is_where_a_walk_minute_by_minute_ends(start: int, span: int, schedule: Schedule) -> None:
    """From any minute of ten years, with any hours of work."""
    found = due(oracle.ms(start), working(span), calendar(schedule))
    assert found == Due(oracle.ms(oracle.walked(start, span, schedule)))


@settings(deadline=None)
@given(st.integers(0, (DAYS * DAY_MIN - ROOM_MIN) * 60), st.integers(1, 90 * 60), schedules)
def test_a_deadline_is_where_a_walk_second_by_second_ends(start: int, span: int, schedule: Schedule) -> None:
    """Small spans from any second."""
    found = due(oracle.BEGIN_MS + start * 1000, working(span / 60), calendar(schedule))
    assert found.at_ms == oracle.BEGIN_MS + 1000 * oracle.walked(start, span, schedule, per_minute=60)


@settings(deadline=None)
@given(starts, spans, schedules)
def test_a_look_up_and_a_walk_agree(start: int, span: int, schedule: Schedule) -> None:
    """The sweep below leans on the look-up."""
    assert oracle.jumped(start, span, schedule) == oracle.walked(start, span, schedule)


@pytest.mark.parametrize("span", [1, 240, 450, 3 * 450])
def test_every_half_hour_of_ten_years_has_the_deadline_of_the_oracle(span: int) -> None:
    """A minute, four hours, a day and three days, from the half hours and the minute before each."""
    rules, limit = calendar(), working(span)
    for start in range(1, DAYS * DAY_MIN - ROOM_MIN, 30):
        for minute in (start - 1, start):
            assert due(oracle.ms(minute), limit, rules).at_ms == oracle.ms(
                oracle.jumped(minute, span, OFFICE)
            ), oracle.shown(oracle.ms(minute))


def test_the_time_worked_since_every_half_hour_of_ten_years_is_that_of_the_oracle() -> None:
    """Until the same minute 40 days later, and until a moment that is none of the boundaries."""
    rules, sums = calendar(), oracle.sums(OFFICE)
    for start in range(0, DAYS * DAY_MIN - ROOM_MIN, 30):
        end = start + 17 * DAY_MIN + start % 1439
        worked = rules.elapsed_working_ms(oracle.ms(start), oracle.ms(end))
        assert worked == (sums[end] - sums[start]) * MINUTE_MS


@settings(deadline=None)
@given(starts, st.integers(1, 20), schedules)
def test_whole_working_days_end_with_the_work_of_the_last(start: int, days: int, schedule: Schedule) -> None:
    """Where the city says so: the day itself does not count."""
    limit = TimeLimit(LimitKind.WORKING_DAYS, days, to_end_of_day=True)
    found = due(oracle.ms(start), limit, calendar(schedule))
    assert found.at_ms == oracle.ms(oracle.day_end(start, days, schedule))


@settings(deadline=None)
@given(starts, st.integers(1, 15), schedules)
def test_working_days_end_at_the_same_time(start: int, days: int, schedule: Schedule) -> None:
    """So many full days of work later, which is the same time of day where work is under way."""
    found = due(oracle.ms(start), TimeLimit(LimitKind.WORKING_DAYS, days), calendar(schedule)).at_ms
    per_day = sum(end - begin for begin, end in schedule)
    assert found == oracle.ms(oracle.walked(start, days * per_day, schedule))
    inside = any(begin < start % DAY_MIN < end for begin, end in schedule)
    if oracle.worked_days()[start // DAY_MIN] and inside:
        assert (found - oracle.ms(start)) % DAY_MS == 0


@settings(deadline=None)
@given(starts, spans, spans, schedules)
def test_limits_add_up(start: int, first: int, second: int, schedule: Schedule) -> None:
    """An extension of a deadline ends where the longer limit would have."""
    rules = calendar(schedule)
    once = due(oracle.ms(start), working(first + second), rules)
    assert extended(due(oracle.ms(start), working(first), rules), working(second), rules) == once


@settings(deadline=None)
@given(starts, st.integers(0, 20 * DAY_MIN), spans, spans, schedules)
def test_later_starts_and_longer_limits_end_no_earlier(
    start: int, later: int, span: int, longer: int, schedule: Schedule
) -> None:
    """Nobody gains by reporting later, nor by a shorter limit."""
    rules = calendar(schedule)
    early = due(oracle.ms(start), working(span), rules).at_ms
    assert due(oracle.ms(start + later), working(span), rules).at_ms >= early
    assert due(oracle.ms(start), working(span + longer), rules).at_ms > early


@settings(deadline=None)
@given(starts, spans, schedules)
def test_a_deadline_of_working_time_is_in_working_time(start: int, span: int, schedule: Schedule) -> None:
    """The moment before it is worked, and exactly the limit has been worked until then."""
    rules = calendar(schedule)
    at_ms = due(oracle.ms(start), working(span), rules).at_ms
    assert rules.is_working(at_ms - 1)
    assert rules.elapsed_working_ms(oracle.ms(start), at_ms) == span * MINUTE_MS


@settings(deadline=None)
@given(starts, st.integers(0, 30 * DAY_MIN), st.integers(0, 30 * DAY_MIN), schedules)
def test_worked_time_adds_up(start: int, first: int, second: int, schedule: Schedule) -> None:
    """Over any moment between, and backwards there is none."""
    rules = calendar(schedule)
    begin, between, end = (oracle.ms(start + more) for more in (0, first, first + second))
    assert rules.elapsed_working_ms(begin, end) == rules.elapsed_working_ms(
        begin, between
    ) + rules.elapsed_working_ms(between, end)
    assert rules.elapsed_working_ms(end, begin) == 0 or first + second == 0


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ((2026, 9, 30, 17, 0), 4, "2026-10-08 11:30"),  # over the National Day
        ((2026, 10, 3, 9, 0), 1, "2026-10-08 09:30"),  # on a holiday
        ((2026, 9, 9, 12, 30), 1, "2026-09-09 15:00"),  # at lunch
        ((2026, 9, 9, 12, 0), 1, "2026-09-09 15:00"),  # as lunch begins
        ((2026, 9, 9, 17, 59), 0.5, "2026-09-10 08:59"),  # in the last minute
        ((2026, 9, 9, 18, 0), 0.5, "2026-09-10 09:00"),  # as work ends
        ((2026, 9, 9, 14, 0), 4, "2026-09-09 18:00"),  # to the end of work, not to the next morning
        ((2026, 2, 13, 17, 0), 2, "2026-02-14 09:30"),  # into a make-up Saturday
        ((2026, 2, 14, 17, 0), 2, "2026-02-24 09:30"),  # from a make-up Saturday over the Spring Festival
        ((2025, 12, 31, 17, 0), 2, "2026-01-04 09:30"),  # over New Year, into a make-up Sunday
        (
            (2018, 12, 28, 17, 0),
            2,
            "2018-12-29 09:30",
        ),  # a Saturday that the next year's arrangement made work
        ((2019, 12, 31, 17, 0), 2, "2020-01-02 09:30"),
    ],
)
def test_boundaries(start: tuple[int, int, int, int, int], hours: float, end: str) -> None:
    """The ones that people would check by hand."""
    found = due(oracle.ms(minute_of(*start)), TimeLimit(LimitKind.WORKING_HOURS, hours), calendar())
    assert (oracle.shown(found.at_ms), found.warnings) == (end, ())


@pytest.mark.parametrize(
    ("kind", "amount", "end"),
    [
        (LimitKind.URGENT_HOURS, 1.5, "2026-10-01 01:00"),
        (LimitKind.CALENDAR_DAYS, 2, "2026-10-02 23:30"),
    ],
)
def test_urgent_and_calendar_limits_run_day_and_night(kind: LimitKind, amount: float, end: str) -> None:
    """Holidays too; and no calendar is needed, so nothing is warned of where there is none."""
    start = oracle.ms(minute_of(2026, 9, 30, 23, 30))
    found = due(start, TimeLimit(kind, amount), calendar())
    assert (oracle.shown(found.at_ms), found.warnings) == (end, ())
    assert due(start + 10_000 * DAY_MS, TimeLimit(kind, amount), calendar()).warnings == ()


def ms(*moment: int) -> int:
    """Return a local time as UTC ms."""
    year, month, day, hour = moment
    return round(datetime(year, month, day, hour, tzinfo=oracle.CHINA).timestamp() * 1000)


def test_a_year_without_data_counts_as_plain_weeks_and_says_so() -> None:
    """Monday to Friday, Spring Festival or not; the warning names the year, in both languages."""
    found = due(ms(2028, 1, 26, 10), TimeLimit(LimitKind.WORKING_DAYS, 3), calendar())
    assert oracle.shown(found.at_ms) == "2028-01-31 10:00"
    [warning] = found.warnings
    assert warning.en == ("no calendar for 2028: counted as plain weeks, Monday to Friday, without holidays")
    assert "2028年" in warning.zh


def test_a_deadline_over_new_year_warns_of_the_year_that_is_not_known() -> None:
    """The one it started in is."""
    found = due(ms(2026, 12, 31, 17), TimeLimit(LimitKind.WORKING_HOURS, 4), calendar())
    assert [each.en[:20] for each in found.warnings] == ["no calendar for 2027"]


def test_the_last_week_of_a_year_is_in_doubt_until_the_next_is_known() -> None:
    """Its New Year may take days of it, as that of 2019 took a Saturday of 2018."""
    four_hours = TimeLimit(LimitKind.WORKING_HOURS, 4)
    doubtful = due(ms(2026, 12, 28, 9), four_hours, calendar())
    assert [each.en for each in doubtful.warnings] == [
        "no calendar for 2027: its New Year may move the last days of 2026"
    ]
    assert due(ms(2026, 12, 23, 9), four_hours, calendar()).warnings == ()
    assert due(ms(2025, 12, 29, 9), four_hours, calendar()).warnings == ()


@settings(deadline=None)
@given(st.integers(2030, 2200), st.integers(0, 364 * 24), st.integers(1, 400))
def test_a_time_is_always_said(year: int, hour: int, amount: int) -> None:
    """Whatever the year, and never without a warning."""
    start = ms(year, 1, 1, 0) + hour * HOUR_MS
    found = due(start, TimeLimit(LimitKind.WORKING_HOURS, amount), calendar())
    assert found.at_ms > start
    assert 1 <= len(found.warnings) <= 10


def test_an_extension_tells_on_what_the_deadline_told() -> None:
    """And says nothing twice."""
    rules = calendar()
    current = due(ms(2027, 3, 1, 9), working(60), rules)
    later = extended(current, working(60), rules)
    assert later.warnings == current.warnings
    over = extended(current, TimeLimit(LimitKind.WORKING_DAYS, 260), rules)
    assert [each.en[:20] for each in over.warnings] == ["no calendar for 2027", "no calendar for 2028"]


@pytest.mark.parametrize(
    ("kind", "amount", "to_end"),
    [
        (LimitKind.WORKING_HOURS, 0, False),
        (LimitKind.WORKING_HOURS, -1, False),
        (LimitKind.WORKING_HOURS, 10_001, False),
        (LimitKind.WORKING_HOURS, float("nan"), False),
        (LimitKind.WORKING_HOURS, 1, True),
        (LimitKind.WORKING_DAYS, 1.5, True),
    ],
)
def test_what_is_no_limit_is_refused(kind: LimitKind, amount: float, to_end: bool) -> None:
    """Also where a program makes it."""
    with pytest.raises(ValueError, match=r"limit is more than 0|whole working days"):
        TimeLimit(kind, amount, to_end)


@pytest.mark.parametrize(
    "hours",
    [(), ((100, 100),), ((100, 200), (150, 300)), ((200, 300), (100, 150)), ((-1, 5),), ((0, DAY_MS + 1),)],
)
def test_hours_that_are_no_working_day_are_refused(hours: tuple[tuple[int, int], ...]) -> None:
    """A calendar without them would never come to an end."""
    with pytest.raises(ValueError, match="working day"):
        WorkingCalendar({}, tuple(Hours(*each) for each in hours))
