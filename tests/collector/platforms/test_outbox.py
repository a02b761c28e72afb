"""Cases reach the city platform once, whatever it does; what cannot be known is left to a person."""

import asyncio
import gzip
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from sqlalchemy import Connection

from collector import patience
from collector.platforms import outbox as outbox_module
from collector.platforms import queue
from collector.platforms.answers import HttpAnswer, of_message
from collector.platforms.mapping import plain_mapping
from collector.platforms.protocol import Answered, Capabilities, NotSent, Perhaps, Refused, Taken
from collector.platforms.rest import BODY_BYTES_MAX, RestConnector, plain
from collector.platforms.verdicts import Ask, Filed, NeedsPerson, Retry, given_up, judge, wait_s
from collector.service import Collector
from collector.tables import cases, outbox
from contract.topics import Lane
from tests.collector.making import (
    NOW_MS,
    SQLITE_ONLY,
    Clock,
    given,
    happened,
    projected,
    raised,
    settings,
    standing,
    up,
)
from tests.collector.platforms.serving import Racing, served, until

pytestmark = pytest.mark.usefixtures("both_engines")

PLATFORM = """[platform]
url = "{url}"
idempotency_header = "{header}"
timeout_s = 0.4
retry_min_s = 0.05
retry_max_s = 0.1
attempts_max = {attempts_max}
concurrency_max = 2
"""
INTERRUPTED = {"state": "sending", "platform": "city"}
KEY, QUESTION, NEITHER = Capabilities(has_key=True), Capabilities(can_look_up=True), Capabilities()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (201, b'{"number": "C-1"}', Taken),
        (204, b"", Taken),
        (200, b"<html>sign in</html>", Perhaps),
        (200, b"[1]", Perhaps),
        (429, b"", NotSent),
        (401, b"", NotSent),
        (503, b"", NotSent),
        (500, b"", Perhaps),
        (504, b"", Perhaps),
        (302, b"", Perhaps),
        (400, b"no such class", Refused),
        (404, b"\xff", Refused),
    ],
)
def test_every_answer_means_something(status: int, body: bytes, kind: type) -> None:
    """Only what says so is taken, and only what cannot have been taken was not."""
    assert type(of_message(HttpAnswer(status, body), plain_mapping("Idempotency-Key"))) is kind


@pytest.mark.parametrize(
    ("answered", "perhaps", "with_key", "asked", "with_neither"),
    [
        (Taken("C-1"), False, Filed, Filed, Filed),
        (NotSent("no connection"), False, Retry, Retry, Retry),
        (Perhaps("timeout"), False, Retry, Ask, NeedsPerson),
        (Refused("no such class"), False, NeedsPerson, NeedsPerson, NeedsPerson),
        (Refused("no such class"), True, NeedsPerson, Ask, NeedsPerson),
    ],
)
def test_what_may_have_arrived_is_sent_again_only_under_a_key_and_asked_for_where_it_can_be(
    answered: Answered, *, perhaps: bool, with_key: type, asked: type, with_neither: type
) -> None:
    """Without an idempotency key nothing is sent again that may have arrived."""
    assert type(judge(answered, KEY, perhaps=perhaps)) is with_key
    assert type(judge(answered, QUESTION, perhaps=perhaps)) is asked
    assert type(judge(answered, NEITHER, perhaps=perhaps)) is with_neither


def test_what_was_tried_often_enough_is_given_up_with_what_may_have_become_of_it() -> None:
    """Whether the platform may have it is what the person has to know."""
    verdict = given_up(Retry("answered 500", perhaps=True), 3, 3)
    assert verdict == NeedsPerson("given up after 3 attempts; the last: answered 500", perhaps=True)
    assert given_up(Retry("answered 429"), 3, 3) == NeedsPerson(
        "given up after 3 attempts; the last: answered 429", perhaps=False
    )
    assert isinstance(given_up(Ask("answered 500"), 3, 3), NeedsPerson)
    assert given_up(Filed("C-1"), 3, 3) == Filed("C-1")


