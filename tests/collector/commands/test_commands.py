"""Commands at the centre: signed, published with an expiry, again to who comes late; each has one end."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector import key_file
from collector.intake import Received
from collector.publishing import Outgoing
from collector.service import Collector
from collector.tables import audit
from collector.tables import commands as commands_table
from contract import topics
from contract.commands import Command, CommandRefusal, decode
from contract.events import CommandOutcome, CommandResult
from contract.signing import COMMAND_TYPE, KeyRing
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

SWITCH = {"kind": "switch", "target": "relays/relay_1", "value": True, "for_s": 1800, "who": "wang"}


class Desk:
    """A centre with gw-1 and gw-2, and what is asked of it."""

    def __init__(self, collector: Collector, clock: Clock, folder: Path) -> None:
        """Put together by ``desk``."""
        self.collector, self.clock, self._folder = collector, clock, folder
        self._batches = 0

    def ask(self, method: str, path: str = "", gateway: str = "gw-1", **more: Any) -> httpx.Response:
        """Ask the interface."""

        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.collector.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://centre") as client:
                return await client.request(method, f"/api/v1/gateways/{gateway}/commands{path}", **more)

        return asyncio.run(asked())

    def give(self, gateway: str = "gw-1", **changes: Any) -> dict[str, Any]:
        """Give a command and return its view."""
        response = self.ask("POST", gateway=gateway, json=SWITCH | changes)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    def view(self, command_id: str) -> dict[str, Any]:
        """Return where a command stands."""
        found: dict[str, Any] = self.ask("GET", f"/{command_id}").json()
        return found

    def due(self) -> list[Outgoing]:
        """Return what is published now, and let the broker take it."""

        async def publish() -> list[Outgoing]:
            due = await self.collector.command_publisher.take_now()
            await self.collector.command_publisher.sent(due)
            return due

        return asyncio.run(publish())

    def opened(self, outgoing: Outgoing) -> Command:
        """Return it as a gateway reads it."""
        key = key_file.read(self._folder / "data")
        assert key
        return decode(KeyRing([key.public.line], COMMAND_TYPE).opened(outgoing.payload))

    def answer(self, command_id: str, outcome: CommandOutcome, gateway: str = "gw-1", **told: Any) -> None:
        """Let a gateway answer."""
        self._batches += 1
        result = CommandResult(f"{self._batches:032x}", self.clock.now_ms, command_id, outcome, **told)
        batch = happened(1, result, gateway=gateway, epoch=f"{self._batches:032x}")
        given(self.collector, [up(batch, lane=topics.Lane.EVENTS, gateway=gateway)])
        asyncio.run(projected(self.collector))

    def greet(self, gateway: str = "gw-1", *, retained: bool = False, boot_id: str = "b" * 32) -> None:
        """Let a gateway say hello."""
        message = greeting(1, 1, gateway=gateway, boot_id=boot_id)
        said = hello(message, gateway=gateway, at_ms=self.clock.now_ms)
        given(self.collector, [Received(said.topic, said.payload, said.received_ms, retained)])


@contextmanager
def desk(folder: Path, *, key: bool = True) -> Iterator[Desk]:
    """Put a centre together."""
    clock, loaded = Clock(), settings(folder)
    if key:
        key_file.make(loaded.data_folder)
    with standing(loaded, clock) as collector:
        made = Desk(collector, clock, folder)
        for gateway in ("gw-1", "gw-2"):
            made.greet(gateway)
        yield made


def test_a_command_is_signed_for_its_gateway_and_published_once(tmp_path: Path) -> None:
    """Not retained, and the broker forgets it when it is over."""
    with desk(tmp_path) as centre:
        view = centre.give(valid_s=90)
        assert (view["state"], view["sent_ms"], view["read_back"]) == ("waiting", None, None)
        [sent] = centre.due()
        assert (sent.retain, sent.expiry_s) == (False, 90)
        assert sent.topic.endswith(f"/gw-1/cmd/{view['id']}")
        command = centre.opened(sent)
        assert (command.id, command.gateway, command.who) == (view["id"], "gw-1", "wang")
        assert command.until_ms == command.issued_ms + 1_800_000
        assert centre.due() == []
        assert centre.view(view["id"])["state"] == "published"


def test_sequences_rise_and_a_restored_centre_numbers_on(tmp_path: Path) -> None:
    """They follow the time; what was given within one millisecond is still in order."""
    with desk(tmp_path) as centre:
        first, second = centre.give()["sequence"], centre.give(value=False)["sequence"]
        assert (first, second) == (centre.clock.now_ms, centre.clock.now_ms + 1)
        centre.clock.now_ms += 5
        assert centre.give()["sequence"] == centre.clock.now_ms


def test_answers_end_a_command_and_say_what_was_read_back(tmp_path: Path) -> None:
    """Whoever asks for it sees it; another gateway's answer is none."""
    with desk(tmp_path) as centre:
        view = centre.give()
        centre.due()
        centre.answer(view["id"], CommandOutcome.DONE, gateway="gw-2", value=True)
        assert centre.view(view["id"])["state"] == "published"
        centre.answer(view["id"], CommandOutcome.DONE, value=True)
        told = centre.view(view["id"])
        assert (told["state"], told["read_back"]) == ("done", True)
        assert told["answered_ms"] == centre.clock.now_ms


