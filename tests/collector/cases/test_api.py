"""Cases over HTTP: the list and its filters, a life, every step, all bad input, classes and rules."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from sqlalchemy import select

from collector.people import doors
from collector.people.roles import LOCAL, Actor, Role
from collector.service import Collector
from collector.tables import audit
from contract.topics import Lane
from tests.collector.making import (
    NOW_MS,
    Clock,
    cleared,
    given,
    happened,
    projected,
    raised,
    settings,
    standing,
    up,
)

HOUR_MS = 3_600_000
CLASS = {
    "problem": "cover_open",
    "code": "010201",
    "title": {"en": "Cover open", "zh": "井盖开启"},
    "limit": {"kind": "working_hours", "amount": 4},
    "departments": [{"area": "500103", "department": "井盖班"}],
    "dispatches_by_itself": True,
    "needs_confirmation": True,
}


class Desk:
    """A centre with its interface, and somebody who asks."""

    def __init__(self, collector: Collector, clock: Clock) -> None:
        """Ask as whoever is on this machine."""
        self.collector, self.clock = collector, clock
        self.actor = LOCAL
        self.sequence = 0

    def told(self, *events: Any) -> None:
        """Have the gateway tell events."""
        self.sequence += 1
        given(
            self.collector, [up(happened(self.sequence, *events), lane=Lane.EVENTS, at_ms=self.clock.now_ms)]
        )
        asyncio.run(projected(self.collector))

    def asks(
        self, method: str, path: str, *, body: Any = None, language: str = "en", **query: Any
    ) -> httpx.Response:
        """Send one request."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.collector.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://centre") as client:
                return await client.request(
                    method,
                    f"/api/v1{path}",
                    json=body,
                    params=query,
                    headers={"Accept-Language": language},
                )

        with patch.object(doors, "LOCAL", self.actor):  # whoever is on this machine while there are no users
            return asyncio.run(send())

    def get(self, path: str, **query: Any) -> Any:
        """Return a good answer."""
        answer = self.asks("GET", path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def step(self, case_id: str, step: str, **told: Any) -> Any:
        """Take a step, and return the case as it is answered."""
        answer = self.asks("POST", f"/cases/{case_id}/{step}", body=told)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, case_id: str, step: str, *, language: str = "en", **told: Any) -> tuple[int, str]:
        """Return how a step is refused."""
        answer = self.asks("POST", f"/cases/{case_id}/{step}", body=told, language=language)
        return answer.status_code, str(answer.json()["detail"])

    def wait(self, ms: int) -> None:
        """Let time pass, and the timers look."""
        self.clock.now_ms += ms
        while asyncio.run(self.collector.rooms.case_timers.look()):
            pass


@contextmanager
def desk(folder: Path) -> Iterator[Desk]:
    """Open a centre whose clock is given."""
    clock = Clock()
    with standing(settings(folder), clock) as collector:
        yield Desk(collector, clock)


