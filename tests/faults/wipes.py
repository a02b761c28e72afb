"""The broker loses sessions, retained messages and queues under load: ``python -m tests.faults.wipes``.

It is killed, wiped and started again at random moments, in half of the rounds while the centre is away and
batches wait in it. The rest is as in ``kills``: the same cell, the same accounts, the same control.
"""

import argparse
import json
import random
import sys
import time

from tests.faults.cell import BROKER, Cell
from tests.faults.kills import account_of, told, trust_the_broker
from tests.faults.plain_site import CENTRE

BETWEEN_S_MAX = 3.0
WAITING_S_MAX = 1.5
AWAY_S_MAX = 1.0
CENTRE_AWAY = 0.5
"""Share of rounds in which the centre is killed first, so that the broker holds what nobody has taken."""


def play(cell: Cell, wipes: int, chance: random.Random) -> None:
    """Wipe so many times."""
    for number in range(wipes):
        print(f"{number} of {wipes} wipes", file=sys.stderr, flush=True)
        time.sleep(chance.uniform(0, BETWEEN_S_MAX))
        alone = chance.random() >= CENTRE_AWAY
        if not alone:
            cell.kill(CENTRE)
            time.sleep(chance.uniform(0, WAITING_S_MAX))
        cell.kill(BROKER)
        cell.wipe()
        time.sleep(chance.uniform(0, AWAY_S_MAX))
        cell.restart(BROKER)
        if not alone:
            cell.restart(CENTRE)


def main() -> None:
    """Play it, print what was found, end with a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wipes", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    began_s = time.monotonic()
    account, cell = account_of(lambda cell: play(cell, given.wipes, chance), has_store=False)
    told(account, cell)
    control, _ = account_of(trust_the_broker, has_store=False, weakened=True)
    figures = {
        "wipes": cell.wipes,
        "wipe_lost": account.lost,
        "wipe_doubled": account.doubled,
        "wipe_findings": len(account.findings),
        "wipe_samples": account.samples,
        "wipe_control_lost": control.lost,
    }
    conditions = {
        "seed": given.seed,
        "with_the_centre_away": cell.kills.get(CENTRE, 0),
        "failed_reads": account.failed_reads,
        "unflushed": account.unflushed,
        "seconds": round(time.monotonic() - began_s),
    }
    print(json.dumps({"name": "wipes", "figures": figures, "conditions": conditions}))
    if account.lost or account.doubled or account.findings or not control.lost:
        sys.exit(1)


if __name__ == "__main__":
    main()
