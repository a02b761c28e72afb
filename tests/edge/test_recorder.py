"""Between measuring and keeping: nothing is stored twice, and nothing goes missing uncounted."""

import asyncio
import itertools
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from contract import batches
from contract.batches import Batch
from contract.events import UNSET, Gap
from contract.limits import MESSAGE_BYTES_MAX
from contract.samples import ClockState, Measured, Row, Sample, spread
from contract.topics import Lane
from edge import recorder as module
from edge.buffer.batch import Stored
from edge.buffer.losses import EVENTS_UNSTORED, SAMPLES_UNSTORED, UNCLEAN_END
from edge.buffer.store import Buffer
from edge.recorder import Recorder
from edge.reporting import Reporting, _policy
from edge.settings import Report
from simulators.virtual_loop import run_virtually
from tests.edge.virtual_gateway import LoopClock
from tests.whole.threadlike import ThreadLike

NOW_MS = 1_800_000_000_000


class Bench:
    """A real recorder on a real buffer, whose thread takes a while."""

    def __init__(
        self,
        folder: Path,
        during: Callable[[], None] = lambda: None,
        samples_per_batch_max: int = 5,
        held_ms: Callable[[], int | None] | None = None,
    ) -> None:
        """Begin empty; ``during`` is called in the middle of each call to the buffer."""
        numbers = itertools.count(1)
        self.ids: Callable[[], str] = lambda: f"{next(numbers):032x}"
        self.buffer = Buffer(folder / "buffer.db", "north", "gw-1", self.ids(), self.ids)
        self.told: list[Stored] = []
        self.learnt: dict[str, str] = {}
        self.recorder = Recorder(
            self.buffer,
            ThreadLike(Random(1), during),
            LoopClock(),
            flush_interval_s=5,
            samples_per_batch_max=samples_per_batch_max,
            bytes_max=2**28,
            remembered=lambda: {"baselines": self.learnt},
            on_stored=self.told.append,
            held_ms=held_ms,
        )
        self._time_ms = 0

    def measure(self, count: int) -> None:
        """Give it fresh samples."""
        self.take([self._sample() for _ in range(count)])

    def take(self, measured: Sequence[Measured]) -> None:
        """Give it what was measured now."""
        self.recorder.samples(measured, LoopClock().now())

    def happen(self) -> None:
        """Give it an event."""
        self.recorder.event(Gap(self.ids(), 1, "gateway", "test", 0, 1))

    def kept(self) -> Counter[int | str]:
        """Return how often each sample (by time) and event (by id) is on disk."""
        found: Counter[int | str] = Counter()
        for batch in self._batches():
            found.update([sample.time_ms for sample in batch.samples])
            found.update([event.id for event in batch.events if event not in self._gaps(batch)])
        return found

    def gaps(self) -> dict[str, Gap]:
        """Return the gaps on disk that tell of losses, by reason; there is one each."""
        found = [gap for batch in self._batches() for gap in self._gaps(batch)]
        assert len({gap.reason for gap in found}) == len(found)
        return {gap.reason: gap for gap in found}

    def counted(self) -> Counter[str]:
        """Return how many samples or events are told as lost, by reason."""
        told: Counter[str] = Counter()
        for batch in self._batches():
            for gap in self._gaps(batch):
                told[gap.reason] += gap.count or 0
        return told

    def _gaps(self, batch: Batch) -> list[Gap]:
        return [event for event in batch.events if isinstance(event, Gap) and event.reason != "test"]

    def _batches(self) -> Iterator[Batch]:
        [held] = self.buffer.ranges()
        for lane in Lane:
            for sequence in range(held.lanes[lane].first, held.lanes[lane].next):
                stored = self.buffer.read(lane, sequence)
                assert stored
                yield batches.decode(stored.message)

    def _sample(self) -> Sample:
        self._time_ms += 1
        return Sample(self._time_ms, "d", "p", 1.5)