def test_a_case_is_led_from_its_alarm_to_its_evaluation(tmp_path: Path) -> None:
    """Each step answers with the whole life: who, when, how long, and what may be done next."""
    with desk(tmp_path) as at:
        at.told(raised(1))
        [case] = at.get("/cases")["items"]
        one = case["id"]
        assert at.get(f"/cases/{one}")["steps"] == ["file", "void", "merge"]
        at.step(one, "file", version=1)
        at.clock.now_ms += HOUR_MS
        at.step(one, "dispatch", department="抢修队")
        at.step(one, "ask_extension", reason="rain", deadline_ms=NOW_MS + 9 * HOUR_MS)
        assert at.step(one, "extend")["extension_count"] == 1
        at.step(one, "redispatch", department="二队", reason="busy")
        at.step(one, "take_in_hand")
        at.step(one, "report", note="a new pipe")
        at.step(one, "return_for_rework", reason="still wet")
        at.step(one, "take_in_hand")
        at.told(cleared(1))
        at.wait(10 * 60_000)
        life = at.get(f"/cases/{one}")
        assert life["stages"][-1]["role"] == "sensor"
        at.step(one, "verify")
        done = at.step(one, "evaluate", note="good")
        assert [each["stage"] for each in done["stages"]] == [
            *("collected", "filed", "dispatched", "dispatched", "in_hand", "reported", "dispatched"),
            *("in_hand", "reported", "verified", "evaluated"),
        ]
        assert (done["stages"][1]["for_ms"], done["stages"][1]["who"]) == (HOUR_MS, "local")
        kinds = [each["kind"] for each in done["events"]]
        assert kinds == ["raised", "extension_asked", "extended", "redispatched", "evidence", "settled"]
        assert done["case_alarms"][0]["cleared_ms"] == NOW_MS + 60_000
        assert (done["open"], done["steps"], done["rework_count"]) == (False, [], 1)
        actions = at.collector.state.read_now(lambda db: db.scalars(select(audit.c.action)).all())
        assert actions.count("case.file") == 1


def test_the_list_is_filtered(tmp_path: Path) -> None:
    """By stage, class, area, department, lateness; a filter that is none is refused."""
    with desk(tmp_path) as at:
        at.told(raised(1), raised(2, part="", device="other"))
        second, first = at.get("/cases")["items"]
        at.step(first["id"], "file")
        at.step(first["id"], "dispatch", department="抢修队")

        def numbers(**query: Any) -> list[str]:
            return [item["id"] for item in at.get("/cases", **query)["items"]]

        assert numbers(stage="dispatched") == [first["id"]]
        assert (
            numbers(**{"class": "020501"})
            == numbers(**{"class": "pipe_burst"})
            == [second["id"], first["id"]]
        )
        assert numbers(**{"class": "010201"}) == []
        assert numbers(area="5001030010") == [first["id"]]
        assert numbers(department="抢修队") == [first["id"]]
        assert numbers(number=second["number"]) == [second["id"]]
        assert numbers(overdue=True) == []
        at.clock.now_ms += 3 * HOUR_MS
        assert len(numbers(overdue=True)) == 2
        at.step(first["id"], "void", reason="nothing there")
        assert numbers(overdue=True) == numbers(open=True) == [second["id"]]
        assert numbers(open=False) == [first["id"]]
        for bad in (
            {"stage": "lost"},
            {"area": "5x"},
            {"overdue": "perhaps"},
            {"clas": "1"},
            {"cursor": "x"},
        ):
            assert at.asks("GET", "/cases", **bad).status_code == 422


BAD: list[tuple[str, dict[str, Any], int, str]] = [
    ("fly", {}, 422, "Input should be"),
    ("rework", {"reason": "so"}, 422, "Input should be"),
    ("file", {"colour": "red"}, 422, "Extra inputs"),
    ("file", {"version": 0}, 422, "greater than"),
    ("file", {"version": 7}, 409, "it is at version 1, you saw 7; look again"),
    ("file", {"note": "x" * 501}, 422, "at most 500"),
    (
        "dispatch",
        {"department": "x"},
        409,
        "a case that is collected allows no dispatch; only one that is filed",
    ),
    ("take_in_hand", {}, 409, "only one that is dispatched"),
    ("report", {"note": "x"}, 409, "only one that is dispatched, in hand"),
    ("verify", {}, 409, "only one that is reported"),
    ("return_for_rework", {"reason": "x"}, 409, "only one that is reported"),
    ("evaluate", {}, 409, "only one that is verified"),
    ("redispatch", {"department": "x", "reason": "x"}, 409, "only one that is dispatched"),
    ("ask_extension", {"deadline_ms": 1, "reason": "x"}, 409, "only one that is dispatched"),
    ("extend", {"deadline_ms": -1}, 422, "greater than"),
    ("refuse_extension", {"reason": "x"}, 409, "only one that is dispatched"),
    ("void", {}, 409, "voiding needs a reason"),
    ("merge", {}, 409, "merging needs the other case"),
    ("merge", {"other": "zz"}, 422, "pattern"),
    ("merge", {"other": "e" * 32}, 404, f"there is no case {'e' * 32}"),
    ("confirmations", {"is_there": True}, 409, "no confirmation is asked for"),
    ("confirmations", {"is_there": True, "lon": 181}, 422, "less than"),
    ("confirmations", {}, 422, "Field required"),
]


