"""Event periods at the centre: a document for each gateway that is named, with what still holds there."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector.tables import desired
from contract.desired import decode
from contract.limits import TIME_MS_MAX
from contract.signing import payload_of
from tests.collector.desired.test_desired import Desk, desk
from tests.collector.making import rows

pytestmark = pytest.mark.usefixtures("both_engines")

HOUR_S = 3600


def ask(centre: Desk, method: str, **more: Any) -> httpx.Response:
    """Ask the interface."""

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(centre.collector.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://centre") as client:
            return await client.request(method, "/api/v1/periods", **more)

    return asyncio.run(asked())


def hold(centre: Desk, period: str, for_s: float, gateways: tuple[str, ...] = ("gw-1",)) -> httpx.Response:
    """Say that a period holds."""
    asked = {"period": period, "gateways": list(gateways), "who": "wang", "for_s": for_s}
    return ask(centre, "POST", json=asked)


def bodies(centre: Desk, gateway: str) -> list[Any]:
    """Return what a gateway was sent, in order."""
    sent = sorted(row[2:4] for row in rows(centre.collector.state, desired) if row[0] == gateway)
    return [json.loads(decode(payload_of(jws)).body) for _, jws in sent]


def test_a_period_is_told_with_what_still_holds_there(tmp_path: Path) -> None:
    """No lamp plan is needed; a period that is over is told no more, and one can be ended."""
    with desk(tmp_path) as centre:
        assert hold(centre, "flood-watch", 6 * HOUR_S, ("gw-1", "gw-2")).json()["gateways"] == [
            "gw-1",
            "gw-2",
        ]
        assert hold(centre, "market", HOUR_S).status_code == 200
        listed = ask(centre, "GET", params={"gateway": "gw-1"}).json()["items"]
        assert [each["period"] for each in listed] == ["flood-watch", "market"]
        centre.clock.now_ms += 2 * HOUR_S * 1000
        assert hold(centre, "flood-watch", 0).status_code == 200
        assert ask(centre, "GET", params={"gateway": "gw-1"}).json()["items"] == []
        sent = bodies(centre, "gw-1")
        assert [[it["condition"] for it in each.get("conditions", [])] for each in sent] == [
            ["flood-watch"],
            ["flood-watch", "market"],
            [],
        ]


def test_what_cannot_be_told_is_refused_and_nothing_is_pushed(tmp_path: Path) -> None:
    """All gateways or none."""
    with desk(tmp_path) as centre:
        refused = hold(centre, "flood-watch", HOUR_S, ("gw-1", "gw-9"))
        assert (refused.status_code, "gw-9" in refused.text) == (409, True)
        assert hold(centre, "Flood Watch", HOUR_S).status_code == 422
        assert hold(centre, "flood-watch", HOUR_S, ()).status_code == 422
        assert rows(centre.collector.state, desired) == []


def test_a_period_that_is_over_already_is_refused_in_words(tmp_path: Path) -> None:
    """Also one so short that no clock tells it, and one that ends later than any."""
    with desk(tmp_path) as centre:
        for for_s, start_ms, said in (
            (1e-45, None, "over at"),
            (10.0, 5, "over at"),
            (31 * 86400, TIME_MS_MAX, "later than"),
        ):
            asked = {"period": "flood-watch", "gateways": ["gw-1"], "for_s": for_s, "start_ms": start_ms}
            refused = ask(centre, "POST", json=asked)
            assert (refused.status_code, said in refused.json()["detail"]) == (409, True)
        assert rows(centre.collector.state, desired) == []


def test_ending_what_holds_nowhere_is_told(tmp_path: Path) -> None:
    """A mistyped name ends nothing; where it holds at some of the gateways, it ends there."""
    with desk(tmp_path) as centre:
        assert hold(centre, "flood-watch", HOUR_S).status_code == 200
        refused = hold(centre, "flood-wach", 0)
        assert (refused.status_code, "flood-watch" in refused.text) == (409, True)
        assert hold(centre, "flood-watch", 0, ("gw-2",)).status_code == 409
        assert "ever heard" in hold(centre, "flood-watch", 0, ("gw-9",)).text
        assert hold(centre, "flood-watch", 0, ("gw-1", "gw-2")).json()["gateways"] == ["gw-1"]
        assert [len(bodies(centre, gateway)) for gateway in ("gw-1", "gw-2")] == [2, 0]


def test_a_gateway_that_was_never_heard_has_no_periods(tmp_path: Path) -> None:
    """Whoever mistypes its name is told."""
    with desk(tmp_path) as centre:
        unknown = ask(centre, "GET", params={"gateway": "gw-9"})
        assert (unknown.status_code, "ever heard" in unknown.text) == (404, True)
        assert ask(centre, "GET", params={"gateway": "gw-1"}).json()["items"] == []


def test_a_name_with_control_characters_is_refused(tmp_path: Path) -> None:
    """It would stand in the audit, and on terminals."""
    with desk(tmp_path) as centre:
        asked = {"period": "market", "gateways": ["gw-1"], "who": "li\x1b[2J", "for_s": HOUR_S}
        assert ask(centre, "POST", json=asked).status_code == 422
