"""Series stores outside the centre: a real VictoriaMetrics that is killed, and a server that refuses."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from collector.journal import first_id, head, prune
from collector.series.settling import Settling
from collector.series.store_errors import StoreError
from collector.series.stores import StoreProjection
from collector.service import Collector, World, running
from collector.settings import Loaded
from contract import batches
from contract.samples import ClockState, Quality, Sample
from simulators.servers import free_port
from simulators.victoria_metrics import VictoriaMetrics
from tests.collector.making import Clock, given, header, settings, standing, telemetry, up

FROM_MS = 1_767_225_600_000
"""Of the samples: a past that no store takes for the future."""
SETTLE_S = 12.0
"""What VictoriaMetrics 1.79 had answered for was on disk after 6 to 10 s."""
WAIT_S = 90.0
PER_BATCH = 50


@pytest.fixture
def store(tmp_path: Path) -> Iterator[VictoriaMetrics]:
    """A store of this test's own, at work."""
    victoria_metrics = VictoriaMetrics(tmp_path / "store")
    victoria_metrics.start()
    yield victoria_metrics
    victoria_metrics.kill()


def wanting(
    folder: Path, url: str, *, settle_s: float = SETTLE_S, more: str = "", limits: str = ""
) -> Loaded:
    """Return the settings of a centre with one series store."""
    table = f'[[series_stores]]\nname = "archive"\nkind = "influxdb"\nurl = "{url}"\n'
    return settings(folder, tables=f"{table}store_settle_s = {settle_s}\n{more}", limits=limits)


def numbered(sequence: int) -> list[Sample]:
    """Return the samples of a batch, each with a value of its own."""
    first = sequence * PER_BATCH
    return [
        Sample(FROM_MS + number * 100, "meter", "pressure", number / 10)
        for number in range(first, first + PER_BATCH)
    ]


def taken(collector: Collector, *sequences: int) -> None:
    """Let batches arrive."""
    given(collector, [up(telemetry(sequence, numbered(sequence))) for sequence in sequences])


def missing(store: VictoriaMetrics, last_sequence: int) -> tuple[int, int]:
    """Return how many samples of these batches are not there as they were, and how many are too much."""
    found = store.export('{__name__="pressure_value"}').get(PRESSURE, [])
    wanted = {
        (sample.time_ms, sample.value)
        for sequence in range(1, last_sequence + 1)
        for sample in numbered(sequence)
    }
    return len(wanted - set(found)), len(found) - len(wanted & set(found))


