"""The fault laboratory: ``make faults``. Every campaign is a program of its own; this runs them one by one.

Prints a table and, as its last line, JSON with the figures of all of them. Exit status 1 where one of them
finds something, or where a control finds nothing.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

LIMIT_S = 3 * 3600


@dataclass(frozen=True)
class Campaign:
    """A module of this folder, what it is told, and what it is told for a short look."""

    module: str
    long: list[str] = field(default_factory=list)
    short: list[str] = field(default_factory=list)


CAMPAIGNS = (
    Campaign("power_cuts", ["--cuts", "10000"], ["--cuts", "200"]),
    Campaign("hostile", ["--messages", "100000"], ["--messages", "3000"]),
    Campaign("restores", ["--stories", "100"], ["--stories", "3", "--control-stories", "1"]),
    Campaign("store_kills", ["--kills", "200"], ["--kills", "5"]),
    Campaign("clocks", ["--worlds", "400"], ["--worlds", "8"]),
    Campaign("disks", ["--stories", "250", "--rounds", "15"], ["--stories", "20", "--rounds", "1"]),
    Campaign("stampede", ["--gateways", "1000"], ["--gateways", "100"]),
    Campaign("kills", ["--kills", "1000"], ["--kills", "10"]),
    Campaign("wipes", ["--wipes", "50"], ["--wipes", "2"]),
)


def run(campaign: Campaign, *, short: bool) -> tuple[dict[str, Any], int]:
    """Run one; return what its last line says, and its exit status."""
    command = [sys.executable, "-m", f"tests.faults.{campaign.module}"]
    done = subprocess.run(
        command + (campaign.short if short else campaign.long),
        stdout=subprocess.PIPE,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    lines = done.stdout.splitlines() or [""]
    print("\n".join(lines[:-1]), flush=True)
    try:
        told: dict[str, Any] = json.loads(lines[-1])
    except ValueError:
        sys.exit(f"{campaign.module} ended with {done.returncode} and said: {lines[-1]!r}")
    return told, done.returncode


def main() -> None:
    """Run all of them, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [campaign.module for campaign in CAMPAIGNS]
    parser.add_argument(
        "campaigns", nargs="*", metavar="CAMPAIGN", help=f"of {', '.join(names)}; all if none"
    )
    parser.add_argument("--short", action="store_true", help="A look of a minute or two, not the campaign.")
    given = parser.parse_args()
    if unknown := set(given.campaigns) - set(names):
        parser.error(f"no campaign {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    began_s = time.monotonic()
    figures: dict[str, Any] = {}
    conditions: dict[str, Any] = {}
    failed = []
    for campaign in CAMPAIGNS:
        if given.campaigns and campaign.module not in given.campaigns:
            continue
        Console(stderr=True).print(f"-- {campaign.module}", markup=False)
        told, status = run(campaign, short=given.short)
        figures |= told["figures"]
        conditions[campaign.module] = told["conditions"]
        if status:
            failed.append(campaign.module)
    table = Table("figure", "measured")
    for name, value in figures.items():
        table.add_row(name, str(value))
    Console().print(table)
    conditions["seconds"] = round(time.monotonic() - began_s)
    conditions["failed"] = failed
    print(json.dumps({"name": "faults", "figures": figures, "conditions": conditions}))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
