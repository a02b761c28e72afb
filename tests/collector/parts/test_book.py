"""Parts found by place and in pages, grids by the place in them."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from collector.parts import book
from collector.parts.book import PartFilter
from collector.parts.model import GridKind, Part
from collector.parts.places import distance_m
from collector.parts.tables import grids
from tests.collector.parts.making import (
    csv_text,
    grid,
    imported,
    imported_grids,
    part,
    square,
    state_of,
)

CHANCE = random.Random(5)
PLACES = [(106.5 + CHANCE.random() / 50, 29.5 + CHANCE.random() / 50) for _ in range(400)]


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A register of 400 parts of two classes in two grids' codes, about 2 km across."""
    rows = [
        part(
            number,
            ObjID=f"500103{'0132' if number % 3 else '0118'}{number + 1:06}",
            BGID=f"50010300100100{number % 2 + 1}",
            lon=str(lon),
            lat=str(lat),
        )
        for number, (lon, lat) in enumerate(PLACES)
    ]
    folder: Path = tmp_path_factory.mktemp("parts")
    with state_of(folder) as database:
        imported(database, csv_text(*rows))
        with database._reader.connect() as opened:
            yield opened


@settings(deadline=None)
@given(
    lon=st.floats(106.49, 106.53),
    lat=st.floats(29.49, 29.53),
    radius_m=st.floats(0, 3_000),
    minor=st.sampled_from(["", "0118", "0132", "0101"]),
    limit=st.integers(1, 500),
)
def test_near_parts_are_those_that_a_look_at_all_finds(
    connection: Connection, lon: float, lat: float, radius_m: float, minor: str, limit: int
) -> None:
    """With their distances, the nearest first, at most so many."""
    everyone = book.part_page(connection, PartFilter(), "", 1_000)
    expected = sorted(
        (distance_m(lon, lat, each.lon, each.lat), each.code)
        for each in everyone
        if minor in ("", each.minor) and distance_m(lon, lat, each.lon, each.lat) <= radius_m
    )
    found = book.near(connection, lon, lat, radius_m, minor, limit)
    assert [(away_m, each.code) for each, away_m in found] == expected[:limit]


def test_a_part_is_near_itself(connection: Connection) -> None:
    """A radius of nothing finds what stands there."""
    lon, lat = PLACES[7]
    [(found, away_m)] = book.near(connection, lon, lat, 0.001)
    assert (found.code[-6:], away_m) == ("000008", 0)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (PartFilter(), 400),
        (PartFilter(code="500103"), 400),
        (PartFilter(code="5001030132"), 266),
        (PartFilter(code="5001030132000002"), 1),
        (PartFilter(code="5002"), 0),
        (PartFilter(minor="0118"), 134),
        (PartFilter(grid="500103001001001"), 200),
        (PartFilter(grid="50010300100"), 400),
        (PartFilter(grid="500103001001001", minor="0118"), 67),
    ],
)
def test_pages_hold_what_is_asked_for_once(connection: Connection, wanted: PartFilter, count: int) -> None:
    """In the order of codes, whatever a page's length."""
    pages: list[Part] = []
    while page := book.part_page(connection, wanted, pages[-1].code if pages else "", 37):
        pages += page
    codes = [each.code for each in pages]
    assert codes == sorted(set(codes))
    assert len(codes) == count
    assert all(each.startswith(wanted.code) for each in codes)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT * FROM parts WHERE lat BETWEEN 1 AND 2 AND lon BETWEEN 1 AND 2", "parts_place"),
        ("SELECT * FROM parts WHERE grid BETWEEN '5' AND '59' AND code > '' ORDER BY code LIMIT 9", "parts"),
        ("SELECT * FROM parts WHERE minor = '0101' AND code > '5' ORDER BY code LIMIT 9", "parts_minor"),
        ("SELECT * FROM grids WHERE kind = 'unit' AND south <= 1 AND north >= 1", "grids_"),
    ],
)
def test_an_index_serves_each_question(connection: Connection, query: str, index: str) -> None:
    """No list is read whole."""
    plan = connection.execute(text(f"EXPLAIN QUERY PLAN {query}")).all()
    assert [row for row in plan if index in row[-1] and "SEARCH" in row[-1]], plan


def test_the_grid_of_a_place_is_the_smallest_that_holds_it(tmp_path: Path) -> None:
    """Of the kind that is asked for; outside all of them there is none."""
    big, small = square(106.5, 29.5, 106.6, 29.6), square(106.54, 29.54, 106.56, 29.56)
    with state_of(tmp_path) as database:
        imported_grids(
            database,
            grid("500103001001001", big),
            grid("500103001001002", small),
            grid("500103001001003", big, Kind="handling"),
            {"type": "Feature", "geometry": None, "properties": {"BGID": "500103001001004"}},
        )

        def of(lon: float, lat: float, kind: GridKind = GridKind.UNIT) -> str:
            found = database.read_now(lambda db: book.grid_of(db, lon, lat, kind))
            return found.code if found else ""

        assert of(106.55, 29.55) == "500103001001002"
        assert of(106.51, 29.55) == "500103001001001"
        assert of(106.55, 29.55, GridKind.HANDLING) == "500103001001003"
        assert of(106.55, 29.55, GridKind.RESPONSIBILITY) == of(106.7, 29.55) == ""
        found = database.read_now(lambda db: book.find_grid(db, "500103001001002"))
        assert found is not None
        assert book.polygon_of(found.polygon).box.west == 106.54
        assert database.read_now(lambda db: book.find_grid(db, "500103001001009")) is None
        assert database.read_now(lambda db: db.execute(grids.select()).all())[3].west is None
