"""Figures of evaluation over a generated year of cases: equal to those by the words, and how soon told.

    python -m bench.evaluation [--cases 100000] [--runs 20]

On SQLite and on a PostgreSQL of its own. Every count, rate and mean time that the interface tells is
compared with ``bench.evaluation_by_words``, which counts raw rows in plain Python; then a wrong denominator
is planted, which must be found.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import platform
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import text

from bench import case_year
from bench.case_year import DAY_MS, FROM_MS, HOUR_MS, NOW_MS, YEAR
from bench.evaluation_by_words import ByWords
from collector.database import Database
from collector.evaluation import api, exclusions, formulas
from collector.evaluation.days import By
from collector.evaluation.exclusions import Exclusion
from collector.evaluation.projection import EvaluationProjection, advance, differing
from collector.people.roles import LOCAL
from collector.postgresql import Postgresql
from simulators.postgres import Postgres

SEED = 20251127
OFFSET_MIN = 480
PERIODS = {
    "year": (date(YEAR, 1, 1), date(YEAR + 1, 1, 1)),
    "quarter": (date(YEAR, 7, 1), date(YEAR, 10, 1)),
    "month": (date(YEAR, 2, 1), date(YEAR, 3, 1)),
    "running": (date(YEAR, 12, 1), date(YEAR + 1, 3, 1)),
}
STORM = ("", "", FROM_MS + 200 * DAY_MS + 6 * HOUR_MS, FROM_MS + 202 * DAY_MS)
DIG = ("500103", "020302", FROM_MS + 30 * DAY_MS, FROM_MS + 90 * DAY_MS + HOUR_MS)


@dataclass
class Found:
    """What an engine gave."""

    mismatches: list[str] = field(default_factory=list)
    told: int = 0
    times_ms: dict[str, list[float]] = field(default_factory=dict)
    cpu_ms: dict[str, list[float]] = field(default_factory=dict)

    def p95_cpu_ms(self) -> float:
        """Return it of the slowest, of this process's own time: what a busy machine does not change."""
        return round(max(statistics.quantiles(each, n=20)[-1] for each in self.cpu_ms.values()), 1)

    def p95_ms(self, query: str = "") -> float:
        """Return it of one query, or of the slowest."""
        if query:
            return round(statistics.quantiles(self.times_ms[query], n=20)[-1], 1)
        return max(self.p95_ms(each) for each in self.times_ms)


def exclusion(number: int, told: tuple[str, str, int, int]) -> Exclusion:
    """Return a stretch that is left out."""
    return Exclusion(f"{number:032x}", *told, reason="storm", who="bench", made_ms=NOW_MS)


@contextlib.asynccontextmanager
async def client(state: Database) -> Any:
    """Lend a client of the interface over this state."""
    app = FastAPI()
    projection = EvaluationProjection(state, OFFSET_MIN)
    sources = api.Sources(state, projection, OFFSET_MIN, lambda: NOW_MS, lambda: "0" * 32)
    app.include_router(api.router(sources))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://centre", timeout=None) as asked:
        yield asked


def queries() -> Iterator[tuple[str, str, By, str]]:
    """Yield a name, period, key and version of each question."""
    for period in PERIODS:
        for by in By:
            for version in formulas.BY_VERSION:
                yield f"{period} by {by}, formulas {version}", period, by, version


async def compared(
    state: Database, words: ByWords, found: Found, left_out: tuple[tuple[str, str, int, int], ...] = ()
) -> None:
    """Ask every question once and compare all that is told."""
    stretches = [(begin, until, area, code) for area, code, begin, until in left_out]
    today = datetime.fromtimestamp(NOW_MS / 1000 + OFFSET_MIN * 60, UTC).date()
    async with client(state) as asked:
        for name, period, by, version in queries():
            first, until = PERIODS[period]
            answer = await told(asked, period, by, version)
            expected = words.figures(by.value, first, until, today, version, stretches)
            given = {
                each["key"]: each["counts"] | each["rates"] | each["times_s"] for each in answer["figures"]
            }
            found.mismatches += [f"{name}: key {key!r}" for key in set(expected) ^ set(given)]
            for key in set(expected) & set(given):
                found.told += len(expected[key])
                found.mismatches += [
                    f"{name}: {key!r} {what}: by words {value}, told {given[key][what]}"
                    for what, value in expected[key].items()
                    if given[key][what] != value
                ]


