"""Cases reach the city platform once, whatever it does; what cannot be known is left to a person."""

import asyncio
import gzip
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request, Response

from collector.platforms.outbox import BODY_BYTES_MAX, INTERRUPTED, Outbox, _plain
from collector.platforms.verdicts import (
    Answered,
    Attempt,
    Filed,
    NeedsPerson,
    NotSent,
    Retry,
    Unknown,
    judge,
    wait_s,
)
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
WAIT_S = 10.0


@pytest.mark.parametrize(
    ("attempt", "with_key", "without_key"),
    [
        (Answered(201, b'{"number": "C-1"}'), Filed, Filed),
        (Answered(204, b""), Filed, Filed),
        (Answered(200, b"<html>sign in</html>"), Retry, NeedsPerson),
        (Answered(200, b"[1]"), Retry, NeedsPerson),
        (Answered(429, b""), Retry, Retry),
        (Answered(503, b""), Retry, Retry),
        (Answered(500, b""), Retry, NeedsPerson),
        (Answered(504, b""), Retry, NeedsPerson),
        (Answered(400, b"no such class"), NeedsPerson, NeedsPerson),
        (Answered(404, b"\xff"), NeedsPerson, NeedsPerson),
        (Answered(302, b""), NeedsPerson, NeedsPerson),
        (NotSent("refused"), Retry, Retry),
        (Unknown("timeout"), Retry, NeedsPerson),
    ],
)
def test_every_answer_has_its_verdict(attempt: Attempt, with_key: type, without_key: type) -> None:
    """Without an idempotency key nothing is sent again that may have arrived."""
    assert type(judge(attempt, has_key=True)) is with_key
    assert type(judge(attempt, has_key=False)) is without_key


@pytest.mark.parametrize(
    "body", [b'{"number": "\\ud800"}', b'{"number": 7}', b"[" * 60_000, b'{"number": null}']
)
def test_strange_numbers_do_no_harm(body: bytes) -> None:
    """A number that is no text is none; half a character is replaced."""
    verdict = judge(Answered(200, body), has_key=True)
    assert not isinstance(verdict, Filed) or verdict.number in ("", "?")


def waited(attempts: int, retry: Retry) -> float:
    """Return the wait after so many attempts."""
    return wait_s(
        attempts,
        retry,
        shortest_s=2,
        longest_s=900,
        after_max_s=3600,
        now_ms=1_700_000_000_000,
        random=Random(1),
    )


