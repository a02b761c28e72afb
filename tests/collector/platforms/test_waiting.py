"""What waits for a person: listed with the words why, decided once, and on the audit trail."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from collector.cases.outgoing import Kind, Posting, post
from collector.platforms import queue
from collector.platforms.protocol import CannotSay, Found, NotThere, Status
from collector.platforms.reconcile import GONE, Called, Hear, Missing, Nothing, Other, Reconciler, decide
from collector.platforms.verdicts import Filed, NeedsPerson, Retry
from collector.service import Collector
from collector.tables import audit, cases, outbox
from contract.topics import Lane
from simulators.city_platform import Faults, PlatformServer
from tests.collector.making import (
    NOW_MS,
    Clock,
    given,
    happened,
    projected,
    raised,
    rows,
    settings,
    standing,
    up,
)
from tests.collector.platforms import making
from tests.collector.platforms.making import LOOK_UP


@contextmanager
def centre(
    folder: Path, *, tables: str = "", alarms: int = 3, url: str = "http://127.0.0.1:1"
) -> Iterator[Collector]:
    """Put a centre together with cases that wait for their platform."""
    toml = making.centre_tables(folder, url, making.mapping_text(tables))
    with standing(settings(folder, tables=toml), Clock()) as collector:
        events = [raised(number, part="", device=f"meter-{number}") for number in range(alarms)]
        given(collector, [up(happened(1, *events), lane=Lane.EVENTS)])
        asyncio.run(projected(collector))
        collector.state.write_now(lambda db: queue.route(db, collector.platforms.choose))
        yield collector


def asked(
    collector: Collector, method: str, path: str, body: Any = None, language: str = "en"
) -> tuple[int, Any]:
    """Ask the interface."""
    headers = {"Accept-Language": language}

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=collector.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, f"/api/v1/platforms{path}", json=body, headers=headers)

    answer = asyncio.run(ask())
    return answer.status_code, answer.json()


def due(collector: Collector) -> list[queue.Due]:
    """Return what would be sent now."""
    return collector.state.read_now(lambda db: queue.due(db, "city", NOW_MS + 10**9, 99, ()))


def settled(collector: Collector, it: queue.Due, verdict: Any) -> None:
    """Write down what followed."""
    box = collector.platforms.outboxes["city"]
    collector.state.write_now(lambda db: box.settle(db, it, verdict))


def test_a_person_sees_why_and_decides_once(tmp_path: Path) -> None:
    """Taken files the case under the platform's number; again sends it; the trail says who."""
    with centre(tmp_path) as collector:
        first, second, _third = due(collector)
        settled(collector, first, NeedsPerson("no answer: look there first", perhaps=True))
        settled(collector, second, NeedsPerson("answered 422: no such class"))
        code, page = asked(collector, "GET", "/waiting?limit=1")
        assert (code, len(page["items"])) == (200, 1)
        assert page["items"][0]["reason"] == "answered 422: no such class"
        code, rest = asked(collector, "GET", f"/waiting?limit=1&cursor={page['next']}")
        assert (rest["items"][0]["reason"], rest["items"][0]["perhaps"]) == (
            "no answer: look there first",
            True,
        )
        assert rest["next"] is None
        assert asked(collector, "GET", "/waiting?platform=other")[1]["items"] == []

        told = {"decision": "taken", "number": "CP-7", "note": "seen there"}
        code, message = asked(collector, "POST", f"/waiting/{first.row}/resolve", told)
        assert (code, message["state"]) == (200, "done")
        for path, code, words in (
            (f"/waiting/{first.row}/resolve", 409, {"en": "waits for nobody: it is done", "zh": "已送达"}),
            ("/waiting/999/resolve", 404, {"en": "there is no message 999", "zh": "没有消息 999"}),
            ("/nowhere/callback", 404, {"en": "no platform 'nowhere'", "zh": "没有名为 'nowhere'"}),
        ):
            for language, said in words.items():
                refused = asked(collector, "POST", path, told, language)
                assert (refused[0], said in refused[1]["detail"]) == (code, True), refused
        assert asked(collector, "POST", f"/waiting/{second.row}/resolve", {"decision": "maybe"})[0] == 422
        code, message = asked(collector, "POST", f"/waiting/{second.row}/resolve", {"decision": "send_again"})
        assert (message["state"], message["attempts"], message["perhaps"]) == ("waiting", 0, False)

        filed = collector.state.read_now(lambda db: db.execute(cases.select().order_by(cases.c.row)).all())
        assert [(row.stage, row.platform_number) for row in filed] == [
            ("filed", "CP-7"), ("collected", ""), ("collected", ""),
        ]  # fmt: skip
        noted = [
            json.loads(row.detail)
            for row in collector.state.read_now(lambda db: db.execute(audit.select()).all())
            if row.action == "platform.resolve"
        ]
        assert [(it["decision"], it["number"], it["note"]) for it in noted] == [
            ("taken", "CP-7", "seen there"), ("send_again", "", ""),
        ]  # fmt: skip


