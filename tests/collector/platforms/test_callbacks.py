"""Callbacks: known by their signature, taken once and as a whole, refused with a reason that is counted."""

import asyncio
import itertools
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given as given_that
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from collector.platforms import queue
from collector.platforms.hearing import Backwards, decide
from collector.platforms.signing import Signature, Signed
from collector.platforms.stages import ORDER
from collector.platforms.tables import platform_nonces, platform_statuses
from collector.service import Collector
from collector.tables import cases, outbox
from contract.topics import Lane
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
from tests.collector.platforms.making import CALLBACKS, KEY, SECRET

PATH = "/api/v1/platforms/city/callback"
SCHEME = Signature(kind="hmac")
NONCES = itertools.count(1)


@contextmanager
def centre(folder: Path, *, tables: str = CALLBACKS, alarms: int = 1) -> Iterator[tuple[Collector, Clock]]:
    """Put a centre together whose cases the platform has taken, and which hears of them."""
    clock = Clock()
    toml = making.centre_tables(folder, "http://127.0.0.1:1", making.mapping_text(KEY, tables))
    with standing(settings(folder, tables=toml), clock) as collector:
        events = [raised(number, part="", device=f"meter-{number}") for number in range(alarms)]
        given(collector, [up(happened(1, *events), lane=Lane.EVENTS)])
        asyncio.run(projected(collector))
        collector.state.write_now(lambda db: queue.route(db, collector.platforms.choose))
        box = collector.platforms.outboxes["city"]
        for due in collector.state.read_now(lambda db: queue.due(db, "city", NOW_MS, 99, ())):
            number = f"SIM-{due.row}"
            collector.state.write_now(lambda db, it=due, of=number: box.settle(db, it, queue_filed(of)))  # type: ignore[misc]
        yield collector, clock


def queue_filed(number: str) -> Any:
    """Return the verdict that the platform has it."""
    from collector.platforms.verdicts import Filed

    return Filed(number)


def event(stage: str, *, row: int = 1, n: int = 1, at_ms: int = NOW_MS, **changes: Any) -> dict[str, Any]:
    """Return an event as the platform tells it."""
    told = {"eventId": f"e{n}", "number": f"SIM-{row}", "stage": stage, "timeMs": at_ms}
    return told | changes


def posted(
    collector: Collector,
    told: Any,
    *,
    secret: str = SECRET,
    at_ms: int = NOW_MS,
    nonce: str = "",
    headers: dict[str, str] | None = None,
    path: str = PATH,
) -> tuple[int, Any]:
    """Send a callback; return its status and what is said."""
    body = told if isinstance(told, bytes) else json.dumps(told, ensure_ascii=False).encode()
    request = Signed("POST", path, str(at_ms), nonce or f"nonce-{next(NONCES)}", body)
    given_headers = SCHEME.headers(secret.encode(), request) if headers is None else headers

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=collector.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://centre") as client:
            return await client.post(path, content=body, headers=given_headers)

    answer = asyncio.run(ask())
    return answer.status_code, answer.json()


def stage_of(collector: Collector) -> str:
    """Return the stage of the first case."""
    return str(collector.state.read_now(lambda db: db.execute(cases.select()).first()).stage)  # type: ignore[union-attr]


def counted(collector: Collector, name: str) -> dict[str, float]:
    """Return a counter by its last label."""
    registry: CollectorRegistry = collector.metrics.registry
    return {
        list(sample.labels.values())[-1]: sample.value
        for metric in registry.collect()
        if metric.name == f"gengfu_{name}"
        for sample in metric.samples
    }


def test_a_case_follows_what_its_platform_tells(tmp_path: Path) -> None:
    """Each event once, however often it comes."""
    with centre(tmp_path) as (collector, _):
        assert stage_of(collector) == "filed"
        told = [event(code, n=number, at_ms=NOW_MS - 100 + number) for number, code in
                enumerate(["filed", "dispatched", "processing", "done", "closed"], 1)]  # fmt: skip
        assert posted(collector, told[0]) == (200, {"outcomes": ["known"]})
        for each in told[1:]:
            assert posted(collector, each) == (200, {"outcomes": ["applied"]})
            assert posted(collector, each) == (200, {"outcomes": ["known"]})
        assert stage_of(collector) == "verified"
        assert [row[9] for row in rows(collector.state, platform_statuses)] == ["known", *["applied"] * 4]