def test_a_batch_on_disk_is_not_stored_again_when_making_room_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills between the two: what is committed is committed, and the uplink hears of it."""

    def refuses(_: int) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    async def live() -> None:
        bench = Bench(tmp_path)
        monkeypatch.setattr(bench.buffer, "keep_within", refuses)
        bench.measure(3)
        bench.happen()
        for _ in range(3):
            assert await bench.recorder.flush()
        assert set(bench.kept().values()) == {1}
        assert len(bench.told) == 2
        bench.buffer.close()

    run_virtually(live())


@pytest.mark.parametrize("wait_s", [0.0, 0.01, 0.03, 0.05])
def test_a_cancelled_commit_is_neither_lost_nor_done_twice(tmp_path: Path, wait_s: float) -> None:
    """Whenever the caller leaves: everything is on disk once after the next flush."""

    async def live() -> None:
        for _ in range(10):
            bench.measure(7)
            bench.happen()
            flushing = asyncio.create_task(bench.recorder.flush())
            await asyncio.sleep(wait_s)
            flushing.cancel()
            await asyncio.gather(flushing, return_exceptions=True)
            assert await bench.recorder.flush()
        kept = bench.kept()
        assert len(kept) == 80
        assert set(kept.values()) == {1}
        bench.buffer.close()

    bench = Bench(tmp_path)
    run_virtually(live())


def test_what_overflows_during_a_commit_is_counted_and_nothing_else_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow disk: samples and events keep coming while a batch is on its way to it."""
    monkeypatch.setattr(module, "PENDING_SAMPLES_MAX", 10)
    monkeypatch.setattr(module, "PENDING_EVENTS_MAX", 10)
    taken = 0

    def meanwhile() -> None:
        nonlocal taken
        if taken < 300:
            bench.measure(12)
            for _ in range(12):
                bench.happen()
            taken += 24

    async def live() -> None:
        nonlocal taken
        bench.measure(10)
        bench.happen()
        taken += 11
        while taken < 300:
            await bench.recorder.flush(everything=False)
        assert await bench.recorder.flush()
        kept = bench.kept()
        assert set(kept.values()) == {1}
        dropped = bench.recorder.dropped_samples + bench.recorder.dropped_events
        assert dropped > 0
        assert len(kept) + dropped == taken
        assert bench.counted() == Counter(
            {
                SAMPLES_UNSTORED: bench.recorder.dropped_samples,
                EVENTS_UNSTORED: bench.recorder.dropped_events,
            }
        )
        bench.buffer.close()

    bench = Bench(tmp_path, meanwhile)
    run_virtually(live())