PRESSURE = (("__name__", "pressure_value"), ("device", "meter"), ("gateway", "gw-1"))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so; fail after a bound."""
    async with asyncio.timeout(WAIT_S):
        while not await condition():
            await asyncio.sleep(0.05)


async def forward(projection: StoreProjection, *, written: int = 0, settled: int = 0) -> None:
    """Advance, as the keeper does, until so much is written, or settled."""

    async def done() -> bool:
        with contextlib.suppress(StoreError):
            while await projection.advance():
                pass
        return projection._settling.written >= written and await projection.position() >= settled

    await until(done)


def counted(collector: Collector, name: str) -> float:
    """Return a counter of the store."""
    found = collector.metrics.registry.get_sample_value(
        f"gengfu_store_{name}_total", {"projection": "store-archive"}
    )
    assert found is not None
    return found


def test_every_sample_of_the_journal_arrives_as_it_was(store: VictoriaMetrics, tmp_path: Path) -> None:
    """Decimals to the last, switches as 1 and 0; what was not good says so; a broken batch is passed."""
    chance = Random(5)
    shapes: dict[str, Callable[[int], bool | int | float]] = {
        "whole": lambda number: number - 500,
        "tenths": lambda number: number / 10,
        "fine": lambda number: chance.randrange(10**9) / 10**6,
        "switch": lambda number: number % 3 == 0,
        "wild": lambda number: chance.random(),
    }
    samples = [
        Sample(FROM_MS + number * 1000, device, point, value(number))
        for device in ("meter-1", "meter-2")
        for point, value in shapes.items()
        for number in range(1000)
    ]
    odd = [
        Sample(FROM_MS, "meter-3", "flow", 3.5),
        Sample(FROM_MS + 1000, "meter-3", "flow", None, Quality.BAD, "timeout"),
        Sample(FROM_MS + 2000, "meter-3", "flow", 9.5, Quality.UNCERTAIN, "range", ClockState.HOLDOVER),
    ]

    async def scenario(collector: Collector) -> None:
        given(collector, [up(telemetry(1, samples)), up(batches.message(header(2), b"\x00no"))])
        given(collector, [up(telemetry(3, odd))])
        await forward(collector.series_stores[0], written=3)

    with standing(wanting(tmp_path, store.url, more="lines_per_write_max = 999"), World.real()) as collector:
        asyncio.run(scenario(collector))
        assert counted(collector, "samples_sent") == 10_003
    found = {
        (labels["device"], labels["__name__"]): each
        for key, each in store.export().items()
        for labels in [dict(key)]
        if labels["gateway"] == "gw-1"
    }
    for device in ("meter-1", "meter-2"):
        for point in shapes:
            wanted = [
                (sample.time_ms, float(sample.value or 0))
                for sample in samples
                if (sample.device, sample.point) == (device, point)
            ]
            had = found.pop((device, f"{point}_value"))
            assert [time_ms for time_ms, _ in had] == [time_ms for time_ms, _ in wanted]
            values = [value for _, value in wanted]
            if point == "wild":  # VictoriaMetrics keeps twelve digits of what has seventeen
                assert [value for _, value in had] == pytest.approx(values, rel=0, abs=1e-11)
            else:
                assert [value for _, value in had] == values
    assert found == {
        ("meter-3", "flow_value"): [(FROM_MS, 3.5), (FROM_MS + 2000, 9.5)],
        ("meter-3", "flow_quality"): [(FROM_MS + 1000, 4), (FROM_MS + 2000, 1)],
        ("meter-3", "flow_error"): [(FROM_MS + 1000, 0), (FROM_MS + 2000, 0)],  # it has no texts
        ("meter-3", "flow_clock"): [(FROM_MS + 2000, 1)],
    }


def test_without_going_back_a_kill_costs_samples(
    store: VictoriaMetrics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: who believes 204 loses all that the store held in memory, and never knows."""
    monkeypatch.setattr(Settling, "_back", lambda _: False)
    with standing(wanting(tmp_path, store.url), World.real()) as collector:
        projection = collector.series_stores[0]

        async def scenario() -> None:
            taken(collector, *range(1, 11))
            await forward(projection, written=10)
            store.kill()
            store.start()
            taken(collector, 11)
            await forward(projection, written=11)

        asyncio.run(scenario())
    assert missing(store, 11) == (10 * PER_BATCH, 0)


def test_a_restart_of_the_centre_sends_again_what_had_not_settled(
    store: VictoriaMetrics, tmp_path: Path
) -> None:
    """Nobody knows what befell the store meanwhile; what is there already counts once."""
    loaded = wanting(tmp_path, store.url)
    with standing(loaded, World.real()) as collector:
        taken(collector, 1, 2, 3)
        asyncio.run(forward(collector.series_stores[0], written=3))
        assert asyncio.run(collector.series_stores[0].position()) == 0
    store.kill()
    store.start()
    with standing(loaded, World.real()) as collector:
        asyncio.run(forward(collector.series_stores[0], written=3))
        assert counted(collector, "samples_sent") == 3 * PER_BATCH
    with standing(loaded, World.real()) as collector:
        asyncio.run(forward(collector.series_stores[0], written=3))
    assert missing(store, 3) == (0, 0)


def test_a_store_that_is_down_is_told_and_holds_nobody_up(tmp_path: Path) -> None:
    """Health names it, its lag is a metric, and once it is there it is sent everything."""
    store = VictoriaMetrics(tmp_path / "store")

    async def scenario(loaded: Loaded) -> None:
        async with running(loaded, World.real()) as collector, httpx.AsyncClient(trust_env=False) as client:
            for sequence in (1, 2):
                await collector.ingest.offer(up(telemetry(sequence, numbered(sequence))))

            async def told() -> bool:
                answer = await client.get(f"{collector.url}/healthz")
                return "projection store-archive: cannot go on" in answer.text

            await until(told)

            async def behind() -> bool:
                figures = (await client.get(f"{collector.url}/metrics")).text
                lag = "gengfu_projection_lag_batches{projection="
                return f'{lag}"store-archive"}} 2.0' in figures and f'{lag}"series"}} 0.0' in figures

            await until(behind)
            await asyncio.to_thread(store.start)

            async def there() -> bool:
                return await asyncio.to_thread(missing, store, 2) == (0, 0)

            await until(there)
            assert "store-archive" not in (await client.get(f"{collector.url}/healthz")).text

    try:
        asyncio.run(scenario(wanting(tmp_path, store.url)))
    finally:
        store.kill()