@pytest.mark.parametrize(
    "body", [b'{"number": "\\ud800"}', b'{"number": 7}', b"[" * 60_000, b'{"number": null}']
)
def test_strange_numbers_do_no_harm(body: bytes) -> None:
    """A number that is no text is one as text; half a character is replaced."""
    answered = of_message(HttpAnswer(200, body), plain_mapping("Idempotency-Key"))
    assert not isinstance(answered, Taken) or answered.number in ("", "?", "7")


def waited(attempts: int, after: str = "") -> float:
    """Return the wait after so many attempts."""
    return wait_s(
        attempts,
        after,
        shortest_s=2,
        longest_s=900,
        after_max_s=3600,
        now_ms=1_700_000_000_000,
        random=Random(1),
    )


def test_waits_double_with_jitter_up_to_a_limit_and_heed_retry_after() -> None:
    """Retry-After may be seconds or a date; nonsense is no Retry-After."""
    for attempts, longest in ((1, 2), (2, 4), (5, 32), (40, 900)):
        assert longest / 2 <= waited(attempts) <= longest
    assert waited(1, "120") == 120
    assert waited(1, "999999") == 3600
    assert waited(1, "Tue, 14 Nov 2023 22:14:20 GMT") == 60
    assert waited(1, "Tue, 14 Nov 2000 22:14:20 GMT") == 2
    assert waited(1, "soon") <= 2


class Platform:
    """A city platform that answers by a plan, then well; it keeps the cases by key and counts them."""

    def __init__(self, plan: list[str]) -> None:
        """``plan`` says what happens to the first requests."""
        self.plan = plan
        self.cases: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.under_way = self.under_way_max = 0
        self.app = FastAPI()
        self.app.post("/cases")(self.post)

    async def post(self, request: Request) -> Response:
        """Answer one request."""
        self.under_way += 1
        self.under_way_max = max(self.under_way_max, self.under_way)
        try:
            body = json.loads(await request.body())
            self.bodies.append(body)
            answer = self.plan.pop(0) if self.plan else "201"
            self.cases[request.headers.get("idempotency-key", body["id"])] += 1
            await asyncio.sleep(1.5 if answer == "hang" else 0.01)
            if answer == "garbage":
                return Response("<html>维护中</html>", 200)
            headers = {"Retry-After": "0"} if answer == "429" else {}
            return Response('{"number": "C-7"}', 201 if answer == "hang" else int(answer), headers)
        finally:
            self.under_way -= 1


def postings(collector: Collector) -> list[tuple[str, str]]:
    """Return state and reason of each case on its way."""
    query = outbox.select().order_by(outbox.c.case_id)
    return [(row.state, row.reason) for row in collector.state.read_now(lambda db: db.execute(query).all())]


def stages(collector: Collector) -> list[tuple[str, str]]:
    """Return stage and the platform's number of each case."""
    return [
        (row.stage, row.platform_number)
        for row in collector.state.read_now(lambda db: db.execute(cases.select()).all())
    ]


@asynccontextmanager
async def sending(
    folder: Path,
    url: str,
    *,
    header: str = "Idempotency-Key",
    alarms: int = 1,
    attempts_max: int = 50,
    hangs: bool = False,
) -> AsyncIterator[Collector]:
    """Run the outbox of a centre that has so many cases."""
    tables = PLATFORM.format(url=url, header=header, attempts_max=attempts_max)
    if not hangs:
        tables = tables.replace("timeout_s = 0.4", "timeout_s = 30")  # however busy this machine is
    with standing(settings(folder, tables=tables), Racing()) as collector:
        events = [raised(number, part="", device=f"meter-{number}") for number in range(alarms)]
        given(collector, [up(happened(1, *events), lane=Lane.EVENTS)])
        await projected(collector)
        async with running_outbox(collector):
            yield collector


