"""A fault campaign against the Modbus line: ``python -m bench.line_faults``.

Seeded transactions (reads of all four tables, writes by FC5, 6 and 16, to two live units and a dead one,
mostly of the form of the one before, at another address) run over the pure line machine on virtual time, and
over real serial lines on ptys. Half of them suffer a fault: an answer late within or beyond its timeout,
missing, doubled, cut at either end, with 1 to 64 bits flipped or a burst of noise, run together with other
frames, with a leading 0x00 or garbage around it, of a wrong unit, function or count, an exception instead of
it; the adapter begins or ceases to echo; another master's whole exchange, before ours or while it is under
way, with the same unit or another; the port is unplugged, and another is there.

The oracle: every register has a value of its own, and the right answer is what the device itself said when it
heard this very request. ``wrong_values`` are answers accepted with other data, and writes reported as done
that the device did not do. ``crc_collisions`` are counted apart: an answer that was harmed and whose checksum
is right by chance (about 1 of 65,536 that are harmed heavily), or an accepted frame that nobody sent whole.

``healthy_spoiled`` are transactions that failed though nothing befell them. What befell a transaction is the
fault drawn for it, frames that collided with its own, a frame of another master while it was under way, a
write before any read has shown whether the adapter echoes, and on a pty a delay of the machine: the slave
measures its own (bench/faults/ptys.py). ``harmless_failed`` counts the same where the drawn fault left the
answer there, whole and in time.

Bounds. No answer begins later than ``late_answer_s`` after its timeout. A repeated or merged frame follows
before the line is silent. Another master's frame that collides is heard by nobody, and none of its requests
for bits is spelled exactly as an answer to ours (from address 0x0300 on they may be). On a pty, where bytes
take no time, an adapter that begins to echo is met by a read first. Another master does not ask the
very same as we while an adapter that echoed has ceased to, unnoticed. ``beyond_bound`` counts answers taken
from a frame of the very form of the right one, which followed it, where a late answer had fallen on the right
one. Beyond these bounds an answer cannot be told
from another by any master, because serial Modbus frames carry no number.

``process_alarms`` are alarms of every process kind that were raised on virtual time, where the devices were
well all the while (bench/faults/watchman.py); what comes of a ``crc_collision`` or ``beyond_bound`` is in it.

Controls: the same plans against pymodbus's serial client, and against our own line without its rest for late
answers; both must take wrong values, the second must raise
alarms by them.
"""

import argparse
import json
import logging
import platform
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed

import pymodbus

from bench.faults import control, ptys, virtual
from bench.faults.tally import Tally

WORKERS = 2
SEEDS = (1, 2, 3, 4, 5)
CONTROL_SEEDS = 2
WEAKENED_TRANSACTIONS = 10_000

Campaign = Callable[..., Tally]


def _quietly(campaign: Campaign, *arguments: float) -> Tally:
    logging.disable(logging.CRITICAL)  # lines tell of faults, and here they are made by the thousand
    return campaign(*arguments)


def run(name: str, campaign: Campaign, seeds: list[int], transactions: int, *more: float) -> Tally:
    """Run a campaign, its transactions divided among the seeds, two at a time; tell as they end."""
    began_s, whole = time.monotonic(), Tally()
    with ProcessPoolExecutor(WORKERS) as pool:
        share = -(-transactions // len(seeds))
        running = {pool.submit(_quietly, campaign, seed, share, *more): seed for seed in seeds}
        for done in as_completed(running):
            tally = done.result()
            whole.merge(tally)
            print(
                f"{name}: seed {running[done]}: {tally.transactions} transactions, "
                f"{tally.count('wrong')} wrong ({time.monotonic() - began_s:.0f} s)",
                file=sys.stderr,
                flush=True,
            )
    return whole


def told(title: str, tally: Tally) -> None:
    """Print a campaign's table."""
    print(f"\n{title}: {tally.transactions} transactions, {tally.faults} faults")
    print("\n".join(tally.table()), flush=True)


def main() -> None:
    """Print the tables and the JSON line; exit with 1 if a figure is not what it must be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--transactions", type=int, default=100_000, help="on virtual time, of all seeds")
    parser.add_argument("--pty-transactions", type=int, default=5_000)
    parser.add_argument("--control-transactions", type=int, default=2_000)
    given = parser.parse_args()
    seeds: list[int] = given.seeds
    print(f"seeds {' '.join(map(str, seeds))}", flush=True)

    pure = run("virtual time", virtual.campaign, seeds, given.transactions)
    told("Virtual time", pure)
    weakened = run("no rest", virtual.campaign, seeds[:CONTROL_SEEDS], WEAKENED_TRANSACTIONS, 0.0)
    real = run("ptys", ptys.campaign, seeds, given.pty_transactions)
    told("Ptys", real)
    theirs = run("pymodbus", control.campaign, seeds[:CONTROL_SEEDS], given.control_transactions)
    told("Control: pymodbus on ptys", theirs)

    ours = Tally()
    ours.merge(pure)
    ours.merge(real)
    for example in ours.examples:
        print(f"\n{example}")
    figures = {
        "transactions": ours.transactions,
        "faults": ours.faults,
        "wrong_values": ours.count("wrong"),
        "crc_collisions": ours.count("crc_collision"),
        "beyond_bound": ours.count("beyond_bound"),
        "healthy_spoiled": ours.healthy_spoiled,
        "harmless_failed": ours.harmless_failed,
        "bad_samples": pure.watched["bad"],
        "process_alarms": pure.watched["alarms"],
        "control_wrong_values": theirs.count("wrong"),
        "control_transactions": theirs.transactions,
        "no_rest_wrong_values": weakened.count("wrong"),
        "no_rest_transactions": weakened.transactions,
        "no_rest_process_alarms": weakened.watched["alarms"],
    }
    conditions = {
        "seeds": seeds,
        "virtual_transactions": pure.transactions,
        "pty_transactions": real.transactions,
        "pty_stalled": real.verdicts["stalled"].total() if "stalled" in real.verdicts else 0,
        "late_answer_s": virtual.LATE_ANSWER_S,
        "pty_late_answer_s": ptys.LATE_ANSWER_S,
        "pty_baud": ptys.BAUD,
        "python": platform.python_version(),
        "pymodbus": pymodbus.__version__,
    }
    print(json.dumps({"name": "line_faults", "figures": figures, "conditions": conditions}))
    accepted = figures["crc_collisions"] or figures["beyond_bound"]
    spoiled = (
        (figures["process_alarms"] and not accepted)
        or figures["wrong_values"]
        or figures["healthy_spoiled"]
        or figures["harmless_failed"]
    )
    controls = ("control_wrong_values", "no_rest_wrong_values", "no_rest_process_alarms")
    if spoiled or not all(figures[name] for name in controls):
        sys.exit(1)


if __name__ == "__main__":
    main()
