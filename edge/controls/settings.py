"""What settings say about controls."""

from typing import Literal, Self

from pydantic import Field, model_validator

from contract.events import Priority
from edge.rules.settings import Condition
from edge.setting_forms import Name, PointName, Seconds, SecondsOrNone
from toml_files import Strict


class Inhibit(Strict):
    """Keeps a control off; the limit itself inhibits too."""

    point: PointName
    at_or_below: float | None = None
    at_or_above: float | None = None
    reason: str = Field(min_length=1, max_length=80)

    @model_validator(mode="after")
    def _has_one_limit(self) -> Self:
        if (self.at_or_below is None) == (self.at_or_above is None):
            raise ValueError("needs exactly one limit; give at_or_below or at_or_above")
        return self


class Effect(Strict):
    """What a run must achieve to count as a run with effect."""

    falls_by_percent: float = Field(gt=0, le=100)
    runs_without_max: int = Field(default=2, ge=1, le=20)


class Control(Strict):
    """An output that follows a condition by itself."""

    name: Name
    output: PointName
    fail_state: Literal["off", "on", "hold", "local"]
    start: Condition
    stop: Condition
    inhibits: list[Inhibit] = Field(default=[], max_length=32)
    stale_s: Seconds = 30
    longest_run_s: Seconds | None = None
    shortest_rest_s: SecondsOrNone = 0
    self_off_s: Seconds | None = None
    proof_s: Seconds = 5
    effect: Effect | None = None
    priority: Priority = Field(default=Priority.HIGH, strict=False)
    problem: Name = "control_failed"
