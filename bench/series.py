"""The embedded series store: samples projected from the journal, bytes on disk a sample, and its answers.

A gateway of 40 samples a second sends a batch of 200 each 5 s; one that drains a backlog in larger flushes
sends 5,000 at once. What is measured runs the centre's own code on real files with durable commits.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from bench.telling import progress
from collector import intake, journal
from collector.database import Database
from collector.intake import Received, Rules
from collector.metrics import Metrics
from collector.series import projection as series
from collector.series import reading as series_reading
from collector.series.projection import SeriesProjection
from collector.settings import Limits
from contract import batches, topics
from contract.batches import Content, Header
from contract.samples import Sample
from contract.topics import Lane

SEED = 20_260_101
START_MS = 1_767_225_600_000
GATEWAY = "gw-1"
EPOCH = "0123456789abcdef0123456789abcdef"
LIMITS = Limits()
RULES = Rules("north", 2_000, 64, LIMITS.journal_bytes_max, 1_000)
GROUP_BATCHES = 200
DAY_MS = 86_400_000
HISTORY_PAGE = 10_001
MANY_SERIES = 10_000
ROUNDS = 5


@dataclass(frozen=True)
class Load:
    """What a gateway sends: all points of all devices each ``interval_ms``, ``ticks`` of it in a batch."""

    name: str
    devices: int
    points: int
    interval_ms: int
    ticks: int
    jitter_ms: int = 3

    @property
    def batch_samples(self) -> int:
        """How many samples a batch has."""
        return self.devices * self.points * self.ticks

    def messages(self, chance: random.Random, batches_max: int) -> Iterator[bytes]:
        """Yield batch messages: values of one decimal that wander a little, times that jitter."""
        names = [
            (f"device-{device}", f"point_{point}")
            for device in range(self.devices)
            for point in range(self.points)
        ]
        levels = [chance.randrange(0, 5_000) for _ in names]
        tick = 0
        for sequence in range(1, batches_max + 1):
            samples = []
            for _ in range(self.ticks):
                late = [chance.randint(-self.jitter_ms, self.jitter_ms) for _ in range(self.devices)]
                for index, (device, point) in enumerate(names):
                    levels[index] += chance.randint(-3, 3)
                    time_ms = START_MS + tick * self.interval_ms + late[index // self.points]
                    samples.append(Sample(time_ms + self.jitter_ms, device, point, levels[index] / 10))
                tick += 1
            header = Header(
                "north", GATEWAY, EPOCH, Lane.TELEMETRY, sequence, Content.SAMPLES, EPOCH, START_MS
            )
            yield batches.message(header, batches.samples_payload(samples))


LOADS = (
    Load("40x5", devices=8, points=5, interval_ms=1_000, ticks=5),
    Load("200x1", devices=8, points=25, interval_ms=5_000, ticks=1),
    Load("40x125", devices=8, points=5, interval_ms=1_000, ticks=125),
)


@dataclass(frozen=True)
class Taken:
    """How long something took."""

    wall_s: float
    cpu_s: float


def timed(work: Callable[[], object]) -> Taken:
    """Run it once; CPU is that of all threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Taken(time.perf_counter() - wall, time.process_time() - cpu)


class Centre:
    """Journal and series in a folder."""

    def __init__(self, folder: Path) -> None:
        """Open both."""
        self.folder = folder
        self.state = Database(folder / "collector.db", "state")
        self.store = Database(folder / "series.db", "series")
        self.state.write_now(lambda connection: journal.begin(connection, "a" * 32))
        self.projection = SeriesProjection(self.state, self.store, Metrics(), LIMITS.projection_batches_max)
        self.projection.prepare()

    def take(self, messages: list[bytes]) -> None:
        """Take batches in groups, as they arrive from the broker under load."""
        topic = topics.up("north", GATEWAY, Lane.TELEMETRY)
        for start in range(0, len(messages), GROUP_BATCHES):
            group = [
                Received(topic, message, START_MS) for message in messages[start : start + GROUP_BATCHES]
            ]
            self.state.write_now(partial(intake.take, group=group, rules=RULES))

    def project(self) -> None:
        """Project to the end."""

        async def work() -> None:
            while await self.projection.advance():
                pass

        asyncio.run(work())

    def compact(self) -> None:
        """Merge what is due."""
        while self.store.write_now(series.compact):
            pass

    def series_bytes(self) -> int:
        """Return the bytes in use in the file, pages that are free again left out."""
        with sqlite3.connect(self.folder / "series.db") as connection:
            pages, free, size = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
        return int((pages - free) * size)

    def close(self) -> None:
        """Close both."""
        self.state.close()
        self.store.close()