@asynccontextmanager
async def running_outbox(collector: Collector) -> AsyncIterator[None]:
    """Run what sends."""
    task = asyncio.create_task(collector.platforms.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("plan", [[], ["500", "429"], ["hang"], ["garbage", "503"]])
def test_a_case_is_filed_once_whatever_the_platform_does_first(plan: list[str], tmp_path: Path) -> None:
    """Every request carries the same key, and the case is filed when the platform says that it has it."""

    async def scenario() -> None:
        platform = Platform(list(plan))
        async with served(platform.app) as url, sending(tmp_path, url, hangs="hang" in plan) as collector:
            await until(lambda: postings(collector) == [("done", "")])
            assert stages(collector) == [("filed", "C-7")]
            assert len(platform.cases) == 1
            assert platform.cases.total() == len(plan) + 1
            assert platform.bodies[0]["class"]["title"]["zh"] == "自来水管破裂"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("plan", "reason"),
    [(["hang"], "no answer"), (["500"], "answered 500"), (["garbage"], "no JSON object")],
)
def test_without_a_key_what_may_have_arrived_is_never_sent_again(
    plan: list[str], reason: str, tmp_path: Path
) -> None:
    """A person is told why, and the platform has seen exactly one request."""

    async def scenario() -> None:
        platform = Platform(list(plan))
        async with (
            served(platform.app) as url,
            sending(tmp_path, url, header="", hangs="hang" in plan) as collector,
        ):
            await until(lambda: postings(collector)[0][0] == "needs_person")
            assert reason in postings(collector)[0][1]
            assert stages(collector) == [("collected", "")]
            assert platform.cases.total() == 1

    asyncio.run(scenario())


def test_a_refusal_and_too_many_attempts_go_to_a_person(tmp_path: Path) -> None:
    """With the platform's own words, or the last reason."""

    async def scenario() -> None:
        platform = Platform(["422"])
        async with served(platform.app) as url, sending(tmp_path / "a", url) as collector:
            await until(lambda: postings(collector)[0][0] == "needs_person")
            assert postings(collector)[0][1].startswith("answered 422: ")
        platform = Platform(["500"] * 9)
        async with served(platform.app) as url, sending(tmp_path / "b", url, attempts_max=3) as collector:
            await until(lambda: postings(collector)[0][0] == "needs_person")
            assert postings(collector)[0][1].startswith("given up after 3 attempts; the last: answered 500")
            assert platform.cases.total() == 3

    asyncio.run(scenario())


def test_a_platform_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    """Nothing was sent, so even without a key the case goes out when it comes up."""

    async def scenario() -> None:
        platform = Platform([])
        async with served(platform.app) as url:
            pass
        async with sending(tmp_path, url, header="") as collector:
            await until(lambda: "no connection" in postings(collector)[0][1])
            assert postings(collector)[0][0] in ("waiting", "sending")

    asyncio.run(scenario())


@pytest.mark.parametrize("url", ["http://xn--a.example/", "http://a..b/", f"http://{'a' * 64}.example/"])
def test_a_platform_whose_name_is_none_is_told_and_does_not_end_the_centre(url: str, tmp_path: Path) -> None:
    """Host names are checked where they are looked up, long after the settings are."""

    async def scenario() -> None:
        async with sending(tmp_path, "http://127.0.0.1:1/") as collector:
            connector = collector.platforms.outboxes["city"].connector
            assert isinstance(connector, RestConnector)
            connector._url = url
            collector.state.write_now(lambda db: db.execute(outbox.update().values(reason="")))
            await until(
                lambda: "no address" in postings(collector)[0][1] or "no conn" in postings(collector)[0][1]
            )
            assert postings(collector)[0][0] in ("waiting", "sending")

    asyncio.run(scenario())


def test_an_answer_that_unpacks_to_gigabytes_is_read_to_its_limit() -> None:
    """A plain answer is asked for; one that is packed all the same is understood, up to the limit."""
    assert plain(gzip.compress(b'{"number": "C-1"}'), "gzip") == b'{"number": "C-1"}'
    assert len(plain(gzip.compress(bytes(10**8)), "gzip")) == BODY_BYTES_MAX
    packed = gzip.compress(gzip.compress(b"{}"))
    assert plain(packed, "gzip, gzip") == packed
    assert plain(b"no gzip", "gzip") == b"no gzip"