def test_every_bad_request_says_why_and_changes_nothing(tmp_path: Path) -> None:
    """In English, and in Chinese where that is asked for."""
    with desk(tmp_path) as at:
        at.told(raised(1))
        [case] = at.get("/cases")["items"]
        before = at.get(f"/cases/{case['id']}")
        for step, told, code, words in BAD:
            found, said = at.refused(case["id"], step, **told)
            assert (found, words in said) == (code, True), (step, said)
            if code == 409:
                _, chinese = at.refused(case["id"], step, language="zh-CN", **told)
                assert not chinese.isascii()
        assert at.refused(case["id"], "merge", other=case["id"])[0] == 409
        assert at.refused("e" * 32, "file")[0] == 404
        assert at.asks("GET", f"/cases/{'e' * 32}").status_code == 404
        assert at.asks("GET", "/cases/x").status_code == 422
        assert at.get(f"/cases/{case['id']}") == before


def test_extensions_and_redispatches_that_contradict_are_refused(tmp_path: Path) -> None:
    """Not earlier, not in the past, not too far, not too often, not to the same department."""
    with desk(tmp_path) as at:
        at.told(raised(1))
        one = at.get("/cases")["items"][0]["id"]
        at.step(one, "file")
        assert at.refused(one, "dispatch")[1] == "dispatch needs a department"
        at.step(one, "dispatch", department="a")
        assert at.refused(one, "redispatch", department="a", reason="x")[1] == "it is with a already"
        assert at.refused(one, "redispatch", department="b")[1] == "re-dispatch needs a reason"
        assert at.refused(one, "extend")[1] == "extension needs a new deadline"
        assert "not later" in at.refused(one, "extend", deadline_ms=NOW_MS + 2 * HOUR_MS)[1]
        assert "more than 60 days" in at.refused(one, "extend", deadline_ms=NOW_MS + 61 * 24 * HOUR_MS)[1]
        at.clock.now_ms += 5 * HOUR_MS
        assert "in the past" in at.refused(one, "extend", deadline_ms=NOW_MS + 3 * HOUR_MS)[1]
        assert "no extension" in at.refused(one, "refuse_extension", reason="x")[1]
        for more in range(3):
            at.step(one, "extend", deadline_ms=NOW_MS + (6 + more) * HOUR_MS)
        assert "extended 3 times" in at.refused(one, "extend", deadline_ms=NOW_MS + 20 * HOUR_MS)[1]


def test_roles_have_their_steps(tmp_path: Path) -> None:
    """A technician takes in hand and reports, no more; who only reads takes none."""
    with desk(tmp_path) as at:
        at.told(raised(1))
        one = at.get("/cases")["items"][0]["id"]
        at.step(one, "file")
        at.step(one, "dispatch", department="a")
        at.actor = Actor("crew", Role.TECHNICIAN)
        assert at.get(f"/cases/{one}")["steps"] == ["take_in_hand", "report", "ask_extension"]
        assert at.refused(one, "void", reason="x")[0] == 403
        at.step(one, "take_in_hand")
        at.step(one, "report", note="done")
        assert at.refused(one, "verify")[0] == 403
        assert (
            at.asks("PUT", "/case-classes/noise", body={"entry": CLASS | {"problem": "noise"}}).status_code
            == 403
        )
        at.actor = Actor("guest", Role.READ_ONLY)
        assert at.get(f"/cases/{one}")["steps"] == []
        assert at.refused(one, "verify")[0] == 403
        assert at.asks("POST", "/no-collection", body={"from_ms": 0, "reason": "x"}).status_code == 403


