"""The exchange upward: whatever breaks or is changed on the way, both ends hold the same and can prove it."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import delete, insert, update
from typer.testing import CliRunner

from bench import case_year
from bench.case_year import NOW_MS
from collector.cases.tables import case_events, case_stages
from collector.database import Database
from collector.exchange import api, telling
from collector.exchange.chain import Link, Record, canonical, decode, encode
from collector.exchange.exporter import Exporter
from collector.exchange.pulling import Pulled, pull
from collector.exchange.receiving import Receiver, ReceivingError
from collector.exchange.settings import Exchange
from collector.exchange.sources import SOURCES, Feed
from collector.parts.tables import parts
from collector.people.roles import LOCAL
from collector.tables import alarms, cases
from gengfu.commands.exchange import app as command
from tests.collector.making import journal_database
from tests.collector.serving import served

pytestmark = pytest.mark.usefixtures("both_engines")

CASES = 120
WAIT_S = 60.0
FEEDS = list(Feed)
Change = Callable[[bytes], tuple[bytes, bool]]
"""What becomes of a page on its way: its bytes, and whether the connection breaks behind them."""


class Upward:
    """A centre that tells upward, as far as that goes."""

    def __init__(self, state: Database, url: str, exporter: Exporter) -> None:
        """Put together by ``upward``."""
        self.state, self.url, self.exporter = state, url, exporter

    def tell(self) -> None:
        """Compare all with what was told."""
        asyncio.run(self.exporter.round())

    def there(self, feed: Feed) -> dict[str, Any]:
        """Return what the sources hold, as JSON tells it."""
        return json.loads(canonical(self.state.read_now(lambda db: SOURCES[feed](db, "", 100_000))))  # type: ignore[no-any-return]


@contextmanager
def upward(folder: Path, **limits: Any) -> Iterator[Upward]:
    """Serve the exchange of a state with parts, cases and alarms."""
    settings = Exchange(feeds=[each.value for each in FEEDS], **limits)
    with journal_database(folder) as state:
        case_year.fill(state, CASES, 3)
        state.write_now(lambda db: db.execute(insert(parts), [part(number) for number in range(40)]))
        state.write_now(lambda db: db.execute(insert(alarms), [alarm(number) for number in range(30)]))
        exporter = Exporter(state, settings, now_ms=lambda: NOW_MS)
        app = FastAPI()
        app.include_router(api.router(api.Sources(state, exporter, settings)), prefix="/api/v1")

        @app.middleware("http")
        async def as_local(request: Any, go_on: Any) -> Any:
            request.state.actor = LOCAL
            return await go_on(request)

        with served(app) as url:
            centre = Upward(state, url, exporter)
            centre.tell()
            yield centre


def part(number: int) -> dict[str, Any]:
    """Return a part of the city."""
    told = {column.name: "" for column in parts.columns}
    return told | {"code": f"50010101{number:08}", "name": f"井盖\u2028{number}", "lon": 106.5, "lat": 29.5}


def alarm(number: int) -> dict[str, Any]:
    """Return an alarm, of gateways whose names begin alike."""
    return {
        "gateway": ("gw", "gw-1", "gw.1")[number % 3],
        "id": f"{number:032x}",
        "rule": "r",
        "device": "d",
        "point": "p",
        "problem": "cover_open",
        "priority": "high",
        "message": "open",
        "part": "",
        "value": "1.5",
        "limit": float("inf") if number == 7 else 1.0,
        "clock": "synchronised",
        "raised_ms": NOW_MS,
        "received_ms": NOW_MS,
        "backfill": False,
        "waits": False,
    }


class Way(httpx.BaseTransport):
    """What lies between the two: it breaks off, or changes a byte."""

    def __init__(self, change: Change) -> None:
        """``change`` is asked for each page."""
        self._inner, self._change = httpx.HTTPTransport(verify=False), change  # http: no need of certificates

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a page on as far as it comes."""
        answer = self._inner.handle_request(request)
        answer.read()
        body, breaks = self._change(answer.content)
        return httpx.Response(answer.status_code, stream=_Cut(body, breaks))


class _Cut(httpx.SyncByteStream):
    def __init__(self, body: bytes, breaks: bool) -> None:
        self._body, self._breaks = body, breaks

    def __iter__(self) -> Iterator[bytes]:
        yield self._body
        if self._breaks:
            raise httpx.ReadError("the line is down")


def pulled(
    centre: Upward, receiver: Receiver, feed: Feed, change: Change | None = None, **more: Any
) -> Pulled:
    """Pull a feed over a way that may be bad."""
    transport = Way(change) if change else None
    with httpx.Client(
        base_url=centre.url, transport=transport, trust_env=False, verify=False, timeout=WAIT_S
    ) as client:
        return pull(client, receiver, feed.value, sleep=lambda _: None, **more)


