"""Power cuts of the gateway's buffer and of the centre's journal: ``python -m tests.faults.power_cuts``.

Recorded lives of the real programs are cut at random moments; what could then stand on a disk is laid out,
and the real programs start on it (power.py says what a disk may do). All that was promised must be there.

Controls: the same with SQLite's synchronous=NORMAL, and a gateway that deletes what the broker has confirmed:
both must lose something; and with synchronous=OFF, which must corrupt something. ``--weaken`` runs one alone.
"""

import argparse
import json
import os
import platform
import sqlite3
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.faults import laboratory
from tests.faults.laboratory import Campaign, Target, Weaken
from tests.faults.ledger import Tally

WORKERS = 2
CUTS_PER_CAMPAIGN = 500
CONTROL_SHARE, CONTROL_CUTS_MIN = 10, 50
"""Of the cuts, one in so many again for each control; fewer might show nothing."""

Kind = tuple[Target, Weaken]


def campaigns(target: Target, weaken: Weaken, cuts: int, seed: int) -> Iterator[Campaign]:
    """Divide the cuts among lives."""
    for index, begin in enumerate(range(0, cuts, CUTS_PER_CAMPAIGN)):
        yield Campaign(target, seed * 1_000_000 + index, min(CUTS_PER_CAMPAIGN, cuts - begin), weaken)


def planned(targets: list[Target], cuts: int, seed: int, weaken: Weaken) -> list[Campaign]:
    """Return everything that is to be run."""
    kinds: list[tuple[Target, Weaken, int]] = [(target, weaken, cuts) for target in targets]
    if not weaken:
        few = max(cuts // CONTROL_SHARE, CONTROL_CUTS_MIN)
        kinds += [(target, "normal", few) for target in targets]
        kinds += [(target, "off", few) for target in targets]
        kinds += [("buffer", "puback", few)] if "buffer" in targets else []
    return [one for target, how, count in kinds for one in campaigns(target, how, count, seed)]


def run(work: list[Campaign]) -> dict[Kind, Tally]:
    """Run all campaigns, two at a time; tell of it on a terminal."""
    tallies: dict[Kind, Tally] = {}
    console = Console(stderr=True)
    with (
        ProcessPoolExecutor(WORKERS) as pool,
        Progress(console=console, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task("power cuts", total=sum(campaign.cuts for campaign in work))
        running = {pool.submit(laboratory.run, campaign): campaign for campaign in work}
        for done in as_completed(running):
            campaign = running[done]
            tallies.setdefault((campaign.target, campaign.weaken), Tally()).merge([done.result()])
            progress.advance(task, campaign.cuts)
    return tallies


def told(tallies: dict[Kind, Tally]) -> Table:
    """Return the table."""
    table = Table("what", "cuts", "lost", "corrupt", "gaps", "cuts that hurt")
    for (target, weaken), tally in sorted(tallies.items()):
        name = f"{target}, weakened: {weaken}" if weaken else target
        figures = (tally.cuts, tally.lost, tally.corrupt, tally.gaps, tally.hurt)
        table.add_row(name, *(str(figure) for figure in figures))
    return table


def main() -> None:
    """Print the table and the JSON line; exit with 1 if a figure is not what it must be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cuts", type=int, default=1_000, help="of each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", choices=("buffer", "journal", "both"), default="both")
    parser.add_argument(
        "--weaken", choices=("normal", "off", "puback"), default="", help="run this control alone"
    )
    given = parser.parse_args()
    targets: list[Target] = ["buffer", "journal"] if given.target == "both" else [given.target]
    if given.weaken == "puback":
        if given.target == "journal":
            parser.error("puback is a weakness of the gateway: it goes with --target buffer")
        targets = ["buffer"]

    began_s = time.monotonic()
    tallies = run(planned(targets, given.cuts, given.seed, given.weaken))
    console = Console()
    console.print(told(tallies))
    ours = Tally().merge(tally for (_, weaken), tally in tallies.items() if not weaken)
    controls = {f"{target}_{weaken}": tally for (target, weaken), tally in tallies.items() if weaken}
    for example in ours.examples:
        console.print(example, markup=False)
    figures = {
        "power_cuts": ours.cuts,
        "power_lost": ours.lost,
        "power_corrupt": ours.corrupt,
        "power_gaps": ours.gaps,
        "power_control_lost": sum(
            tally.lost for (_, weaken), tally in tallies.items() if weaken in ("normal", "puback")
        ),
        "power_control_corrupt": sum(tally.corrupt for tally in controls.values()),
    }
    conditions = {
        "seed": given.seed,
        "targets": targets,
        "weaken": given.weaken,
        "controls": {
            name: {"cuts": tally.cuts, "lost": tally.lost, "corrupt": tally.corrupt, "hurt": tally.hurt}
            for name, tally in sorted(controls.items())
        },
        "seconds": round(time.monotonic() - began_s),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
    sys.stdout.write(json.dumps({"name": "power_cuts", "figures": figures, "conditions": conditions}) + "\n")
    shown = [
        tally.corrupt if weaken == "off" else tally.lost for (_, weaken), tally in tallies.items() if weaken
    ]
    if not ours.is_clean or not all(shown):
        sys.exit(1)


if __name__ == "__main__":
    main()
