"""The HTTP interface: pages, units and titles, health and metrics."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import DataError

from collector.api import LISTS
from collector.service import Collector
from contract.desired import DesiredKind
from contract.samples import Quality, Sample, Value
from contract.topics import Lane
from tests.collector.making import (
    NOW_MS,
    Clock,
    cleared,
    given,
    greeting,
    happened,
    hello,
    projected,
    raised,
    settings,
    standing,
    telemetry,
    tombstone,
    up,
)

pytestmark = pytest.mark.usefixtures("both_engines")


def asked(collector: Collector, path: str, **query: Any) -> httpx.Response:
    """Send one GET to the interface."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(collector.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://centre") as client:
            return await client.get(path, params=query)

    return asyncio.run(send())


def told(collector: Collector, path: str, **query: Any) -> Any:
    """Return the answer to a good request."""
    response = asked(collector, path, **query)
    assert response.status_code == 200, response.text
    return response.json()


def pages(collector: Collector, path: str, limit: int) -> list[Any]:
    """Follow the cursors of a list to its end."""
    items: list[Any] = []
    cursor = ""
    while True:
        page = told(collector, path, limit=limit, cursor=cursor)
        assert len(page["items"]) <= limit
        items += page["items"]
        if page["next"] is None:
            return items
        cursor = page["next"]


def test_points_tell_value_age_unit_and_titles(tmp_path: Path) -> None:
    """Where the profile is known; a point of an unknown profile has its value all the same."""
    clock = Clock(now_ms=NOW_MS + 30_000)
    with standing(settings(tmp_path), clock) as collector:
        failed = Sample(NOW_MS, "main-pressure", "pressure", None, Quality.BAD, "timeout")
        given(collector, [hello(greeting(1, 1)), up(telemetry(1, [failed])), up(telemetry(2))])
        asyncio.run(projected(collector))
        known, unknown = told(collector, "/api/v1/points")["items"]
        assert (known["value"], known["quality"], known["error"], known["age_s"]) == (
            None,
            "bad",
            "timeout",
            30,
        )
        assert (known["unit"], known["title"]["zh"]) == ("kPa", "压力")
        assert (unknown["value"], unknown["unit"], unknown["title"]) == (2, None, None)
        assert told(collector, "/api/v1/points", device="meter")["items"] == [unknown]
        assert told(collector, "/api/v1/points", gateway="gw-9")["items"] == []


def test_a_history_is_a_half_open_range_and_goes_on(tmp_path: Path) -> None:
    """Types survive, NaN is null, and next is where the following page begins."""
    values: list[Value] = [1, 2.0, True, "open", None, float("nan"), 7]
    samples = [Sample(NOW_MS + index, "meter", "pressure", value) for index, value in enumerate(values)]
    with standing(settings(tmp_path), Clock()) as collector:
        given(collector, [up(telemetry(1, samples))])
        asyncio.run(projected(collector))
        path = "/api/v1/points/gw-1/meter/pressure/history"
        page = told(collector, path, from_ms=NOW_MS, to_ms=NOW_MS + 6, limit=4)
        assert repr([item["value"] for item in page["items"]]) == "[1, 2.0, True, 'open']"
        page = told(collector, path, from_ms=page["next"], to_ms=NOW_MS + 6, limit=4)
        assert [item["value"] for item in page["items"]] == [None, None]
        assert page["next"] is None
        assert told(collector, path, from_ms=NOW_MS + 7) == {"items": [], "next": None}
        assert len(pages(collector, path, 2)) == 7
        assert told(collector, path, from_ms=NOW_MS + 5, cursor=NOW_MS + 3)["items"][0]["value"] is None


def test_the_history_of_a_series_that_is_not_there_is_told(tmp_path: Path) -> None:
    """404 with a sentence, not an empty page that looks like a quiet sensor."""
    with standing(settings(tmp_path), Clock()) as collector:
        response = asked(collector, "/api/v1/points/gw-1/meter/nothing/history")
        assert response.status_code == 404
        assert response.json()["detail"].startswith("no series gw-1/meter/nothing; /api/v1/points lists")


