"""Forged, replayed and misdirected documents to a gateway: ``python -m tests.faults.forged``.

A real gateway hears a real centre over a real broker, and somebody who has heard every document, holds other
keys, and kept genuine documents back. None of his messages may be taken; each must be in a count, by its
reason; and what the centre pushes meanwhile must all be in force, also after a kill of the gateway.

Controls: four gateways, each of which leaves out one check (signature, sequence, gateway, expiry), hear the
same somebody. Each must take what it should not.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.faults.desired_site import Site, counted, overheard, say_hello, taken
from tests.faults.forger import KINDS, Forger, Heard
from tests.faults.trusting_gateway import CHECKS

OURS, NEIGHBOUR = "gw-1", "gw-2"
IN_FLIGHT = 50
PUSH_EVERY = 500
RETAINED_SHARE = 0.1
NEIGHBOURS_AHEAD = 12
SETTLE_S_MAX = 60.0
HARMLESS = frozenset({"forged_documents", "forged_good", "forged_reports"})
FIRST_PUSHES = 3


class Campaign:
    """One site and what happens there."""

    def __init__(self, site: Site, seed: int) -> None:
        """Prepare."""
        self._site, self._seed = site, seed
        self._heard = Heard()
        self.kinds = Counter[str]()
        self.good = 0
        self.good_missing = 0

    async def play(self, total: int, control: int) -> dict[str, int]:
        """Let the forger publish; return the figures."""
        site = self._site
        async with overheard(site, self._heard.messages) as seen, site.client("forger") as client:
            client.pending_calls_threshold = 2 * IN_FLIGHT
            await say_hello(client, NEIGHBOUR)
            await site.known()
            await self._pushed(list(site.gateways), times=FIRST_PUSHES)
            await self._neighbours()
            for begin in range(0, total, PUSH_EVERY):
                await self._bombard(client, OURS, min(PUSH_EVERY, total - begin))
                await self._pushed([OURS])
                print(f"{begin + PUSH_EVERY} of {total}", file=sys.stderr)
            await self._recorded(seen)
            figures = self._judged(seen[OURS])
            for gateway, without in site.gateways.items():
                if without:
                    await self._bombard(client, gateway, control)
            figures |= await self._controls()
        await self._killed()
        figures["forged_good"], figures["forged_good_missing"] = self.good, self.good_missing
        figures["forged_crashes"] = len(site.fallen)
        return figures

    async def _pushed(self, gateways: list[str], times: int = 1) -> None:
        """Push a document of each kind to each of them, and wait until it is in force."""
        for _ in range(times):
            for kind in KINDS:
                self.good += len(gateways)
                bodies = {gateway: {"good": self.good, "kind": kind} for gateway in gateways}
                sequences = await self._site.push(kind, bodies)
                self.good_missing += len(await self._site.in_force(kind, sequences))

    async def _neighbours(self) -> None:
        """Let the neighbour's documents be ahead in number; it has no process, so none is in force."""
        for kind in KINDS:
            for number in range(NEIGHBOURS_AHEAD):
                await self._site.push(kind, {NEIGHBOUR: {"neighbour": number}})
        async with asyncio.timeout(SETTLE_S_MAX):
            while not all(self._heard.of(NEIGHBOUR, kind) for kind in KINDS):
                await asyncio.sleep(0.1)

    async def _bombard(self, client: aiomqtt.Client, gateway: str, total: int) -> None:
        chance = random.Random(f"{self._seed} {gateway} {self.kinds.total()}")
        key = self._site.key
        forger = Forger(chance, gateway, NEIGHBOUR, self._heard, key, lambda: time.time_ns() // 1_000_000)
        marked = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        marked.UserProperty = [("forged", "yes")]  # for the listener, who keeps what is genuine
        for begin in range(0, total, IN_FLIGHT):
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(IN_FLIGHT, total - begin)):
                    kind, topic, payload = forger.message()
                    if gateway == OURS:
                        self.kinds[kind] += 1
                    retain = chance.random() < RETAINED_SHARE
                    tasks.create_task(client.publish(topic, payload, qos=1, retain=retain, properties=marked))

    async def _recorded(self, seen: Counter[str]) -> None:
        """Wait until everything that was published is in a report."""
        until_s = time.monotonic() + SETTLE_S_MAX
        published = self.kinds.total()
        while time.monotonic() < until_s and (seen[OURS] < published or self._unrecorded(seen[OURS])):
            await asyncio.sleep(0.2)

    def _unrecorded(self, seen: int) -> int:
        reports = self._site.reports(OURS)
        return seen - counted(reports).total() - taken(reports).total()

    def _judged(self, seen: int) -> dict[str, int]:
        reports = self._site.reports(OURS)
        for reason, count in sorted(counted(reports).items()):
            print(f"{reason:<24}{count:>8}")
        return {
            "forged_documents": self.kinds.total(),
            "forged_accepted": self._wrongly_taken(OURS),
            "forged_unrecorded": self._unrecorded(seen),
            "forged_reports": len(reports),
        }

    def _wrongly_taken(self, gateway: str) -> int:
        """Return how many were taken that are not the centre's for this gateway, or a second time."""
        genuine = self._site.genuine(gateway)
        found = taken(self._site.reports(gateway))
        return sum(count - (digest in genuine) for digest, count in found.items())

    async def _controls(self) -> dict[str, int]:
        until_s = time.monotonic() + SETTLE_S_MAX
        while True:
            figures = {
                f"forged_control_{without}": self._wrongly_taken(gateway)
                for gateway, without in self._site.gateways.items()
                if without
            }
            if all(figures.values()) or time.monotonic() > until_s:
                return figures
            await asyncio.sleep(0.2)

    async def _killed(self) -> None:
        """Kill the gateway: what it had in force is in force again, whatever the broker has retained."""
        before = {kind: (await self._site.states(kind))[OURS] for kind in KINDS}
        child = self._site.children[OURS]
        child.kill()
        child.start()
        for kind in KINDS:
            self.good += 1
            until_s = time.monotonic() + SETTLE_S_MAX
            while True:
                state = (await self._site.states(kind))[OURS]
                holds = (state["in_force"], state["state"]) == (before[kind]["sequence"], "in_force")
                if holds or time.monotonic() > until_s:
                    break
                await asyncio.sleep(0.2)
            self.good_missing += not holds
        # And it still listens to its centre.
        await self._pushed([OURS])
        self.good_missing += self._wrongly_taken(OURS) > 0


def main() -> None:
    """Play it, print what was counted, end with a line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--control-documents", type=int, default=200, help="for each gateway without a check")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    gateways = {OURS: ""} | {f"without-{check}": check for check in CHECKS}
    with tempfile.TemporaryDirectory(prefix="gengfu-forged-") as name:
        site = Site(Path(name), gateways)
        with site.running():
            campaign = Campaign(site, given.seed)
            figures = asyncio.run(campaign.play(given.documents, given.control_documents))
            for fallen in site.fallen:
                print(fallen)
    for kind, count in sorted(campaign.kinds.items()):
        print(f"{kind:<24}{count:>8}")
    conditions = {"seed": given.seed, "control_documents": given.control_documents}
    print(json.dumps({"name": "forged", "figures": figures, "conditions": conditions}))
    controls = [value for figure, value in figures.items() if figure.startswith("forged_control_")]
    harmed = [
        figure
        for figure, value in figures.items()
        if value and figure not in HARMLESS and not figure.startswith("forged_control_")
    ]
    if harmed or not all(controls):
        sys.exit(1)


if __name__ == "__main__":
    main()
