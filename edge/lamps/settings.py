"""The lamps of a gateway in its settings file, and how they are switched and judged."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contract.events import Priority
from edge.setting_forms import Name, PointName, SecondsOrNone
from toml_files import Strict

DURATION_S_MAX = 31 * 86_400
LAMPS_PER_GATEWAY_MAX = 2_000

Percent = Annotated[float, Field(ge=0, le=1000)]


class LightSensor(Strict):
    """Dark below ``on_level``, bright above ``off_level``; in the unit of its point, usually lx."""

    point: PointName
    on_level: float = Field(ge=0)
    off_level: float = Field(ge=0)

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if self.off_level <= self.on_level:
            raise ValueError(
                "off_level is no more than on_level: lamps would flicker; give a higher off_level"
            )
        return self


class Lighting(Strict):
    """How commands are sent and proved, when something counts as a failure, what an unset clock means."""

    stagger_s: SecondsOrNone = 0.5
    together_max: int = Field(default=1, ge=1, le=100)
    broadcast_min: int = Field(default=3, ge=0, le=LAMPS_PER_GATEWAY_MAX)
    proof_s: float = Field(default=20, gt=0, le=3600)
    retries_max: int = Field(default=3, ge=0, le=20)
    retry_pause_s: SecondsOrNone = 10
    again_s: float = Field(default=600, gt=0, le=DURATION_S_MAX)
    level_tolerance: float = Field(default=5, ge=0, le=50)
    on_delay_s: SecondsOrNone = 60
    off_delay_s: SecondsOrNone = 30
    told_off_delay_s: SecondsOrNone = 3600
    power_off_percent: Percent = 5
    power_low_percent: Percent = 70
    power_high_percent: Percent = 130
    power_base_percent: Percent = 10
    voltage_low_v: float | None = None
    voltage_high_v: float | None = None
    nominal_voltage_v: float = Field(default=230, gt=0, le=1000)
    untrusted_clock: Literal["on", "pattern"] = "on"
    patience_s: SecondsOrNone = 120
    light_sensor: LightSensor | None = None
    sensor_stale_s: float = Field(default=300, gt=0, le=86_400)
    horizon_nights: int = Field(default=2, ge=1, le=30)
    doors: list[PointName] = Field(default=[], max_length=16)
    priority: Priority = Field(default=Priority.MEDIUM, strict=False)

    @model_validator(mode="after")
    def _has_its_limits_in_order(self) -> Self:
        if not self.power_off_percent < self.power_low_percent < self.power_high_percent:
            raise ValueError("give power_off_percent < power_low_percent < power_high_percent")
        return self


class Lamp(Strict):
    """A lamp, or a circuit of lamps that are switched together."""

    name: Name
    output: PointName
    actual: PointName | None = None
    power: list[PointName] = Field(default=[], max_length=16)
    currents: list[PointName] = Field(default=[], max_length=16)
    rated_power_w: float | None = Field(default=None, gt=0, le=1_000_000)
    voltage: PointName | None = None
    energy: PointName | None = None
    failure: PointName | None = None
    dimming_failure: PointName | None = None
    relay_failure: PointName | None = None
    cycling_failure: PointName | None = None
    leakage: PointName | None = None
    local: PointName | None = None
    breaker: PointName | None = None

    @model_validator(mode="after")
    def _measures_one_way(self) -> Self:
        if self.power and self.currents:
            raise ValueError("has power and currents; give one of them")
        return self
