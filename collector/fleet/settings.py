"""The settings of the fleet's rules: what the centre itself raises alarms of."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from contract.events import Priority
from toml_files import Strict

Seconds = Annotated[float, Field(ge=0, le=31 * 86_400)]
Percent = Annotated[float, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=1, le=100_000)]
PriorityName = Annotated[Priority, Field(strict=False)]
ProblemName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]


class Watch(Strict):
    """What every rule of the fleet has: how long something has to be so, and what it is then."""

    enabled: bool = True
    on_delay_s: Seconds = 60
    off_delay_s: Seconds = 60
    priority: PriorityName = Priority.HIGH
    problem: ProblemName


class GatewayOffline(Watch):
    """A gateway's will said that it is gone, or it was not heard for long."""

    problem: ProblemName = "gateway_offline"
    off_delay_s: Seconds = 30
    silent_s: Annotated[float, Field(ge=60, le=31 * 86_400)] = 129_600


class CentreDeaf(Watch):
    """The centre's own link to the broker is down."""

    problem: ProblemName = "centre_deaf"
    off_delay_s: Seconds = 10
    priority: PriorityName = Priority.HIGHEST


class LineDown(Watch):
    """Nothing on a line answers, while its gateway is there."""

    problem: ProblemName = "line_down"
    devices_min: Annotated[int, Field(ge=1, le=1000)] = 2
    gateways_at_once: Annotated[int, Field(ge=1, le=1000)] = 20


class Rate(Watch):
    """A share that is to be at least ``limit_percent``; it is well again by ``hysteresis_percent`` more."""

    limit_percent: Percent
    hysteresis_percent: Percent = 1
    count_min: Count = 10
    priority: PriorityName = Priority.MEDIUM

    @model_validator(mode="after")
    def _can_be_well_again(self) -> Self:
        if self.limit_percent + self.hysteresis_percent > 100:
            raise ValueError(
                "limit_percent and hysteresis_percent are more than 100 together: the alarm would never "
                "clear; lower one of them"
            )
        return self


class LitRate(Rate):
    """Of the lamps that were to burn in the last night, those lit."""

    problem: ProblemName = "lit_rate_low"
    limit_percent: Percent = 98
    on_delay_s: Seconds = 0
    off_delay_s: Seconds = 0


class IntactRate(Rate):
    """Of the lamps told of in the last night, those without a failure."""

    problem: ProblemName = "intact_rate_low"
    limit_percent: Percent = 95
    on_delay_s: Seconds = 0
    off_delay_s: Seconds = 0


class OnlineRate(Rate):
    """Of the gateways heard in the last days, those connected now."""

    problem: ProblemName = "online_rate_low"
    limit_percent: Percent = 95
    on_delay_s: Seconds = 300
    off_delay_s: Seconds = 300


class Neighbours(Watch):
    """Many gateways of one area are gone at once."""

    problem: ProblemName = "power_cut"
    on_delay_s: Seconds = 30
    off_delay_s: Seconds = 120
    gateways_min: Count = 3
    share_percent: Percent = 60
    hysteresis_percent: Percent = 20


class Fleet(Strict):
    """Which rules there are, and how often they are looked at."""

    interval_s: Annotated[float, Field(ge=1, le=3600)] = 5
    slow_interval_s: Annotated[float, Field(ge=10, le=86_400)] = 600
    gone_after_days: Annotated[int, Field(ge=1, le=3650)] = 30
    gateway_offline: GatewayOffline = GatewayOffline()
    centre_deaf: CentreDeaf = CentreDeaf()
    line_down: LineDown = LineDown()
    lit_rate: LitRate = LitRate()
    intact_rate: IntactRate = IntactRate()
    online_rate: OnlineRate = OnlineRate()
    many_neighbours: Neighbours = Neighbours()

    @property
    def watches(self) -> dict[str, Watch]:
        """Return the rules by name."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: watch for name, watch in found.items() if isinstance(watch, Watch)}
