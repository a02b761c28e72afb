"""A series store outside the centre: what a sample costs on its way from the journal into a VictoriaMetrics.

The centre's own code, with a real journal on disk and a real store on a loopback port. The batches are those
of ``bench.series``.
"""

import argparse
import asyncio
import gzip
import json
import os
import platform
import random
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from bench.series import GATEWAY, LIMITS, LOADS, SEED, Centre, Load, timed
from bench.telling import progress
from collector.metrics import Metrics
from collector.series import line_protocol
from collector.series.influx import InfluxStore
from collector.series.stores import StoreProjection
from collector.settings import SeriesStore
from contract import blocks
from simulators.victoria_metrics import VictoriaMetrics

BUCKET = "gengfu"


def built(messages: list[bytes]) -> Iterator[str]:
    """Yield the lines of each batch, joined."""
    for message in messages:
        yield "\n".join(line for some in line_protocol.lines(GATEWAY, blocks.lift(message)) for line in some)


def building(messages: list[bytes], count: int) -> dict[str, float]:
    """Measure the way from messages to text, and what packing that text would cost."""

    def lift() -> None:
        for message in messages:
            blocks.lift(message)

    def build() -> None:
        for _ in built(messages):
            pass

    lifted, whole = timed(lift), timed(build)
    texts = [text.encode() for text in built(messages[:200])]
    some = "".join(text.decode() for text in texts).count(" value=")
    packed = timed(lambda: [gzip.compress(text) for text in texts])
    return {
        "lift_cpu_us_per_sample": round(lifted.cpu_s / count * 1e6, 3),
        "line_cpu_us_per_sample": round((whole.cpu_s - lifted.cpu_s) / count * 1e6, 3),
        "line_bytes_per_sample": round(sum(map(len, texts)) / some, 1),
        "gzip_cpu_us_per_sample": round(packed.cpu_s / some * 1e6, 3),
    }


def sending(messages: list[bytes], count: int, folder: Path) -> dict[str, float]:
    """Project a journal into an empty store."""
    store = VictoriaMetrics(folder / "store")
    centre = Centre(folder / "centre")
    settings = SeriesStore(name="archive", kind="influxdb", url=store.url)
    client = InfluxStore(url=store.url, org="", bucket=BUCKET, token="", timeout_s=settings.timeout_s)
    projection = StoreProjection(
        settings.name,
        centre.state,
        client,
        Metrics(),
        settle_s=settings.store_settle_s,
        lines_max=settings.lines_per_write_max,
        batches_max=LIMITS.projection_batches_max,
        monotonic_s=time.monotonic,
    )

    async def known() -> None:
        while await projection.advance() or projection._settling.identity is None:
            pass
        await asyncio.sleep(2)  # the store's process is known for long enough

    async def work() -> None:
        while await projection.advance():
            pass

    try:
        store.start()
        asyncio.run(known())
        centre.take(messages)
        before_s = _cpu_s(store)
        spent = timed(lambda: asyncio.run(work()))
        there = sum(map(len, store.export().values()))
        stored_s = _cpu_s(store) - before_s
    finally:
        store.kill()
        client.close()
        centre.close()
    return {
        "project_samples_per_s": round(count / spent.wall_s),
        "project_cpu_us_per_sample": round(spent.cpu_s / count * 1e6, 3),
        "store_cpu_us_per_sample": round(stored_s / count * 1e6, 3),
        "missing": count - there,
    }


def _cpu_s(store: VictoriaMetrics) -> float:
    """Return what the store's process has used so far, its system calls included."""
    fields = Path(f"/proc/{store.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(load: Load, samples_max: int, folder: Path) -> dict[str, float]:
    """Measure one load."""
    progress(f"{load.name}: making batches")
    messages = list(load.messages(random.Random(SEED), samples_max // load.batch_samples))
    count = len(messages) * load.batch_samples
    progress(f"{load.name}: sending {count:,} samples")
    return building(messages, count) | sending(messages, count, folder)


def main() -> None:
    """Print a table, then one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1_000_000, help="of each load")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-influx-") as folder:
        found = {load.name: measure(load, asked.samples, Path(folder) / load.name) for load in LOADS}
    names = list(found)
    print(f"{'':<32}" + "".join(f"{name:>12}" for name in names))
    for figure in found[names[0]]:
        print(f"{figure:<32}" + "".join(f"{found[name][figure]:>12,}" for name in names))
    figures = dict(found[names[0]])
    for name in names[1:]:
        figures |= {f"{name}_{figure}": value for figure, value in found[name].items()}
    conditions = {
        "seed": SEED,
        "samples": asked.samples,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "influxdb-client": version("influxdb-client"),
        "store": "victoria-metrics on the same machine",
    }
    print(json.dumps({"name": "influx", "figures": figures, "conditions": conditions}))


if __name__ == "__main__":
    main()