@SQLITE_ONLY
def test_a_database_that_cannot_be_written_at_the_start_is_waited_for(tmp_path: Path) -> None:
    """The centre starts and says so, and what was interrupted is settled when there is room again."""

    async def scenario() -> None:
        platform = Platform([])
        async with served(platform.app) as url:
            tables = PLATFORM.format(url=url, header="Idempotency-Key", attempts_max=5)
            with standing(settings(tmp_path, tables=tables), Racing()) as collector:
                given(collector, [up(happened(1, raised(1)), lane=Lane.EVENTS)])
                await projected(collector)
                collector.state.write_now(lambda db: db.execute(outbox.update().values(INTERRUPTED)))
                writer = collector.state._connection.connection.driver_connection
                assert writer is not None
                writer.execute("PRAGMA query_only = ON")
                async with running_outbox(collector):
                    await until(
                        lambda: any("platform city: writing" in it for it in collector.health.reasons())
                    )
                    writer.execute("PRAGMA query_only = OFF")
                    await until(lambda: postings(collector)[0][0] == "done")

    asyncio.run(scenario())


def test_what_cannot_be_written_for_a_mistake_is_tried_ever_more_patiently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Logged once, though the queue itself is read all the while."""
    monkeypatch.setattr(patience, "RETRY_S", 0.01)
    monkeypatch.setattr(outbox_module, "POLL_INTERVAL_S", 0.001)
    tries = list[int]()

    def mistaken(_: Connection) -> None:
        tries.append(1)
        if len(tries) < 5:
            raise ValueError("Exceeds the limit for integer string conversion")

    async def scenario() -> None:
        with standing(settings(tmp_path), Racing()) as collector:
            async with running_outbox(collector), asyncio.timeout(30):
                [outbox_of_desk] = collector.platforms.outboxes.values()
                await outbox_of_desk.insisted(mistaken)
            assert not any("cannot go on" in reason for reason in collector.health.reasons())

    asyncio.run(scenario())
    assert len([record for record in caplog.records if record.exc_info]) == 1


def test_many_cases_go_out_a_few_at_once(tmp_path: Path) -> None:
    """concurrency_max holds, and all arrive."""

    async def scenario() -> None:
        platform = Platform(["500", "429", "garbage"])
        async with served(platform.app) as url, sending(tmp_path, url, alarms=7) as collector:
            await until(lambda: set(postings(collector)) == {("done", "")})
            assert len(platform.cases) == 7
            assert platform.under_way_max <= 2

    asyncio.run(scenario())


@pytest.mark.parametrize(("header", "state"), [("Idempotency-Key", "done"), ("", "needs_person")])
def test_a_case_that_was_being_sent_when_we_died(header: str, state: str, tmp_path: Path) -> None:
    """With a key it is sent again; without one nobody can know, and a person looks."""

    async def scenario() -> None:
        platform = Platform([])
        tables = PLATFORM.format(url="http://127.0.0.1:1/", header=header, attempts_max=5)
        with standing(settings(tmp_path, tables=tables), Clock()) as collector:
            given(collector, [up(happened(1, raised(1)), lane=Lane.EVENTS)])
            await projected(collector)
            collector.state.write_now(lambda db: db.execute(outbox.update().values(INTERRUPTED)))
        async with served(platform.app) as url:
            tables = PLATFORM.format(url=url, header=header, attempts_max=5)
            with standing(settings(tmp_path, tables=tables), Racing()) as collector:
                async with running_outbox(collector):
                    await until(lambda: postings(collector)[0][0] == state)
                if state == "needs_person":
                    assert "interrupted while it was being sent" in postings(collector)[0][1]
                    assert platform.cases.total() == 0

    asyncio.run(scenario())


def test_nothing_is_due_before_its_time(tmp_path: Path) -> None:
    """A back-off is kept over a restart."""
    tables = PLATFORM.format(url="http://127.0.0.1:1/", header="", attempts_max=5)
    with standing(settings(tmp_path, tables=tables), Clock()) as collector:
        given(collector, [up(happened(1, raised(1)), lane=Lane.EVENTS)])
        asyncio.run(projected(collector))
        collector.state.write_now(lambda db: db.execute(outbox.update().values(next_ms=NOW_MS + 1)))
        collector.state.write_now(lambda db: queue.route(db, collector.platforms.choose))
        assert collector.state.read_now(lambda db: queue.due(db, "city", NOW_MS, 9, ())) == []
        assert collector.state.read_now(lambda db: queue.due(db, "city", NOW_MS + 1, 9, ()))