def test_a_stage_that_was_lost_is_passed_through_and_what_comes_late_moves_nothing(tmp_path: Path) -> None:
    """It is recorded as what it is."""
    with centre(tmp_path) as (collector, _):
        assert posted(collector, event("done", n=4, at_ms=NOW_MS - 1)) == (
            200,
            {"outcomes": ["applied"]},
        )
        assert stage_of(collector) == "reported"
        late = event("dispatched", n=2, at_ms=NOW_MS - 50)
        assert posted(collector, late) == (200, {"outcomes": ["backwards"]})
        assert posted(collector, late) == (200, {"outcomes": ["known"]})
        assert stage_of(collector) == "reported"
        assert rows(collector.state, platform_statuses)[-1][9] == "backwards"


@pytest.mark.parametrize(
    ("told", "status", "word", "said"),
    [
        (b"{", 422, "malformed", "the body is no JSON"),
        (b"\xff", 422, "malformed", "the body is no JSON"),
        (b"[" * 60_000, 422, "malformed", "the body is no JSON"),
        ([], 422, "malformed", "no JSON object"),
        ({"stage": "done"}, 422, "malformed", "ref: missing"),
        ({"number": "SIM-1"}, 422, "malformed", "stage: missing"),
        (event("vanished"), 422, "unknown_code", "unknown stage code 'vanished'"),
        (event("done", timeMs="soon"), 422, "malformed", "timeMs: no time"),
        (event("done", row=99), 404, "unknown_case", "no case 'SIM-99' was sent to city"),
        (event("done", ref="not-ours"), 404, "unknown_case", "no case 'not-ours'"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_a_reason_and_counted(
    told: Any, status: int, word: str, said: str, tmp_path: Path
) -> None:
    """And nothing of it is written."""
    with centre(tmp_path) as (collector, _):
        code, answer = posted(collector, told)
        assert code == status
        assert said in answer["detail"]
        assert counted(collector, "platform_callbacks_refused") == {word: 1.0}
        assert rows(collector.state, platform_statuses) == rows(collector.state, platform_nonces) == []
        assert stage_of(collector) == "filed"


def test_who_does_not_sign_is_refused_whatever_it_says(tmp_path: Path) -> None:
    """Another secret, no signature, too late, once more."""
    with centre(tmp_path) as (collector, _):
        told = event("dispatched")
        assert posted(collector, told, secret="other")[0] == 401
        assert posted(collector, told, headers={})[0] == 401
        assert posted(collector, told, at_ms=NOW_MS - 301_000)[0] == 401
        assert posted(collector, b"[" * 60_000, secret="other")[0] == 401
        assert stage_of(collector) == "filed"
        assert posted(collector, told, nonce="once")[0] == 200
        code, answer = posted(collector, event("processing", n=2), nonce="once")
        assert (code, answer["detail"]) == (409, "this nonce was used already; sign each request anew")
        assert counted(collector, "platform_callbacks_refused") == {
            "forged": 2.0, "unsigned": 1.0, "late": 1.0, "replayed": 1.0,
        }  # fmt: skip
        assert posted(collector, told, path="/api/v1/platforms/other/callback")[0] == 404
        assert posted(collector, b"x" * 70_000)[0] == 413


def test_nonces_are_forgotten_when_nothing_could_be_replayed_any_more(tmp_path: Path) -> None:
    """After twice the window: by then the timestamp is too old, whichever clock is wrong."""
    with centre(tmp_path) as (collector, clock):
        for number in range(5):
            posted(collector, event("dispatched", n=number))
        assert len(rows(collector.state, platform_nonces)) == 5
        clock.now_ms += 600_001
        posted(collector, event("dispatched", n=9), at_ms=clock.now_ms)
        assert len(rows(collector.state, platform_nonces)) == 1


def test_a_list_of_events_is_taken_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    """One that is of no case, and none is taken."""
    tables = CALLBACKS.replace(
        "[callbacks.status]", 'items = "events"\nanswer = { code = 0 }\n[callbacks.status]'
    )
    with centre(tmp_path, tables=tables, alarms=2) as (collector, _):
        good = [event("dispatched", row=row, n=row, eventId=f"{row}") for row in (1, 2)]
        code, _answer = posted(collector, {"events": [*good, event("done", row=77)]})
        assert code == 404
        assert rows(collector.state, platform_statuses) == []
        code, answer = posted(collector, {"events": [*good, event("vanished", row=1)]})
        assert (code, answer["detail"].startswith("events[2]: stage: unknown stage code")) == (422, True)
        assert posted(collector, {"events": good}) == (200, {"outcomes": ["applied"] * 2, "code": 0})
        assert posted(collector, {"events": []})[0] == 422
        assert posted(collector, {"events": [event("done")] * 101})[0] == 422


def test_a_callback_settles_a_message_that_nobody_knew_about(tmp_path: Path) -> None:
    """The platform's own word is proof; the person's list is shorter by one."""
    with centre(tmp_path) as (collector, _):
        case_id = str(rows(collector.state, outbox)[0][1])
        doubt = {"state": "needs_person", "perhaps": True, "reason": "no answer"}
        collector.state.write_now(lambda db: db.execute(outbox.update().values(doubt)))
        collector.state.write_now(
            lambda db: db.execute(cases.update().values(stage="collected", platform_number=""))
        )
        assert posted(collector, event("dispatched", ref=case_id))[0] == 200
        [row] = collector.state.read_now(lambda db: db.execute(outbox.select().where(outbox.c.n == 1)).all())
        assert (row.state, row.perhaps) == ("done", False)
        [case] = collector.state.read_now(lambda db: db.execute(cases.select()).all())
        assert (case.stage, case.platform_number) == ("dispatched", "SIM-1")


def test_a_case_that_gets_another_number_is_perhaps_there_twice(tmp_path: Path) -> None:
    """Recorded and refused, so that somebody looks."""
    with centre(tmp_path) as (collector, _):
        case_id = str(rows(collector.state, outbox)[0][1])
        code, answer = posted(collector, event("dispatched", ref=case_id, row=777, eventId="x"))
        assert code == 409
        assert "calls this case SIM-1, and now SIM-777: it may be there twice" in answer["detail"]
        assert stage_of(collector) == "filed"
        assert rows(collector.state, platform_statuses)[-1][9] == "refused"


def test_events_in_any_order_repeated_or_lost_end_where_the_last_one_says(tmp_path: Path) -> None:
    """As long as the last arrives; the stage never goes back on the way."""
    codes = ["filed", "dispatched", "processing", "done"]
    chance = random.Random(5)
    with centre(tmp_path, alarms=12) as (collector, _):
        reached = {}
        for row in range(1, 13):
            told = [
                event(code, row=row, n=number, eventId=f"{row}-{number}", at_ms=NOW_MS - 100 + number)
                for number, code in enumerate(codes)
            ]
            arriving = [it for it in told[:-1] if chance.random() < 0.7] + told[-1:]
            arriving += chance.choices(arriving, k=2)
            chance.shuffle(arriving)
            before = -1
            for each in arriving:
                assert posted(collector, each)[0] == 200
                number = f"SIM-{row}"
                query = cases.select().where(cases.c.platform_number == number)
                stage = collector.state.read_now(lambda db, it=query: db.execute(it).one().stage)  # type: ignore[misc]
                assert ORDER.index(stage) >= before
                before = ORDER.index(stage)
            reached[row] = stage
        assert set(reached.values()) == {"reported"}


@given_that(
    st.sampled_from(ORDER),
    st.sampled_from(ORDER),
    st.none() | st.integers(0, 3),
    st.none() | st.integers(0, 3),
)
def test_a_case_goes_back_only_where_the_platforms_clock_says_that_it_came_after(
    here: str, told: str, at_ms: int | None, last_at_ms: int | None
) -> None:
    """And forward through every stage between."""
    steps = decide(here, told, at_ms, last_at_ms)
    is_back = ORDER.index(told) < ORDER.index(here)
    came_after = at_ms is not None and last_at_ms is not None and at_ms > last_at_ms
    if is_back:
        assert steps == ((told,) if came_after else Backwards())
    else:
        assert steps == ORDER[ORDER.index(here) + 1 : ORDER.index(told) + 1]
