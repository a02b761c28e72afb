"""The datum of Chinese web maps: as others have it, and back again to the centimetre."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.parts.gcj02 import to_gcj02, to_wgs84
from collector.parts.places import CHINA, distance_m

WEST, SOUTH, EAST, NORTH = CHINA
lons, lats = st.floats(WEST, EAST), st.floats(SOUTH, NORTH)


@pytest.mark.parametrize(
    ("place", "shifted"),
    [
        ((121.5272106, 31.1774276), (121.531541859215, 31.17530398364597)),
        ((113.912316, 22.543847), (113.9171764808363, 22.540796131694766)),
        ((116.377817, 39.911954), (116.38404722455657, 39.91334545536069)),
    ],
)
def test_places_are_shifted_as_elsewhere(place: tuple[float, float], shifted: tuple[float, float]) -> None:
    """Shanghai, Shenzhen, Beijing, as published with other implementations."""
    assert to_gcj02(*place) == pytest.approx(shifted, abs=1e-9)


@given(lons, lats)
def test_there_and_back_ends_where_it_began(lon: float, lat: float) -> None:
    """Within a millimetre, all over China, both ways round."""
    assert distance_m(lon, lat, *to_wgs84(*to_gcj02(lon, lat))) < 0.001
    assert distance_m(lon, lat, *to_gcj02(*to_wgs84(lon, lat))) < 0.001


@given(lons, lats)
def test_china_is_shifted_by_some_hundred_metres(lon: float, lat: float) -> None:
    """So that a file in the wrong datum cannot be told by its numbers, but by its grids."""
    assert 1 < distance_m(lon, lat, *to_gcj02(lon, lat)) < 1_000


@pytest.mark.parametrize(
    "place", [(2.35, 48.85), (-73.99, 40.73), (151.2, -33.9), (106.0, 0.5), (72.0, 30.0)]
)
def test_places_abroad_are_not_shifted(place: tuple[float, float]) -> None:
    """Paris, New York, Sydney, and beside the box."""
    assert to_gcj02(*place) == place
    assert to_wgs84(*place) == place