@pytest.mark.parametrize(
    ("answers", "ends"),
    [
        (["refused"], "refused"),
        (["failed"], "failed"),
        (["indeterminate"], "indeterminate"),
        (["done", "indeterminate", "refused"], "done"),
        (["failed", "done"], "failed"),
        (["refused", "indeterminate"], "indeterminate"),
        (["indeterminate", "refused"], "indeterminate"),
        (["refused", "done"], "done"),
        (["indeterminate", "done"], "done"),
    ],
)
def test_how_a_command_was_executed_is_never_changed_by_what_comes_after(
    tmp_path: Path, answers: list[str], ends: str
) -> None:
    """Answers come again, and late; somebody replays the command."""
    with desk(tmp_path) as centre:
        view = centre.give()
        for each in answers:
            centre.answer(view["id"], CommandOutcome(each))
        assert centre.view(view["id"])["state"] == ends


def test_a_gateway_that_comes_late_gets_it_while_it_is_valid_and_never_after(tmp_path: Path) -> None:
    """Its hello asks for it; one that the broker repeats does not."""
    with desk(tmp_path) as centre:
        view = centre.give(valid_s=60)
        centre.due()
        centre.clock.now_ms += 30_000
        centre.greet(boot_id="c" * 32)
        [again] = centre.due()
        assert again.expiry_s == 30
        assert centre.opened(again).id == view["id"]
        centre.greet(boot_id="c" * 32, retained=True)
        assert centre.due() == []
        centre.clock.now_ms += 30_000
        centre.greet(boot_id="d" * 32)
        assert centre.due() == []
        assert centre.view(view["id"])["state"] == "expired"
        centre.answer(view["id"], CommandOutcome.DONE, value=True)  # it was executed, and the line was down
        assert centre.view(view["id"])["state"] == "done"


def test_an_answered_command_is_not_published_again(tmp_path: Path) -> None:
    """Whatever the answer was."""
    with desk(tmp_path) as centre:
        view = centre.give()
        centre.due()
        centre.answer(view["id"], CommandOutcome.REFUSED, refusal=CommandRefusal.NOT_ALLOWED, reason="locked")
        centre.greet(boot_id="c" * 32)
        assert centre.due() == []
        assert (centre.view(view["id"])["refusal"], centre.view(view["id"])["reason"]) == (
            "not_allowed",
            "locked",
        )