def test_classes_are_edited_while_the_centre_runs(tmp_path: Path) -> None:
    """The next alarm is by the new one, an open case keeps its own; versions say who changed what."""
    with desk(tmp_path) as at:
        at.told(raised(1, problem="cover_open"))
        assert at.get("/cases")["items"] == []
        assert at.get("/case-classes")["items"][0]["source"] == "settings"
        put = at.asks("PUT", "/case-classes/cover_open", body={"entry": CLASS, "version": 1})
        assert (put.status_code, put.json()["version"], put.json()["source"]) == (200, 2, "desk")
        assert (
            at.asks("PUT", "/case-classes/cover_open", body={"entry": CLASS, "version": 1}).status_code == 409
        )
        assert at.asks("PUT", "/case-classes/other", body={"entry": CLASS}).status_code == 422
        assert (
            at.asks("PUT", "/case-classes/cover_open", body={"entry": CLASS | {"deadline_h": 4}}).status_code
            == 422
        )
        at.told(raised(2, problem="cover_open"))
        [case] = at.get("/cases")["items"]
        assert (case["version_of_tables"], case["limit_words"]) == (2, "4 working_hours")
        assert [each["zh"][:7] for each in case["warnings"]] == ["缺少2027年"]
        changed = CLASS | {"code": "019999"}
        assert at.asks("PUT", "/case-classes/cover_open", body={"entry": changed}).json()["version"] == 3
        assert at.get(f"/cases/{case['id']}")["class_code"] == "010201"
        assert [each["entry"]["code"] for each in at.get("/case-classes", version=2)["items"]] == [
            "010201",
            "020501",
        ]
        assert at.asks("DELETE", "/case-classes/cover_open", version=2).status_code == 409
        assert at.asks("DELETE", "/case-classes/cover_open").json()["version"] == 4
        assert at.asks("DELETE", "/case-classes/cover_open").status_code == 404
        versions = at.get("/case-classes/versions", limit=1)
        assert (versions["items"][0]["who"], versions["items"][0]["what"]) == ("local", "cover_open")
        assert [
            each["version"] for each in at.get("/case-classes/versions", cursor=versions["next"])["items"]
        ] == [*(3, 2, 1)]


def test_what_people_changed_no_longer_follows_the_settings_and_the_rest_does(tmp_path: Path) -> None:
    """A restart takes over what the file says of the others."""
    with desk(tmp_path) as at:
        entry = at.get("/case-classes")["items"][0]["entry"]
        at.asks("PUT", "/case-classes/cover_open", body={"entry": CLASS})
    with desk(tmp_path) as at:
        assert [each["source"] for each in at.get("/case-classes")["items"]] == ["desk", "settings"]
        assert len(at.get("/case-classes/versions")["items"]) == 2
    loaded = settings(tmp_path)
    file = tmp_path / "collector.toml"
    file.write_text(file.read_text().replace("deadline_h = 2", "deadline_h = 3"))
    del loaded
    from collector.settings import load

    with standing(load(file), Clock()) as collector:
        at = Desk(collector, Clock())
        assert at.get("/case-classes")["items"][1]["entry"] == entry | {"deadline_h": 3.0}
        put = {"entry": entry | {"code": "x"}}
        assert at.asks("PUT", "/case-classes/pipe_burst", body=put).status_code == 200
    with standing(load(file), Clock()) as collector:
        assert Desk(collector, Clock()).get("/case-classes")["items"][1]["entry"]["code"] == "x"