@pytest.mark.parametrize("outlives", [0, 1])
def test_a_store_that_stays_down_loses_what_a_full_journal_has_no_room_for_and_that_is_counted(
    outlives: int, tmp_path: Path
) -> None:
    """The centre takes batches all the while; the store goes on with the oldest that is left.

    Also where a batch that cannot be decoded outlives those behind it; and a new start counts none again.
    """
    store = VictoriaMetrics(tmp_path / "store")
    limits = "journal_bytes_max = 1048576\ncommit_bytes_max = 524288"
    noise = Random(1)
    last = 30

    def big(sequence: int) -> list[Sample]:
        return [
            Sample(FROM_MS + sequence * 10_000 + number, "meter", "noise", noise.random())
            for number in range(9_000)
        ]  # 66 KiB

    loaded = wanting(tmp_path, store.url, limits=limits)
    with standing(loaded, World.real()) as collector:
        projection = collector.series_stores[0]

        async def filled() -> None:
            for sequence in range(1, last + 1):
                batch = telemetry(sequence, big(sequence))
                if sequence == outlives:
                    batch = batches.message(header(sequence), b"\x07later")
                given(collector, [up(batch)])
                with pytest.raises(StoreError):
                    await projection.advance()
                while await collector.series.advance():
                    pass
                while await collector.alarms.advance():
                    pass
                await collector.housekeeping.round()
                assert collector.state.read_now(head).bytes <= 600_000

        asyncio.run(filled())
        gone = last - collector.state.read_now(head).batches
        assert 15 < gone < last
        assert counted(collector, "batches_lost") == gone
    with standing(loaded, World.real()) as collector:
        store.start()
        try:
            asyncio.run(forward(collector.series_stores[0], written=last))
            assert counted(collector, "batches_lost") == 0
            [samples] = store.export('{__name__="noise_value"}').values()
            assert len(samples) == (last - gone - outlives) * 9_000
        finally:
            store.kill()


def test_what_was_dropped_while_a_store_was_not_in_the_settings_counts_when_it_is_again(
    tmp_path: Path,
) -> None:
    """Nobody waited for it meanwhile."""
    store = VictoriaMetrics(tmp_path / "store")
    with standing(wanting(tmp_path, store.url), Clock()) as collector:
        taken(collector, *range(1, 6))
        collector.state.write_now(lambda db: prune(db, passed=3, bytes_max=0, before_ms=0))
    with standing(wanting(tmp_path, store.url), World.real()) as collector:
        store.start()
        try:
            asyncio.run(forward(collector.series_stores[0], written=5))
        finally:
            store.kill()
        assert counted(collector, "batches_lost") == 3


def test_without_a_store_the_embedded_series_still_hold_the_journal(tmp_path: Path) -> None:
    """Only others' stores are passed: what the centre itself has not projected is never dropped."""
    limits = "journal_bytes_max = 1048576\ncommit_bytes_max = 524288"
    noise = Random(1)
    big = [Sample(FROM_MS + number, "meter", "noise", noise.random()) for number in range(9_000)]
    with standing(wanting(tmp_path, "http://127.0.0.1:1", limits=limits), Clock()) as collector:
        given(collector, [up(telemetry(sequence, big)) for sequence in range(1, 12)])
        asyncio.run(collector.housekeeping.round())
        assert collector.state.read_now(first_id) == 1