def test_a_gateway_that_does_not_know_the_key_is_heard_by_the_digest(tmp_path: Path) -> None:
    """Nobody there vouches for the id; a refusal of anything else that names neither ends nothing."""
    with desk(tmp_path) as centre:
        view = centre.give()
        [row] = rows(centre.collector.state, commands_table)
        centre.answer("", CommandOutcome.REFUSED, refusal=CommandRefusal.FORGED)
        assert centre.view(view["id"])["state"] == "waiting"
        centre.answer("", CommandOutcome.REFUSED, refusal=CommandRefusal.NO_KEY, digest=row[5])
        assert centre.view(view["id"])["refusal"] == "no_key"


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"target": "relays"}, 409, "device/point"),
        ({"for_s": None}, 409, "needs both"),
        ({"value": None}, 409, "needs both"),
        ({"kind": "release"}, 409, "nothing else"),
        ({"kind": "event_period"}, 422, "kind"),
        ({"valid_s": 100_000}, 422, "valid_s"),
        ({"for_s": 10**7}, 422, "for_s"),
        ({"who": ""}, 422, "who"),
        ({"who": "li\x1b[31m"}, 422, "who"),
        ({"who": "li\n"}, 422, "who"),
        ({"whom": "x"}, 422, "whom"),
        ({"target": "Relays/Relay 1"}, 422, "target"),
        ({"target": "继电器/开关"}, 422, "target"),
        ({"target": "relays/relay_1\n"}, 422, "target"),
        ({"target": "r/" + "x" * 200}, 422, "target"),
        ({"id": "A" * 32}, 422, "id"),
    ],
)
def test_what_cannot_be_commanded_is_refused_in_words(
    tmp_path: Path, changes: dict[str, Any], code: int, says: str
) -> None:
    """Nothing is written."""
    with desk(tmp_path) as centre:
        response = centre.ask("POST", json=SWITCH | changes)
        assert response.status_code == code
        assert says in response.text
        assert rows(centre.collector.state, commands_table) == []


def test_unknown_gateways_and_centres_without_a_key_are_told(tmp_path: Path) -> None:
    """What to do stands there."""
    with desk(tmp_path, key=False) as centre:
        assert "collector init" in centre.ask("POST", json=SWITCH).text
    with desk(tmp_path / "other") as centre:
        assert "ever heard" in centre.ask("POST", gateway="gw-9", json=SWITCH).text
        assert centre.ask("GET", f"/{'a' * 32}").status_code == 404


def test_a_command_that_is_given_again_under_its_id_is_the_same(tmp_path: Path) -> None:
    """Whoever has lost the answer may ask again; another command under that id is none."""
    with desk(tmp_path) as centre:
        first = centre.give(id="a" * 32, valid_s=60)
        assert first["id"] == "a" * 32
        centre.clock.now_ms += 5_000
        assert centre.give(id="a" * 32, valid_s=60) == first
        for changes in ({"value": False}, {"for_s": 60}, {"valid_s": 61}, {"who": "li"}):
            refused = centre.ask("POST", json=SWITCH | {"id": "a" * 32, "valid_s": 60} | changes)
            assert (refused.status_code, "another command" in refused.text) == (409, True)
        assert centre.ask("POST", gateway="gw-2", json=SWITCH | {"id": "a" * 32}).status_code == 409
        assert len(rows(centre.collector.state, commands_table)) == 1
        assert len([row for row in rows(centre.collector.state, audit) if "command.give" in row]) == 1


def test_a_gateway_that_was_never_heard_has_no_list(tmp_path: Path) -> None:
    """Whoever mistypes its name is told; one that was given nothing has an empty one."""
    with desk(tmp_path) as centre:
        unknown = centre.ask("GET", gateway="gw-9")
        assert (unknown.status_code, "ever heard" in unknown.text) == (404, True)
        assert centre.ask("GET").json()["items"] == []


@pytest.mark.parametrize("cursor", ["9" * 19, "-1", "x"])
def test_a_cursor_that_is_none_of_ours_is_refused(tmp_path: Path, cursor: str) -> None:
    """No number of a page is so long; the database would not take it."""
    with desk(tmp_path) as centre:
        assert centre.ask("GET", params={"cursor": cursor}).status_code == 422
        assert centre.ask("GET", params={"cursor": "9" * 18}).status_code == 200


def test_the_list_shows_the_newest_first_in_pages(tmp_path: Path) -> None:
    """Only the gateway's own."""
    with desk(tmp_path) as centre:
        ids = [centre.give()["id"] for _ in range(5)]
        centre.give(gateway="gw-2")
        first = centre.ask("GET", params={"limit": 3}).json()
        rest = centre.ask("GET", params={"limit": 3, "cursor": first["next"]}).json()
        assert [each["id"] for each in (*first["items"], *rest["items"])] == ids[::-1]
        assert rest["next"] is None
