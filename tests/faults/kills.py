"""SIGKILL of gateways, centre, broker and series store under load: ``python -m tests.faults.kills``.

Parts of a cell (``cell``) are killed at random moments, one or two at a time, some again while they start,
and started again. At the end each sample is accounted for (``accounts``). Gateways that delete on the
broker's PUBACK, and a centre that believes the store too soon, are the controls: the same audit must find
that they lose.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.faults.accounts import Account, audit
from tests.faults.cell import BROKER, GATEWAYS, STORE, STORE_SETTLE_S, Cell
from tests.faults.plain_site import CENTRE

WEIGHTS = {BROKER: 4, CENTRE: 6, STORE: 3} | dict.fromkeys(GATEWAYS, 4)
WARM_UP_S = 2.0
BETWEEN_S_MAX = 1.5
APART_S_MAX = 0.3
AWAY_S_MAX = 0.6
STARTING_S_MAX = 1.0
TOGETHER, AGAIN, AT_ONCE = 0.2, 0.1, 0.5
"""Shares: of rounds with two parts, of restarts that are killed before they are ready, without a pause."""
CONTROL_ROUNDS = 3
CONTROL_WAIT_S = 1.0
CONTROL_SETTLE_S = 1.0
STORE_ROUNDS = 3
STORE_WAIT_S = 4.0
CONTROL_TRIES_MAX = 3

Play = Callable[[Cell], None]


def play(cell: Cell, kills: int, chance: random.Random) -> None:
    """Kill so many times."""
    told = 0
    while (done := sum(cell.kills.values())) < kills:
        if done >= told:
            print(f"{done} of {kills} kills", file=sys.stderr, flush=True)
            told = done + max(1, kills // 20)
        parts = cell.parts
        victims = [chance.choices(parts, [WEIGHTS[part] for part in parts])[0]]
        if chance.random() < TOGETHER:
            victims.append(chance.choice([part for part in parts if part != victims[0]]))
        time.sleep(chance.uniform(0, BETWEEN_S_MAX))
        for victim in victims:
            cell.kill(victim)
            if victim is not victims[-1]:
                time.sleep(chance.uniform(0, APART_S_MAX))
        if chance.random() > AT_ONCE:
            time.sleep(chance.uniform(0, AWAY_S_MAX))
        chance.shuffle(victims)
        for victim in victims:
            again = chance.random() < AGAIN
            cell.restart(victim, chance.uniform(0, STARTING_S_MAX) if again else None)


def trust_the_broker(cell: Cell, rounds: int = CONTROL_ROUNDS) -> None:
    """Kill the broker while batches wait in it for a centre that was killed."""
    for _ in range(rounds):
        cell.kill(CENTRE)
        time.sleep(CONTROL_WAIT_S)
        cell.kill(BROKER)
        cell.restart(BROKER)
        cell.restart(CENTRE)


def trust_the_store(cell: Cell) -> None:
    """Kill the store while it holds in memory what it said it took."""
    for _ in range(STORE_ROUNDS):
        time.sleep(STORE_WAIT_S)
        cell.kill(STORE)
        cell.restart(STORE)


def account_of(
    played: Play, *, has_store: bool, weakened: bool = False, settle_s: float = STORE_SETTLE_S
) -> tuple[Account, Cell]:
    """Play it in a cell of its own and account for everything."""
    with tempfile.TemporaryDirectory(prefix="gengfu-kills-") as name:
        cell = Cell(Path(name), has_store=has_store, weakened=weakened, settle_s=settle_s)
        try:
            cell.start()
            time.sleep(WARM_UP_S)
            played(cell)
            cell.settle()
            return audit(cell), cell
        finally:
            cell.close()


def told(account: Account, cell: Cell) -> None:
    """Print what is found, for people."""
    took_of = restarts(cell)
    for part in cell.parts:
        took = took_of.get(part, [])
        longest = f"{max(took):.2f}" if took else "-"
        print(f"{part:<10}{cell.kills.get(part, 0):>6} kills, longest restart {longest} s")
    print(
        f"{account.samples} samples served and {account.events} events, {account.unflushed} never committed"
    )
    for finding in account.findings:
        print(finding)


def restarts(cell: Cell) -> dict[str, list[float]]:
    """Return by part how long each restart took, in seconds."""
    found: dict[str, list[float]] = {}
    for part, took_s in cell.restarts_s:
        found.setdefault(part, []).append(took_s)
    return found


def p99(values: list[float]) -> float:
    """Return the value that 99 of 100 do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * 99 // 100) - 1)] if ordered else 0.0


def main() -> None:
    """Play it, print what was found, end with a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without-store", action="store_true", help="Without a VictoriaMetrics.")
    given = parser.parse_args()
    chance = random.Random(given.seed)
    began_s = time.monotonic()
    account, cell = account_of(
        lambda cell: play(cell, given.kills, chance), has_store=not given.without_store
    )
    told(account, cell)
    control, _ = account_of(trust_the_broker, has_store=False, weakened=True)
    figures = {
        "kills": sum(cell.kills.values()),
        "kill_lost": account.lost,
        "kill_doubled": account.doubled,
        "kill_findings": len(account.findings),
        "kill_unflushed": account.unflushed,
        "kill_samples": account.samples,
        "restart_p99_s": round(p99([took_s for _, took_s in cell.restarts_s]), 2),
        "kill_control_lost": control.lost,
    }
    controls = [control.lost]
    if cell.store:
        for _ in range(CONTROL_TRIES_MAX):  # what the store has in memory when it dies is a matter of moments
            control, _ = account_of(trust_the_store, has_store=True, settle_s=CONTROL_SETTLE_S)
            if control.lost:
                break
        figures["kill_control_store_lost"] = control.lost
        controls.append(control.lost)
    conditions = {
        "seed": given.seed,
        "killed": dict(Counter(cell.kills)),
        "failed_reads": account.failed_reads,
        "events": account.events,
        "backlog_batches": cell.backlog,
        "restart_p99_s": {part: round(p99(took), 2) for part, took in restarts(cell).items()},
        "store_settle_s": STORE_SETTLE_S if cell.store else None,
        "seconds": round(time.monotonic() - began_s),
    }
    print(json.dumps({"name": "kills", "figures": figures, "conditions": conditions}))
    if account.lost or account.doubled or account.findings or not all(controls):
        sys.exit(1)


if __name__ == "__main__":
    main()
