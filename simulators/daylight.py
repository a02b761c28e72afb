"""The light of day at a sensor: a sun that rises and sets, fog, and what a story says. Pure."""

import math
from typing import Literal

from pydantic import Field

from device_profiles.schema import ProfileName
from toml_files import Strict

LUX_BY_ELEVATION = (
    (-18.0, 7e-4),
    (-12.0, 8e-3),
    (-6.0, 3.4),
    (-0.8, 450.0),
    (5.0, 5e3),
    (10.0, 1.1e4),
    (20.0, 2.7e4),
    (40.0, 6.7e4),
    (60.0, 1.02e5),
    (90.0, 1.29e5),
)
"""Illuminance of level ground under a clear sky by the sun's elevation in degrees, rounded from tables of
natural light; between them its logarithm is even."""


class DaylightSettings(Strict):
    """The light at a sensor (point illuminance, lx)."""

    kind: Literal["daylight"]
    device: ProfileName
    noon_s: float = 0
    """When the sun stands highest, in seconds after the start; it may lie before it."""
    day_s: float = Field(default=86_400, gt=0)
    """How long a day takes: shorter for a story that has no time."""
    highest_deg: float = Field(default=50, ge=-90, le=90)
    """The sun's elevation at noon,"""
    lowest_deg: float = Field(default=-40, ge=-90, le=90)
    """and at midnight."""
    fog_leaves: float = Field(default=0.15, ge=0, le=1)
    """The part of the light that comes through fog."""
    fog_s: float = Field(default=20, gt=0)
    """Time constant with which fog comes and goes."""


class Daylight:
    """Clear at first."""

    def __init__(self, settings: DaylightSettings) -> None:
        """Begin at the settings' time of day."""
        self.settings = settings
        self.fog = False
        self.told_lux: float | None = None
        """What the story says, instead of the sun."""
        self._time_s = 0.0
        self._thickness = 0.0

    def advance(self, now_s: float) -> None:
        """Bring it to ``now_s``."""
        aim, elapsed_s = float(self.fog), now_s - self._time_s
        self._thickness = aim + (self._thickness - aim) * math.exp(-elapsed_s / self.settings.fog_s)
        self._time_s = now_s

    def happen(self, what: str, value: float | None) -> None:
        """Fog comes, it clears, or the light becomes ``value`` lx; None: the sun's again."""
        if what == "light_becomes":
            self.told_lux = value
        else:
            self.fog = what == "fog"

    def values(self) -> dict[str, float]:
        """The illuminance."""
        if self.told_lux is not None:
            return {"illuminance": self.told_lux}
        settings = self.settings
        middle = (settings.highest_deg + settings.lowest_deg) / 2
        swing = (settings.highest_deg - settings.lowest_deg) / 2
        angle = 2 * math.pi * (self._time_s - settings.noon_s) / settings.day_s
        clear = lux(middle + swing * math.cos(angle))
        return {"illuminance": clear * settings.fog_leaves**self._thickness}


def lux(elevation_deg: float) -> float:
    """Return the light of a clear sky by the sun's elevation; below -18 degrees it falls no further."""
    (lower, below), (upper, above) = LUX_BY_ELEVATION[0], LUX_BY_ELEVATION[-1]
    if elevation_deg <= lower:
        return below
    for upper, above in LUX_BY_ELEVATION[1:]:
        if elevation_deg <= upper:
            part = (elevation_deg - lower) / (upper - lower)
            return below * math.pow(above / below, part)
        lower, below = upper, above
    return above