def test_a_parameter_that_a_list_does_not_know_is_named(tmp_path: Path) -> None:
    """A misspelt filter would return everything."""
    with standing(settings(tmp_path), Clock()) as collector:
        for path in [*told(collector, "/")["lists"], "/api/v1/points/a/b/c/history"]:
            response = asked(collector, path, gatway="gw-1", limit=5)
            assert response.status_code == 422
            assert response.json()["detail"].startswith("unknown: gatway; this list knows ")
        assert "gateway, device, limit, cursor" in asked(collector, "/api/v1/points", devise="x").text


def test_the_index_leads_everywhere(tmp_path: Path) -> None:
    """Whoever opens the bare address is told where to go."""
    with standing(settings(tmp_path), Clock()) as collector:
        index = told(collector, "/api/v1")
        assert index == told(collector, "/")
        assert len(index["lists"]) == len(LISTS) + len(DesiredKind)
        for path in (index["description"], index["metrics"], *index["lists"]):
            assert asked(collector, path).status_code == 200
        assert asked(collector, index["health"]).status_code == 503


def test_every_list_has_pages_that_join_without_a_gap(tmp_path: Path) -> None:
    """Also where several gateways have devices of the same name."""
    with standing(settings(tmp_path), Clock()) as collector:
        for name in ("gw-1", "gw-2", "gw-3"):
            events = [raised(number, part="", device=f"meter-{number}") for number in range(3)]
            group = [
                hello(greeting(1, 1, gateway=name), gateway=name),
                up(telemetry(1, gateway=name), gateway=name),
                up(tombstone(2, 3, gateway=name), gateway=name),
                up(happened(1, *events, gateway=name), lane=Lane.EVENTS, gateway=name),
            ]
            given(collector, group)
        asyncio.run(projected(collector))
        for path, count in (
            ("gateways", 3),
            ("devices", 3),
            ("points", 3),
            ("alarms", 9),
            ("cases", 9),
            ("gaps", 3),
        ):
            whole = told(collector, f"/api/v1/{path}", limit=1000)["items"]
            assert len(whole) == count
            assert pages(collector, f"/api/v1/{path}", 2) == whole
        assert len(told(collector, "/api/v1/devices", gateway="gw-2")["items"]) == 1


def test_alarms_and_cases_tell_of_each_other(tmp_path: Path) -> None:
    """The newest first, active or not, with the case they belong to."""
    with standing(settings(tmp_path), Clock()) as collector:
        given(collector, [up(happened(1, raised(1), cleared(1), raised(2)), lane=Lane.EVENTS)])
        asyncio.run(projected(collector))
        [active] = told(collector, "/api/v1/alarms", active=True)["items"]
        [over] = told(collector, "/api/v1/alarms", active=False)["items"]
        assert (active["id"], active["active"], active["value"]) == (f"{2:032x}", True, 96.5)
        assert over["cleared_ms"] == NOW_MS + 60_000
        [case] = told(collector, "/api/v1/cases")["items"]
        assert case["alarms"] == [active["id"], over["id"]]
        assert case["alarm_count"] == 2
        assert active["case_id"] == over["case_id"] == case["id"]
        assert case["posting"] == {"state": "waiting", "attempts": 0, "next_ms": NOW_MS, "reason": ""}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v1/points", {"cursor": "a/b"}),
        ("/api/v1/points", {"cursor": "../../etc"}),
        ("/api/v1/devices", {"cursor": "x"}),
        ("/api/v1/alarms", {"cursor": "-1"}),
        ("/api/v1/cases", {"cursor": "٣"}),
        ("/api/v1/gaps", {"cursor": "9" * 30}),
        ("/api/v1/gateways", {"limit": 0}),
        ("/api/v1/gateways", {"limit": 1001}),
        ("/api/v1/points/a/b/c/history", {"from_ms": -1}),
        ("/api/v1/points/a/b/c/history", {"limit": 10_001}),
        ("/api/v1/points/a/b/c/history", {"from_ms": 5, "to_ms": 5}),
        ("/api/v1/points/a/b/c/history", {"cursor": "x"}),
    ],
)
def test_requests_out_of_bounds_are_refused_with_a_reason(
    path: str, query: dict[str, Any], tmp_path: Path
) -> None:
    """422, never 500."""
    with standing(settings(tmp_path), Clock()) as collector:
        response = asked(collector, path, **query)
        assert response.status_code == 422
        assert response.json()["detail"]


