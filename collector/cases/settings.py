"""What a city decides of cases: their numbers, their classes and deadlines, and how patient the centre is."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from collector.deadlines.settings import LimitRule
from collector.deadlines.table import competing
from device_profiles.schema import ProfileName
from toml_files import Strict, Title

Hours = Annotated[float, Field(gt=0, le=10_000)]
Minutes = Annotated[int, Field(ge=0, le=10_080)]
Area = Annotated[
    str, Field(pattern=r"^[0-9]{0,15}$", json_schema_extra={"form": "the first digits of a grid"})
]
Department = Annotated[str, Field(max_length=200)]


class Limit(Strict):
    """A time limit: of working time, or on the clock, day and night (urgent hours, calendar days)."""

    kind: Literal["working_hours", "working_days", "urgent_hours", "calendar_days"]
    amount: Hours


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

    @model_validator(mode="after")
    def _limits_are_its_own(self) -> Self:
        if any(each.class_code for each in self.limits):
            raise ValueError("limits of a class are its own; leave out class_code")
        if pair := next(competing([each.rule(to_end_of_day=False) for each in self.limits]), None):
            raise ValueError(f"limits[{pair[1]}] holds for the same cases as limits[{pair[0]}]")
        return self

    def department_of(self, grid: str, *, maintainer: str, in_charge: str) -> str:
        """Return who is dispatched to: by area, the longest first; then the class's own; then the part's."""
        fitting = [each for each in self.departments if grid.startswith(each.area)]
        if fitting:
            return max(fitting, key=lambda each: len(each.area)).department
        return self.department or maintainer or in_charge


class CaseClassFile(Strict):
    """A file of classes and nothing else."""

    case_classes: list[CaseClass] = Field(min_length=1, max_length=1000)


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
