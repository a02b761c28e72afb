"""The lamp desk: plans go out in parts, overrides end, conditions are those of the plan; all or nothing."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from contract.desired import DesiredKind
from contract.messages import DeviceEntry
from gengfu.commands import lamps
from lighting.documents import Conditions, Overrides, read_plan
from tests.collector.desired.test_desired import Desk, desk, opened
from tests.collector.lamps.making import noon_ms
from tests.collector.making import NOW_MS, Clock, given, greeting, hello
from tests.collector.test_connections import listened, state

PLAN = """
schema = 1
name = "two-cabinets"
place = { latitude_deg = 29.56, longitude_deg = 106.55 }
conditions = ["fog"]
overrides = { default_s = 3600, longest_s = 7200 }

[[programs]]
id = "night"
active_periods = [{ kind = "astro_clock" }]
fixed_time_controls = [{ start_time = 12:00:00, level = 100 }, { start_time = 23:00:00, level = 60 }]

[[calendars]]
id = "every-night"
default_program = "night"

[[cabinets]]
gateway = "gw-1"
lamps = ["lamp-{1-4}"]

[[cabinets]]
gateway = "gw-2"
lamps = ["lamp-{1-2}"]

[[groups]]
id = "bridge"
members = ["gw-1/lamp-{3-4}", "gw-2/lamp-1"]

[[assignments]]
calendar = "every-night"
addresses = ["gw-1/*", "gw-2/*"]
"""
HOUR_MS = 3_600_000


def ask(centre: Desk, method: str, path: str, body: Any = None) -> httpx.Response:
    """Send one request to the lamps' interface."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(centre.collector.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://centre") as client:
            return await client.request(method, f"/api/v1/lamps/{path}", json=body)

    return asyncio.run(send())


def told(centre: Desk, method: str, path: str, body: Any = None) -> Any:
    """Return the answer to what must be taken."""
    response = ask(centre, method, path, body)
    assert response.status_code == 200, response.text
    return response.json()


def push(centre: Desk, text: str = PLAN) -> Any:
    """Push a plan."""
    return told(centre, "PUT", "plan", {"text": text, "file": "street.toml", "who": "wang"})


def bodies(centre: Desk, folder: Path, kind: DesiredKind) -> dict[str, str]:
    """Return what is published of a kind, by gateway."""
    documents = [opened(folder, each) for each in centre.due()]
    return {document.gateway: document.body for document in documents if document.kind == kind}


def override(centre: Desk, *addresses: str, **more: Any) -> Any:
    """Put lamps at 100 %."""
    body = {"addresses": list(addresses), "level": 100, "reason": "accident", "who": "li"} | more
    return told(centre, "POST", "overrides", body)


def test_every_cabinet_gets_its_part_and_no_more(tmp_path: Path) -> None:
    """What is published is a plan that the cabinet can use: its lamps, all of them, and no group."""
    with desk(tmp_path) as centre:
        assert push(centre)["gateways"] == ["gw-1", "gw-2"]
        parts = bodies(centre, tmp_path, DesiredKind.LAMP_PLAN)
        read_plan(parts["gw-1"], "gw-1", [f"lamp-{n}" for n in range(1, 5)])
        read_plan(parts["gw-2"], "gw-2", ["lamp-1", "lamp-2"])
        assert "gw-1" not in parts["gw-2"]
        assert told(centre, "GET", "plan")["text"] == PLAN


def test_a_plan_with_a_mistake_goes_nowhere_and_the_mistake_has_its_line(tmp_path: Path) -> None:
    """File, line, key and remedy reach whoever pushed it; the former plan stands."""
    with desk(tmp_path) as centre:
        push(centre)
        bodies(centre, tmp_path, DesiredKind.LAMP_PLAN)
        broken = PLAN.replace('calendar = "every-night"', 'calendar = "never"')
        response = ask(centre, "PUT", "plan", {"text": broken, "file": "street.toml", "who": "wang"})
        assert response.status_code == 422
        line = broken.splitlines().index('calendar = "never"') + 1
        [said] = response.json()["detail"]
        assert (said["type"], said["loc"]) == ("toml", ["body", "text"])
        assert said["msg"].startswith(
            f"street.toml:{line}: assignments[0].calendar: there is no calendar 'never';"
        )
        assert centre.due() == []
        assert told(centre, "GET", "plan")["text"] == PLAN


