"""What telemetry costs on the wire and on the card: ``python -m bench.buffer``.

``wire_bytes_per_sample`` is the whole message (header, names, payload) of 200 samples as the cabinet of
``bench/corpora.py`` gives them in five seconds, the mean of many such batches; ``_largest`` is the largest
of them. ``_worst`` and ``_names_once`` are batches in which no name comes twice: the worst that is known, and
the same of what registers hold.

``written_bytes_per_sample`` and ``commits_per_hour`` come from a process of its own that plays an hour of
that cabinet on virtual time through the real recorder and buffer at their default settings, every batch
acknowledged soon after; strace counts what it writes into the buffer's folder, journal included. SQLite's
``-shm`` is memory that is mapped, never synced, and not counted.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path

from bench.corpora import START_MS, Cabinet, registers_once, worst
from contract import batches
from contract.samples import Measured, how_many, spread
from contract.topics import Lane
from edge import settings
from edge.buffer.batch import Stored
from edge.buffer.keeper import Inline
from edge.buffer.store import Buffer
from edge.clock import Moment
from edge.recorder import Recorder
from simulators import programs
from simulators.virtual_loop import run_virtually

SEED = 20_261_121
BATCH_SAMPLES, SECONDS_PER_BATCH = 200, 5
SAMPLES_PER_S = BATCH_SAMPLES // SECONDS_PER_BATCH
HOUR_S = 3600
ACKNOWLEDGED_AFTER_S = 0.3
BATCHES_WEIGHED = 40


def wire_bytes(measured: list[Measured], ids: random.Random) -> int:
    """Return the size of the message that carries these; it must decode to the very same samples."""
    header = batches.Header(
        "north",
        "gw-1",
        f"{ids.getrandbits(128):032x}",
        Lane.TELEMETRY,
        ids.randrange(1, 10**6),
        batches.Content.SAMPLES,
        f"{ids.getrandbits(128):032x}",
        START_MS + 5_000,
    )
    data = batches.message(header, batches.samples_payload(measured))
    sent = sorted(spread(measured), key=attrgetter("device", "point", "time_ms"))
    if list(map(repr, batches.decode(data).samples)) != list(map(repr, sent)):
        sys.exit("a batch did not decode to what it was made of")
    return len(data)


def wire() -> dict[str, float]:
    """Return what a sample takes on the wire: the mean of many batches, the largest, the worst case."""
    cabinet, ids = Cabinet(SEED), random.Random(SEED)
    sizes = []
    for first in range(0, BATCHES_WEIGHED * SECONDS_PER_BATCH, SECONDS_PER_BATCH):
        measured = [each for offset in range(SECONDS_PER_BATCH) for each in cabinet.second(first + offset)]
        if sum(map(how_many, measured)) != BATCH_SAMPLES:
            sys.exit(f"a batch of the cabinet is to hold {BATCH_SAMPLES} samples")
        sizes.append(wire_bytes(measured, ids))
    return {
        "wire_bytes_per_sample": round(sum(sizes) / len(sizes) / BATCH_SAMPLES, 2),
        "wire_bytes_per_sample_largest": round(max(sizes) / BATCH_SAMPLES, 2),
        "wire_bytes_per_sample_worst": round(wire_bytes(worst(random.Random(SEED)), ids) / BATCH_SAMPLES, 2),
        "wire_bytes_per_sample_names_once": round(
            wire_bytes(registers_once(random.Random(SEED)), ids) / BATCH_SAMPLES, 2
        ),
    }


class LoopClock:
    """Moments from the running loop."""

    def now(self) -> Moment:
        """Return this moment."""
        ns = round(asyncio.get_running_loop().time() * 1e9)
        return Moment(ns, START_MS + ns // 1_000_000)

    def s(self) -> float:
        """Return the loop's seconds."""
        return self.now().s


