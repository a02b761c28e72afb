"""Arrangements of a year as the State Council publishes them: one TOML file a year, which a city may replace.

A file's days lie in its year or in the last week of the year before, which the New Year's arrangement moves
too.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from toml_files import Problem, Strict, Title, TomlFile, TomlFileError

SHIPPED = Path(__file__).with_name("years")
FILE_NAME = re.compile(r"cn-([0-9]{4})\.toml")
YEARS_MAX = 200
HOLIDAY_DAYS_MAX = 31
WORKING_DAYS_MIN = 150
LAST_WEEK = (12, 25)
"""From this day on the arrangement of the following year may reach into a year."""

Year = Annotated[int, Field(ge=1990, le=2200)]


class Holiday(Strict):
    """Days off from ``from`` to ``until``, both included."""

    name: Title
    first: date = Field(alias="from")
    until: date

    @model_validator(mode="after")
    def _is_a_span(self) -> Self:
        days = (self.until - self.first).days + 1
        if not 1 <= days <= HOLIDAY_DAYS_MAX:
            raise ValueError(
                f"from {self.first} until {self.until} is no span of 1 to {HOLIDAY_DAYS_MAX} days; "
                "mend one of the dates"
            )
        return self

    def days(self) -> Iterator[date]:
        """Yield each day."""
        for number in range((self.until - self.first).days + 1):
            yield self.first + timedelta(number)


class YearFile(Strict):
    """One year's arrangement."""

    schema_version: Literal[1] = Field(alias="schema")
    year: Year
    source: str = Field(min_length=1, max_length=200)
    workdays: list[date] = Field(max_length=60)
    holidays: list[Holiday] = Field(max_length=60)

    def days_off(self) -> frozenset[date]:
        """Return every day of its holidays."""
        return frozenset(day for holiday in self.holidays for day in holiday.days())


def shipped() -> dict[int, YearFile]:
    """Return the years that come with the program."""
    return dict(_read(path) for path in sorted(SHIPPED.iterdir()))


def load_years(folder: Path | None) -> dict[int, YearFile]:
    """Return the arrangements by year: those shipped, each replaced by that of its year in ``folder``.

    TomlFileError names every mistake in the folder's files.
    """
    years = shipped()
    if folder is None:
        return years
    problems: list[Problem] = []
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except OSError as error:
        what = f"cannot be read: {(error.strerror or str(error)).lower()}"
        remedy = "name a folder with files such as cn-2027.toml, or leave out calendar_folder"
        raise TomlFileError([Problem(str(folder), 0, "", what, remedy)]) from error
    if len(paths) > YEARS_MAX:
        what = f"holds {len(paths)} files, more than {YEARS_MAX}"
        raise TomlFileError([Problem(str(folder), 0, "", what, "keep one file a year")])
    for path in paths:
        try:
            year, content = _read(path)
            years[year] = content
        except TomlFileError as error:
            problems += error.problems
    if problems:
        raise TomlFileError(problems)
    return years


def _read(path: Path) -> tuple[int, YearFile]:
    named = FILE_NAME.fullmatch(path.name)
    if named is None:
        remedy = "name it cn-YYYY.toml after its year, such as cn-2027.toml"
        raise TomlFileError([Problem(str(path), 0, "", "is not named after a year", remedy)])
    file = TomlFile.read(path)
    content = file.parse(YearFile)
    if problems := list(_contradictions(content, int(named[1]), file)):
        raise TomlFileError(problems)
    return content.year, content


def _contradictions(content: YearFile, named: int, file: TomlFile) -> Iterator[Problem]:
    """Yield what no arrangement says: days of other years, days off twice, work on working days."""
    if content.year != named:
        what = f"is {content.year}, and the file is named after {named}"
        yield file.problem(("year",), what, f"write {named}, or rename the file")
        return
    begins, ends = date(named - 1, *LAST_WEEK), date(named, 12, 31)
    off: set[date] = set()
    for index, holiday in enumerate(content.holidays):
        for key, day in (("from", holiday.first), ("until", holiday.until)):
            if not begins <= day <= ends:
                yield file.problem(
                    ("holidays", index, key),
                    f"{day} is no day of {named}",
                    f"write one from {begins} to {ends}",
                )
        if twice := sorted(off.intersection(holiday.days())):
            yield file.problem(
                ("holidays", index), f"{twice[0]} belongs to two holidays", "mend one of the spans"
            )
        off.update(holiday.days())
    for index, day in enumerate(content.workdays):
        if problem := _no_make_up(day, off, content.workdays[:index], begins, ends):
            yield file.problem(("workdays", index), *problem)
    working = _working_days(named, off, content.workdays)
    if working < WORKING_DAYS_MIN:
        what = f"leaves {working} working days in {named}, fewer than {WORKING_DAYS_MIN}"
        yield file.problem(("holidays",), what, "mend the spans that are too long")


def _no_make_up(
    day: date, off: set[date], before: list[date], begins: date, ends: date
) -> tuple[str, str] | None:
    """Return what is wrong with a make-up workday and what to do, or None."""
    if not begins <= day <= ends:
        return f"{day} is no day of {ends.year}", f"write one from {begins} to {ends}"
    if day in off:
        return f"{day} is a holiday as well", "remove it here, or from the holiday"
    if day in before:
        return f"{day} is given twice", "remove one of them"
    if day.weekday() < 5:
        return f"{day} is a {day:%A}, which is worked anyway", "remove it, or write the day that was meant"
    return None


def _working_days(year: int, off: set[date], workdays: list[date]) -> int:
    first = date(year, 1, 1).toordinal()
    days = map(date.fromordinal, range(first, date(year + 1, 1, 1).toordinal()))
    return sum((day.weekday() < 5 and day not in off) or day in workdays for day in days)


def days_of(years: Mapping[int, YearFile]) -> tuple[frozenset[date], frozenset[date]]:
    """Return all days off and all make-up workdays of these years.

    Where a day of the last week is told of by two years, the later one holds: it was published later.
    """
    off: set[date] = set()
    worked: set[date] = set()
    for year in sorted(years):
        days, workdays = years[year].days_off(), frozenset(years[year].workdays)
        off = (off - workdays) | days
        worked = (worked - days) | workdays
    return frozenset(off), frozenset(worked)