def test_waits_double_with_jitter_up_to_a_limit_and_heed_retry_after() -> None:
    """Retry-After may be seconds or a date; nonsense is no Retry-After."""
    for attempts, longest in ((1, 2), (2, 4), (5, 32), (40, 900)):
        assert longest / 2 <= waited(attempts, Retry("")) <= longest
    assert waited(1, Retry("", "120")) == 120
    assert waited(1, Retry("", "999999")) == 3600
    assert waited(1, Retry("", "Tue, 14 Nov 2023 22:14:20 GMT")) == 60
    assert waited(1, Retry("", "Tue, 14 Nov 2000 22:14:20 GMT")) == 2
    assert waited(1, Retry("", "soon")) <= 2


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


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """Serve an application on a free loopback port."""
    configuration = uvicorn.Config(
        app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(configuration)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await until(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/cases"
        finally:
            server.should_exit = True
            await serving


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so; fail after a bound."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.01)


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
    folder: Path, url: str, *, header: str = "Idempotency-Key", alarms: int = 1, attempts_max: int = 50
) -> AsyncIterator[Collector]:
    """Run the outbox of a centre that has so many cases."""
    tables = PLATFORM.format(url=url, header=header, attempts_max=attempts_max)
    clock = Clock()
    with standing(settings(folder, tables=tables), clock) as collector:
        events = [raised(number, part="", device=f"meter-{number}") for number in range(alarms)]
        given(collector, [up(happened(1, *events), lane=Lane.EVENTS)])
        await projected(collector)
        async with running_outbox(collector, clock):
            yield collector


@asynccontextmanager
async def running_outbox(collector: Collector, clock: Clock) -> AsyncIterator[None]:
    """Run the outbox with time passing a hundred times as fast, so that no back-off is waited for."""
    assert collector.outbox
    started = asyncio.get_running_loop().time()
    loop = asyncio.get_running_loop()
    collector.outbox._now_ms = lambda: clock.now_ms + round((loop.time() - started) * 100_000)
    task = asyncio.create_task(collector.outbox.run())
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
        async with served(platform.app) as url, sending(tmp_path, url) as collector:
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
        async with served(platform.app) as url, sending(tmp_path, url, header="") as collector:
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
            assert postings(collector)[0][1] == "given up after 3 attempts; the last: answered 500"
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
            assert collector.outbox
            collector.outbox._platform = collector.outbox._platform.model_copy(update={"url": url})
            collector.state.write_now(lambda db: db.execute(outbox.update().values(reason="")))
            await until(
                lambda: "no address" in postings(collector)[0][1] or "no conn" in postings(collector)[0][1]
            )
            assert postings(collector)[0][0] in ("waiting", "sending")

    asyncio.run(scenario())


def test_an_answer_that_unpacks_to_gigabytes_is_read_to_its_limit() -> None:
    """A plain answer is asked for; one that is packed all the same is understood, up to the limit."""
    assert _plain(gzip.compress(b'{"number": "C-1"}'), "gzip") == b'{"number": "C-1"}'
    assert len(_plain(gzip.compress(bytes(10**8)), "gzip")) == BODY_BYTES_MAX
    packed = gzip.compress(gzip.compress(b"{}"))
    assert _plain(packed, "gzip, gzip") == packed
    assert _plain(b"no gzip", "gzip") == b"no gzip"


@SQLITE_ONLY
def test_a_database_that_cannot_be_written_at_the_start_is_waited_for(tmp_path: Path) -> None:
    """The centre starts and says so, and what was interrupted is settled when there is room again."""

    async def scenario() -> None:
        platform = Platform([])
        async with served(platform.app) as url:
            tables = PLATFORM.format(url=url, header="Idempotency-Key", attempts_max=5)
            clock = Clock()
            with standing(settings(tmp_path, tables=tables), clock) as collector:
                given(collector, [up(happened(1, raised(1)), lane=Lane.EVENTS)])
                await projected(collector)
                collector.state.write_now(lambda db: db.execute(outbox.update().values(state="sending")))
                writer = collector.state._connection.connection.driver_connection
                assert writer is not None
                writer.execute("PRAGMA query_only = ON")
                async with running_outbox(collector, clock):
                    assert collector.outbox
                    await until(lambda: collector.outbox is not None and bool(collector.outbox.failing))
                    writer.execute("PRAGMA query_only = OFF")
                    await until(lambda: postings(collector)[0][0] == "done")

    asyncio.run(scenario())


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
            collector.state.write_now(lambda db: db.execute(outbox.update().values(state="sending")))
        async with served(platform.app) as url:
            tables = PLATFORM.format(url=url, header=header, attempts_max=5)
            clock = Clock()
            with standing(settings(tmp_path, tables=tables), clock) as collector:
                async with running_outbox(collector, clock):
                    await until(lambda: postings(collector)[0][0] == state)
                if state == "needs_person":
                    assert INTERRUPTED in postings(collector)[0][1]
                    assert platform.cases.total() == 0

    asyncio.run(scenario())


def test_nothing_is_due_before_its_time(tmp_path: Path) -> None:
    """A back-off is kept over a restart."""
    tables = PLATFORM.format(url="http://127.0.0.1:1/", header="", attempts_max=5)
    with standing(settings(tmp_path, tables=tables), Clock()) as collector:
        given(collector, [up(happened(1, raised(1)), lane=Lane.EVENTS)])
        asyncio.run(projected(collector))
        collector.state.write_now(lambda db: db.execute(outbox.update().values(next_ms=NOW_MS + 1)))
        assert isinstance(collector.outbox, Outbox)
        assert asyncio.run(collector.outbox._due()) == []
