"""How people are told: Alertmanager's names and defaults where it has them."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from toml_files import Strict

Seconds = Annotated[float, Field(ge=0, le=31 * 86_400)]


class TellingRules(Strict):
    """When somebody is told again, and how much they are told at most."""

    group_wait_s: Seconds = 30
    group_interval_s: Annotated[float, Field(ge=1, le=86_400)] = 300
    repeat_interval_s: Annotated[float, Field(ge=60, le=31 * 86_400)] = 14_400
    escalate_after_s: Annotated[float, Field(ge=30, le=7 * 86_400)] = 900
    escalate_highest_after_s: Annotated[float, Field(ge=30, le=7 * 86_400)] = 300
    escalation_repeats_max: int = Field(default=3, ge=0, le=100)
    messages_per_hour_max: int = Field(default=10, ge=1, le=1000)
    flood_incidents: int = Field(default=5, ge=1, le=1000)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.repeat_interval_s < self.group_interval_s:
            raise ValueError(
                "repeat_interval_s is less than group_interval_s; raise it, or lower group_interval_s"
            )
        return self