def test_messages_of_a_case_go_out_in_order_and_only_its_own_wait(tmp_path: Path) -> None:
    """Each has a key of its own."""
    with centre(tmp_path, alarms=2) as collector:
        first, other = due(collector)
        collector.state.write_now(lambda db: post(db, first.case_id, Kind.STAGE, NOW_MS))
        collector.state.write_now(lambda db: post(db, other.case_id, Kind.EVIDENCE, NOW_MS))
        collector.state.write_now(lambda db: queue.route(db, collector.platforms.choose))
        assert [it.row for it in due(collector)] == [first.row, other.row]
        settled(collector, first, NeedsPerson("no answer", perhaps=True))
        settled(collector, other, Filed("CP-1"))
        [following] = due(collector)
        assert (following.case_id, following.n, following.kind) == (other.case_id, 2, "evidence")
        assert following.key == f"{other.case_id}-2"
        assert following.message.payload["platform_number"] == ""  # as the case stood then


def test_a_platform_that_is_no_more_gives_back_what_it_cannot_have(tmp_path: Path) -> None:
    """What it may have is a person's to decide."""
    with centre(tmp_path) as collector:
        first, second, third = due(collector)
        settled(collector, second, Retry("answered 500", perhaps=True))
        settled(collector, third, Filed("CP-1"))
        collector.state.write_now(lambda db: queue.adopt(db, ["another"]))
        found = {
            row.row: row for row in collector.state.read_now(lambda db: db.execute(outbox.select()).all())
        }
        assert (found[first.row].platform, found[first.row].state) == ("", Posting.WAITING)
        assert found[second.row].state == Posting.NEEDS_PERSON
        assert "not in the settings any more" in found[second.row].reason
        assert found[third.row].state == Posting.DONE


def test_the_platforms_are_listed_with_what_is_on_its_way(tmp_path: Path) -> None:
    """And what each can."""
    with centre(tmp_path) as collector:
        settled(collector, due(collector)[0], Filed("CP-1"))
        [platform] = asked(collector, "GET", "")[1]["items"]
        assert platform["messages"] == {"waiting": 2, "done": 1}
        assert not any(platform["capabilities"].values())
        case_id = rows(collector.state, outbox)[0][1]
        [message] = asked(collector, "GET", f"/messages?case={case_id}")[1]["items"]
        assert (message["kind"], message["payload"]["id"]) == ("opened", case_id)


STATUS = Status("e1", "done", "reported")


def test_what_a_look_up_says_of_a_case_that_is_there_decides_what_follows() -> None:
    """Another number, or none any more, is for a person."""
    assert decide("C-1", Found("C-1", STATUS)) == Hear(replace(STATUS, number="C-1"))
    assert decide("C-1", Found("C-1")) == Nothing()
    assert decide("", Found("C-1")) == Called("C-1")
    assert decide("", Found("")) == Nothing()
    assert decide("C-1", Found("C-2", STATUS)) == Other("C-2")
    assert decide("C-1", NotThere()) == Missing()
    assert decide("C-1", CannotSay("answered 500")) == Nothing()


def test_lost_callbacks_and_lost_cases_are_found_by_asking_in_turn(tmp_path: Path) -> None:
    """Two cases a round: the first goes on, one that the platform forgot goes to a person."""
    look_up = LOOK_UP + '[look_up.status]\nstage = "found[0].stage"\n'
    platform = making.simulated(Faults(), key=False, look_up=True)
    with PlatformServer(platform) as server, centre(tmp_path, tables=look_up, url=server.url) as collector:
        box = collector.platforms.outboxes["city"]
        reconciler = Reconciler(box, cases_max=2)

        async def scenario() -> None:
            for it in due(collector):
                await box._deal(it)
            first, second, third = platform.cases.values()
            first["stage"] = "processing"
            del platform.cases[second["number"]]
            await reconciler.look_up_some()
            third["stage"] = "dispatched"
            await reconciler.look_up_some()
            await box.connector.close()

        asyncio.run(scenario())
        found = collector.state.read_now(lambda db: db.execute(cases.select().order_by(cases.c.row)).all())
        assert [row.stage for row in found] == ["in_hand", "filed", "dispatched"]
        states = collector.state.read_now(
            lambda db: db.execute(outbox.select().where(outbox.c.n == 1).order_by(outbox.c.row)).all()
        )
        assert [row.state for row in states] == ["done", "needs_person", "done"]
        assert states[1].reason == GONE