def held(receiver: Receiver, feed: Feed) -> dict[str, Any]:
    """Return what the receiver holds."""
    return {key: body for key, _, body in receiver.items(feed.value)}


def agree(centre: Upward, receiver: Receiver, feed: Feed) -> None:
    """See that both ends hold the same, and say so."""
    assert held(receiver, feed) == centre.there(feed)
    [told] = [
        each
        for each in httpx.get(f"{centre.url}/api/v1/exchange", timeout=WAIT_S).json()
        if each["feed"] == feed
    ]
    at = receiver.standing(feed.value)
    assert (told["generation"], told["sequence"]) == (at.generation, at.link.sequence)
    assert (told["sha256"], told["sm3"]) == (at.link.sha256, at.link.sm3)
    assert told["items"] == receiver.count(feed.value) == len(centre.there(feed))


@pytest.mark.parametrize("seed", range(2))
def test_a_feed_that_breaks_off_anywhere_ends_equal(seed: int, tmp_path: Path) -> None:
    """Nothing comes twice, nothing is missing, and the digests of both ends are the same."""
    random = Random(seed)
    breaks = 0

    def broken(page: bytes) -> tuple[bytes, bool]:
        nonlocal breaks
        if random.random() < 0.5:
            return page, False
        breaks += 1
        return page[: random.randrange(len(page))], random.random() < 0.5

    with upward(tmp_path) as centre, closing(Receiver(tmp_path / "up.db")) as receiver:
        for feed in FEEDS:
            for _ in range(200):
                try:
                    pulled(centre, receiver, feed, broken, limit=random.randrange(1, 60))
                except ReceivingError:
                    continue
                break
            agree(centre, receiver, feed)
    assert breaks


KILLED = """
import os, signal, sys
from pathlib import Path
import httpx
from collector.exchange import receiving
from collector.exchange.pulling import pull
url, path, statements = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
receiver = receiving.Receiver(path)
left = [statements]
def counted(statement):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
receiver._db.set_trace_callback(counted)
with httpx.Client(base_url=url, trust_env=False, verify=False, timeout=60) as client:
    pull(client, receiver, "cases", limit=20)
"""


def test_a_receiver_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """At any statement, in the middle of a page as well."""
    random = Random(5)
    with upward(tmp_path) as centre:
        path = tmp_path / "up.db"
        kills, before = 0, 0
        while True:
            arguments = [sys.executable, "-c", KILLED, centre.url, str(path), str(random.randrange(5, 150))]
            done = subprocess.run(arguments, check=False, timeout=100)
            with closing(Receiver(path)) as receiver:
                now = receiver.standing("cases").link.sequence
                assert now >= before
                assert (now % 20 == 0) or now == CASES
                before = now
            if done.returncode == 0:
                break
            assert done.returncode == -signal.SIGKILL
            kills += 1
        assert kills > 1
        with closing(Receiver(path)) as receiver:
            agree(centre, receiver, Feed.CASES)


def test_a_page_that_was_changed_on_its_way_is_found_and_nothing_of_it_taken(tmp_path: Path) -> None:
    """Whichever byte: of a line, of a number, of the count, of a digest, of the line's end."""
    random = Random(9)
    with upward(tmp_path) as centre, closing(Receiver(tmp_path / "up.db")) as receiver:
        page = httpx.get(f"{centre.url}/api/v1/exchange/parts", timeout=WAIT_S).content
        receiver.begin_anew("parts")
        before = held(receiver, Feed.PARTS)
        last = page.rindex(b'{"page":')
        for place in [*(random.randrange(len(page)) for _ in range(30)), *range(last, len(page) - 1, 11)]:
            bad = page[:place] + bytes([page[place] ^ 1]) + page[place + 1 :]
            with pytest.raises(ReceivingError):
                pulled(centre, receiver, Feed.PARTS, lambda _, bad=bad: (bad, False))  # type: ignore[misc]
            assert receiver.standing("parts").link == Link()
            assert held(receiver, Feed.PARTS) == before
        pulled(centre, receiver, Feed.PARTS)
        agree(centre, receiver, Feed.PARTS)


