"""WGS 84 and GCJ-02, the shifted datum of Chinese web maps. Pure; degrees.

The shift is a known sum of powers and sines of the place, up to about 700 m. Outside China nothing is
shifted. CGCS2000 is WGS 84 within centimetres.
"""

import math

AXIS_M = 6_378_245.0
ECCENTRICITY_2 = 0.006_693_421_622_965_943
"""Of the ellipsoid of Krassowsky, squared."""
ITERATIONS_MAX = 20
CLOSE_DEGREES = 1e-10


def is_shifted(lon: float, lat: float) -> bool:
    """Say whether GCJ-02 shifts a place: a box around China."""
    return 72.004 <= lon <= 137.8347 and 0.8293 <= lat <= 55.8271


def to_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """Return a WGS 84 place (lon, lat) in GCJ-02."""
    if not is_shifted(lon, lat):
        return lon, lat
    east, north = _shift(lon - 105.0, lat - 35.0)
    phi = math.radians(lat)
    root = 1 - ECCENTRICITY_2 * math.sin(phi) ** 2
    meridian_m = AXIS_M * (1 - ECCENTRICITY_2) / root**1.5
    parallel_m = AXIS_M / math.sqrt(root) * math.cos(phi)
    return lon + math.degrees(east / parallel_m), lat + math.degrees(north / meridian_m)


def to_wgs84(lon: float, lat: float) -> tuple[float, float]:
    """Return a GCJ-02 place (lon, lat) in WGS 84: the place that is shifted to it, found step by step."""
    if not is_shifted(lon, lat):
        return lon, lat
    found_lon, found_lat = lon, lat
    for _ in range(ITERATIONS_MAX):
        shifted_lon, shifted_lat = to_gcj02(found_lon, found_lat)
        off_lon, off_lat = lon - shifted_lon, lat - shifted_lat
        found_lon, found_lat = found_lon + off_lon, found_lat + off_lat
        if max(abs(off_lon), abs(off_lat)) < CLOSE_DEGREES:
            break
    return found_lon, found_lat


def _shift(x: float, y: float) -> tuple[float, float]:
    """Return metres to the east and north, of degrees from 105 E 35 N."""
    ripple = (20 * math.sin(6 * math.pi * x) + 20 * math.sin(2 * math.pi * x)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + ripple
    east += (20 * math.sin(math.pi * x) + 40 * math.sin(math.pi * x / 3)) * 2 / 3
    east += (150 * math.sin(math.pi * x / 12) + 300 * math.sin(math.pi * x / 30)) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + ripple
    north += (20 * math.sin(math.pi * y) + 40 * math.sin(math.pi * y / 3)) * 2 / 3
    north += (160 * math.sin(math.pi * y / 12) + 320 * math.sin(math.pi * y / 30)) * 2 / 3
    return east, north
