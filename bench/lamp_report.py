"""What a month's report costs the centre: CPU time and memory, as JSON, HTML and CSV, and one page of nights.

Memory is how far the resident set rises above what it was before; ``--lamps`` shows that it does not grow
with the lamps: of records one slice is held.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import re
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import date, timedelta, timezone
from pathlib import Path

from sqlalchemy import insert

from collector.database import Database
from collector.lamps import page as lamp_page
from collector.lamps.nights import Span, as_row
from collector.lamps.reading import LampReading, Month
from collector.lamps.views import report_view
from collector.tables import lamp_nights
from contract.events import LampChange, LampNight

SEED = 20_261_101
LAMPS_PER_GATEWAY = 200
NIGHTS = 30
DARK_CHANCE = 0.01
FIRST = date(2026, 11, 1)
ZONE = timezone(timedelta(hours=8))


def records(chance: random.Random, gateway: int, lamps: int) -> Iterator[dict[str, str | int]]:
    """Yield the rows of a gateway: nights with six changes of each kind, now and then a lamp that is dark."""
    for lamp in range(lamps):
        for night in range(NIGHTS):
            changes = [LampChange(night * 86_400_000 + hour, 50 + hour, "program") for hour in range(6)]
            dark = chance.random() < DARK_CHANCE
            event_id = f"{chance.getrandbits(128):032x}"
            name = str(FIRST + timedelta(days=night))
            record = LampNight(
                event_id, night, f"lamp-{lamp:04}", f"ctl-{lamp}", name, 3, changes, changes, changes,
                should_s=43_200, lit_s=0 if dark else 43_000, dark_s=43_000 if dark else 0, astray_s=0,
                unpowered_s=0, corrected=0, energy_wh=700.5, baseline_wh=1300.25,
                failures=["lamp_failure"] if dark else [], part="5001032132000007",
            )  # fmt: skip
            yield as_row(f"gw-{gateway:04}", record, 0)


def fill(state: Database, lamps: int) -> None:
    """Write the month."""
    chance = random.Random(SEED)
    for gateway in range(-(-lamps // LAMPS_PER_GATEWAY)):
        count = min(LAMPS_PER_GATEWAY, lamps - gateway * LAMPS_PER_GATEWAY)
        rows = list(records(chance, gateway, count))
        state.write_now(lambda connection, rows=rows: connection.execute(insert(lamp_nights), rows))  # type: ignore[misc]


def peak_mib(*, reset: bool = False) -> float:
    """Return the highest resident set since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1024


async def measured(work: Callable[[], Awaitable[int]]) -> tuple[float, float, int]:
    """Return CPU seconds, how far memory rose (MiB), and what the work returns."""
    before_mib, before_s = peak_mib(reset=True), time.process_time()
    told = await work()
    return time.process_time() - before_s, peak_mib() - before_mib, told


async def run(reading: LampReading) -> dict[str, float]:
    """Measure each form once."""
    month = Month.named(f"{FIRST:%Y-%m}")

    async def as_json() -> int:
        return len(report_view(await reading.report(month), "en").model_dump_json())

    async def as_html() -> int:
        return len(lamp_page.page(await reading.report(month), "zh"))

    async def as_csv() -> int:
        return sum([len(text) async for text in reading.csv(month)])

    async def one_page() -> int:
        return len(await reading.page(Span("2026-11-15", "2026-11-15"), None, 1000))

    figures: dict[str, float] = {}
    for name, work in (("json", as_json), ("html", as_html), ("csv", as_csv), ("page", one_page)):
        cpu_s, rise_mib, told = await measured(work)
        figures |= {f"{name}_cpu_s": round(cpu_s, 2), f"{name}_rise_mib": round(rise_mib, 1)}
        print(f"{name:<6}{cpu_s:>8.2f} s CPU{rise_mib:>8.1f} MiB{told:>12,} told")
    return figures


def main() -> None:
    """Print a table, then one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lamps", type=int, default=20_000)
    lamps = parser.parse_args().lamps
    with tempfile.TemporaryDirectory(prefix="lamp-report-") as folder:
        path = Path(folder) / "collector.db"
        state = Database(path, "state")
        try:
            fill(state, lamps)
            figures = asyncio.run(run(LampReading("north", state, ZONE, now_ms=lambda: 1_796_000_000_000)))
            figures["file_mib"] = round(path.stat().st_size / 1024**2, 1)
        finally:
            state.close()
    conditions = {
        "seed": SEED,
        "lamps": lamps,
        "nights": NIGHTS,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }
    print(json.dumps({"name": "lamp_report", "figures": figures, "conditions": conditions}))


if __name__ == "__main__":
    main()
