"""What the devices measure: dust in the air, a cover in its frame, water in a pipe. Pure.

Every model is brought to a time by ``advance(now_s)`` (seconds since its start, never backwards) and told
its circumstances between two times; the result does not depend on how the time between was cut up. Values are
clean; ``noise`` roughens them.
"""

import math
import random
from typing import Literal, Protocol

from pydantic import Field

from device_profiles.schema import ProfileName
from toml_files import Strict


class Physics(Protocol):
    """A piece of the world that one device measures."""

    def advance(self, now_s: float) -> None:
        """Bring it to ``now_s``."""

    def values(self) -> dict[str, float]:
        """Return the clean values by point name, in the points' units."""


class DustSettings(Strict):
    """Dust around a station (points pm10, pm2_5, tsp in ug/m3, humidity in %)."""

    kind: Literal["dust"]
    device: ProfileName
    valve: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9_-]*/relay_[1-8]$")
    """The output that opens the sprinkler: "board/relay_1"."""
    background_ug_m3: float = Field(default=60, ge=0, le=2000)
    works_ug_m3: float = Field(default=380, ge=0, le=20_000)
    """PM10 where works bring it in the end, without spray."""
    spray_leaves: float = Field(default=0.1, ge=0, le=1)
    """The part of the works' dust that stays in the air under spray."""
    rise_s: float = Field(default=8, gt=0)
    """Time constants: after one of them 63 % of the way is done."""
    settle_s: float = Field(default=45, gt=0)
    spray_s: float = Field(default=3, gt=0)
    humidity_percent: float = Field(default=52, ge=0, le=100)
    spray_humidity_percent: float = Field(default=78, ge=0, le=100)
    humidity_s: float = Field(default=12, gt=0)


class Dust:
    """PM10 rises while there are works, settles slowly, and quickly under spray."""

    def __init__(self, settings: DustSettings) -> None:
        """Begin at the background, without works or spray."""
        self.settings = settings
        self.works = False
        self.spray = False
        self._time_s = 0.0
        self._pm10 = settings.background_ug_m3
        self._humidity = settings.humidity_percent

    def advance(self, now_s: float) -> None:
        """Bring it to ``now_s`` under the works and spray of now."""
        settings, elapsed_s = self.settings, now_s - self._time_s
        source = max(0.0, settings.works_ug_m3 - settings.background_ug_m3) if self.works else 0.0
        if self.spray:
            pace_s, source = settings.spray_s, source * settings.spray_leaves
        else:
            pace_s = settings.rise_s if self.works else settings.settle_s
        humidity = settings.spray_humidity_percent if self.spray else settings.humidity_percent
        self._pm10 = _approach(self._pm10, settings.background_ug_m3 + source, elapsed_s, pace_s)
        self._humidity = _approach(self._humidity, humidity, elapsed_s, settings.humidity_s)
        self._time_s = now_s

    def values(self) -> dict[str, float]:
        """PM10, finer and coarser dust in proportion, humidity."""
        excess = max(0.0, self._pm10 - self.settings.background_ug_m3)
        background = self._pm10 - excess
        return {
            "pm10": self._pm10,
            "pm2_5": 0.55 * background + 0.25 * excess,  # works stir up coarse dust above all
            "tsp": 1.4 * background + 2.1 * excess,
            "humidity": self._humidity,
        }


class CoverSettings(Strict):
    """A manhole cover with a tilt sensor (points roll and pitch, degrees)."""

    kind: Literal["cover"]
    device: ProfileName
    rest_roll_deg: float = Field(default=0.6, ge=-30, le=30)
    rest_pitch_deg: float = Field(default=-0.4, ge=-30, le=30)
    lifted_deg: float = Field(default=40, ge=0, le=120)
    """How far it rolls when somebody lifts it by one edge."""
    move_s: float = Field(default=1.5, gt=0)


class Cover:
    """Lifted and put back at an even speed."""

    def __init__(self, settings: CoverSettings) -> None:
        """Begin closed."""
        self.settings = settings
        self.lifted = False
        self._time_s = 0.0
        self._angle_deg = 0.0

    def advance(self, now_s: float) -> None:
        """Bring it to ``now_s``."""
        reach_deg = (now_s - self._time_s) * self.settings.lifted_deg / self.settings.move_s
        way_deg = (self.settings.lifted_deg if self.lifted else 0.0) - self._angle_deg
        self._angle_deg += max(-reach_deg, min(reach_deg, way_deg))
        self._time_s = now_s

    def values(self) -> dict[str, float]:
        """Roll and pitch."""
        return {
            "roll": self.settings.rest_roll_deg + self._angle_deg,
            "pitch": self.settings.rest_pitch_deg,
        }


class PipeSettings(Strict):
    """A water main with a pressure transmitter (point pressure, kPa)."""

    kind: Literal["pipe"]
    device: ProfileName
    pressure_kpa: float = Field(default=280, ge=0, le=3000)
    burst_kpa: float = Field(default=90, ge=0, le=3000)
    fall_s: float = Field(default=1.5, gt=0)
    """Time constants, as for dust."""
    recover_s: float = Field(default=4, gt=0)


class Pipe:
    """Loses its pressure within seconds of a burst, and recovers after the repair."""

    def __init__(self, settings: PipeSettings) -> None:
        """Begin sound, at pressure."""
        self.settings = settings
        self.burst = False
        self._time_s = 0.0
        self._pressure_kpa = settings.pressure_kpa

    def advance(self, now_s: float) -> None:
        """Bring it to ``now_s``."""
        settings = self.settings
        target, pace_s = (
            (settings.burst_kpa, settings.fall_s)
            if self.burst
            else (settings.pressure_kpa, settings.recover_s)
        )
        self._pressure_kpa = _approach(self._pressure_kpa, target, now_s - self._time_s, pace_s)
        self._time_s = now_s

    def values(self) -> dict[str, float]:
        """The pressure."""
        return {"pressure": self._pressure_kpa}


def noise(seed: int, series: str, tick: int) -> float:
    """Return noise of mean 0 and standard deviation 1; the same for the same seed, series and tick."""
    return random.Random(f"{seed}/{series}/{tick}").gauss(0, 1)  # noqa: S311 - noise, no secret


def _approach(value: float, target: float, elapsed_s: float, pace_s: float) -> float:
    return target + (value - target) * math.exp(-elapsed_s / pace_s)
