"""What settings say about controls."""

from typing import Literal, Self

from pydantic import Field, model_validator

from contract.events import Priority
from edge.rules.settings import Condition, UnitName
from edge.setting_forms import Name, PointName, Seconds, SecondsOrNone
from toml_files import Strict

PROOFS = ("rises_by", "falls_by", "rises_by_percent", "falls_by_percent", "above", "below")


class Inhibit(Strict):
    """Keeps a control off; the limit itself inhibits too. ``unit``, where it is given, is the limit's."""

    point: PointName
    unit: UnitName = ""
    at_or_below: float | None = None
    at_or_above: float | None = None
    equals: bool | int | None = None
    lasts_s: SecondsOrNone = 0
    reason: str = Field(min_length=1, max_length=80)

    @model_validator(mode="after")
    def _has_one_limit(self) -> Self:
        limits = (self.at_or_below, self.at_or_above, self.equals)
        if sum(limit is not None for limit in limits) != 1:
            raise ValueError("needs exactly one limit; give at_or_below, at_or_above or equals")
        return self


class Effect(Strict):
    """What a run must achieve at its longest to count as a run with effect."""

    falls_by_percent: float = Field(gt=0, le=100)
    runs_without_max: int = Field(default=2, ge=1, le=20)


class Proves(Strict):
    """A point that shows, soon after its output is on, whether it works."""

    point: PointName
    rises_by: float | None = Field(default=None, gt=0)
    falls_by: float | None = Field(default=None, gt=0)
    rises_by_percent: float | None = Field(default=None, gt=0)
    falls_by_percent: float | None = Field(default=None, gt=0, le=100)
    above: float | None = None
    below: float | None = None
    within_s: Seconds = 30
    runs_without_max: int = Field(default=2, ge=1, le=20)

    @model_validator(mode="after")
    def _shows_one_thing(self) -> Self:
        if sum(getattr(self, name) is not None for name in PROOFS) != 1:
            raise ValueError(f"needs exactly one of {', '.join(PROOFS)}; give the one that the point shows")
        return self


class Lag(Strict):
    """A second output that does the same: it joins, and takes over from one that fails."""

    output: PointName
    start: Condition
    stop: Condition | None = None
    alternate: Literal["never", "run", "hours"] = "run"


class Control(Strict):
    """An output that follows a condition by itself, or that people alone switch."""

    name: Name
    output: PointName
    fail_state: Literal["off", "on", "hold", "local"]
    start: Condition | None = None
    stop: Condition | None = None
    lag: Lag | None = None
    inhibits: list[Inhibit] = Field(default=[], max_length=32)
    stale_s: Seconds = 30
    longest_run_s: Seconds | None = None
    shortest_rest_s: SecondsOrNone = 0
    runs_per_day_max: int | None = Field(default=None, ge=1, le=10_000)
    run_s_per_day_max: Seconds | None = None
    group: Name | None = None
    stagger_s: SecondsOrNone = 5
    self_off_s: Seconds | None = None
    proof_s: Seconds = 5
    proves: Proves | None = None
    effect: Effect | None = None
    manual_s_max: Seconds = 3600
    local_manual_s_max: Seconds = 28800
    priority: Priority = Field(default=Priority.HIGH, strict=False)
    problem: Name = "control_failed"

    @model_validator(mode="after")
    def _starts_and_stops(self) -> Self:
        if (self.start is None) != (self.stop is None):
            raise ValueError(
                "start and stop belong together; give both, or neither where people alone switch it"
            )
        for name in ("lag", "effect"):
            if self.start is None and getattr(self, name) is not None:
                raise ValueError(f"{name} means nothing without start and stop; remove it, or give both")
        return self

    @property
    def fails_off(self) -> bool:
        """Whether a silent gateway must mean off."""
        return self.fail_state == "off"

    @property
    def outputs(self) -> list[str]:
        """Its output, or both."""
        return [self.output, self.lag.output] if self.lag else [self.output]

    @property
    def staggered(self) -> str | None:
        """The group whose starts are kept apart: the two outputs of one control are one of themselves."""
        return self.group or (self.name if self.lag else None)

    @property
    def runs_without_max(self) -> int | None:
        """So many runs without effect lock it out; None for never, as for all that does not fail off."""
        limits = [each.runs_without_max for each in (self.effect, self.proves) if each is not None]
        return min(limits) if limits and self.fails_off else None