def test_inspectors_are_asked_before_it_is_dispatched(tmp_path: Path) -> None:
    """A yes dispatches it; a no leaves it to command; nobody's answer is no answer, and it goes on."""
    with desk(tmp_path) as at:
        at.asks("PUT", "/case-classes/cover_open", body={"entry": CLASS})

        def opened(number: int) -> str:
            at.told(raised(number, problem="cover_open", part="", device=f"cover-{number}"))
            one = str(at.get("/cases")["items"][0]["id"])
            at.step(one, "file")
            return one

        one = opened(1)
        assert at.get("/cases", waits_for="confirmation")["items"][0]["id"] == one
        assert (
            at.refused(one, "dispatch", department="x")[1] == "it waits for a confirmation; answer that first"
        )
        at.actor = Actor("li", Role.TECHNICIAN)
        yes = at.asks(
            "POST", f"/cases/{one}/confirmations", body={"is_there": True, "lon": 106.5, "lat": 29.5}
        )
        assert yes.status_code == 200
        at.actor = LOCAL
        assert yes.json()["stage"] == "filed"  # nobody is known who could be sent there
        two = opened(2)
        at.actor = Actor("li", Role.TECHNICIAN)
        no = at.asks("POST", f"/cases/{two}/confirmations", body={"is_there": False, "note": "closed"})
        assert no.json()["waits_for"] == "decision"
        at.actor = LOCAL
        at.wait(24 * HOUR_MS)
        assert at.get(f"/cases/{two}")["waits_for"] == "decision"
        assert at.step(two, "void", reason="it is closed")["waits_for"] == ""
        at.told(raised(3, problem="cover_open"))
        three = at.get("/cases")["items"][0]["id"]
        at.step(three, "file")
        at.wait(30 * 60_000 - 1)
        assert at.get(f"/cases/{three}")["stage"] == "filed"
        at.wait(1)
        life = at.get(f"/cases/{three}")
        assert (life["stage"], life["dispatched_to"]) == ("dispatched", "井盖班")
        assert life["events"][-1]["detail"]["answer"] == "timeout"


def test_rules_of_no_collection_are_made_listed_and_ended(tmp_path: Path) -> None:
    """And what made no case is listed with them."""
    with desk(tmp_path) as at:
        bad: list[dict[str, Any]] = [
            {"from_ms": 5, "until_ms": 5, "reason": "x"},
            {"from_ms": 5, "reason": ""},
            {"from_ms": 5, "reason": "x", "daily_from_min": 3},
            {"from_ms": 5, "reason": "x", "area": "north"},
            {"from_ms": 5, "reason": "x", "daily_from_min": 1440, "daily_until_min": 3},
        ]
        for body in bad:
            assert at.asks("POST", "/no-collection", body=body).status_code == 422
        rule = at.asks(
            "POST", "/no-collection", body={"from_ms": NOW_MS, "reason": "works", "area": "5001"}
        ).json()
        at.told(raised(1))
        assert at.get("/cases")["items"] == []
        [listed] = at.get("/no-collection")["items"]
        assert (listed["id"], listed["hits"], listed["who"]) == (rule["id"], 1, "local")
        [kept_out] = at.get(f"/no-collection/{rule['id']}/alarms")["items"]
        assert (kept_out["alarm_id"], kept_out["waits"]) == (f"{1:032x}", True)
        assert at.asks("POST", f"/no-collection/{rule['id']}/end").status_code == 200
        assert at.asks("POST", f"/no-collection/{rule['id']}/end").status_code == 409
        assert at.asks("POST", f"/no-collection/{'e' * 32}/end").status_code == 404
        at.wait(1)
        assert len(at.get("/cases")["items"]) == 1


def test_the_lists_of_a_life_of_many_alarms_are_bounded(tmp_path: Path) -> None:
    """Two thousand attachments: all on the alarms' record, so many of the newest on the case."""
    with desk(tmp_path) as at:
        for first in range(0, 2_000, 500):
            at.told(*(raised(number) for number in range(first, first + 500)))
        [case] = at.get("/cases")["items"]
        life = at.get(f"/cases/{case['id']}")
        assert life["alarm_count"] == 2_000
        assert (len(life["case_alarms"]), len(life["events"]), len(life["alarms"])) == (100, 500, 100)
