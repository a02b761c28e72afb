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


class SendingRules(Strict):
    """How messages leave: how many at once, how often they are tried, when a channel counts as dead."""

    concurrency_max: int = Field(default=4, ge=1, le=64)
    retry_min_s: Annotated[float, Field(ge=0.05, le=3600)] = 5
    retry_max_s: Annotated[float, Field(ge=0.05, le=86_400)] = 600
    attempts_per_channel_max: int = Field(default=3, ge=1, le=100)
    attempts_max: int = Field(default=100, ge=1, le=10_000)
    give_up_after_s: Annotated[float, Field(ge=60, le=31 * 86_400)] = 86_400
    channel_failures_max: int = Field(default=3, ge=1, le=100)
    channel_retry_s: Annotated[float, Field(ge=0.05, le=86_400)] = 300

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.retry_max_s < self.retry_min_s:
            raise ValueError("retry_max_s is less than retry_min_s; raise it, or lower retry_min_s")
        return self


class Telling(TellingRules, SendingRules):
    """The table of the centre's settings. Without a people_file nobody is told anything."""

    people_file: str = Field(default="", max_length=255)
    channels_file: str = Field(default="", max_length=255)
    public_url: str = Field(
        default="",
        max_length=400,
        pattern=r"^(https?://[^\s]+)?$",
        json_schema_extra={"form": "https://host/path"},
    )
    tests_per_hour_max: int = Field(default=20, ge=1, le=1000)

    @model_validator(mode="after")
    def _both_files(self) -> Self:
        if bool(self.people_file) != bool(self.channels_file):
            raise ValueError(
                "people_file and channels_file go together: people are told by channels; give both or none"
            )
        return self
