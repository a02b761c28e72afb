"""Which open cases may be one problem seen twice: same class, near in place and time. Pure; people decide."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

EARTH_RADIUS_M = 6_371_008.8
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Spot:
    """Where and when a case began; degrees, WGS 84."""

    case_id: str
    lon: float
    lat: float
    opened_ms: int


@dataclass(frozen=True, slots=True)
class Likeness:
    """How near another case is."""

    case_id: str
    distance_m: float
    apart_ms: int


def similar(
    new: Spot, others: Iterable[Spot], *, within_m: float, within_h: float, count_max: int
) -> list[Likeness]:
    """Return those within both, the nearest first."""
    near = [
        Likeness(other.case_id, distance_m(new, other), abs(new.opened_ms - other.opened_ms))
        for other in others
        if other.case_id != new.case_id
    ]
    fitting = [each for each in near if each.distance_m <= within_m and each.apart_ms <= within_h * HOUR_MS]
    return sorted(fitting, key=lambda each: (each.distance_m, each.apart_ms, each.case_id))[:count_max]


def distance_m(one: Spot, other: Spot) -> float:
    """Return the great-circle distance."""
    lat_a, lat_b = math.radians(one.lat), math.radians(other.lat)
    half_lat = (lat_b - lat_a) / 2
    half_lon = math.radians(other.lon - one.lon) / 2
    chord = math.sin(half_lat) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, chord)))


def box(spot: Spot, within_m: float) -> tuple[float, float, float, float]:
    """Return (lon least, lon most, lat least, lat most) around all that may be within; for a first sieve."""
    lat_span = math.degrees(within_m / EARTH_RADIUS_M) * 1.001 + 1e-9
    lat_least, lat_most = spot.lat - lat_span, spot.lat + lat_span
    narrowest = math.cos(math.radians(min(90.0, max(abs(lat_least), abs(lat_most)))))
    lon_span = lat_span / narrowest if narrowest > 1e-6 else 360.0
    if spot.lon - lon_span < -180 or spot.lon + lon_span > 180:
        return -180.0, 180.0, lat_least, lat_most
    return spot.lon - lon_span, spot.lon + lon_span, lat_least, lat_most