def test_a_plan_for_a_cabinet_that_was_never_heard_goes_nowhere(tmp_path: Path) -> None:
    """Nobody waits for a gateway whose name was mistyped."""
    with desk(tmp_path) as centre:
        text = PLAN.replace('gateway = "gw-2"', 'gateway = "gw-3"').replace("gw-2/", "gw-3/")
        response = ask(centre, "PUT", "plan", {"text": text, "who": "wang"})
        assert response.status_code == 422
        [said] = response.json()["detail"]
        assert (said["type"], said["loc"]) == ("document", ["body", "cabinets", "gw-3"])
        assert said["msg"].startswith("no gateway of this name was ever heard")
        assert centre.due() == []
        assert ask(centre, "GET", "plan").status_code == 404


def test_a_cabinet_that_is_in_the_plan_no_more_is_told_of(tmp_path: Path) -> None:
    """It goes on with what it has: people must know."""
    with desk(tmp_path) as centre:
        push(centre)
        text = PLAN.replace('[[cabinets]]\ngateway = "gw-2"\nlamps = ["lamp-{1-2}"]\n', "")
        text = text.replace(', "gw-2/lamp-1"', "").replace(', "gw-2/*"', "")
        assert push(centre, text)["remarks"] == ["gw-2 is in this plan no more and keeps the one before"]


ASKS = PLAN.replace(
    'kind = "astro_clock"', 'kind = "sensor", sensor = "lux/illuminance", on_level = 20, off_level = 30'
)


def test_a_sensor_of_a_device_that_a_cabinet_did_not_name_is_told(tmp_path: Path) -> None:
    """It decides itself, for it may have got one; a cabinet that names it is not spoken of."""
    with desk(tmp_path) as centre:
        said = greeting(1, 1, gateway="gw-1", devices=[DeviceEntry("lux", "sen0644", "rs485-1")])
        given(centre.collector, [hello(said, gateway="gw-1", at_ms=NOW_MS)])
        answer = push(centre, ASKS)
        assert answer["gateways"] == ["gw-1", "gw-2"]
        assert answer["remarks"] == [
            "gw-2: programs[0].active_periods[0].sensor: it has no device 'lux', of which lux/illuminance is "
            "asked, and will refuse the plan; it has: main-pressure"
        ]
        assert told(centre, "GET", "preview?first=2026-12-03")["remarks"] == answer["remarks"]
        assert push(centre, PLAN)["remarks"] == []


def test_an_override_ends_by_the_plan_s_default_and_lasts_no_longer_than_it_allows(tmp_path: Path) -> None:
    """A lamp does not stay on for a week because somebody forgot it."""
    with desk(tmp_path) as centre:
        push(centre)
        bodies(centre, tmp_path, DesiredKind.LAMP_PLAN)
        assert override(centre, "bridge")["gateways"] == ["gw-1", "gw-2"]
        sent = bodies(centre, tmp_path, DesiredKind.LAMP_OVERRIDES)
        [one] = Overrides.model_validate_json(sent["gw-1"]).overrides
        assert (one.lamps, one.level, one.reason) == (["lamp-3", "lamp-4"], 100, "accident (li)")
        assert (one.start_ms, one.expiration_ms) == (NOW_MS, NOW_MS + HOUR_MS)
        body = {"addresses": ["bridge"], "level": 0, "reason": "x", "who": "li", "for_s": 7201}
        response = ask(centre, "POST", "overrides", body)
        assert response.status_code == 422
        assert "give 2h at most" in response.text


