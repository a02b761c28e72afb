"""What fails in one part of the centre is logged, counted and tried again; the part does not end."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from collector import patience, projections
from collector.metrics import Metrics
from collector.patience import RETRY_MAX_S, RETRY_S, repeated
from collector.projections import Keeper
from collector.service import Collector
from tests.collector.telling.test_whole_centre import centre

FULL = OperationalError("INSERT", {}, Exception("disk full"))


class Failing:
    """A projection that fails as it is told, and then has something to do once."""

    name = "failing"

    def __init__(self, *errors: Exception) -> None:
        """Each of these is raised once."""
        self.left: Iterator[Exception] = iter(errors)
        self.advanced = asyncio.Event()

    async def position(self) -> int:
        """See Projection."""
        return 0

    async def advance(self) -> bool:
        """See Projection."""
        if error := next(self.left, None):
            raise error
        self.advanced.set()
        return False

    async def rewind(self) -> None:
        """See Projection."""


@pytest.mark.parametrize("error", [ValueError("max() arg is an empty sequence"), KeyError("grouping"), FULL])
def test_a_keeper_goes_on_whatever_its_projection_raises(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Logged once with its trace, counted each time, and tried again until it works."""
    monkeypatch.setattr(patience, "RETRY_S", 0.001)
    monkeypatch.setattr(projections, "PAUSE_S", 0.001)
    metrics = Metrics()

    async def scenario() -> str:
        projection = Failing(error, error, error)
        keeper = Keeper(projection, metrics, monotonic_s=lambda: 0.0)
        task = asyncio.create_task(keeper.run())
        waiting = asyncio.create_task(projection.advanced.wait())
        try:
            async with asyncio.timeout(20):
                await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
                assert not task.done(), task.exception()
                while keeper.failing:
                    await asyncio.sleep(0)
        finally:
            task.cancel()
            waiting.cancel()
            await asyncio.gather(task, waiting, return_exceptions=True)
        return metrics.text().decode()

    assert 'gengfu_failures_total{part="projection failing"} 3.0' in asyncio.run(scenario())
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_a_mistake_is_tried_again_ever_more_patiently_and_a_full_disk_soon() -> None:
    """The wait doubles up to its limit, and begins anew once it worked."""
    standing = Metrics().patiences.of("part")
    waits = [standing.failed(ValueError()) for _ in range(8)]
    assert waits == [min(RETRY_S * 2**number, RETRY_MAX_S) for number in range(8)]
    assert standing.failing == "ValueError"
    assert standing.failed(FULL) == RETRY_S
    assert standing.failing == "disk full"
    standing.worked()
    assert (standing.failing, standing.failed(KeyError("key"))) == ("", RETRY_S)


def test_what_lasts_is_in_the_log_again_every_hour(caplog: pytest.LogCaptureFixture) -> None:
    """With its trace; a day of it is no more than 25 traces, however often it is tried."""
    standing, waited_s = Metrics().patiences.of("part"), 0.0
    while waited_s < 24 * 3_600:
        waited_s += standing.failed(ValueError("x"))
    assert len(caplog.records) in (24, 25)
    rare = Metrics().patiences.of("rare")
    for _ in range(3):
        rare.failed(ValueError("x"), 7_200)
    assert [record.args for record in caplog.records[-3:]] == [("rare",)] * 3


def test_who_cannot_go_on_is_told_until_it_can() -> None:
    """By part, of which several may be at it; nobody else is kept."""
    patiences = Metrics().patiences
    one, other, _idle = patiences.of("b"), patiences.of("b"), patiences.of("c")
    one.failed(KeyError("x"))
    other.failed(FULL)
    patiences.of("a").failed(ValueError())
    assert patiences.reasons() == ["a: cannot go on (ValueError)", "b: cannot go on (disk full)"]
    other.worked()
    assert patiences.reasons()[1:] == ["b: cannot go on ('x')"]
    one.worked()
    assert len(patiences.reasons()) == 1


def test_what_fails_for_ever_is_told_and_counted_whatever_part_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In /healthz and /metrics, of every loop of a whole centre."""

    async def mistaken(*_: object) -> None:
        raise ValueError("max() arg is an empty sequence")

    async def scenario(collector: Collector) -> None:
        rooms = collector.rooms
        works = {
            "housekeeping": (collector.housekeeping, "round"),
            "the closing of incidents": (rooms.incident_keeping, "look"),
            "timers of alarms": (rooms.alarm_timers, "round"),
            "timers of cases": (rooms.case_timers, "look"),
            "the watch on the fleet": (collector.fleet, "look"),
            "rollouts": (collector.rollout_runner, "_look"),
            "the evaluation": (collector.evaluation, "advance"),
            "the exchange": (collector.exchange, "round"),
            "the note of when the centre hears": (collector.listening, "note"),
            "the telling of people": (collector.telling.teller, "look"),
            "platforms: route": (collector.platforms, "_route"),
            "projection series": (collector.series, "advance"),
        }
        for part, name in works.values():
            monkeypatch.setattr(part, name, mistaken)
        told = [f"{part}: cannot go on (max() arg is an empty sequence)" for part in works]
        tasks = [asyncio.create_task(loop) for loop in collector.loops()]
        try:
            async with asyncio.timeout(20):
                while not set(told) <= set(collector.health.reasons()):
                    await asyncio.sleep(0.02)
        finally:
            missing = set(told) - set(collector.health.reasons())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert not missing
        text = (await collector.health.metrics_text()).decode()
        assert [part for part in works if f'gengfu_failures_total{{part="{part}"}} ' not in text] == []

    with centre(tmp_path, 9) as (collector, _):
        asyncio.run(scenario(collector))


def test_what_is_repeated_goes_on_after_any_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """It works again on its own."""
    monkeypatch.setattr(patience, "RETRY_S", 0.001)

    async def scenario() -> None:
        work = Failing(ValueError("x"), FULL, KeyError("y"))
        standing = Metrics().patiences.of("part")
        task = asyncio.create_task(repeated(work.advance, 0.001, standing))
        async with asyncio.timeout(20):
            await work.advanced.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())


def test_what_has_more_is_done_again_at_once() -> None:
    """Until there is no more; only then it waits."""

    async def scenario() -> list[int]:
        left, done, over = [1, 2, 3], list[int](), asyncio.Event()

        async def work() -> bool:
            done.append(left.pop(0))
            if not left:
                over.set()
            return bool(left)

        task = asyncio.create_task(repeated(work, 3_600, Metrics().patiences.of("part")))
        async with asyncio.timeout(20):
            await over.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return done

    assert asyncio.run(scenario()) == [1, 2, 3]
