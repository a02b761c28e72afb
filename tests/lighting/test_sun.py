"""Sunset and sunrise against a table that another algorithm made, from the equator to the polar circles."""

import csv
import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from lighting.sun import NoSunEventError, sun_after

TABLE = Path(__file__).parents[1] / "vectors" / "sun_times.csv"
TOLERANCE_S = 5.0
LIMB_TOLERANCE_S = 1.0
"""Our times are whole seconds."""
NEAR_CIRCLE_DEG = 60
"""Beyond it the sun sets so flatly that the half minute of arc between the two reckonings is many seconds."""


class Row(NamedTuple):
    """One evening and morning at a place; what we say and what the table says, UTC seconds."""

    place: str
    latitude_deg: float
    ours_s: tuple[float, float]
    almanac_s: tuple[float, float]
    limb_s: tuple[float, float]

    def worst_s(self, reckoned_s: tuple[float, float]) -> float:
        """Return the larger difference of the two events."""
        return max(abs(one - other) for one, other in zip(self.ours_s, reckoned_s, strict=True))


def rows() -> Iterator[Row]:
    """Yield the table's rows with our own times."""
    with TABLE.open() as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            told = {key: seconds(row[key]) for key in row if key.endswith(("after", "set", "rise"))}
            latitude_deg, longitude_deg = float(row["latitude_deg"]), float(row["longitude_deg"])
            sunset_ms, sunrise_ms = sun_after(latitude_deg, longitude_deg, round(told["after"] * 1000))
            yield Row(
                row["place"],
                latitude_deg,
                (sunset_ms / 1000, sunrise_ms / 1000),
                (told["sunset"], told["sunrise"]),
                (told["limb_sunset"], told["limb_sunrise"]),
            )


def seconds(text: str) -> float:
    """Return UTC seconds."""
    return dt.datetime.fromisoformat(text).timestamp()


def test_the_sun_sets_and_rises_when_another_algorithm_says(
    record_property: Callable[[str, object], None],
) -> None:
    """Every row is within 5 s of the almanacs' reckoning, and within a second of the upper limb's."""
    table = list(rows())
    assert len({row.place for row in table}) >= 20
    almanac = {
        row.place: max(each.worst_s(each.almanac_s) for each in table if each.place == row.place)
        for row in table
        if abs(row.latitude_deg) < NEAR_CIRCLE_DEG
    }
    assert max(almanac.values()) <= TOLERANCE_S, almanac
    limb = max(row.worst_s(row.limb_s) for row in table)
    assert limb <= LIMB_TOLERANCE_S
    record_property("worst_s", {"almanac": round(max(almanac.values()), 2), "limb": round(limb, 2)})


def test_the_table_would_show_a_tenth_of_a_degree() -> None:
    """The control: at another horizon by 6 minutes of arc, or a day later, it does not fit."""
    row = next(rows())
    sunset_ms, sunrise_ms = sun_after(39.57, 76.15, round((row.almanac_s[0] - 6 * 3600) * 1000))
    other = row._replace(ours_s=(sunset_ms / 1000, sunrise_ms / 1000))
    assert other.worst_s(row.almanac_s) > TOLERANCE_S


@pytest.mark.parametrize("latitude_deg", [66.0, -66.0])
def test_a_sun_that_does_not_set_is_told(latitude_deg: float) -> None:
    """At midsummer near a polar circle."""
    midsummer = dt.datetime(2026, 6 if latitude_deg > 0 else 12, 21, 12, tzinfo=dt.UTC)
    with pytest.raises(NoSunEventError, match="no sunset or sunrise"):
        sun_after(latitude_deg, 0, round(midsummer.timestamp() * 1000))