def test_what_changes_is_told_as_a_new_version_and_what_goes_as_gone(tmp_path: Path) -> None:
    """And what stays is not told again."""
    with upward(tmp_path) as centre, closing(Receiver(tmp_path / "up.db")) as receiver:
        for feed in FEEDS:
            pulled(centre, receiver, feed)
        first, second = (part(number)["code"] for number in (0, 1))
        code = parts.c.code
        centre.state.write_now(lambda db: db.execute(delete(parts).where(code == first)))
        centre.state.write_now(lambda db: db.execute(update(parts).where(code == second).values(name="新")))
        centre.state.write_now(lambda db: db.execute(insert(parts).values(part(99))))
        centre.tell()
        assert pulled(centre, receiver, Feed.PARTS).lines == 3
        assert [version for key, version, _ in receiver.items("parts") if key == second] == [2]
        assert first not in held(receiver, Feed.PARTS)
        agree(centre, receiver, Feed.PARTS)
        centre.state.write_now(lambda db: db.execute(insert(parts).values(part(0))))
        gone = f"{1:032x}"
        for table, column in (
            (case_stages, case_stages.c.case_id),
            (case_events, case_events.c.case_id),
            (cases, cases.c.id),
        ):
            centre.state.write_now(lambda db, t=table, c=column: db.execute(delete(t).where(c == gone)))  # type: ignore[misc]
        centre.tell()
        assert pulled(centre, receiver, Feed.PARTS).lines == 1
        assert [version for key, version, _ in receiver.items("parts") if key == first] == [3]
        assert pulled(centre, receiver, Feed.CASES).lines == 1
        assert pulled(centre, receiver, Feed.SENSING).lines == 0
        for feed in FEEDS:
            agree(centre, receiver, feed)
            assert centre.state.read_now(lambda db, feed=feed: telling.counted(db, feed)) == len(  # type: ignore[misc]
                centre.there(feed)
            )


def test_a_feed_that_grew_too_long_is_told_anew_and_nothing_is_left_over(tmp_path: Path) -> None:
    """Receivers hear that their cursor means nothing, begin again and drop what is there no more."""
    with upward(tmp_path, lines_max=1_000) as centre, closing(Receiver(tmp_path / "up.db")) as receiver:
        pulled(centre, receiver, Feed.PARTS)
        for name in range(30):
            centre.state.write_now(lambda db, name=name: db.execute(update(parts).values(name=f"{name}")))  # type: ignore[misc]
            centre.tell()
        pulled(centre, receiver, Feed.PARTS)
        centre.state.write_now(lambda db: db.execute(delete(parts).where(parts.c.code == part(3)["code"])))
        centre.tell()
        assert pulled(centre, receiver, Feed.PARTS, limit=7).generation == 2
        agree(centre, receiver, Feed.PARTS)


def test_what_is_asked_wrongly_is_refused_with_words(tmp_path: Path) -> None:
    """A feed that is not exchanged, a cursor of nowhere, a form of none."""
    with (
        upward(tmp_path) as centre,
        httpx.Client(base_url=f"{centre.url}/api/v1/exchange", timeout=WAIT_S) as client,
    ):
        assert client.get("/cases", params={"after": "1:999999"}).status_code == 409
        assert client.get("/cases", params={"after": "7:1"}).status_code == 409
        assert client.get("/cases", params={"after": "x"}).status_code == 422
        assert client.get("/cases", params={"limit": 0}).status_code == 422
        centre.exporter.feeds.remove(Feed.CASES)
        refused = client.get("/cases")
        assert (refused.status_code, "name it in [exchange] feeds" in refused.text) == (404, True)
        with closing(Receiver(tmp_path / "up.db")) as receiver, pytest.raises(ReceivingError, match="404"):
            pulled(centre, receiver, Feed.CASES)


def test_the_command_pulls_every_feed_and_tells_where_it_stands(tmp_path: Path) -> None:
    """In both languages, as JSON; what is in the way is one sentence."""
    with upward(tmp_path) as centre:
        into = ["--into", str(tmp_path / "up.db")]
        for spoken, said in (("zh_CN.UTF-8", "现有 40 项"), ("C", "0 lines taken, 40 things are there")):
            shown = CliRunner().invoke(command, [centre.url, *into], env={"LC_ALL": spoken})
            assert shown.exit_code == 0, shown.output
            assert said in shown.output
        told = json.loads(CliRunner().invoke(command, [centre.url, *into, "--json"]).stdout)
        standing = httpx.get(f"{centre.url}/api/v1/exchange", timeout=WAIT_S).json()
        assert [each["sm3"] for each in told] == [each["sm3"] for each in standing]
        centre.exporter.feeds.remove(Feed.SENSING)
        refused = CliRunner().invoke(command, [centre.url, *into, "--feed", "sensing"])
        assert (refused.exit_code, "name it in [exchange] feeds" in refused.output) == (1, True)
    away = CliRunner().invoke(command, [centre.url, *into])
    assert (away.exit_code, "does not answer" in away.output) == (1, True)


def test_a_line_is_read_as_it_was_written_and_no_other_way() -> None:
    """Whoever writes it has one form."""
    link = Link()
    for number, body in enumerate(({"a": "井盖", "b": [1, None, 2.5]}, None, {}), 1):
        line = encode(Record(number, "k", number, body))
        record, after = decode(line, link)
        assert (record.body, record.sequence, after) == (body, number, link.then(line))
        assert encode(record) == line
        link = after
    assert link.sha256 != link.sm3
