"""Distances, boxes and polygons."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.parts.places import DEGREE_M, around, distance_m, in_china, polygon
from tests.collector.parts.making import square

lons, lats = st.floats(73.5, 135), st.floats(4, 53.5)


def test_distances_are_those_of_the_sphere() -> None:
    """A degree along the meridian, half of one along the parallel of 60 degrees, Beijing to Chongqing."""
    assert distance_m(106, 29, 106, 30) == pytest.approx(111_195, abs=1)
    assert distance_m(10, 60, 11, 60) == pytest.approx(55_597, abs=5)
    assert distance_m(116.4074, 39.9042, 106.5516, 29.5630) == pytest.approx(1_460_000, rel=0.005)
    assert distance_m(106, 29, 106, 29) == 0


@given(lons, lats, st.floats(0, 50_000), st.floats(0, 2 * math.pi))
def test_the_box_around_a_place_holds_all_within_the_radius(
    lon: float, lat: float, radius_m: float, bearing: float
) -> None:
    """Otherwise a near part would not be found."""
    other_lat = lat + radius_m / DEGREE_M * math.cos(bearing)
    other_lon = lon + radius_m / DEGREE_M * math.sin(bearing) / math.cos(math.radians(lat))
    box = around(lon, lat, radius_m)
    if distance_m(lon, lat, other_lon, other_lat) <= radius_m:
        assert box.west <= other_lon <= box.east
        assert box.south <= other_lat <= box.north


@given(lons, lats, st.floats(0.0001, 0.01), st.floats(-2, 2), st.floats(-2, 2))
def test_a_square_holds_what_its_sides_say(
    lon: float, lat: float, half: float, right: float, up: float
) -> None:
    """And what is outside is as far away as the nearest side."""
    found = polygon(square(lon - half, lat - half, lon + half, lat + half))
    at = lon + right * half, lat + up * half
    inside = abs(at[0] - lon) < half and abs(at[1] - lat) < half
    if min(abs(abs(right) - 1), abs(abs(up) - 1)) > 1e-6:
        assert found.contains(*at) == inside
    aside = max(0.0, abs(at[0] - lon) - half) * math.cos(math.radians(at[1]))
    above = max(0.0, abs(at[1] - lat) - half)
    assert found.distance_m(*at) == pytest.approx(math.hypot(aside, above) * DEGREE_M, abs=0.01)


def test_a_hole_is_outside_and_a_second_outline_inside() -> None:
    """As a yard, and an island."""
    ring, hole, island = (
        square(*sides)["coordinates"][0]
        for sides in ((106.0, 29.0, 106.3, 29.3), (106.1, 29.1, 106.2, 29.2), (106.5, 29.0, 106.6, 29.1))
    )
    found = polygon({"type": "MultiPolygon", "coordinates": [[ring, hole], [island]]})
    assert found.contains(106.05, 29.05)
    assert not found.contains(106.15, 29.15)
    assert found.contains(106.55, 29.05)
    assert not found.contains(106.4, 29.05)
    assert polygon(found.geometry()) == found
    assert found.box.east == 106.6


LINE = {"type": "Polygon", "coordinates": [[[106, 29], [106.1, 29.1], [106.2, 29.2], [106, 29]]]}


@pytest.mark.parametrize(
    ("geometry", "kind"),
    [
        ({"type": "Point", "coordinates": [106, 29]}, "no_polygon"),
        ("POLYGON", "no_polygon"),
        ({"type": "Polygon", "coordinates": []}, "polygon"),
        ({"type": "Polygon"}, "polygon"),
        ({"type": "Polygon", "coordinates": [[[106, 29], [107, 29], [106, 29]]]}, "polygon"),
        ({"type": "Polygon", "coordinates": [[[106, 29], [107, 29], [107, 30], [106, 30]]]}, "ring_open"),
        ({"type": "Polygon", "coordinates": [[[106, 29], [107, 29], [107, "30"], [106, 29]]]}, "position"),
        ({"type": "Polygon", "coordinates": [[[106, 29], [107, 29], [True, 30], [106, 29]]]}, "position"),
        ({"type": "MultiPolygon", "coordinates": [[]]}, "polygon"),
        (square(29, 106, 30, 107), "polygon_outside"),
        (square(106, 29, 106, 30), "polygon"),
        ({"type": "Polygon", "coordinates": [[[106, 29]] * 5_001]}, "vertices"),
        (LINE, "polygon"),
    ],
)
def test_what_is_no_polygon_is_refused(geometry: Any, kind: str) -> None:
    """With the kind of problem."""
    with pytest.raises(ValueError, match=f"^{kind}$"):
        polygon(geometry)


def test_china_is_a_box() -> None:
    """Kashgar, the north east, the south; not Tokyo."""
    assert all(in_china(*place) for place in ((75.99, 39.47), (134.7, 48.3), (112.3, 16.8)))
    assert not in_china(139.7, 35.7)