def test_health_names_what_is_stuck(tmp_path: Path) -> None:
    """No broker, a projection that stands still; and 200 when all is well."""
    clock = Clock()
    with standing(settings(tmp_path), clock) as collector:
        response = asked(collector, "/healthz")
        assert response.status_code == 503
        assert response.json()["reasons"] == ["broker: no connection (not connected yet)"]
        collector.link.connected = True
        assert asked(collector, "/healthz").json() == {"status": "ok", "reasons": [], "sign_in": False}
        clock.monotonic_s += 61
        collector.ingest.failing = "disk full"
        response = asked(collector, "/healthz")
        assert response.status_code == 503
        assert response.json()["reasons"] == [
            "journal: nothing can be committed (disk full)",
            "projection series: no progress for 61 s",
            "projection alarms: no progress for 61 s",
        ]


def test_metrics_tell_lag_and_sizes(tmp_path: Path) -> None:
    """What is journalled and not yet projected, and what is stored."""
    with standing(settings(tmp_path), Clock()) as collector:
        group = [up(telemetry(1)), up(telemetry(2)), up(b"nonsense")]
        group.append(up(happened(1, raised(1)), lane=Lane.EVENTS))
        given(collector, [*group, hello(greeting(1, 1))])
        assert 'gengfu_projection_lag_batches{projection="series"} 3.0' in asked(collector, "/metrics").text
        asyncio.run(projected(collector))
        text = asked(collector, "/metrics").text
        for line in (
            'gengfu_projection_lag_batches{projection="series"} 0.0',
            'gengfu_projection_lag_batches{projection="alarms"} 0.0',
            "gengfu_samples_stored_total 2.0",
            "gengfu_journal_batches 3.0",
            "gengfu_dead_letters 1.0",
            'gengfu_cases{stage="collected"} 1.0',
            'gengfu_outbox{state="waiting"} 1.0',
            'gengfu_gateways{online="unknown"} 1.0',
            "gengfu_alarms_active 1.0",
        ):
            assert line in text
        assert "_created" not in text


def test_the_description_of_the_interface_is_complete(tmp_path: Path) -> None:
    """Every path has typed answers and a sentence."""
    with standing(settings(tmp_path), Clock()) as collector:
        paths = told(collector, "/openapi.json")["paths"]
        for path, method in ((path, it) for path, methods in paths.items() for it in methods.values()):
            assert method["description"]
            answers = [answer for code, answer in method["responses"].items() if code[0] == "2"]
            assert len(answers) == 1
            content = answers[0].get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            is_typed = "$ref" in {**schema, **schema.get("items", {})}
            assert (
                is_typed
                or path == "/metrics"
                or path.endswith(("/live", "/{feed}"))
                or "application/json" not in content
            )


def test_what_the_database_takes_for_no_value_is_refused(tmp_path: Path) -> None:
    """PostgreSQL keeps no NUL; that is a mistake of the request, and none of the centre."""
    with standing(settings(tmp_path), Clock()) as collector:

        @collector.app.get("/nul")
        async def get_nul() -> None:
            """Fail as a database does."""
            raise DataError("SELECT 1", {}, ValueError("cannot contain NUL"))

        response = asked(collector, "/nul")
        assert (response.status_code, "such as a NUL" in response.json()["detail"]) == (422, True)