@pytest.mark.parametrize("events", [0, 12, 25])
def test_samples_alone_make_what_is_too_much_give_way(
    events: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, without waiting for an event or the disk; pending events leave them so much less room."""
    monkeypatch.setattr(module, "PENDING_SAMPLES_MAX", 20)
    monkeypatch.setattr(module, "PENDING_EVENTS_MAX", 10)

    async def live() -> None:
        for _ in range(events):
            bench.happen()
        for _ in range(9):
            bench.measure(3)
        room = 20 - max(0, events - 10)
        assert bench.recorder.waiting == (room, events)
        assert bench.recorder.dropped_samples == 27 - room

    bench = Bench(tmp_path)
    run_virtually(live())


def test_while_the_disk_refuses_everything_waits_in_order(tmp_path: Path) -> None:
    """And is on disk once, the oldest first, when it takes again."""

    async def live() -> None:
        bench.buffer._db.execute("PRAGMA query_only = ON")
        for _ in range(4):
            bench.measure(7)
            bench.happen()
            assert not await bench.recorder.flush()
        bench.buffer._db.execute("PRAGMA query_only = OFF")
        assert await bench.recorder.flush()
        kept = bench.kept()
        assert len(kept) == 32
        assert set(kept.values()) == {1}
        assert [time_ms for time_ms in kept if isinstance(time_ms, int)] == list(range(1, 29))
        bench.buffer.close()

    bench = Bench(tmp_path)
    run_virtually(live())


def test_rows_are_divided_into_batches_as_their_samples_would_be(tmp_path: Path) -> None:
    """Batches hold five samples: rows of two go by twos, a row of seven is taken apart, none is lost."""

    async def live() -> None:
        rows = [
            Row(time_ms, "d", tuple(f"p{number}" for number in range(size)), (1.5,) * size)
            for time_ms, size in enumerate((2, 2, 2, 7, 1, 2))
        ]
        for row in rows:
            bench.take([row])
        assert await bench.recorder.flush()
        [held] = bench.buffer.ranges()
        lane = held.lanes[Lane.TELEMETRY]
        stored = [bench.buffer.read(Lane.TELEMETRY, number) for number in range(lane.first, lane.next)]
        kept = [batches.decode(each.message).samples for each in stored if each]
        assert max(map(len, kept)) <= 5
        assert sorted(map(repr, itertools.chain(*kept))) == sorted(map(repr, spread(rows)))
        bench.buffer.close()

    bench = Bench(tmp_path)
    run_virtually(live())


def test_a_batch_too_large_for_a_message_is_divided(tmp_path: Path) -> None:
    """Ten thousand series with names that nothing can compress: none is lost, and nothing falls."""
    random = Random(1)

    def name() -> str:
        return "".join(random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=40))

    async def live() -> None:
        samples = [Sample(time_ms, name(), name(), random.random()) for time_ms in range(10_000)]
        bench.take(samples)
        assert await bench.recorder.flush()
        kept = bench.kept()
        assert sorted(kept) == list(range(10_000))
        assert set(kept.values()) == {1}
        bench.buffer.close()

    bench = Bench(tmp_path, samples_per_batch_max=10_000)
    run_virtually(live())


def test_a_storm_of_events_too_large_for_a_message_is_divided(tmp_path: Path) -> None:
    """A thousand alarms after a day without a disk, each with a long text of its own."""

    async def live() -> None:
        bench, random = Bench(tmp_path), Random(1)
        texts = ["".join(chr(random.randrange(0x4E00, 0x9FA5)) for _ in range(500)) for _ in range(1000)]
        for text in texts:
            bench.recorder.event(Gap(bench.ids(), 1, "gateway", text, 0, 1))
        assert await bench.recorder.flush()
        assert len(bench.told) > 1
        assert all(len(stored.message) <= MESSAGE_BYTES_MAX for stored in bench.told)
        events = [event for stored in bench.told for event in batches.decode(stored.message).events]
        assert [event.reason for event in events if isinstance(event, Gap)] == texts
        bench.buffer.close()

    run_virtually(live())


def test_an_event_that_no_centre_could_decode_goes_as_a_gap(tmp_path: Path) -> None:
    """And those that are committed with it go as they are."""
    bench = Bench(tmp_path)

    async def life() -> None:
        bench.recorder.event(Gap(bench.ids(), 1, "gateway", "test", 0, -1))
        bench.happen()
        assert await bench.recorder.flush()

    run_virtually(life())
    told = [event for it in bench.told for event in batches.decode(it.message).events]
    assert [isinstance(event, Gap) and event.reason[:20] for event in told] == [
        "a Gap that breaks th",
        "test",
    ]


def test_what_drivers_learnt_waits_for_the_disk_and_needs_no_samples(tmp_path: Path) -> None:
    """A restart would else ask again what was refused."""

    async def live() -> None:
        bench.recorder.learnt({"meter": {"since_ms": 1}})
        bench.measure(1)
        bench.buffer._db.execute("PRAGMA query_only = ON")
        assert not await bench.recorder.flush()
        bench.buffer._db.execute("PRAGMA query_only = OFF")
        assert await bench.recorder.flush()
        assert bench.buffer.learnt() == {"meter": {"since_ms": 1}}
        bench.recorder.learnt({})
        assert await bench.recorder.flush()
        assert bench.buffer.learnt() == {}
        assert bench.buffer.remembered() == {}
        bench.buffer.close()

    bench = Bench(tmp_path)
    run_virtually(live())


def test_on_a_dead_disk_telemetry_gives_way_to_events_and_all_of_it_is_told_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on disk and what the gaps tell, with first and last time, is what was taken."""
    monkeypatch.setattr(module, "PENDING_SAMPLES_MAX", 20)
    monkeypatch.setattr(module, "PENDING_EVENTS_MAX", 5)

    async def live() -> None:
        bench.buffer._db.execute("PRAGMA query_only = ON")
        bench.measure(30)
        assert not await bench.recorder.flush()
        for _ in range(15):
            bench.happen()
        assert not await bench.recorder.flush()
        assert (bench.recorder.dropped_samples, bench.recorder.dropped_events) == (20, 0)
        for _ in range(15):
            bench.happen()
        assert (bench.recorder.dropped_samples, bench.recorder.dropped_events) == (30, 5)
        assert not await bench.recorder.flush()
        bench.buffer._db.execute("PRAGMA query_only = OFF")
        assert await bench.recorder.flush()
        gaps = bench.gaps()
        samples, events = gaps[SAMPLES_UNSTORED], gaps[EVENTS_UNSTORED]
        assert (samples.from_ms, samples.to_ms, samples.count) == (1, 30, 30)
        assert (events.from_ms, events.to_ms, events.count) == (1, 1, 5)
        assert len(bench.kept()) == 25
        bench.measure(3)
        assert await bench.recorder.flush()
        assert len(bench.gaps()) == 2
        bench.buffer.close()

    bench = Bench(tmp_path)
    run_virtually(live())


def test_what_was_stamped_by_a_clock_that_was_not_set_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range from 1970 to today would say nothing of either."""
    monkeypatch.setattr(module, "PENDING_SAMPLES_MAX", 3)

    async def live() -> None:
        bench.buffer._db.execute("PRAGMA query_only = ON")
        bench.take([Sample(each, "d", "p", 1.5, clock=ClockState.UNSET) for each in range(1, 5)])
        bench.take([Sample(NOW_MS + each, "d", "p", 1.5) for each in range(1, 5)])
        bench.buffer._db.execute("PRAGMA query_only = OFF")
        assert await bench.recorder.flush()
        told = {gap.reason: (gap.from_ms, gap.to_ms, gap.count) for gap in bench.gaps().values()}
        assert told == {
            SAMPLES_UNSTORED + UNSET: (1, 4, 4),
            SAMPLES_UNSTORED: (NOW_MS + 1, NOW_MS + 1, 1),
        }
        bench.buffer.close()

    bench = Bench(tmp_path)
    run_virtually(live())


def test_an_event_does_not_wait_for_the_next_try(tmp_path: Path) -> None:
    """What a disk refuses is tried again ever later; an event is tried, and all with it, at once."""

    async def live() -> None:
        running = asyncio.create_task(bench.recorder.run())
        bench.buffer._db.execute("PRAGMA query_only = ON")
        bench.measure(1)
        await asyncio.sleep(63)  # between two tries
        bench.buffer._db.execute("PRAGMA query_only = OFF")
        bench.happen()
        await asyncio.sleep(0.2)
        assert len(bench.kept()) == 2
        running.cancel()
        await asyncio.wait({running})
        bench.buffer.close()

    bench = Bench(tmp_path)
    run_virtually(live())


MEAN_S, MEAN_MS = 60, 60_000


@pytest.mark.parametrize(
    ("then", "everything", "from_ms"),
    [
        ([("fast", 500)], True, -1),
        ([("fast", 500), ("slow", 1_000)], True, 500),
        ([("fast", each) for each in range(500, 505)] + [("slow", 1_000)], False, -1),
    ],
    ids=["over, and not told yet", "on disk", "told, and not on disk yet"],
)
def test_after_a_kill_the_gap_begins_no_later_than_what_a_policy_held_back(
    tmp_path: Path, then: list[tuple[str, int]], everything: bool, from_ms: int
) -> None:
    """A mean has the time of its end, and is told with the next sample: others are on disk before it."""
    policies = Reporting({"slow": {"p": _policy(Report(mode="mean", interval_s=MEAN_S), 3)}})
    bench = Bench(tmp_path, held_ms=lambda: policies.held_ms)

    def measure(device: str, time_ms: int) -> None:
        bench.take(policies.take([Sample(time_ms, device, "p", 1.5)], time_ms / 1000))

    async def play() -> None:
        for time_ms in range(1_000, MEAN_MS, 10_000):
            measure("slow", time_ms)
        await bench.recorder.flush()
        for device, after_ms in then:
            measure(device, MEAN_MS + after_ms)
        await bench.recorder.flush(everything=everything)

    run_virtually(play())
    bench.buffer.close(clean=False)
    [loss] = Buffer(tmp_path / "buffer.db", "north", "gw-1", bench.ids(), bench.ids).owed
    assert (loss.reason, loss.from_ms) == (UNCLEAN_END, MEAN_MS + from_ms)


def test_what_a_full_disk_took_is_told_once_though_the_disk_breaks_just_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses and events went into the ballast's room: they are on disk, whatever fails afterwards."""
    monkeypatch.setattr(module, "PENDING_SAMPLES_MAX", 400)
    bench = Bench(tmp_path, samples_per_batch_max=400)
    buffer, grows = bench.buffer, False
    may_grow, stop_growing = buffer.may_grow, buffer.stop_growing

    def grow() -> None:
        nonlocal grows
        grows = True
        may_grow()

    def stop() -> None:
        stop_growing()
        if grows:
            raise sqlite3.OperationalError("disk I/O error")

    async def live() -> None:
        bench.measure(1)
        assert await bench.recorder.flush()
        stop_growing()
        chance = Random(1)
        for _ in range(700):  # each with a name of its own: more than the file's pages have room for
            bench.take([Sample(2_000, f"{chance.randrange(2**200):x}", "p", 1.5)])
        bench.happen()
        assert not await bench.recorder.flush()
        assert grows
        monkeypatch.undo()
        may_grow()
        assert await bench.recorder.flush()

    monkeypatch.setattr(buffer, "may_grow", grow)
    monkeypatch.setattr(buffer, "stop_growing", stop)
    run_virtually(live())
    assert bench.counted()[SAMPLES_UNSTORED] == bench.recorder.dropped_samples == 300
    assert [count for each, count in bench.kept().items() if isinstance(each, str)] == [1]


def test_an_event_that_a_full_disk_took_is_kept_though_its_telemetry_was_refused(tmp_path: Path) -> None:
    """Who waits for the record of it goes on at once, and so does everybody after."""
    bench = Bench(tmp_path, samples_per_batch_max=2_000)

    async def live() -> None:
        bench.measure(1)
        assert await bench.recorder.flush()
        bench.buffer.stop_growing()
        chance = Random(1)
        for _ in range(700):  # each with a name of its own: more than the file's pages have room for
            bench.take([Sample(2_000, f"{chance.randrange(2**200):x}", "p", 1.5)])
        bench.happen()
        waiting = asyncio.create_task(bench.recorder.kept(60))
        await asyncio.sleep(0)
        assert not await bench.recorder.flush()
        assert await waiting
        assert bench.recorder.waiting == (700, 0)
        assert await bench.recorder.kept(0)

    run_virtually(live())


def test_what_rules_learnt_is_kept_though_nothing_happened(tmp_path: Path) -> None:
    """A baseline learns for days in which there is no event; also while the disk refuses for a moment."""
    bench = Bench(tmp_path)

    async def learns() -> None:
        await bench.recorder.open()
        bench.measure(1)
        bench.learnt = {"a": "first"}
        await bench.recorder.flush()
        assert "baselines" not in bench.buffer.remembered()  # nobody said that there is something
        bench.recorder.remember()
        append, bench.buffer.append = bench.buffer.append, _refusing  # type: ignore[method-assign]
        assert not await bench.recorder.flush()
        bench.buffer.append = append  # type: ignore[method-assign]
        assert await bench.recorder.flush()
        assert bench.buffer.remembered()["baselines"] == {"a": "first"}

    run_virtually(learns())


def _refusing(*_arguments: object, **_more: object) -> list[Stored]:
    raise sqlite3.OperationalError("disk I/O error")
