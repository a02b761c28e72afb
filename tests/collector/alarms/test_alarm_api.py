"""The interface to alarms' life over HTTP: lists, steps with versions, roles, silences, figures, metrics."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector.people.roles import Actor, Role
from collector.service import Collector
from contract.events import Priority
from contract.topics import Lane
from tests.collector.making import (
    NOW_MS,
    cleared,
    given,
    happened,
    projected,
    raised,
    up,
)
from tests.collector.people.making import House, house

WANG = Actor("wang", Role.COMMAND)
LI = Actor("li", Role.COMMAND)
TECHNICIAN = Actor("zhao", Role.TECHNICIAN)
READER = Actor("sun", Role.READ_ONLY)


class Centre:
    """A centre that stands, and what people ask of it."""

    def __init__(self, house: House) -> None:
        self.house, self.collector, self.clock, self.sequence = house, house.collector, house.clock, 0
        house.people()
        for actor in (WANG, LI, TECHNICIAN, READER):
            assert house.add(actor.name, actor.role).status_code == 200
            assert house.sign_in(actor.name).status_code == 200

    def happens(self, *events: Any) -> None:
        """Take events of a gateway and project them."""
        self.sequence += 1
        given(self.collector, [up(happened(self.sequence, *events), lane=Lane.EVENTS)])
        asyncio.run(projected(self.collector))

    def asked(self, method: str, path: str, actor: Actor = WANG, **sent: Any) -> httpx.Response:
        """Send one request as somebody."""
        return self.house.ask(method, f"/api/v1{path}", session=actor.name, **sent)

    def told(self, method: str, path: str, actor: Actor = WANG, **sent: Any) -> Any:
        """Return what a good request is answered."""
        answer = self.asked(method, path, actor, **sent)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def opened(folder: Path) -> Iterator[Centre]:
    """Give a centre with the alarms of three sources: active, over, active with the highest priority."""
    with house(folder) as lived_in:
        centre = Centre(lived_in)
        centre.happens(raised(1), raised(2, device="pump"), cleared(2))
        centre.happens(raised(3, device="gas", priority=Priority.HIGHEST))
        yield centre


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    """Give one to change."""
    with opened(tmp_path) as centre:
        yield centre


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    """Give one for what must change nothing."""
    with opened(tmp_path_factory.mktemp("centre")) as centre:
        yield centre


def test_the_lists_go_on_by_cursor_and_by_filter(centre: Centre) -> None:
    """Those that were raised last come first."""
    first = centre.told("GET", "/conditions", params={"limit": 2})
    second = centre.told("GET", "/conditions", params={"limit": 2, "cursor": first["next"]})
    assert [each["device"] for each in first["items"] + second["items"]] == ["gas", "pump", "main-pressure"]
    assert second["next"] is None
    active = centre.told("GET", "/conditions", params={"state": "active"})["items"]
    assert [each["device"] for each in active] == ["gas", "main-pressure"]
    highest = centre.told("GET", "/conditions", params={"priority": "highest"})["items"]
    assert [each["state"] for each in highest] == ["UNACK"]
    for query in ({"state": "disabled"}, {"cursor": "x"}, {"stat": "active"}):
        assert centre.asked("GET", "/conditions", params=query).status_code == 422


def test_a_step_needs_the_version_that_was_seen(centre: Centre) -> None:
    """In the body or as If-Match; without one it is refused, with an old one told what came between."""
    answer = centre.asked("GET", "/conditions/1")
    assert (answer.headers["etag"], answer.json()["version"]) == ('"1"', 1)
    assert centre.asked("POST", "/conditions/1/shelve", json={"for_s": 60}).status_code == 422
    shelved = centre.told(
        "POST", "/conditions/1/shelve", json={"for_s": 60, "comment": "crew"}, headers={"If-Match": '"1"'}
    )
    assert (shelved["shelving"], shelved["shelved_until_ms"], shelved["version"]) == (
        "timed",
        NOW_MS + 60_000,
        2,
    )
    assert shelved["set_aside"] == [{"what": "shelved", "by": "wang", "at_ms": NOW_MS, "comment": "crew"}]
    refused = centre.asked("POST", "/conditions/1/out-of-service", LI, json={"version": 1})
    assert refused.status_code == 409
    assert "was shelved by wang at 2027-01-15T08:00:00Z" in refused.json()["detail"]
    assert centre.told("GET", "/conditions", params={"state": "shelved"})["items"][0]["row"] == 1


def test_who_has_acknowledged_already_is_the_answer(centre: Centre) -> None:
    """Not a refusal: both wanted the same."""
    centre.told("POST", "/conditions/1/acknowledge", json={"version": 1})
    second = centre.told("POST", "/conditions/1/acknowledge", LI, json={"version": 1})
    assert (second["acked_by"], second["acked_ms"], second["state"]) == ("wang", NOW_MS, "ACKED")
    notes = [note[:2] for note in centre.house.notes() if note[1].startswith("alarm.")]
    assert notes == [("wang", "alarm.acknowledge")]


STEPS = [
    "acknowledge",
    "reset",
    "shelve",
    "unshelve",
    "suppress",
    "unsuppress",
    "out-of-service",
    "in-service",
]


def test_only_those_whose_business_it_is_may(centre: Centre) -> None:
    """The command centre; a technician takes a source out of service and puts it back."""
    for step in STEPS:
        body = {"version": 1} | ({"one_shot": True} if step == "shelve" else {})
        assert centre.asked("POST", f"/conditions/1/{step}", READER, json=body).status_code == 403
        expected = 403 if "service" not in step else 200 if step == "out-of-service" else 409
        assert centre.asked("POST", f"/conditions/1/{step}", TECHNICIAN, json=body).status_code == expected
        assert centre.asked("POST", f"/conditions/99/{step}", json=body).status_code == 404


@pytest.mark.parametrize(
    ("step", "body", "code", "said"),
    [
        ("shelve", {"for_s": 60}, 409, "its priority is the highest"),
        ("shelve", {}, 422, "give either for_s or one_shot"),
        ("shelve", {"for_s": 60, "one_shot": True}, 422, "give either"),
        ("suppress", {"reason": "tests"}, 409, "for 'maintenance' only"),
        ("unsuppress", {}, 409, "it is not suppressed at all"),
        ("suppress", {"reason": "No Name"}, 422, "match pattern"),
        ("unshelve", {}, 409, "it is not shelved"),
        ("in-service", {}, 409, "it is in service"),
        ("reset", {}, 409, "nothing to reset"),
        ("acknowledge", {"colour": "red"}, 422, "Extra inputs"),
    ],
)
def test_what_the_life_does_not_allow_is_refused_with_words(
    refusing: Centre, step: str, body: dict[str, Any], code: int, said: str
) -> None:
    """Nothing is changed by it."""
    answer = refusing.asked("POST", "/conditions/3/" + step, json={"version": 1} | body)
    assert (answer.status_code, said in answer.text) == (code, True), answer.text
    assert refusing.told("GET", "/conditions/3")["version"] == 1


def test_a_silence_is_begun_shown_and_ended(centre: Centre) -> None:
    """It shows at the alarms that it silences, but for the highest priority."""
    body = {"matchers": ['gateway=~"gw-.*"'], "for_s": 3600, "comment": "they work there"}
    begun = centre.told("POST", "/silences", json=body)
    assert (begun["state"], begun["created_by"], begun["ends_at_ms"]) == (
        "active",
        "wang",
        NOW_MS + 3_600_000,
    )
    shown = {each["device"]: each["silenced"] for each in centre.told("GET", "/conditions")["items"]}
    assert shown == {"gas": "", "pump": begun["id"], "main-pressure": begun["id"]}
    centre.clock.now_ms += 60_000
    ended = centre.told("DELETE", f"/silences/{begun['id']}")
    assert (ended["state"], ended["ends_at_ms"]) == ("expired", NOW_MS + 60_000)
    assert centre.asked("DELETE", f"/silences/{begun['id']}").status_code == 409
    assert centre.asked("DELETE", f"/silences/{'f' * 32}").status_code == 404
    assert centre.told("GET", "/silences", params={"state": "active"})["items"] == []
    later = {"matchers": ['part="x"'], "starts_at_ms": NOW_MS + 10**6, "ends_at_ms": NOW_MS + 2 * 10**6}
    assert centre.told("POST", "/silences", json=later | {"comment": "x"})["state"] == "pending"
    assert len(centre.told("GET", "/silences", params={"state": "pending"})["items"]) == 1
    assert [each["state"] for each in centre.told("GET", "/silences")["items"]] == ["pending", "expired"]


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"matchers": ["colour=red"]}, 422, "is no label"),
        ({"matchers": ['gateway=~"("']}, 422, "a parenthesis is not closed"),
        ({"matchers": ['gateway=~".*"']}, 422, "match every alarm"),
        ({"matchers": []}, 422, "at least 1"),
        ({"for_s": 31 * 86_400}, 409, "168 h at most"),
        ({"ends_at_ms": NOW_MS + 1}, 422, "give either"),
        ({"for_s": None, "ends_at_ms": NOW_MS}, 409, "is over already"),
        ({"comment": ""}, 422, "at least 1"),
    ],
)
def test_a_silence_that_would_be_a_mistake_is_refused(
    refusing: Centre, changed: dict[str, Any], code: int, said: str
) -> None:
    """It says why."""
    body = {"matchers": ['gateway="gw-1"'], "for_s": 3600, "comment": "x"} | changed
    answer = refusing.asked("POST", "/silences", json=body)
    assert (answer.status_code, said in answer.text) == (code, True), answer.text
    assert refusing.asked("POST", "/silences", TECHNICIAN, json=body).status_code in (403, 422)


def test_figures_and_metrics_count_the_same(centre: Centre) -> None:
    """Of what was annunciated, and of the lists."""
    figures = centre.told("GET", "/alarms/figures", READER)
    assert (figures["last_10min"], figures["last_day"], figures["standing"]["active"]) == (3, 3, 2)
    assert figures["beyond"] == ["shares"]
    metrics = asyncio.run(centre.collector.health.metrics_text()).decode()
    assert "gengfu_alarms_annunciated_10min 3.0" in metrics
    assert 'gengfu_alarm_sources{list="active"} 2.0' in metrics
    assert "gengfu_alarm_flood 0.0" in metrics


def test_the_running_centre_unshelves_by_itself(centre: Centre) -> None:
    """Its loop does it: the timers are among what runs."""
    centre.told("POST", "/conditions/1/shelve", json={"version": 1, "for_s": 60})
    centre.clock.now_ms += 60_000
    assert [loop.__qualname__ for loop in closed(centre.collector)].count("Timers.run") == 1
    asyncio.run(centre.collector.rooms.alarm_timers.round())
    assert centre.told("GET", "/conditions/1")["shelving"] == "unshelved"


def closed(collector: Collector) -> list[Any]:
    """Return what runs, without running it."""
    loops = list(collector.loops())
    for loop in loops:
        loop.close()
    return loops