async def timed(state: Database, found: Found, runs: int) -> None:
    """Ask every question several times and note how long each took."""
    async with client(state) as asked:
        for name, period, by, version in queries():
            for _ in range(runs):
                begun_s, cpu_s = time.perf_counter(), time.process_time()
                await told(asked, period, by, version)
                found.times_ms.setdefault(name, []).append((time.perf_counter() - begun_s) * 1000)
                found.cpu_ms.setdefault(name, []).append((time.process_time() - cpu_s) * 1000)


async def told(asked: httpx.AsyncClient, period: str, by: By, version: str) -> Any:
    """Return an answer of the interface."""
    first, until = PERIODS[period]
    parameters = {"from": str(first), "until": str(until), "by": by.value, "formulas": version}
    answer = await asked.get("/evaluation", params=parameters)
    answer.raise_for_status()
    return answer.json()


@contextlib.contextmanager
def wrong_denominator() -> Iterator[None]:
    """Plant a mistake: extended cases are forgotten below the line."""
    right = formulas.BY_VERSION["1"]
    rates = [
        dataclasses.replace(rate, below=("due",)) if rate.name == "closing" else rate for rate in right.rates
    ]
    formulas.BY_VERSION["1"] = dataclasses.replace(right, rates=tuple(rates))
    try:
        yield
    finally:
        formulas.BY_VERSION["1"] = right


def measured(state: Database, cases: int, runs: int) -> tuple[Found, Found, dict[str, float]]:
    """Fill a state, keep the figures up, compare, plant a mistake, and measure."""
    times: dict[str, float] = {}
    begun_s = time.perf_counter()
    case_year.fill(state, cases, SEED)
    times["fill_s"] = round(time.perf_counter() - begun_s, 1)
    begun_s = time.perf_counter()
    while state.write_now(lambda connection: advance(connection, OFFSET_MIN)):
        pass
    times["projection_s"] = round(time.perf_counter() - begun_s, 1)
    if isinstance(state.place, Postgresql):
        state.write_now(lambda connection: connection.execute(text("ANALYZE")))
    words = state.read_now(lambda connection: ByWords.of(connection, OFFSET_MIN // 60))
    found, control = Found(), Found()
    found.mismatches += state.read_now(lambda connection: list(differing(connection, OFFSET_MIN)))
    asyncio.run(compared(state, words, found))
    with wrong_denominator():
        asyncio.run(compared(state, words, control))
    asyncio.run(timed(state, found, runs))
    for number, each in enumerate((STORM, DIG)):
        made = exclusion(number, each)
        state.write_now(partial(exclusions.exclude, exclusion=made, actor=LOCAL))
    asyncio.run(compared(state, words, found, (STORM, DIG)))
    return found, control, times


def main() -> None:
    """Print what is found, then one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="gengfu-evaluation-"))
    folder.chmod(0o755)
    server = Postgres(folder / "postgres")
    figures: dict[str, Any] = {"cases": arguments.cases, "mismatches": 0, "compared": 0}
    try:
        server.start()
        places: dict[str, Path | Postgresql] = {
            "sqlite": folder / "collector.db",
            "postgresql": Postgresql(server.url("postgres"), server.password),
        }
        for engine, place in places.items():
            with contextlib.closing(Database(place, "state")) as state:
                found, control, times = measured(state, arguments.cases, arguments.runs)
            for line in found.mismatches[:10]:
                print(f"{engine}: {line}")
            figures["mismatches"] += len(found.mismatches)
            figures["compared"] += found.told
            figures |= {f"p95_ms_{engine}": found.p95_ms(), f"p95_cpu_ms_{engine}": found.p95_cpu_ms()}
            figures[f"control_mismatches_{engine}"] = len(control.mismatches)
            figures[f"{engine}_by_query_ms"] = {name: found.p95_ms(name) for name in found.times_ms}
            figures[f"{engine}_times"] = times
    finally:
        server.stop()
        shutil.rmtree(folder)
    figures["conditions"] = {
        "seed": SEED,
        "runs": arguments.runs,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
        "durable": "synchronous = FULL; synchronous_commit, fsync = on",
    }
    print(json.dumps(figures, ensure_ascii=False))


if __name__ == "__main__":
    main()