def test_a_later_override_takes_the_place_of_a_former_and_others_stand(tmp_path: Path) -> None:
    """The last one wins, lamp by lamp; what is over is not sent again; a cancelled one is gone."""
    clock = Clock()
    with desk(tmp_path, clock) as centre:
        push(centre)
        override(centre, "gw-1/lamp-{1-3}", for_s=600)
        override(centre, "gw-1/lamp-3", level=0, for_s=7200)
        sent = bodies(centre, tmp_path, DesiredKind.LAMP_OVERRIDES)
        found = Overrides.model_validate_json(sent["gw-1"]).overrides
        assert [(it.lamps, it.level) for it in found] == [(["lamp-1", "lamp-2"], 100), (["lamp-3"], 0)]
        clock.now_ms += 601_000
        [standing] = [it for it in told(centre, "GET", "standing")["items"] if it["overrides"]]
        assert [it["lamps"] for it in standing["overrides"]] == [["lamp-3"]]
        told(centre, "POST", "overrides/cancel", {"addresses": ["gw-1/*"], "who": "li"})
        sent = bodies(centre, tmp_path, DesiredKind.LAMP_OVERRIDES)
        assert json.loads(sent["gw-1"]) == {}


def test_a_condition_holds_for_a_time_in_the_cabinets_that_are_named(tmp_path: Path) -> None:
    """Only one that the plan knows; saying it again moves its end, 0 ends it."""
    with desk(tmp_path) as centre:
        push(centre)
        bodies(centre, tmp_path, DesiredKind.LAMP_PLAN)
        told(centre, "POST", "conditions", {"condition": "fog", "who": "li", "for_s": 3600})
        assert set(bodies(centre, tmp_path, DesiredKind.LAMP_CONDITIONS)) == {"gw-1", "gw-2"}
        again = {"condition": "fog", "who": "li", "for_s": 7200, "gateways": ["gw-2"]}
        told(centre, "POST", "conditions", again)
        sent = bodies(centre, tmp_path, DesiredKind.LAMP_CONDITIONS)
        [fog] = Conditions.model_validate_json(sent["gw-2"]).conditions
        assert (fog.condition, fog.until_ms) == ("fog", NOW_MS + 2 * HOUR_MS)
        told(centre, "POST", "conditions", {"condition": "fog", "who": "li", "for_s": 0})
        assert all(not it["conditions"] for it in told(centre, "GET", "standing")["items"])
        response = ask(centre, "POST", "conditions", {"condition": "snow", "who": "li", "for_s": 60})
        assert (response.status_code, "it has: fog" in response.text) == (422, True)


def test_without_a_plan_nothing_can_be_overridden(tmp_path: Path) -> None:
    """Nobody knows which lamps there are."""
    with desk(tmp_path) as centre:
        body = {"addresses": ["gw-1/lamp-1"], "level": 0, "reason": "x", "who": "li"}
        response = ask(centre, "POST", "overrides", body)
        assert (response.status_code, "push one first" in response.text) == (422, True)


