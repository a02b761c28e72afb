"""Desired documents at the centre: pushed to all or none, sent until answered, numbered on after restores."""

import asyncio
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector import key_file
from collector.intake import Received
from collector.publishing import Outgoing
from collector.service import Collector, CollectorError
from collector.tables import desired, desired_heard
from contract import topics
from contract.desired import Desired, DesiredKind, Outcome, Refusal, decode
from contract.events import DesiredReport
from contract.limits import BODY_BYTES_MAX
from contract.signing import KeyRing, payload_of
from tests.collector.making import (
    BOOT,
    NOW_MS,
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

PLAN = DesiredKind.LAMP_PLAN
HOUR_MS = 3_600_000


class Desk:
    """A centre with a key whose gateways gw-1 and gw-2 have said hello."""

    def __init__(self, collector: Collector, clock: Clock) -> None:
        """Take what runs."""
        self.collector, self.clock = collector, clock
        self._batches = 0

    def ask(self, method: str, kind: str = PLAN, **given: Any) -> httpx.Response:
        """Send one request to the interface."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.collector.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://centre") as client:
                return await client.request(method, f"/api/v1/desired/{kind}", **given)

        return asyncio.run(send())

    def push(self, documents: dict[str, str], **more: Any) -> httpx.Response:
        """Push documents."""
        told = json.dumps({"documents": documents, "who": "wang"} | more)
        return self.ask("PUT", content=told, headers={"Content-Type": "application/json"})

    def pushed(self, number: int, gateway: str = "gw-1", **more: Any) -> int:
        """Push one and return its sequence."""
        response = self.push({gateway: f'{{"plan": {number}}}'}, **more)
        assert response.status_code == 200, response.text
        sequence: int = response.json()["items"][0]["sequence"]
        return sequence

    def state(self, gateway: str = "gw-1") -> dict[str, Any]:
        """Return where the newest plan of a gateway stands."""
        [item] = self.ask("GET", params={"gateway": gateway}).json()["items"]
        found: dict[str, Any] = item
        return found

    def due(self) -> list[Outgoing]:
        """Return what is published now, and let the broker take it."""

        async def publish() -> list[Outgoing]:
            due = await self.collector.desired_publisher.take_now()
            await self.collector.desired_publisher.sent(due)
            return due

        return asyncio.run(publish())

    def report(self, outcome: Outcome, sequence: int, gateway: str = "gw-1", **told: Any) -> DesiredReport:
        """Let a gateway report a document that the centre has by this number, and project that."""
        self._batches += 1
        digests = {(row[0], row[2]): row[4] for row in rows(self.collector.state, desired)}
        told = {"highest": sequence, "digest": digests.get((gateway, sequence), "")} | told
        report = DesiredReport(f"{self._batches:032x}", self.clock.now_ms, PLAN, outcome, sequence, **told)
        self.deliver(report, gateway)
        return report

    def deliver(self, report: DesiredReport, gateway: str = "gw-1") -> None:
        """Let a report arrive."""
        epoch = f"{self._batches:032x}"
        batch = happened(1, report, gateway=gateway, epoch=epoch)
        given(self.collector, [up(batch, lane=topics.Lane.EVENTS, gateway=gateway)])
        asyncio.run(projected(self.collector))

    def greet(
        self, gateway: str = "gw-1", *, retained: bool = False, boot_id: str = BOOT, **in_force: int
    ) -> None:
        """Let a gateway say hello."""
        message = greeting(1, 1, gateway=gateway, boot_id=boot_id, desired=in_force)
        said = hello(message, gateway=gateway, at_ms=self.clock.now_ms)
        given(self.collector, [Received(said.topic, said.payload, said.received_ms, retained)])


@contextmanager
def desk(folder: Path, clock: Clock | None = None, *, key: bool = True) -> Iterator[Desk]:
    """Put a centre together; a second time on the same folder it is started again."""
    clock = clock or Clock()
    loaded = settings(folder, tables="[desired]\nretry_min_s = 10\nretry_max_s = 80\nhistory_max = 5\n")
    if key and key_file.read(loaded.data_folder) is None:
        key_file.make(loaded.data_folder)
    with standing(loaded, clock) as collector:
        made = Desk(collector, clock)
        if not rows(collector.state, desired_heard):
            for gateway in ("gw-1", "gw-2"):
                made.greet(gateway)
        yield made


def opened(folder: Path, outgoing: Outgoing) -> Desired:
    """Return what is published, as a gateway that pins the key would read it."""
    key = key_file.read(folder / "data")
    assert key is not None
    return decode(KeyRing([key.public.line]).opened(outgoing.payload))


def test_a_push_reaches_all_its_gateways_signed_and_numbered(tmp_path: Path) -> None:
    """Each gets a document of its own, on its own topic, that its key ring opens."""
    with desk(tmp_path) as centre:
        response = centre.push({"gw-1": '{"a": 1}', "gw-2": '{"b": 2}'}, expires_ms=NOW_MS + HOUR_MS)
        items = response.json()["items"]
        assert [(each["gateway"], each["sequence"], each["state"], each["who"]) for each in items] == [
            ("gw-1", 1, "waiting", "wang"),
            ("gw-2", 1, "waiting", "wang"),
        ]
        due = centre.due()
        assert [each.topic for each in due] == [f"gengfu/1/north/gw-{n}/desired/lamp_plan" for n in (1, 2)]
        assert {each.expiry_s for each in due} == {3600}
        document = opened(tmp_path, due[1])
        assert (document.gateway, document.kind, document.body) == ("gw-2", PLAN, '{"b": 2}')
        assert (document.effective_ms, document.expires_ms) == (NOW_MS, NOW_MS + HOUR_MS)
        assert [centre.state(name)["state"] for name in ("gw-1", "gw-2")] == ["sent", "sent"]
        assert centre.ask("GET", "lamp_overrides").json()["items"] == []


@pytest.mark.parametrize(
    ("documents", "more", "code", "told"),
    [
        ({"gw-1": "{}", "gw-9": "{}"}, {}, 422, "no gateway of this name"),
        ({"gw-1": "{}", "GW": "{}"}, {}, 422, "1 to 64 characters"),
        ({"gw-1": "{}", "gw-2": "[]"}, {}, 422, "is no JSON object"),
        ({"gw-1": "{}", "gw-2": "{"}, {}, 422, "is no JSON"),
        ({"gw-1": "{}", "gw-2": '"' + "x" * BODY_BYTES_MAX + '"'}, {}, 422, f"{BODY_BYTES_MAX} at most"),
        ({"gw-1": "{}", "gw-2": '{"a": "' + "\\u0001" * 20_000 + '"}'}, {}, 200, ""),
        ({}, {}, 422, "at least 1 item"),
        ({"gw-1": "{}"}, {"who": ""}, 422, "at least 1 character"),
        ({"gw-1": "{}"}, {"who": "\ud800"}, 422, "valid string"),
        ({"gw-1": '{"a": "\ud800"}'}, {}, 422, "no text"),
        ({"\ud800": "{}"}, {}, 422, "1 to 64 characters"),
        ({"gw-1": "{}"}, {"when": 5}, 422, "not permitted"),
        ({"gw-1": "{}"}, {"expires_ms": NOW_MS}, 409, "is over"),
        (
            {"gw-1": "{}"},
            {"effective_ms": NOW_MS + 9, "expires_ms": NOW_MS + 8},
            422,
            "before it is effective",
        ),
        ({"gw-1": "{}"}, {"effective_ms": -1}, 422, "greater than or equal to 0"),
    ],
)
def test_one_refused_document_keeps_all_back(
    tmp_path: Path, documents: dict[str, str], more: dict[str, Any], code: int, told: str
) -> None:
    """The answer names each gateway and what is wrong; nothing is stored, nothing is numbered."""
    with desk(tmp_path) as centre:
        response = centre.push(documents, **more)
        assert response.status_code == code, response.text
        assert told in response.text
        assert bool(rows(centre.collector.state, desired)) is (code == 200)


def test_a_push_has_a_bound_of_its_own(tmp_path: Path) -> None:
    """It may be longer than what others ask for."""
    with desk(tmp_path) as centre:
        asked: dict[str, Any] = {"content": b"{}", "headers": {"Content-Length": str(10**9)}}
        refused = centre.ask("PUT", **asked)
        assert (refused.status_code, "push to fewer gateways" in refused.text) == (413, True)
        long = {"documents": {"gw-1": "x" * 5_000_000}}
        assert centre.ask("PUT", json=long).status_code == 422
        assert centre.ask("PUT", "lamps", json={}).status_code == 422
        assert centre.ask("GET", params={"gatway": "gw-1"}).status_code == 422


def test_a_centre_without_a_key_pushes_nothing_and_says_what_to_do(tmp_path: Path) -> None:
    """Everything else works."""
    with desk(tmp_path, key=False) as centre:
        response = centre.push({"gw-1": "{}"})
        assert (response.status_code, "gengfu collector init" in response.text) == (409, True)
        centre.greet(lamp_plan=3)
        assert centre.ask("GET").json()["items"] == []


def test_a_document_is_sent_ever_more_seldom_until_its_gateway_answers(tmp_path: Path) -> None:
    """Whatever restarts in between; the answer ends it."""
    clock, sent_ms = Clock(), list[int]()
    with desk(tmp_path, clock) as centre:
        centre.pushed(1)
    while clock.now_ms < NOW_MS + 600_000:
        with desk(tmp_path, clock) as centre:
            for _ in range(10):
                if centre.collector.state.read_now(centre.collector.desired_publisher.is_due):
                    assert centre.due()
                    sent_ms.append(clock.now_ms - NOW_MS)
                clock.now_ms += 5_000
    waits = [later - earlier for earlier, later in itertools.pairwise(sent_ms)]
    assert sent_ms[0] == 0
    assert waits[:3] == sorted(waits[:3])
    assert 5_000 <= waits[0] <= 15_000
    assert all(40_000 <= wait <= 85_000 for wait in waits[4:])
    with desk(tmp_path, clock) as centre:
        centre.report(Outcome.STORED, 1)
        clock.now_ms += 10 * HOUR_MS
        assert (centre.due(), centre.state()["state"]) == ([], "stored")


def test_a_hello_with_another_sequence_brings_the_document_at_once(tmp_path: Path) -> None:
    """As after a broker has forgotten it, or a card was replaced; one that has it brings nothing."""
    with desk(tmp_path) as centre:
        centre.pushed(1)
        centre.due()
        centre.report(Outcome.IN_FORCE, 1)
        centre.greet(lamp_plan=1)
        assert centre.due() == []
        assert centre.state()["in_force"] == 1
        centre.greet(retained=True)
        assert centre.due() == []
        for _ in range(2):
            centre.greet()
            assert [each.key[2] for each in centre.due()] == [1]
            assert centre.due() == []
        assert (centre.state()["state"], centre.state()["in_force"]) == ("in_force", None)
        centre.greet(retained=True, boot_id="c" * 32)
        assert centre.due()  # it was said while the centre was away


@pytest.mark.parametrize(
    ("outcome", "told", "state", "retried"),
    [
        (Outcome.STORED, {}, "stored", False),
        (Outcome.IN_FORCE, {}, "in_force", False),
        (Outcome.ROLLED_BACK, {"reason": "no such group"}, "rolled_back", False),
        (Outcome.REFUSED, {"refusal": Refusal.INVALID, "reason": "no such group"}, "refused", False),
        (Outcome.REFUSED, {"refusal": Refusal.STORAGE_UNAVAILABLE, "reason": "no space"}, "refused", True),
        (Outcome.EXPIRED, {"reason": "its time is over"}, "expired", False),
    ],
)
def test_the_lighting_team_sees_what_became_of_it_and_why(
    tmp_path: Path, outcome: Outcome, told: dict[str, Any], state: str, retried: bool
) -> None:
    """What a disk refused is sent again later; an answer that is repeated keeps the first one's reason."""
    with desk(tmp_path) as centre:
        centre.pushed(1)
        centre.due()
        report = centre.report(outcome, 1, **told)
        if outcome is not Outcome.REFUSED:
            centre.report(outcome, 1, refusal=Refusal.REPLAYED, reason="it came again")
        now = centre.state()
        assert (now["state"], now["reason"], now["refusal"]) == (
            state,
            told.get("reason", ""),
            told.get("refusal"),
        )
        assert now["reported_ms"] == report.time_ms
        centre.clock.now_ms += 100_000
        assert bool(centre.due()) is retried


def test_a_report_that_comes_twice_changes_nothing(tmp_path: Path) -> None:
    """A renumbered buffer sends its events again; what came after them stands."""
    with desk(tmp_path) as centre:
        centre.pushed(1)
        centre.due()
        early = centre.report(Outcome.STORED, 1)
        centre.report(Outcome.IN_FORCE, 1)
        centre._batches += 1
        centre.deliver(early)
        assert centre.state()["state"] == "in_force"


def test_an_old_document_that_came_again_takes_nothing_from_the_newest(tmp_path: Path) -> None:
    """Repetitions are told late: what was in force then need not be now."""
    with desk(tmp_path) as centre:
        centre.pushed(1)
        centre.report(Outcome.IN_FORCE, 1)
        centre.pushed(2)
        centre.report(Outcome.IN_FORCE, 2)
        for outcome in (Outcome.IN_FORCE, Outcome.REFUSED):
            centre.report(outcome, 1, refusal=Refusal.REPLAYED, highest=2)
            assert (centre.state()["state"], centre.state()["in_force"]) == ("in_force", 2)


def test_the_newest_supersedes_and_only_some_history_is_kept(tmp_path: Path) -> None:
    """One in force stays so until the next one is."""
    with desk(tmp_path) as centre:
        centre.pushed(1)
        centre.report(Outcome.IN_FORCE, 1)
        assert [centre.pushed(number) for number in range(2, 5)] == [2, 3, 4]
        states = {row[2]: row[10] for row in rows(centre.collector.state, desired)}
        assert states == {1: "in_force", 2: "superseded", 3: "superseded", 4: "waiting"}
        assert [each.key[2] for each in centre.due()] == [4]
        centre.report(Outcome.IN_FORCE, 4)
        centre.report(Outcome.REFUSED, 2, refusal=Refusal.ROLLED_BACK, highest=4)
        states = {row[2]: row[10] for row in rows(centre.collector.state, desired)}
        assert states == {1: "superseded", 2: "superseded", 3: "superseded", 4: "in_force"}
        for number in range(5, 9):
            centre.pushed(number)
        assert [row[2] for row in rows(centre.collector.state, desired)] == [4, 5, 6, 7, 8]


def test_what_is_over_is_not_sent_any_more(tmp_path: Path) -> None:
    """It says so itself; nobody needs to look at the clock."""
    with desk(tmp_path) as centre:
        centre.pushed(1, expires_ms=NOW_MS + 60_000)
        assert centre.due()
        centre.clock.now_ms += 70_000
        assert (centre.due(), centre.state()["state"]) == ([], "expired")
        centre.greet()
        assert centre.due() == []


def test_a_restored_centre_numbers_on_from_what_a_hello_says(tmp_path: Path) -> None:
    """The next push is above what the gateway has in force."""
    with desk(tmp_path) as centre:
        centre.pushed(1)
        centre.greet(lamp_plan=12)
        assert centre.pushed(2) == 13
        centre.greet("gw-2", retained=True, lamp_plan=7)
        assert centre.pushed(3, "gw-2") == 8


def test_a_document_the_gateway_refuses_for_its_number_is_numbered_on_and_sent_again(tmp_path: Path) -> None:
    """A centre restored from yesterday's backup pushes before it has heard anything of the gateway."""
    with desk(tmp_path) as centre:
        centre.pushed(1)
        assert centre.due()
        refused: dict[str, Any] = {
            "refusal": Refusal.ROLLED_BACK,
            "highest": 12,
            "highest_issued_ms": NOW_MS - HOUR_MS,
        }
        centre.report(Outcome.REFUSED, 1, **refused)
        [again] = centre.due()
        assert (again.key[2], opened(tmp_path, again).body) == (13, '{"plan": 1}')
        assert centre.state()["who"] == "wang"
        centre.report(Outcome.IN_FORCE, 13, refusal=None, highest=13)
        assert (centre.state()["state"], centre.state()["highest"]) == ("in_force", 13)
        first = rows(centre.collector.state, desired)[0]
        assert (first[10], "sent again as 13" in first[12]) == ("superseded", True)


def test_other_bytes_under_the_same_number_are_numbered_on_as_well(tmp_path: Path) -> None:
    """The gateway took another document as 1 from the centre that is gone."""
    with desk(tmp_path) as centre:
        centre.pushed(1)
        centre.due()
        centre.report(Outcome.REFUSED, 1, refusal=Refusal.REPLAYED, highest=1, highest_issued_ms=5)
        assert [each.key[2] for each in centre.due()] == [2]


@pytest.mark.parametrize("was_in_force", [True, False])
def test_what_a_backup_held_never_replaces_what_was_pushed_since(tmp_path: Path, was_in_force: bool) -> None:
    """It is older than what the gateway took; people are told to push again, and that is numbered above."""
    with desk(tmp_path) as centre:
        centre.pushed(1)
        centre.due()
        if was_in_force:
            centre.report(Outcome.IN_FORCE, 1)
        centre.greet(lamp_plan=12)
        assert [each.key[2] for each in centre.due()] == [1]
        later: dict[str, Any] = {"highest": 12, "highest_issued_ms": NOW_MS + HOUR_MS}
        centre.report(Outcome.REFUSED, 1, refusal=Refusal.ROLLED_BACK, **later)
        now = centre.state()
        assert (now["sequence"], now["state"]) == (1, "superseded" if was_in_force else "refused")
        assert "sequence 12, which this centre does not know" in now["reason"]
        centre.clock.now_ms += HOUR_MS
        centre.greet(lamp_plan=12)
        if was_in_force:
            assert centre.due() == []
        assert centre.pushed(2) == 13


def test_a_claim_to_be_far_ahead_uses_up_no_numbers(tmp_path: Path) -> None:
    """Neither in a hello nor in a report."""
    with desk(tmp_path) as centre:
        centre.pushed(1)
        centre.greet(lamp_plan=2**62)
        centre.report(Outcome.REFUSED, 0, refusal=Refusal.FORGED, highest=2**62)
        assert centre.pushed(2) == 2


def test_reports_and_hellos_of_unknown_kinds_or_documents_change_nothing(tmp_path: Path) -> None:
    """As of a gateway that is newer than its centre."""
    with desk(tmp_path) as centre:
        centre.pushed(1)
        centre.greet(firmware=3)
        centre.report(Outcome.IN_FORCE, 9, digest="a" * 32, highest=1)
        report = DesiredReport(
            "f" * 32, NOW_MS, "unknown", Outcome.REFUSED, refusal=Refusal.WRONG_KIND, count=5
        )
        centre._batches += 1
        centre.deliver(report)
        assert (centre.state()["state"], centre.state()["in_force"]) == ("waiting", 9)


def test_a_gateway_that_does_not_pin_the_key_is_seen_and_gets_the_document_once_it_does(
    tmp_path: Path,
) -> None:
    """The centre sends on; where it has changed its key, it signs anew."""
    told: dict[str, Any] = {"refusal": Refusal.NO_KEY, "reason": "no key is pinned here", "highest": 0}
    clock = Clock()
    with desk(tmp_path, clock) as centre:
        centre.pushed(1)
        centre.due()
        centre.report(Outcome.REFUSED, 0, digest=rows(centre.collector.state, desired)[0][4], **told)
        assert (centre.state()["state"], centre.state()["reason"]) == ("refused", "no key is pinned here")
        centre.greet()
        assert [each.key[2] for each in centre.due()] == [1]
    (tmp_path / "data" / key_file.FILE_NAME).rename(tmp_path / "former.pem")
    with desk(tmp_path, clock) as centre:
        centre._batches = 10
        centre.report(Outcome.REFUSED, 0, digest=rows(centre.collector.state, desired)[0][4], **told)
        [again] = centre.due()
        assert (again.key[2], opened(tmp_path, again).body) == (2, '{"plan": 1}')


def test_the_key_is_the_owners_alone_and_made_once(tmp_path: Path) -> None:
    """A wrong mode, or what is no key, keeps the centre from starting, with a remedy."""
    key = key_file.make(tmp_path / "data")
    path = tmp_path / "data" / key_file.FILE_NAME
    assert path.stat().st_mode & 0o777 == 0o600
    read = key_file.read(tmp_path / "data")
    assert read is not None
    assert read.public.line == key.public.line
    with pytest.raises(key_file.KeyFileError, match="is there already and is not replaced"):
        key_file.make(tmp_path / "data")
    assert path.read_bytes() == key.pem
    path.chmod(0o640)
    with pytest.raises(CollectorError, match=r"has mode 0640.*chmod 600"), desk(tmp_path, key=False):
        pass
    path.chmod(0o600)
    path.write_text("nothing")
    with pytest.raises(key_file.KeyFileError, match="is no private key"):
        key_file.read(tmp_path / "data")


def test_what_is_signed_is_kept_as_it_is_sent(tmp_path: Path) -> None:
    """The digest that the gateway reports is that of these bytes."""
    with desk(tmp_path) as centre:
        centre.pushed(1)
        [row] = rows(centre.collector.state, desired)
        assert decode(payload_of(row[3])).sequence == 1
        assert centre.due()[0].payload == row[3]
