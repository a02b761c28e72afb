"""Settings of deadlines: hours of work, the city's own calendar, the table of limits."""

import re
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from collector.deadlines.calendar import HOUR_MS, MINUTE_MS, Hours, WorkingCalendar
from collector.deadlines.limits import AMOUNT_MAX, LimitKind, TimeLimit
from collector.deadlines.table import DeadlineRule, DeadlineTable, MonthDay, Season, competing
from collector.deadlines.years import load_years
from toml_files import Problem, Strict, TomlFile

WORKING_MS_MIN = HOUR_MS
RULES_MAX = 2_000
_HOURS = re.compile(r"([0-2][0-9]):([0-5][0-9])-([0-2][0-9]):([0-5][0-9])")
_SEVERITY = r"^[A-Za-z0-9_\-\u4e00-\u9fff]*$"


def _is_a_month_day(text: str) -> str:
    try:
        month_day(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no day of a year; write month-day, as 11-01") from error
    return text


MonthDayText = Annotated[str, AfterValidator(_is_a_month_day)]


class LimitRule(Strict):
    """One row of the table of limits; what is left out holds for all."""

    class_code: str = Field(default="", max_length=32)
    area: str = Field(default="", pattern="^[0-9]{0,15}$", json_schema_extra={"form": "0 to 15 digits"})
    severity: str = Field(
        default="", max_length=32, pattern=_SEVERITY, json_schema_extra={"form": "one word, or nothing"}
    )
    first: MonthDayText | None = Field(default=None, alias="from")
    until: MonthDayText | None = None
    kind: Literal["working_hours", "working_days", "urgent_hours", "calendar_days"]
    amount: Annotated[float, Field(gt=0, le=AMOUNT_MAX)]

    @model_validator(mode="after")
    def _has_both_days(self) -> Self:
        if (self.first is None) != (self.until is None):
            raise ValueError("from and until belong together; give both, or neither")
        return self

    def rule(self, *, to_end_of_day: bool) -> DeadlineRule:
        """Return it as the table has it."""
        season = None
        if self.first is not None and self.until is not None:
            season = Season(month_day(self.first), month_day(self.until))
        kind = LimitKind(self.kind)
        limit = TimeLimit(kind, self.amount, to_end_of_day and kind == LimitKind.WORKING_DAYS)
        return DeadlineRule(limit, self.class_code, self.area, self.severity, season)


class Deadlines(Strict):
    """How deadlines are counted."""

    calendar_folder: str = Field(default="", max_length=255)
    hours: list[str] = Field(default=["08:30-12:00", "14:00-18:00"], min_length=1, max_length=8)
    working_days_end: Literal["same_time", "end_of_day"] = "same_time"
    limits: list[LimitRule] = Field(default=[], max_length=RULES_MAX)

    @field_validator("hours")
    @classmethod
    def _are_hours(cls, texts: list[str]) -> list[str]:
        found = [_hours(text) for text in texts]
        if any(left.end_ms > right.start_ms for left, right in pairwise(found)):
            raise ValueError("stretches overlap or are out of order; write them as the day goes")
        if sum(each.end_ms - each.start_ms for each in found) < WORKING_MS_MIN:
            raise ValueError("less than an hour a day is worked; give longer stretches")
        return texts

    @model_validator(mode="after")
    def _days_are_whole(self) -> Self:
        if self.working_days_end == "end_of_day":
            for number, each in enumerate(self.limits, 1):
                if each.kind == "working_days" and each.amount % 1:
                    raise ValueError(
                        f"limit {number} is {each.amount:g} working days, and they end with a day; "
                        'write whole days, or working_days_end = "same_time"'
                    )
        return self

    def rules(self) -> list[DeadlineRule]:
        """Return the rows as the table has them."""
        to_end = self.working_days_end == "end_of_day"
        return [each.rule(to_end_of_day=to_end) for each in self.limits]

    def table(self) -> DeadlineTable:
        """Return the table; no two of its rules compete, as ``competing_rules`` has told."""
        return DeadlineTable(self.rules())

    def calendar(self, folder: Path, utc_offset_min: int) -> WorkingCalendar:
        """Return the calendar; ``folder`` is where relative paths begin. TomlFileError as ``load_years``."""
        own = folder / self.calendar_folder if self.calendar_folder else None
        return WorkingCalendar(load_years(own), tuple(map(_hours, self.hours)), utc_offset_min)


def competing_rules(settings: Deadlines, file: TomlFile) -> Iterator[Problem]:
    """Yield rows of which neither is more specific than the other."""
    for before, index in competing(settings.rules()):
        what = f"holds for the same cases as limits[{before}]"
        remedy = "remove one of them, or make one more specific"
        yield file.problem(("deadlines", "limits", index), what, remedy)


def month_day(text: str) -> MonthDay:
    """Return month and day of ``11-01``; ValueError where it is none."""
    if not re.fullmatch("[0-9]{2}-[0-9]{2}", text):
        raise ValueError(text)
    told = date.fromisoformat(f"2000-{text}")  # a leap year has them all
    return told.month, told.day


def _hours(text: str) -> Hours:
    """Return a stretch of the day; ValueError for what is none."""
    found = _HOURS.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no stretch of a day; write it as 08:30-12:00")
    first_h, first_min, last_h, last_min = map(int, found.groups())
    start_ms, end_ms = (
        hour * HOUR_MS + minute * MINUTE_MS for hour, minute in ((first_h, first_min), (last_h, last_min))
    )
    if not start_ms < end_ms <= 24 * HOUR_MS:
        raise ValueError(f"{text!r} ends before it begins or after 24:00; mend it")
    return Hours(start_ms, end_ms)
