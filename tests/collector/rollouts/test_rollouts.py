"""Rollouts at a centre: pushed wave by wave as gateways answer, stopped by failures or a person."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector import key_file
from collector.service import Collector
from collector.tables import desired
from contract import topics
from contract.desired import DesiredKind, Outcome, Refusal
from contract.events import DesiredReport
from tests.collector.making import (
    Clock,
    given,
    greeting,
    happened,
    hello,
    projected,
    rows,
    settings,
    standing,
    up,
)

pytestmark = pytest.mark.usefixtures("both_engines")

NAMES = ("gw-1", "gw-2", "gw-3", "gw-4")
KIND = DesiredKind.CONFIGURATION


class Desk:
    """A centre with a key that four gateways have greeted."""

    def __init__(self, collector: Collector, clock: Clock) -> None:
        """Take what runs."""
        self.collector, self.clock = collector, clock
        self._batches = 0
        for name in NAMES:
            given(collector, [hello(greeting(1, 1, gateway=name), gateway=name, at_ms=clock.now_ms)])

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send one request to the interface."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.collector.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://centre") as client:
                return await client.request(method, f"/api/v1{path}", **more)

        return asyncio.run(send())

    def begin(self, **more: Any) -> httpx.Response:
        """Begin a rollout to all."""
        documents = {name: f'gateway = "{name}"' for name in NAMES}
        return self.ask(
            "POST", "/rollouts", json={"documents": documents, "waves": [1, 1], "who": "li"} | more
        )

    def answer(self, name: str, outcome: Outcome, sequence: int = 1, **told: Any) -> None:
        """Let a gateway answer, and the rollouts go on."""
        self._batches += 1
        digests = {(row[0], row[2]): row[4] for row in rows(self.collector.state, desired)}
        told = {"highest": sequence, "digest": digests[name, sequence]} | told
        report = DesiredReport(f"{self._batches:032x}", self.clock.now_ms, KIND, outcome, sequence, **told)
        batch = happened(1, report, gateway=name, epoch=f"{self._batches:032x}")
        given(self.collector, [up(batch, lane=topics.Lane.EVENTS, gateway=name)])
        asyncio.run(projected(self.collector))
        self.further()

    def further(self) -> None:
        """Let the rollouts go on."""
        self.collector.state.write_now(self.collector.rollout_book.further)

    def states(self, rollout_id: str) -> tuple[str, list[str]]:
        """Return how it stands, and each gateway of it."""
        told = self.ask("GET", f"/rollouts/{rollout_id}").json()
        return told["state"], [target["state"] for target in told["targets"]]


@contextmanager
def desk(folder: Path) -> Iterator[Desk]:
    """Put a centre together."""
    clock, loaded = Clock(), settings(folder)
    key_file.make(loaded.data_folder)
    with standing(loaded, clock) as collector:
        yield Desk(collector, clock)


def test_each_wave_waits_for_the_answers_of_the_one_before(tmp_path: Path) -> None:
    """One, one more, then the rest; then it is done."""
    with desk(tmp_path) as it:
        rollout = it.begin().json()["id"]
        assert it.states(rollout) == ("running", ["pushed", "waiting", "waiting", "waiting"])
        it.answer("gw-1", Outcome.STORED)
        assert it.states(rollout)[1][:2] == ["pushed", "waiting"]
        it.answer("gw-1", Outcome.IN_FORCE)
        assert it.states(rollout)[1] == ["in_force", "pushed", "waiting", "waiting"]
        it.answer("gw-2", Outcome.IN_FORCE)
        for name in NAMES[2:]:
            it.answer(name, Outcome.IN_FORCE)
        assert it.states(rollout) == ("done", ["in_force"] * 4)
        [listed] = it.ask("GET", "/rollouts").json()["items"]
        assert (listed["who"], listed["counts"]) == ("li", {"in_force": 4})


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (Outcome.ROLLED_BACK, {"reason": "the centre was not heard"}),
        (Outcome.REFUSED, {"refusal": Refusal.INVALID, "reason": "no point", "highest": 0}),
        (Outcome.OVERRIDDEN, {"reason": "changed at the gateway"}),
    ],
)
def test_a_failure_stops_it_and_says_why(tmp_path: Path, outcome: Outcome, told: dict[str, Any]) -> None:
    """Nobody else is pushed to."""
    with desk(tmp_path) as it:
        rollout = it.begin().json()["id"]
        it.answer("gw-1", outcome, **told)
        assert it.states(rollout) == ("stopped", ["failed", "waiting", "waiting", "waiting"])
        shown = it.ask("GET", f"/rollouts/{rollout}").json()
        assert shown["reason"] == "1 of 4 failed, 0 may: gw-1"
        assert shown["targets"][0]["reason"] == told["reason"]
        assert {row[0] for row in rows(it.collector.state, desired)} == {"gw-1"}


def test_whoever_is_absent_holds_up_nobody_and_keeps_what_was_pushed(tmp_path: Path) -> None:
    """After the time that was given."""
    with desk(tmp_path) as it:
        rollout = it.begin(absent_after_s=60).json()["id"]
        it.clock.now_ms += 61_000
        it.further()
        assert it.states(rollout)[1] == ["absent", "pushed", "waiting", "waiting"]
        assert it.ask("GET", f"/desired/{KIND}?gateway=gw-1").json()["items"][0]["state"] == "waiting"


def test_a_person_stops_it_and_another_push_is_a_failure_of_its_target(tmp_path: Path) -> None:
    """Stopped twice is refused, and so is a second rollout of a gateway that is in one."""
    with desk(tmp_path) as it:
        rollout = it.begin(failures_max=1).json()["id"]
        assert it.begin().status_code == 409
        it.ask("PUT", f"/desired/{KIND}", json={"documents": {"gw-1": "other = 1"}, "who": "li"})
        it.further()
        assert it.states(rollout) == ("running", ["failed", "pushed", "waiting", "waiting"])
        assert it.ask("POST", f"/rollouts/{rollout}/stop").json()["reason"] == "stopped by local"
        assert it.ask("POST", f"/rollouts/{rollout}/stop").status_code == 409
        it.answer("gw-2", Outcome.IN_FORCE)
        assert it.states(rollout) == ("stopped", ["failed", "pushed", "waiting", "waiting"])


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        ({"documents": {"gw-9": "a = 1"}}, 409, "not known here: gw-9"),
        ({"documents": {"gw-1": "a = "}}, 422, "is no TOML"),
        ({"documents": {}}, 422, "at least 1"),
        ({"waves": [0]}, 422, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_begins(
    tmp_path: Path, more: dict[str, Any], status: int, words: str
) -> None:
    """With words."""
    with desk(tmp_path) as it:
        answer = it.begin(**more)
        assert answer.status_code == status
        assert words in answer.text
        assert it.ask("GET", "/rollouts").json()["items"] == []


def test_a_configuration_that_would_expire_is_refused(tmp_path: Path) -> None:
    """What held before it is not known then."""
    with desk(tmp_path) as it:
        body = {"documents": {"gw-1": "a = 1"}, "who": "li", "expires_ms": it.clock.now_ms + 1000}
        answer = it.ask("PUT", f"/desired/{KIND}", json=body)
        assert (answer.status_code, "leave expires_ms out" in answer.text) == (422, True)
