"""The interface to the register: pages, places, and imports that are refused with every reason."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector.parts.places import distance_m
from collector.people.roles import Role
from collector.service import Collector
from collector.settings import load
from collector.tables import audit
from tests.collector import making as centre
from tests.collector.parts.making import csv_text, geojson, grid, part, square
from tests.collector.people.making import house

IMPORT = "/api/v1/parts/import"


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """A centre without a part file."""
    centre.settings(tmp_path, parts="")
    text = (tmp_path / "collector.toml").read_text().replace('parts_file = "parts.csv"\n', "")
    (tmp_path / "collector.toml").write_text(text + "[parts]\nimport_bytes_max = 100000\nproblems_max = 3\n")
    loaded = load(tmp_path / "collector.toml")
    with centre.standing(loaded, centre.Clock()) as built:
        yield built


async def sent(collector: Collector, method: str, path: str, **more: Any) -> httpx.Response:
    """Send a request."""
    transport = httpx.ASGITransport(collector.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://centre") as client:
        return await client.request(method, path, **more)


def got(collector: Collector, path: str, **query: Any) -> Any:
    """Return the answer to a good question."""
    response = asyncio.run(sent(collector, "GET", f"/api/v1{path}", params=query))
    assert response.status_code == 200, response.text
    return response.json()


def posted(
    collector: Collector, content: bytes, kind: str = "text/csv", path: str = IMPORT, **query: Any
) -> httpx.Response:
    """Send a file."""
    return asyncio.run(
        sent(collector, "POST", path, content=content, headers={"content-type": kind}, params=query)
    )


def test_an_import_is_looked_at_then_written_and_told(collector: Collector) -> None:
    """A dry run writes nothing and says the same; the audit trail has who and how many."""
    raw = csv_text(part(1), part(2))
    dry = posted(collector, raw, dry_run=True).json()
    assert (dry["added"], dry["written"]) == (2, False)
    assert got(collector, "/parts")["items"] == []
    done = posted(collector, raw, source="census.csv").json()
    assert done == {**dry, "written": True}
    first, second = got(collector, "/parts")["items"]
    assert (first["code"], second["code"]) == ("5001030132000001", "5001030132000002")
    assert got(collector, "/parts/5001030132000001") == first
    assert (first["minor_name"]["zh"], first["maintainer"]) == ("供水器", "抢修队")
    assert 100 < distance_m(106.55, 29.56, first["gcj02"]["lon"], first["gcj02"]["lat"]) < 1_000
    checked, row = centre.rows(collector.state, audit)
    assert checked[4:6] == ("parts.check", "import")
    assert row[2:6] == ("local", "administrator", "parts.import", "census.csv")


def test_a_bad_file_is_refused_with_every_reason(collector: Collector) -> None:
    """Its number first, so many of them one by one; a dry run tells them in both languages."""
    raw = csv_text(*(part(number, lat="x") for number in range(1, 6)))
    refused = posted(collector, raw)
    assert refused.status_code == 422
    detail = refused.json()["detail"]
    assert len(detail) == 4
    assert detail[0]["msg"] == "5 mistakes; nothing was written"
    assert detail[1] == {
        "type": "number",
        "loc": ["body", "line 2", "lat"],
        "msg": "'x' is no number; write degrees, such as 106.551234",
    }
    dry = posted(collector, raw, dry_run=True)
    assert (dry.status_code, dry.json()["bad"], len(dry.json()["problems"])) == (200, 5, 3)
    assert dry.json()["problems"][0] == {
        "place": {"en": "line 2", "zh": "第2行"},
        "field": "lat",
        "what": {"en": "'x' is no number", "zh": "'x'不是数字"},
        "remedy": {"en": "write degrees, such as 106.551234", "zh": "请填写度，如106.551234"},
    }
    assert got(collector, "/parts")["items"] == []


@pytest.mark.parametrize(
    ("content", "kind", "query", "status", "said"),
    [
        (
            b"x" * 100_001,
            "text/csv",
            {},
            413,
            "a request takes 100000 bytes at most here (import_bytes_max); split",
        ),
        (b"", "text/plain", {}, 415, "text/plain: send text/csv, application/geo+json"),
        (b"", "", {}, 415, "no content type: send"),
        (b"", "text/csv", {"dryrun": True}, 422, "unknown: dryrun; this list knows"),
    ],
)
def test_what_is_no_import_is_refused(
    content: bytes, kind: str, query: dict[str, Any], status: int, said: str, collector: Collector
) -> None:
    """With what to do."""
    refused = posted(collector, content, kind, **query)
    assert refused.status_code == status
    assert refused.json()["detail"].startswith(said)


def test_imports_come_one_after_the_other(collector: Collector) -> None:
    """A second one, while the first is being received, is told to come again."""

    async def both() -> tuple[httpx.Response, httpx.Response]:
        begun, may_end = asyncio.Event(), asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield csv_text(part(1))[:50]
            begun.set()
            await may_end.wait()
            yield csv_text(part(1))[50:]

        kind = {"content-type": "text/csv"}
        first = asyncio.create_task(sent(collector, "POST", IMPORT, content=slowly(), headers=kind))
        await begun.wait()
        second = await sent(collector, "POST", IMPORT, content=csv_text(part(2)), headers=kind)
        may_end.set()
        return await first, second

    first, second = asyncio.run(both())
    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json()["detail"].startswith("another import is under way")
    assert posted(collector, csv_text(part(2))).json()["added"] == 1


def test_only_an_administrator_imports(tmp_path: Path) -> None:
    """Whoever commands may read, and no more."""
    with house(tmp_path) as centre_with_people:
        centre_with_people.people()
        token = centre_with_people.token("desk", Role.COMMAND)
        kind = {"content-type": "text/csv"}
        refused = centre_with_people.ask("POST", IMPORT, token=token, content=csv_text(part(1)), headers=kind)
        assert refused.status_code == 403
        assert "this is for administrator" in refused.json()["detail"]
        listed = centre_with_people.ask("GET", "/api/v1/parts", token=token)
        assert (listed.status_code, len(listed.json()["items"])) == (200, 1)  # of its parts_file


def test_parts_are_found_by_filter_and_place(collector: Collector) -> None:
    """Pages go on by a cursor; what is near has its distance."""
    rows = [part(number, lon=f"{106.55 + number / 10_000:.6f}") for number in range(1, 8)]
    rows.append(part(9, ObjID="5001030118000009", BGID="500103001002001"))
    assert posted(collector, csv_text(*rows)).json()["added"] == 8
    page = got(collector, "/parts", minor="0132", limit=4)
    assert (len(page["items"]), page["next"]) == (4, "5001030132000004")
    rest = got(collector, "/parts", minor="0132", limit=4, cursor=page["next"])
    assert (len(rest["items"]), rest["next"]) == (3, None)
    assert [each["code"] for each in got(collector, "/parts", grid="500103001002")["items"]] == [
        "5001030118000009"
    ]
    near = got(collector, "/parts/near", lon=106.55, lat=29.56, distance_m=25)["items"]
    assert [(each["code"][-7:], each["distance_m"]) for each in near] == [
        ("8000009", 0.0),
        ("2000001", 9.67),
        ("2000002", 19.34),
    ]
    lamps = got(collector, "/parts/near", lon=106.55, lat=29.56, distance_m=2000, minor="0118")["items"]
    assert len(lamps) == 1
    unknown = asyncio.run(sent(collector, "GET", "/api/v1/parts/5001030132000999"))
    assert (unknown.status_code, unknown.json()["detail"]) == (
        404,
        "the register has no part 5001030132000999",
    )


def test_grids_are_imported_listed_and_found_by_place(collector: Collector) -> None:
    """Polygons only where they are asked for."""
    raw = geojson(grid(Name="北"), grid("500103001001002", square(106.4, 29.4, 106.5, 29.5), Kind="handling"))
    done = posted(collector, raw, "application/geo+json", "/api/v1/grids/import")
    assert done.json()["added"] == 2
    first, second = got(collector, "/grids")["items"]
    assert (first["name"], first["has_polygon"], first["polygon"]) == ("北", True, None)
    assert got(collector, "/grids", kind="handling", polygons=True)["items"] == [
        {**second, "polygon": square(106.4, 29.4, 106.5, 29.5)}
    ]
    assert got(collector, "/grids/of", lon=106.55, lat=29.56) == got(collector, "/grids/500103001001001")
    for path in ("/grids/of?lon=106.55&lat=29.9", "/grids/500103001001009"):
        assert asyncio.run(sent(collector, "GET", f"/api/v1{path}")).status_code == 404
    refused = posted(collector, csv_text(part(1, lon="106.6")))
    assert refused.json()["detail"][1]["msg"].startswith("lies ")