def measure(load: Load, samples_max: int, folder: Path) -> dict[str, float]:
    """Take and project a load, then compact it."""
    progress(f"{load.name}: making batches")
    messages = list(load.messages(random.Random(SEED), samples_max // load.batch_samples))
    count = len(messages) * load.batch_samples
    centre = Centre(folder)
    try:
        progress(f"{load.name}: taking and projecting {count:,} samples")
        taken = timed(partial(centre.take, messages))
        empty = centre.series_bytes()
        projected = timed(centre.project)
        before = centre.series_bytes() - empty
        compacted = timed(centre.compact)
        after = centre.series_bytes() - empty
        day = _history_ms(centre.store)
    finally:
        centre.close()
    return {
        "intake_batches_per_s": round(len(messages) / taken.wall_s),
        "intake_samples_per_s": round(count / taken.wall_s),
        "intake_samples_per_cpu_s": round(count / taken.cpu_s),
        "project_samples_per_s": round(count / projected.wall_s),
        "project_samples_per_cpu_s": round(count / projected.cpu_s),
        "bytes_per_sample": round(before / count, 2),
        "bytes_per_sample_compacted": round(after / count, 2),
        "compact_cpu_us_per_sample": round(compacted.cpu_s / count * 1e6, 3),
        "history_ms_day": day,
        "wire_bytes_per_sample": round(sum(map(len, messages)) / count, 2),
    }


def live(folder: Path, batches_max: int) -> dict[str, float]:
    """Project batch by batch, as they come while all is well: small blocks; then compact them."""
    load = LOADS[0]
    messages = list(load.messages(random.Random(SEED), batches_max))
    count = len(messages) * load.batch_samples
    progress(f"live: {count:,} samples, a transaction a batch")
    centre = Centre(folder)
    try:
        empty = centre.series_bytes()

        def one_by_one() -> None:
            for message in messages:
                centre.take([message])
                centre.project()

        spent = timed(one_by_one)
        before = centre.series_bytes() - empty
        compacted = timed(centre.compact)
        after = centre.series_bytes() - empty
    finally:
        centre.close()
    return {
        "live_batches_per_s": round(batches_max / spent.wall_s),
        "live_cpu_ms_per_batch": round(spent.cpu_s / batches_max * 1e3, 2),
        "live_bytes_per_sample": round(before / count, 2),
        "live_bytes_per_sample_compacted": round(after / count, 2),
        "live_compact_cpu_us_per_sample": round(compacted.cpu_s / count * 1e6, 3),
    }


def newest_ms(folder: Path) -> float:
    """Return how long it takes to read the newest value of 10,000 series, in pages of 1,000."""
    progress(f"newest values of {MANY_SERIES:,} series")
    load = Load("many", devices=MANY_SERIES // 50, points=50, interval_ms=5_000, ticks=1)
    centre = Centre(folder)
    try:
        centre.take(list(load.messages(random.Random(SEED), 3)))
        centre.project()

        def pages() -> None:
            after: tuple[str, str, str] | None = None
            found = 0
            while page := centre.store.read_now(
                partial(
                    series_reading.newest,
                    gateway="",
                    device="",
                    after=after,
                    limit=1_000,
                    now_ms=START_MS + DAY_MS,
                )
            ):
                after = (page[-1].gateway, page[-1].device, page[-1].point)
                found += len(page)
            assert found == MANY_SERIES, found

        return round(statistics.median(timed(pages).wall_s for _ in range(ROUNDS)) * 1e3, 1)
    finally:
        centre.close()


def _history_ms(store: Database) -> float:
    """Return how long reading a day of a series takes, or what there is of it, in the largest pages."""

    def pages() -> None:
        from_ms = START_MS
        while page := store.read_now(
            partial(
                series_reading.history,
                key=(GATEWAY, "device-3", "point_2"),
                from_ms=from_ms,
                to_ms=START_MS + DAY_MS,
                limit=HISTORY_PAGE,
            )
        ):
            from_ms = page[-1].time_ms + 1

    return round(statistics.median(timed(pages).wall_s for _ in range(ROUNDS)) * 1e3, 1)


def main() -> None:
    """Print a table, then one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=4_000_000, help="of each load")
    parser.add_argument("--live-batches", type=int, default=1_000, help="projected one by one")
    asked = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-series-") as folder:
        for load in LOADS:
            found[load.name] = measure(load, asked.samples, Path(folder) / load.name)
        lived = live(Path(folder) / "live", asked.live_batches)
        newest = newest_ms(Path(folder) / "newest")
    names = list(found)
    print(f"{'':<32}" + "".join(f"{name:>12}" for name in names))
    for figure in found[names[0]]:
        print(f"{figure:<32}" + "".join(f"{found[name][figure]:>12,}" for name in names))
    for figure, value in lived.items():
        print(f"{figure:<32}{value:>12,}")
    figures: dict[str, float] = dict(found[names[0]]) | lived | {"newest_ms_10000_series": newest}
    for name in names[1:]:
        figures |= {f"{name}_{figure}": value for figure, value in found[name].items()}
    conditions = {
        "seed": SEED,
        "samples": asked.samples,
        "live_batches": asked.live_batches,
        "batches_per_commit": {"intake": GROUP_BATCHES, "projection": LIMITS.projection_batches_max},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "sqlite": sqlite3.sqlite_version,
        "sqlalchemy": version("sqlalchemy"),
        "zstandard": version("zstandard"),
    }
    print(json.dumps({"name": "series", "figures": figures, "conditions": conditions}))


if __name__ == "__main__":
    main()
