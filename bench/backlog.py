"""A backlog for `bench.drain`: a real buffer file with days of the cabinet of `bench/corpora.py` in it.

Time is simulated, bytes are real: what a flush each five seconds gives, 200 samples a batch. Hours are made
in two processes, each with a seed of its own, and what the centre has in the end is held against their sums.
"""

import random
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from operator import attrgetter
from pathlib import Path

from sqlalchemy import Connection, select

from bench.corpora import START_MS, Cabinet
from bench.telling import progress
from collector.database import Database
from collector.series import blocks as series_blocks
from collector.series.tables import blocks, series
from contract import batches, runs
from contract.batches import Content
from contract.samples import Value, spread
from contract.topics import Lane
from edge.buffer.batch import Append
from edge.buffer.store import Buffer

SEED = 20_261_127
FLUSH_S = 5
HOUR_S = 3600
COMMIT_BATCHES = 720
WORKERS = 2

Key = tuple[str, str]


@dataclass
class Sums:
    """What there is by series: how many samples, the first and last time, a sum over times and values."""

    counts: Counter[Key] = field(default_factory=Counter)
    firsts: dict[Key, int] = field(default_factory=dict)
    lasts: dict[Key, int] = field(default_factory=dict)
    checks: Counter[Key] = field(default_factory=Counter)

    def add(self, key: Key, times: Sequence[int], values: Iterable[Value], errors: Iterable[str]) -> None:
        """Take samples of one series, oldest first."""
        self.counts[key] += len(times)
        self.firsts[key] = min(times[0], self.firsts.get(key, times[0]))
        self.lasts[key] = max(times[-1], self.lasts.get(key, 0))
        self.checks[key] += sum(map(hash, zip(times, values, errors, strict=True)))

    def merge(self, other: "Sums") -> None:
        """Take what another has."""
        self.counts += other.counts
        for key in other.counts:
            self.firsts[key] = min(other.firsts[key], self.firsts.get(key, other.firsts[key]))
            self.lasts[key] = max(other.lasts[key], self.lasts.get(key, 0))
            self.checks[key] += other.checks[key]

    def wrong(self, other: "Sums") -> int:
        """Return how many series differ in anything."""
        mine = (self.counts, self.firsts, self.lasts, self.checks)
        theirs = (other.counts, other.firsts, other.lasts, other.checks)
        keys = {*self.counts, *other.counts}
        return sum(any(a.get(key) != b.get(key) for a, b in zip(mine, theirs, strict=True)) for key in keys)


def _hour(number: int) -> tuple[list[Append], Sums]:
    """Return an hour's batches, and their sums."""
    cabinet, made, sums = Cabinet(SEED + number), [], Sums()
    for first in range(number * HOUR_S, (number + 1) * HOUR_S, FLUSH_S):
        measured = [each for second in range(first, first + FLUSH_S) for each in cabinet.second(second)]
        by_series = defaultdict(list)
        for sample in spread(measured):
            by_series[sample.device, sample.point].append(sample)
        for key, samples in by_series.items():
            times, values, errors = (
                [*map(attrgetter(name), samples)] for name in ("time_ms", "value", "error")
            )
            sums.add(key, times, values, errors)
        all_ms = [each.time_ms for each in measured]
        made.append(
            Append(
                Lane.TELEMETRY,
                Content.SAMPLES,
                batches.samples_payload(measured),
                START_MS + (first + FLUSH_S) * 1000,
                min(all_ms),
                max(all_ms),
                sum(map(len, by_series.values())),
            )
        )
    return made, sums


def fill(path: Path, district: str, gateway: str, hours: int) -> Sums:
    """Fill a new buffer file and return what is in it."""
    ids = random.Random(SEED)
    total = Sums()
    buffer = Buffer(path, district, gateway, _id(ids), lambda: _id(ids), lambda: START_MS)
    # Forked, so that hashes of texts are the same there and here.
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("fork")) as pool:
        for number, (made, sums) in enumerate(pool.map(_hour, range(hours)), 1):
            for start in range(0, len(made), COMMIT_BATCHES):
                buffer.append(made[start : start + COMMIT_BATCHES])
            total.merge(sums)
            if number % 24 == 0:
                progress(f"{number} hours of backlog are made")
    buffer.close()
    return total


def found(folder: Path, gateway: str, wanted: Sums) -> Sums:
    """Return what the series store of a stopped centre has of these series."""
    store, sums = Database(folder / "series.db", "series"), Sums()
    try:
        for key in wanted.counts:
            for run in store.read_now(partial(_runs, gateway=gateway, key=key)):
                states = runs.states_of(run) if run.remarks else []
                errors = [state[2] for state in states] if states else [""] * len(run.times)
                sums.add(key, run.times, runs.values_of(run), errors)
    finally:
        store.close()
    return sums


def _runs(connection: Connection, gateway: str, key: Key) -> list[runs.Run]:
    where = (series.c.gateway == gateway, series.c.device == key[0], series.c.point == key[1])
    series_id = connection.execute(select(series.c.id).where(*where)).scalar()
    query = select(blocks).where(blocks.c.series_id == series_id).order_by(blocks.c.first_ms)
    return [run for _, run in series_blocks.laid_open(connection.execute(query))]


def mark(folder: Path, gateway: str, epoch: str, upto: int) -> tuple[int, int]:
    """Return up to which sequence the centre has it, and how many of these batches are in the series."""
    with sqlite3.connect(f"file:{folder / 'collector.db'}?mode=ro", uri=True, timeout=5) as db:
        where = "gateway = ? AND epoch = ? AND lane = 'telemetry'"
        row = db.execute(f"SELECT upto FROM marks WHERE {where}", (gateway, epoch)).fetchone()
        journal = db.execute(
            f"SELECT id FROM journal WHERE {where} AND sequence = ?",
            (gateway, epoch, upto),
        ).fetchone()
    with sqlite3.connect(f"file:{folder / 'series.db'}?mode=ro", uri=True, timeout=5) as db:
        [cursor] = db.execute("SELECT journal_id FROM cursor").fetchone()
    return (row[0] if row else 0), int(journal is not None and cursor >= journal[0])


def payload_bytes(folder: Path, gateway: str, epoch: str, upto: int) -> int:
    """Return the bytes of the backlog's batches in the journal, each as it was published."""
    with sqlite3.connect(f"file:{folder / 'collector.db'}?mode=ro", uri=True, timeout=5) as db:
        [size] = db.execute(
            "SELECT sum(bytes) FROM journal WHERE gateway = ? AND epoch = ? AND lane = 'telemetry'"
            " AND sequence <= ?",
            (gateway, epoch, upto),
        ).fetchone()
    return int(size or 0)


def epoch_of(path: Path) -> tuple[str, int]:
    """Return the epoch of a buffer file and its last telemetry sequence."""
    with sqlite3.connect(path) as db:
        [epoch] = db.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        [following] = db.execute("SELECT next_sequence FROM lanes WHERE lane = 'telemetry'").fetchone()
    return epoch, following - 1


def _id(ids: random.Random) -> str:
    return f"{ids.getrandbits(128):032x}"
