"""What settings say about alarms, and the conditions that rules share."""

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BeforeValidator, Field, model_validator

from contract.events import Priority
from edge.setting_forms import Name, PointName, Seconds, SecondsOrNone
from toml_files import Strict

DAY_S = 86_400
PriorityWord = Annotated[Priority, Field(strict=False)]
TimeOfDay = Annotated[
    str,
    Field(
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
        json_schema_extra={"form": 'a time of day such as "06:30", from "00:00" to "23:59"'},
    ),
]
Percent = Annotated[float, Field(gt=0, le=1000)]


UnitName = Annotated[str, Field(max_length=32)]
"""A unit (UCUM) that what is written here is in: it must be the point's own."""


class Condition(Strict):
    """A point, or its moving mean, held against a limit; ``unit``, where it is given, is the limit's."""

    point: PointName
    above: float | None = None
    below: float | None = None
    unit: UnitName = ""
    mean_s: SecondsOrNone = 0
    held_s: SecondsOrNone = 0

    @model_validator(mode="after")
    def _has_one_limit(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("needs exactly one limit; give above or below")
        return self


class Enabling(Strict):
    """What must hold for an alarm to be enabled: a point's value, a time of day, or an event period."""

    point: PointName | None = None
    above: float | None = None
    below: float | None = None
    equals: bool | int | str | None = None
    differs: bool | int | str | None = None
    between: Annotated[list[TimeOfDay], Field(min_length=2, max_length=2)] | None = None
    weekdays: list[Annotated[int, Field(ge=1, le=7)]] = Field(default=[], max_length=7)
    period: Name | None = None

    @model_validator(mode="after")
    def _is_of_one_sort(self) -> Self:
        by_time = self.between is not None or bool(self.weekdays)
        if (self.point is not None) + by_time + (self.period is not None) != 1:
            raise ValueError("asks for one thing at a time; give point, between (with weekdays), or period")
        limits = sum(each is not None for each in (self.above, self.below, self.equals, self.differs))
        if limits != (self.point is not None):
            raise ValueError("a point needs exactly one of above, below, equals, differs; give one of them")
        if self.between is not None and self.between[0] == self.between[1]:
            raise ValueError("between ends where it begins; leave it out for the whole day")
        return self


class Level(NamedTuple):
    """One condition of an alarm: an instance of its own on each point, with a key and a priority."""

    condition: str
    priority: Priority
    suffix: str = ""
    """What its key ends with, where another level of the alarm may have the same condition."""

    @property
    def key(self) -> str:
        """Names it among the levels of an alarm."""
        return self.suffix or self.condition


class AlarmForm(Strict):
    """What alarms of every kind have in common: one instance for each level on each of the points."""

    condition: ClassVar[str]
    name: Name
    points: list[PointName] = Field(min_length=1, max_length=1000)
    unit: UnitName = ""
    off_delay_s: SecondsOrNone = 0
    stale_s: Seconds = 60
    latching: bool = False
    enabled_when: list[Enabling] = Field(default=[], max_length=16)
    priority: PriorityWord = Priority.MEDIUM
    problem: Name
    message: str = Field(min_length=1, max_length=200)

    @property
    def levels(self) -> list[Level]:
        """The conditions that it tells apart."""
        return [Level(self.condition, self.priority)]

    @property
    def others(self) -> list[str]:
        """Points that it looks at beside its own."""
        return [each.point for each in self.enabled_when if each.point is not None]


class Averaged(Strict):
    """What is held against a limit: each value, or a mean, least or greatest over a time."""

    mean_s: SecondsOrNone = 0
    min_s: SecondsOrNone = 0
    max_s: SecondsOrNone = 0
    aligned: bool = False
    coverage_percent: float = Field(default=75, gt=0, le=100)

    @property
    def statistic(self) -> Literal["mean", "min", "max"]:
        """Which figure of the window counts."""
        return "max" if self.max_s else "min" if self.min_s else "mean"

    @property
    def span_s(self) -> float:
        """How long the window is; 0 for each value."""
        return self.max_s or self.min_s or self.mean_s

    @model_validator(mode="after")
    def _has_one_window(self) -> Self:
        if sum(map(bool, (self.mean_s, self.min_s, self.max_s))) > 1:
            raise ValueError(
                "looks at one figure; give mean_s, min_s or max_s, and a second alarm for another"
            )
        if self.aligned and (self.span_s < 1 or DAY_S % self.span_s):
            raise ValueError("aligned needs a time that divides the day; give 300, 900, 3600 or the like")
        return self


class LimitAlarm(AlarmForm, Averaged):
    """Beyond a limit; each limit that is given is a level of its own (OPC UA: NonExclusiveLimit)."""

    kind: Literal["limit"] = "limit"
    high_high: float | None = None
    high: float | None = None
    low: float | None = None
    low_low: float | None = None
    high_high_priority: PriorityWord | None = None
    high_priority: PriorityWord | None = None
    low_priority: PriorityWord | None = None
    low_low_priority: PriorityWord | None = None
    deadband: float = Field(default=0, ge=0)
    on_delay_s: SecondsOrNone = 0

    @property
    def levels(self) -> list[Level]:
        """See AlarmForm."""
        return [
            Level(name, getattr(self, f"{name}_priority") or self.priority)
            for name in ("high_high", "high", "low", "low_low")
            if getattr(self, name) is not None
        ]

    @model_validator(mode="after")
    def _has_limits_in_order(self) -> Self:
        limits = [getattr(self, level.condition) for level in self.levels]
        if not limits:
            raise ValueError("has no limit; give high, low, high_high or low_low")
        if any(first <= second for first, second in pairwise(limits)):
            raise ValueError("its limits are out of order; give low_low < low < high < high_high")
        for upper, lower in (("high", "low"), ("high_high", "low_low")):
            top, bottom = getattr(self, upper), getattr(self, lower)
            if top is not None and bottom is not None and top - self.deadband <= bottom:
                raise ValueError(f"{upper} would clear only beyond {lower}; give a smaller deadband")
        return self


class RateAlarm(AlarmForm):
    """Rises or falls by more than so much within a time."""

    condition: ClassVar[str] = "rate"
    kind: Literal["rate"]
    rises_by: float | None = Field(default=None, gt=0)
    falls_by: float | None = Field(default=None, gt=0)
    within_s: Seconds
    deadband: float = Field(default=0, ge=0)
    on_delay_s: SecondsOrNone = 0

    @property
    def levels(self) -> list[Level]:
        """See AlarmForm."""
        told = (("rises", self.rises_by), ("falls", self.falls_by))
        return [Level("rate", self.priority, suffix) for suffix, by in told if by is not None]

    @model_validator(mode="after")
    def _has_a_change(self) -> Self:
        changes = [by for by in (self.rises_by, self.falls_by) if by is not None]
        if not changes:
            raise ValueError("says of no change; give rises_by or falls_by, or both")
        if self.deadband >= min(changes):
            raise ValueError("would never clear; give a deadband below rises_by and falls_by")
        return self


class DeviationAlarm(AlarmForm, Averaged):
    """Differs from another point by more than so much."""

    condition: ClassVar[str] = "deviation"
    kind: Literal["deviation"]
    from_point: PointName = Field(alias="from")
    by: float = Field(gt=0)
    deadband: float = Field(default=0, ge=0)
    on_delay_s: SecondsOrNone = 0

    @property
    def others(self) -> list[str]:
        """See AlarmForm."""
        return [self.from_point, *super().others]

    @model_validator(mode="after")
    def _can_clear(self) -> Self:
        if self.deadband >= self.by:
            raise ValueError("would never clear; give a deadband below by")
        return self


class DiscreteAlarm(AlarmForm):
    """Is this value, or is not."""

    condition: ClassVar[str] = "discrete"
    kind: Literal["discrete"]
    equals: bool | int | str | None = None
    differs: bool | int | str | None = None
    on_delay_s: SecondsOrNone = 0

    @model_validator(mode="after")
    def _has_one_value(self) -> Self:
        if (self.equals is None) == (self.differs is None):
            raise ValueError("needs exactly one value; give equals or differs")
        return self


class StaleAlarm(AlarmForm):
    """No good value for ``stale_s``, by the gateway's own time; what has no power by plan is not stale."""

    condition: ClassVar[str] = "stale"
    kind: Literal["stale"]


class FlatlineAlarm(AlarmForm):
    """Does not change by more than ``flat_by`` for ``flat_for_s``."""

    condition: ClassVar[str] = "flatline"
    kind: Literal["flatline"]
    flat_by: float = Field(default=0, ge=0)
    flat_for_s: Seconds


class Confirmation(Strict):
    """Another point that has to be unusual too."""

    point: PointName
    falls_by_percent: Annotated[float, Field(gt=0, le=100)] | None = None
    rises_by_percent: Percent | None = None

    @model_validator(mode="after")
    def _has_one_change(self) -> Self:
        if (self.falls_by_percent is None) == (self.rises_by_percent is None):
            raise ValueError("needs exactly one change; give falls_by_percent or rises_by_percent")
        return self


class BaselineAlarm(AlarmForm):
    """Unusual against the same time on like days, and confirmed by other points."""

    condition: ClassVar[str] = "baseline"
    kind: Literal["baseline"]
    falls_by_percent: Annotated[float, Field(gt=0, le=100)] | None = None
    rises_by_percent: Percent | None = None
    deadband_percent: float = Field(default=0, ge=0)
    mean_s: Seconds = 300
    slot_s: float = Field(default=900, ge=300, le=DAY_S)
    days: int = Field(default=7, ge=1, le=14)
    days_min: int = Field(default=3, ge=1, le=14)
    holidays: Name | None = None
    confirmed_by: list[Confirmation] = Field(default=[], max_length=16)
    confirmed_min: int = Field(default=0, ge=0, le=16)
    on_delay_s: SecondsOrNone = 0

    @property
    def others(self) -> list[str]:
        """See AlarmForm."""
        return [*(each.point for each in self.confirmed_by), *super().others]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.falls_by_percent is None) == (self.rises_by_percent is None):
            raise ValueError("needs exactly one change; give falls_by_percent, or rises_by_percent")
        if self.deadband_percent >= (self.falls_by_percent or self.rises_by_percent or 0):
            raise ValueError("would never clear; give a smaller deadband_percent")
        if DAY_S % self.slot_s:
            raise ValueError("slot_s must divide the day; give 900, 1800, 3600 or the like")
        if self.days_min > self.days:
            raise ValueError(f"remembers {self.days} days and wants {self.days_min}; give more days")
        if self.confirmed_min > len(self.confirmed_by):
            raise ValueError(f"confirmed_by has fewer than {self.confirmed_min} points; add some")
        if self.confirmed_by and not self.confirmed_min:
            raise ValueError(
                "says of none of its confirmed_by that it counts; give confirmed_min = 1 or more"
            )
        return self


def _with_kind(given: Any) -> Any:
    """An alarm that says nothing of its kind is one of limits."""
    return {"kind": "limit", **given} if isinstance(given, dict) else given


Alarm = Annotated[
    LimitAlarm | RateAlarm | DeviationAlarm | DiscreteAlarm | StaleAlarm | FlatlineAlarm | BaselineAlarm,
    Field(discriminator="kind"),
    BeforeValidator(_with_kind),
]