@dataclass
class Refusing:
    """A server of the write API that refuses lines with a word in it, and says nothing of its process."""

    word: str = "poison"
    status: int = 400
    lines: list[str] = field(default_factory=list)
    asked: list[tuple[dict[str, list[str]], str]] = field(default_factory=list)
    requests: int = 0

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """Serve on a loopback port; yield the address."""
        refusing = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

            def do_GET(self) -> None:
                self.send_error(404)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                refusing.requests += 1
                refusing.asked.append(
                    (parse_qs(urlsplit(self.path).query), str(self.headers["Authorization"]))
                )
                bad = refusing.word in body
                if not bad:
                    refusing.lines += body.split("\n")
                self.send_response(refusing.status if bad else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_line_that_is_refused_is_counted_and_passed_and_costs_no_other(status: int, tmp_path: Path) -> None:
    """It is found by halves; the request says bucket, precision and token."""
    (tmp_path / "token").write_text("secret-1\n")
    refusing = Refusing(status=status)
    mixed = [Sample(FROM_MS + number, "meter", "note", f"text {number}") for number in range(64)]
    mixed[17] = Sample(FROM_MS + 17, "meter", "note", "poison")
    with refusing.serving() as url:
        loaded = wanting(tmp_path, url, more='token_file = "token"\norg = "city"')
        with standing(loaded, World.real()) as collector:
            given(collector, [up(telemetry(1, mixed)), up(telemetry(2, numbered(2)))])
            asyncio.run(forward(collector.series_stores[0], written=2))
            assert counted(collector, "lines_refused") == 1
            assert counted(collector, "samples_sent") == 63 + PER_BATCH
    assert len(refusing.lines) == 63 + PER_BATCH
    assert refusing.requests <= 2 * 8
    query, token = refusing.asked[0]
    assert (query, token) == ({"org": ["city"], "bucket": ["gengfu"], "precision": ["ms"]}, "Token secret-1")


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503])
def test_a_store_that_takes_nothing_at_all_is_waited_for(status: int, tmp_path: Path) -> None:
    """It refuses us, not the lines: nothing is passed, and the reason is told."""
    refusing = Refusing(word="=", status=status)
    with refusing.serving() as url, standing(wanting(tmp_path, url), World.real()) as collector:
        taken(collector, 1)
        projection = collector.series_stores[0]
        said: list[str] = []

        async def refused() -> bool:
            try:
                await projection.advance()
            except StoreError as error:
                said.append(str(error))
            return bool(said)

        asyncio.run(until(refused))
        assert "refused" in said[0] or f"answers {status}" in said[0]
        assert projection._settling.written == 0
        refusing.word = "poison"  # it was mended
        asyncio.run(forward(projection, written=1))
    assert len(refusing.lines) == PER_BATCH


def test_a_store_that_never_answers_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    """It is given up after ``timeout_s``; the event loop goes on meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        loaded = wanting(tmp_path, url, more="timeout_s = 1")
        with standing(loaded, World.real()) as collector:

            async def scenario() -> int:
                advancing = asyncio.create_task(collector.series_stores[0].advance())
                turns = 0
                while not advancing.done():
                    await asyncio.sleep(0.01)
                    turns += 1
                with pytest.raises(StoreError, match="does not answer: timed out"):
                    await advancing
                return turns

            assert asyncio.run(scenario()) > 5


def test_a_new_store_begins_with_what_the_journal_holds_and_nothing_is_called_lost(tmp_path: Path) -> None:
    """What was dropped before it was there was never owed to it; one that was there before is owed it."""
    url = f"http://127.0.0.1:{free_port()}"
    with standing(settings(tmp_path), Clock()) as collector:
        taken(collector, *range(1, 6))
        collector.state.write_now(lambda db: prune(db, passed=3, bytes_max=0, before_ms=0))
    with standing(wanting(tmp_path, url), Clock()) as collector:
        assert asyncio.run(collector.series_stores[0].position()) == 3


def test_a_rewound_store_is_sent_the_whole_journal_again(store: VictoriaMetrics, tmp_path: Path) -> None:
    """For a store that was wiped; what it still has counts once."""
    with standing(wanting(tmp_path, store.url, settle_s=1), World.real()) as collector:
        projection = collector.series_stores[0]

        async def scenario() -> None:
            taken(collector, 1, 2, 3)
            await forward(projection, settled=3)
            store.kill()
            store.wipe()
            store.start()
            await projection.rewind()
            await forward(projection, settled=3)

        asyncio.run(scenario())
    assert missing(store, 3) == (0, 0)
