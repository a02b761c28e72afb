"""What settings say about alarms, and the conditions that rules share."""

from typing import Self

from pydantic import Field, model_validator

from contract.events import Priority
from edge.setting_forms import Name, PointName, Seconds, SecondsOrNone
from toml_files import Strict


class Alarm(Strict):
    """An alarm at the source: one instance for each of its points."""

    name: Name
    points: list[PointName] = Field(min_length=1, max_length=1000)
    high: float | None = None
    low: float | None = None
    deadband: float = Field(default=0, ge=0)
    on_delay_s: SecondsOrNone = 0
    off_delay_s: SecondsOrNone = 0
    mean_s: SecondsOrNone = 0
    stale_s: Seconds = 60
    priority: Priority = Field(default=Priority.MEDIUM, strict=False)
    problem: Name
    message: str = Field(min_length=1, max_length=200)

    @model_validator(mode="after")
    def _has_one_limit(self) -> Self:
        if (self.high is None) == (self.low is None):
            raise ValueError("needs exactly one limit; give high or low, and a second alarm for the other")
        return self


class Condition(Strict):
    """A point, or its moving mean, held against a limit."""

    point: PointName
    above: float | None = None
    below: float | None = None
    mean_s: SecondsOrNone = 0
    held_s: SecondsOrNone = 0

    @model_validator(mode="after")
    def _has_one_limit(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("needs exactly one limit; give above or below")
        return self
