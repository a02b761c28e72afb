"""The fault laboratory: ``make faults``. Every campaign is a program of its own; they run one by one.

Prints their tables and one of all figures and, as its last line, JSON with them. Exit status 1 where one of
them finds something, where a control finds nothing, or where one hangs or says nothing.
"""

import argparse
import json
import sys

from rich.console import Console
from rich.table import Table

from tests.faults.running import Campaign, run_all

CAMPAIGNS = (
    Campaign(
        "stampede",
        "gateways come back no faster than the centre allows",
        ["--gateways", "1000"],
        ["--gateways", "100"],
        minutes=1,
        minutes_max=10,
    ),
    Campaign(
        "kills",
        "SIGKILL of gateways, centre, broker and store costs and doubles nothing",
        ["--kills", "1000"],
        ["--kills", "10"],
        minutes=23,
        minutes_max=75,
    ),
    Campaign(
        "power_cuts",
        "after a power cut what was stored or acknowledged stands",
        ["--cuts", "10000"],
        ["--cuts", "200"],
        minutes=15,
        minutes_max=30,
    ),
    Campaign(
        "hostile",
        "hostile messages harm neither end, and each is counted",
        ["--messages", "100000"],
        ["--messages", "3000"],
        minutes=6,
        minutes_max=20,
    ),
    Campaign(
        "forged",
        "no forged, replayed or misdirected document is taken, and each is in a count",
        ["--documents", "10000"],
        ["--documents", "500", "--control-documents", "80"],
        minutes=1,
        minutes_max=10,
    ),
    Campaign(
        "commands",
        "late, doubled, forged and interrupted commands: exactly the valid ones are executed, once",
        ["--messages", "10000", "--control-messages", "2000"],
        ["--messages", "1500", "--control-messages", "1000"],
        minutes=1,
        minutes_max=10,
    ),
    Campaign(
        "enrolment",
        "gateways get their identity, keep it through dark months, and lose it within seconds",
        ["--rounds", "25"],
        ["--short", "--rounds", "3"],
        minutes=5,
        minutes_max=15,
    ),
    Campaign(
        "broker_access",
        "a gateway reaches its own topics only",
        ["--tries", "1000"],
        ["--tries", "120", "--control-tries", "40"],
        minutes=1,
        minutes_max=10,
    ),
    Campaign(
        "killed_commands",
        "a gateway that is killed in the middle of a command says so, and does not try again",
        ["--kills", "60"],
        ["--kills", "3", "--control-kills", "1"],
        minutes=6,
        minutes_max=20,
    ),
    Campaign(
        "platforms",
        "no case is lost or filed twice, whatever its platform does; who cannot know asks a person",
        ["--alarms", "10000"],
        ["--alarms", "300", "--kills", "3"],
        minutes=25,
        minutes_max=75,
    ),
    Campaign(
        "restores",
        "cloned cards and restored centres lose nothing that somebody still holds",
        ["--stories", "60"],
        ["--stories", "3", "--control-stories", "1"],
        minutes=22,
        minutes_max=75,
    ),
    Campaign(
        "controls",
        "no output runs too long, while inhibited, against precedence or off the record",
        ["--steps", "200000", "--worlds", "20", "--lives", "6000"],
        ["--steps", "10000", "--worlds", "2", "--lives", "1500"],
        minutes=10,
        minutes_max=30,
    ),
    Campaign(
        "configurations",
        "bad settings from the centre, and power cuts, leave every gateway on the last good ones",
        ["--rounds", "100", "--cabinets", "4"],
        ["--rounds", "11", "--cabinets", "3"],
        minutes=7,
        minutes_max=25,
    ),
    Campaign(
        "dead_gateway",
        "the board closes the valve of a gateway that dies or hangs",
        ["--runs", "100"],
        ["--runs", "4", "--control-runs", "1"],
        minutes=2,
        minutes_max=15,
    ),
    Campaign(
        "store_kills",
        "a series store that is killed has everything in the end",
        ["--kills", "100"],
        ["--kills", "5"],
        minutes=6,
        minutes_max=20,
    ),
    Campaign(
        "clocks",
        "wrong clocks leave neither order nor time wrong unmarked",
        ["--worlds", "400"],
        ["--worlds", "8"],
        minutes=3,
        minutes_max=15,
    ),
    Campaign(
        "disks",
        "what a failing disk did not take is counted; alarms and controls go on",
        ["--stories", "250", "--rounds", "15"],
        ["--stories", "20", "--rounds", "1"],
        minutes=18,
        minutes_max=35,
    ),
    Campaign(
        "telling",
        "SIGKILL in the middle of telling people: nothing is missing, only the highest may double",
        ["--kills", "60"],
        ["--kills", "4", "--control-kills", "6"],
        minutes=5,
        minutes_max=15,
    ),
    Campaign(
        "wipes",
        "a broker that forgets everything under load costs nothing",
        ["--wipes", "50"],
        ["--wipes", "2"],
        minutes=3,
        minutes_max=15,
    ),
)
"""Those come first that measure time: whoever runs them can wait with other work until then.

``packaging``, ``updates`` and ``technician`` are programs of their own: they need root, and a Debian to
install on.
"""


def main() -> None:
    """Run all of them, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [campaign.module for campaign in CAMPAIGNS]
    parser.add_argument(
        "campaigns", nargs="*", metavar="CAMPAIGN", help=f"of {', '.join(names)}; all if none"
    )
    parser.add_argument("--short", action="store_true", help="A look of some minutes, not the campaigns.")
    parser.add_argument("--list", action="store_true", help="Print what there is and what it shows.")
    given = parser.parse_args()
    if unknown := set(given.campaigns) - set(names):
        parser.error(f"no campaign {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = [each for each in CAMPAIGNS if not given.campaigns or each.module in given.campaigns]
    if given.list:
        table = Table("campaign", "shows", "minutes", "at most")
        for each in chosen:
            table.add_row(each.module, each.shows, f"{each.minutes:g}", f"{each.minutes_max:g}")
        Console().print(table)
        return
    figures, conditions = run_all(chosen, short=given.short)
    table = Table("figure", "measured")
    for name, value in figures.items():
        table.add_row(name, str(value))
    Console().print(table)
    for name, failure in conditions["failures"].items():
        print(f"{name} {failure}")
    print(json.dumps({"name": "faults", "figures": figures, "conditions": conditions}))
    sys.exit(bool(conditions["failed"]))


if __name__ == "__main__":
    main()
