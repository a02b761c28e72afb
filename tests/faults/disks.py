"""Disks that are full, read-only or broken: ``python -m tests.faults.disks``.

Stories drawn by a seed, each with an audit to the sample. ``disk_stories.py``: recorder and buffer in a
process of their own, with retention, stops and kills. ``disk_cabinets.py``: whole gateways that measure and
switch, their broker coming and going.

Controls, with the same seeds: a recorder that forgets what the disk refused must leave samples unaccounted
for, alone and in whole gateways; a gateway without a ballast must drop alarms on a full disk; one that stores
before it acts must miss what it is to switch.
"""

import argparse
import json
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.faults.disk_audit import Verdict
from tests.faults.disk_cabinets import GATEWAYS, cabinets
from tests.faults.disk_stories import BALLAST_BYTES, Story
from tests.faults.failing_disk import FailingDisk
from tests.faults.small_gateway import FORGETS, STORES_FIRST

WORKERS = 2
CONTROL_SHARE, CONTROL_STORIES_MIN = 6, 30
"""Of the stories, one in so many again for each control; fewer might show nothing."""
TOLD_EVERY = 25
FOLDERS_KEPT_MAX = 3
"""Of rounds that do not add up so many folders stay, for a look at the journal."""

Play = Callable[[Path, int], Verdict]


def ours(folder: Path, seed: int) -> Verdict:
    """Play a story of the recorder as it is."""
    return Story(folder, seed).run()


def forgetful(folder: Path, seed: int) -> Verdict:
    """Play it with a recorder that does not put back what the disk refused."""
    return Story(folder, seed, forgetful=True).run()


def without_ballast(folder: Path, seed: int) -> Verdict:
    """Play it without the room that pays for alarms."""
    return Story(folder, seed, ballast_bytes=0).run()


def played(name: str, play: Play, stories: int, seed: int) -> Verdict:
    """Play so many stories, two at a time; tell of it on standard error."""
    whole = Verdict()
    with (
        tempfile.TemporaryDirectory(prefix="gengfu-disks-") as folder,
        ThreadPoolExecutor(WORKERS) as pool,
    ):
        FailingDisk(Path(folder), "library")  # built once, before anybody loads it
        waiting = [pool.submit(play, Path(folder), seed * 100_000 + index) for index in range(stories)]
        for done, each in enumerate(as_completed(waiting), 1):
            whole += each.result()
            if done % TOLD_EVERY == 0:
                print(f"-- disks, {name}: {done} of {stories} stories", file=sys.stderr, flush=True)
    return whole


def played_whole(rounds: int, seed: int, *options: str) -> Verdict:
    """Play so many rounds of whole gateways, one after the other; folders of some that are at fault stay."""
    whole, kept = Verdict(), 0
    for index in range(rounds):
        folder = Path(tempfile.mkdtemp(prefix="gengfu-disks-"))
        verdict = Verdict()
        try:
            verdict = cabinets(folder, seed * 1_000 + index, *options)
        finally:
            if verdict.faults and not options and kept < FOLDERS_KEPT_MAX:
                kept += 1
                verdict.hurt.append(f"round {seed * 1_000 + index} is kept in {folder}")
            else:
                shutil.rmtree(folder, ignore_errors=True)
        whole += verdict
        print(f"-- disks, gateways: {index + 1} of {rounds} rounds", file=sys.stderr, flush=True)
    return whole


def told(verdicts: dict[str, Verdict]) -> Table:
    """Return the table."""
    names = ["stories", "kills", "samples", "dropped", "unknown", "unaccounted", "doubled", "alarms"]
    names += ["alarms_dropped", "controls", "controls_missed", "policy_broken"]
    table = Table("what", *(name.replace("_", " ") for name in names))
    for name, verdict in verdicts.items():
        table.add_row(name, *(str(getattr(verdict, each)) for each in names))
    return table


def main() -> None:
    """Print the table and the JSON line; exit with 1 if a figure is not what it must be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stories", type=int, default=100, help="of the recorder")
    parser.add_argument("--rounds", type=int, default=2, help=f"of {GATEWAYS} whole gateways each")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began_s = time.monotonic()
    few = max(given.stories // CONTROL_SHARE, CONTROL_STORIES_MIN)
    verdicts = {
        "recorder": played("recorder", ours, given.stories, given.seed),
        "whole gateways": played_whole(given.rounds, given.seed),
        "recorder, weakened: forgetful": played("forgetful", forgetful, few, given.seed),
        "recorder, weakened: no ballast": played("no ballast", without_ballast, few, given.seed),
        "gateways, weakened: store first": played_whole(1, given.seed, STORES_FIRST),
        "gateways, weakened: forgetful": played_whole(1, given.seed, FORGETS),
    }
    whole = Verdict()
    for name, verdict in verdicts.items():
        if "weakened" not in name:
            whole += verdict
    console = Console(width=160)
    console.print(told(verdicts))
    for hurt in whole.hurt:
        console.print(hurt, markup=False)
    unaccounted = verdicts["recorder, weakened: forgetful"].unaccounted
    gateways_unaccounted = verdicts["gateways, weakened: forgetful"].unaccounted
    alarms_dropped = verdicts["recorder, weakened: no ballast"].alarms_dropped
    controls_missed = verdicts["gateways, weakened: store first"].controls_missed
    figures = {
        "disk_stories": whole.stories,
        "disk_samples": whole.samples,
        "disk_unaccounted": whole.unaccounted,
        "disk_doubled": whole.doubled,
        "disk_dropped": whole.dropped,
        "disk_alarms": whole.alarms,
        "disk_alarms_dropped": whole.alarms_dropped,
        "disk_controls": whole.controls,
        "disk_controls_missed": whole.controls_missed,
        "disk_policy_broken": whole.policy_broken,
        "disk_kills": whole.kills,
        "disk_control_unaccounted": unaccounted,
        "disk_control_gateways_unaccounted": gateways_unaccounted,
        "disk_control_alarms_dropped": alarms_dropped,
        "disk_control_controls_missed": controls_missed,
    }
    conditions = {
        "seed": given.seed,
        "recorder_stories": given.stories,
        "gateway_stories": given.rounds * GATEWAYS,
        "control_stories": few,
        "ballast_bytes": BALLAST_BYTES,
        "samples_lost_in_kills": whole.unknown,
        "seconds": round(time.monotonic() - began_s),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
    print(json.dumps({"name": "disks", "figures": figures, "conditions": conditions}))
    shown = (whole.dropped, unaccounted, gateways_unaccounted, alarms_dropped, controls_missed)
    if whole.faults or not all(shown):
        sys.exit(1)


if __name__ == "__main__":
    main()
