"""Cards cloned and rolled back, centres restored and replaced: ``python -m tests.faults.restores``.

Real uplinks on real buffer files, a real broker, and a real centre that is backed up, restored and replaced
by the commands an operator types. After each fault, whatever a buffer's file or the centre's database still
held must be in the journal in the end, and in the series exactly once; what neither holds any more must be
named by a gap.
"""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from gengfu.demo.processes import die_with_parent
from simulators.mosquitto import Mosquitto
from tests.faults.restores_story import Figures, Story

GATEWAYS = 3


def told(broker: Mosquitto, folder: Path, seeds: list[int], *, trusting: bool) -> Figures:
    """Play so many stories; return their figures together."""
    figures = Figures()
    for number, seed in enumerate(seeds, 1):
        story = Story(folder / f"{seed}-{trusting}", broker.port, seed, GATEWAYS, trusting=trusting)
        found = asyncio.run(story.play())
        figures.add(found)
        kind = "control" if trusting else "story"
        Console(stderr=True, soft_wrap=True, highlight=False).print(
            f"{kind} {number} of {len(seeds)}, seed {seed}: {', '.join(story.steps)}; {found}", markup=False
        )
    return figures


def main() -> None:
    """Play them and the control, and print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stories", type=int, default=100)
    parser.add_argument("--control-stories", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for noisy in ("edge", "asyncio"):  # two that take the connection from each other tell it each time
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="gengfu-restores-") as name:
        folder = Path(name)
        broker = Mosquitto(folder / "broker", in_child=die_with_parent)
        broker.start()
        try:
            seeds = list(range(given.seed, given.seed + given.stories))
            found = told(broker, folder, seeds, trusting=False)
            controls = list(range(given.seed, given.seed + given.control_stories))
            control = told(broker, folder, controls, trusting=True)
        finally:
            broker.stop()
    figures = {
        "restores": found.faults,
        "restore_lost": found.lost,
        "restore_unnamed": found.unnamed,
        "restore_series_wrong": found.series_wrong,
        "restore_stalled": found.stalled,
        "restore_gone_and_named": found.named,
        "restore_gone_with_the_card": found.with_card,
        "restore_control_lost": control.lost,
    }
    for name, value in figures.items():
        print(f"{name:<28}{value:>10}")
    conditions = {
        "stories": given.stories,
        "seed": given.seed,
        "gateways": GATEWAYS,
        "samples": found.samples,
    }
    print(json.dumps({"name": "restores", "figures": figures, "conditions": conditions}))
    if found.lost or found.unnamed or found.series_wrong or found.stalled or not control.lost:
        sys.exit(1)


if __name__ == "__main__":
    main()