async def play(folder: Path) -> None:
    """Record an hour of the cabinet into a buffer in the folder; every batch is acknowledged soon after."""
    ids = random.Random(SEED)
    buffer = Buffer(
        folder / "buffer.db",
        "north",
        "gw-1",
        f"{ids.getrandbits(128):032x}",
        lambda: f"{ids.getrandbits(128):032x}",
    )
    loop = asyncio.get_running_loop()

    def acknowledge(stored: Stored) -> None:
        """As the link does when the centre says that it has the batch."""
        if not buffer.acknowledge(stored.lane, stored.sequence, batches.digest(stored.message)):
            sys.exit("the buffer refused an acknowledgement")

    def on_stored(stored: Stored) -> None:
        loop.call_later(ACKNOWLEDGED_AFTER_S, acknowledge, stored)

    kept = settings.Buffer()
    recorder = Recorder(
        buffer,
        Inline(),
        LoopClock(),
        flush_interval_s=kept.flush_interval_s,
        samples_per_batch_max=kept.samples_per_batch_max,
        bytes_max=kept.bytes_max,
        remembered=dict,
        on_stored=on_stored,
    )
    recording = asyncio.create_task(recorder.run())
    cabinet = Cabinet(SEED)
    for second in range(HOUR_S):
        recorder.samples(cabinet.second(second), LoopClock().now())
        await asyncio.sleep(1)
    await recorder.flush()
    await asyncio.sleep(2 * ACKNOWLEDGED_AFTER_S)
    recording.cancel()
    held = buffer.ranges()[0].lanes[Lane.TELEMETRY]
    buffer.close()
    if held.first != held.next or recorder.dropped_samples:
        sys.exit(
            f"batches {held.first} to {held.next} are still there, {recorder.dropped_samples} samples dropped"
        )


CALL = re.compile(
    r"(?P<call>p?write(?:64|v|v2)?|f(?:data)?sync)"
    r"\(\d+<(?P<file>[^>]*)>(?:.*, (?P<offset>\d+))?\) = (?P<result>\d+)$"
)


def counted(trace: Iterable[str], folder: Path) -> tuple[int, int, int]:
    """Return of strace's lines: bytes written to files in the folder, commits, syncs.

    A commit is a sync of the journal after more than its header was written to it.
    """
    written = commits = syncs = 0
    journalled = False
    for line in trace:
        if "unfinished" in line:  # two threads at once: the rest of the call would stand elsewhere
            sys.exit("a call was cut in two in strace's report; the count would be short")
        found = CALL.search(line)
        if not found or not found["file"].startswith(f"{folder}/"):
            continue
        journal = found["file"].endswith("-wal")
        if "write" in found["call"]:
            written += int(found["result"])
            journalled |= journal and found["offset"] != "0"
        else:
            syncs += 1
            if journal:
                commits += journalled
                journalled = False
    return written, commits, syncs


def card(folder: Path) -> dict[str, float]:
    """Return what an hour writes, counted at the system calls of a process that plays it."""
    found = programs.find("strace")
    if not found:
        sys.exit("no strace to count writes with; run `make setup`, or install the package strace")
    strace, environment = found
    trace, state = folder / "trace", folder / "state"
    calls = "trace=write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync"
    counting = [strace, "-f", "-y", "-s", "0", "-e", calls, "-e", "signal=none", "-o", str(trace)]
    if environment != dict(os.environ):  # libraries that came with strace are for nobody else
        counting += ["-E", "LD_LIBRARY_PATH"]
    played = [sys.executable, "-m", "bench.buffer", "--play", str(state)]
    subprocess.run([*counting, *played], env=environment, check=True)
    with trace.open() as lines:
        written, commits, syncs = counted(lines, state)
    if commits < HOUR_S / settings.Buffer().flush_interval_s:
        sys.exit(f"{commits} commits counted, and there must have been more: strace was not understood")
    return {
        "written_bytes_per_sample": round(written / (HOUR_S * SAMPLES_PER_S), 1),
        "commits_per_hour": commits,
        "syncs_per_hour": syncs,
    }


def main() -> None:
    """Measure, print a table, end with one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--play", type=Path, metavar="FOLDER", help="Only record an hour into this folder.")
    given = parser.parse_args()
    if given.play:
        run_virtually(play(given.play))
        return
    with tempfile.TemporaryDirectory(prefix="gengfu-bench-") as folder:
        figures = wire() | card(Path(folder).resolve())
    for name, value in figures.items():
        print(f"{name:<32}{value:>10,}")
    kept = settings.Buffer()
    conditions = {
        "seed": SEED,
        "batch_samples": BATCH_SAMPLES,
        "batches_weighed": BATCHES_WEIGHED,
        "samples_per_s": SAMPLES_PER_S,
        "hour_s": HOUR_S,
        "flush_interval_s": kept.flush_interval_s,
        "samples_per_batch_max": kept.samples_per_batch_max,
        "acknowledged_after_s": ACKNOWLEDGED_AFTER_S,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "msgspec": version("msgspec"),
        "zstandard": version("zstandard"),
    }
    print(json.dumps({"name": "buffer", "figures": figures, "conditions": conditions}))


if __name__ == "__main__":
    main()
