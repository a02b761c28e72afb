"""What a city decides of cases: their numbers, their classes and deadlines, and how patient the centre is."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from device_profiles.schema import ProfileName
from toml_files import Strict, Title

MONTH_DAY = r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"

Hours = Annotated[float, Field(gt=0, le=10_000)]
Minutes = Annotated[int, Field(ge=0, le=10_080)]
Area = Annotated[
    str, Field(pattern=r"^[0-9]{0,15}$", json_schema_extra={"form": "the first digits of a grid"})
]
Department = Annotated[str, Field(max_length=200)]


class Limit(Strict):
    """A time limit: ``hours`` and ``days`` on the 24 h clock, or those in which people work."""

    kind: Literal["hours", "days", "working_hours", "working_days"]
    amount: Hours

    @property
    def words(self) -> str:
        """Return it as it is kept on a case."""
        return f"{self.amount:g} {self.kind}"


class LimitRule(Strict):
    """Another limit for an area, a time of the year (both days included; it may pass new year), or both."""

    area: Area = ""
    from_day: str = Field(default="", pattern=rf"{MONTH_DAY}|^$")
    until_day: str = Field(default="", pattern=rf"{MONTH_DAY}|^$")
    limit: Limit

    @model_validator(mode="after")
    def _is_a_season(self) -> Self:
        if bool(self.from_day) != bool(self.until_day):
            raise ValueError("needs from_day and until_day, or neither")
        return self

    def fits(self, grid: str, month_day: str) -> bool:
        """Say whether it is for this grid on this day, such as 07-01."""
        if not grid.startswith(self.area):
            return False
        if self.from_day <= self.until_day:
            return not self.from_day or self.from_day <= month_day <= self.until_day
        return month_day >= self.from_day or month_day <= self.until_day


class AreaDepartment(Strict):
    """Who is dispatched to in an area."""

    area: Area
    department: Annotated[str, Field(min_length=1, max_length=200)]


class CaseClass(Strict):
    """Which problem becomes which class of case, by when it is due, and what becomes of it by itself."""

    problem: ProfileName
    code: str = Field(min_length=1, max_length=32)
    title: Title
    severity: Literal["general", "serious"] = "general"
    urgent: bool = False
    deadline_h: Hours | None = None
    limit: Limit | None = None
    limits: list[LimitRule] = Field(default=[], max_length=50)
    department: Department = ""
    departments: list[AreaDepartment] = Field(default=[], max_length=200)
    dispatches_by_itself: bool = False
    needs_confirmation: bool = False
    confirmation_timeout_min: Annotated[int, Field(ge=1, le=10_080)] = 30
    closes_by_itself: bool = False
    settle_min: Minutes = 10
    recheck_after_min: Annotated[int, Field(ge=1, le=10_080)] = 60
    rework_within_h: Annotated[float, Field(ge=0, le=10_000)] = 24
    similar_within_m: Annotated[float, Field(ge=0, le=10_000)] = 0
    similar_within_h: Hours = 24

    @model_validator(mode="after")
    def _has_one_limit(self) -> Self:
        if (self.deadline_h is None) == (self.limit is None):
            raise ValueError("needs deadline_h or limit, one of them")
        return self

    def limit_of(self, grid: str, month_day: str) -> Limit:
        """Return the first limit that fits grid and day; an urgent class is on the 24 h clock always."""
        own = self.limit or Limit(kind="hours", amount=self.deadline_h or 1)
        found = next((rule.limit for rule in self.limits if rule.fits(grid, month_day)), own)
        return _on_the_clock(found) if self.urgent else found

    def department_of(self, grid: str, *, maintainer: str, in_charge: str) -> str:
        """Return who is dispatched to: by area, the longest first; then the class's own; then the part's."""
        fitting = [each for each in self.departments if grid.startswith(each.area)]
        if fitting:
            return max(fitting, key=lambda each: len(each.area)).department
        return self.department or maintainer or in_charge


class Cases(Strict):
    """How cases are numbered, and how many of what there may be."""

    number_template: str = Field(default="{district}-{date}-{number:05}", min_length=1, max_length=100)
    timer_interval_s: Annotated[float, Field(gt=0, le=3600)] = 5
    extensions_max: Annotated[int, Field(ge=0, le=100)] = 3
    extension_days_max: Annotated[int, Field(ge=1, le=366)] = 60
    similar_max: Annotated[int, Field(ge=0, le=100)] = 20
    no_collection_max: Annotated[int, Field(ge=0, le=10_000)] = 500
    uncollected_max: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    class_versions_max: Annotated[int, Field(ge=2, le=1_000_000)] = 10_000

    @field_validator("number_template")
    @classmethod
    def _can_be_filled(cls, template: str) -> str:
        """Try it with two numbers: they must differ, or every case of a day would be called the same."""
        try:
            filled = [case_number(template, "north", "20260101", "010201", number) for number in (1, 2)]
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            raise ValueError(
                f"cannot be filled in ({error}); use {{district}} {{date}} {{year}} {{code}} {{number}}"
            ) from error
        if filled[0] == filled[1] or "{date}" not in template:
            raise ValueError("does not tell cases apart; it needs {date} and {number}")
        return template


def case_number(template: str, district: str, date: str, code: str, number: int) -> str:
    """Return the case's number; ``date`` is YYYYMMDD, ``number`` counts from 1 each day."""
    return template.format(district=district, date=date, year=date[:4], code=code, number=number)


def _on_the_clock(limit: Limit) -> Limit:
    """Return a limit with as many hours or days of the clock as it has of work."""
    kind: Any = re.sub("^working_", "", limit.kind)
    return limit if kind == limit.kind else Limit(kind=kind, amount=limit.amount)