def test_a_centre_without_a_key_says_how_to_get_one(tmp_path: Path) -> None:
    """It can push nothing."""
    with desk(tmp_path, key=False) as centre:
        response = ask(centre, "PUT", "plan", {"text": PLAN, "who": "wang"})
        assert response.status_code == 409
        assert "gengfu collector init" in response.text


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "at", "said"),
    [
        (
            "POST",
            "overrides",
            {"addresses": ["gw-9/*"]},
            "address",
            ["body", "addresses"],
            "no cabinet 'gw-9'; ",
        ),
        ("POST", "overrides", {"for_s": 9e4}, "desk", ["body", "for_s"], "give 2h at most"),
        (
            "POST",
            "overrides",
            {"level": 101},
            "less_than_equal",
            ["body", "level"],
            "less than or equal to 100",
        ),
        (
            "POST",
            "overrides/cancel",
            {"addresses": ["x"]},
            "address",
            ["body", "addresses"],
            "no group 'x'; ",
        ),
        ("POST", "conditions", {"condition": "snow"}, "desk", ["body", "condition"], "it has: fog"),
        (
            "POST",
            "conditions",
            {"gateways": ["gw-9"]},
            "desk",
            ["body", "gateways"],
            "write one of gw-1, gw-2",
        ),
        ("PUT", "plan", {"text": "schema = 2"}, "toml", ["body", "text"], "street.toml:1: schema: "),
        (
            "GET",
            "preview?first=2026-12-03&lamp=x",
            None,
            "address",
            ["query", "lamp"],
            "there is no group 'x'; ",
        ),
    ],
)
def test_every_refusal_has_the_form_of_a_parameter_out_of_bounds(
    tmp_path: Path, method: str, path: str, body: Any, kind: str, at: list[str], said: str
) -> None:
    """A kind, the place in the request, and a sentence with the remedy."""
    sound = {
        "overrides": {"addresses": ["gw-1/*"], "level": 0, "reason": "x", "who": "li"},
        "overrides/cancel": {"who": "li"},
        "conditions": {"condition": "fog", "who": "li", "for_s": 60},
        "plan": {"file": "street.toml", "who": "li"},
    }
    with desk(tmp_path) as centre:
        push(centre)
        response = ask(centre, method, path, body if body is None else sound[path] | body)
        assert response.status_code == 422
        first = response.json()["detail"][0]
        assert (first["type"], first["loc"]) == (kind, at)
        assert said in first["msg"]
        assert set(first) == {"type", "loc", "msg"}


def test_the_command_previews_in_the_same_form(tmp_path: Path) -> None:
    """Step for step, so that a program reads either."""
    (tmp_path / "street.toml").write_text(PLAN)
    words = ["preview", str(tmp_path / "street.toml"), "--from", "2026-12-03", "--nights", "3", "--json"]
    printed = CliRunner().invoke(lamps.app, words)
    with desk(tmp_path) as centre:
        push(centre)
        assert json.loads(printed.stdout) == told(centre, "GET", "preview?first=2026-12-03")["items"]


def test_the_preview_is_that_of_the_plan_that_was_pushed(tmp_path: Path) -> None:
    """For the console."""
    with desk(tmp_path) as centre:
        push(centre)
        [shown] = told(centre, "GET", "preview?first=2026-12-03&nights=1")["items"]
        assert len(shown["lamps"]) == 6
        assert [step["level"] for step in shown["nights"][0]["steps"]] == [0, 100, 60, 0]
        assert ask(centre, "GET", "preview?first=2026-12-03&lamp=nowhere").status_code == 422


def test_a_cabinet_of_the_plan_counts_as_offline_though_it_never_told_of_a_lamp(tmp_path: Path) -> None:
    """From the night of the push on, of which nobody knows more; one that is in the plan no more does not."""
    clock = Clock()
    with desk(tmp_path, clock) as centre:
        collector, clock.now_ms = centre.collector, noon_ms("2026-11-05") + HOUR_MS
        push(centre)
        given(collector, [state(True, clock.now_ms, gateway="gw-1")])
        listened(collector, clock, [(2, True), (23, True)])

        def counted(month: str) -> list[tuple[float, int]]:
            nights = told(centre, "GET", f"report?month={month}")["by_night"]
            return [(round(it["online"], 3), it["gateways"]) for it in nights]

        assert counted("2026-11") == [(1.0, 2)]
        assert told(centre, "GET", "report?month=2026-10")["by_night"] == []
        text = PLAN.replace('[[cabinets]]\ngateway = "gw-2"\nlamps = ["lamp-{1-2}"]\n', "")
        push(centre, text.replace(', "gw-2/lamp-1"', "").replace(', "gw-2/*"', ""))
        assert counted("2026-11") == [(1.0, 1)]
