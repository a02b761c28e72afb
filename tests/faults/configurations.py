"""Bad settings from the centre, and power cuts at any moment: ``python -m tests.faults.configurations``.

Real gateways hear a real centre over a real broker and read meters over TCP. They are sent settings of eleven
kinds that cannot work, and good ones in between; in half of the rounds the gateway is killed (SIGKILL) at a
random moment of it, once or twice. After each bad one the gateway must be back on the last good settings:
the centre hears that these are in force and why the others are not, and every meter is read again.

Control: a gateway that takes a trial for proved as soon as it runs is not back.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulators.servers import HOST
from tests.faults.configurations_site import CONFIRM_S, Cabinet, Site
from tests.faults.plain_site import until

HASTY = "tests.faults.hasty_gateway"
BACK_S_MAX = 90.0
"""A trial and its starts take a few times CONFIRM_S; machines are busy."""
GOOD_EVERY = 5
STARTS = 3


@dataclass(frozen=True)
class Bad:
    """Settings that cannot work: what is changed, and a word of the reason that must be told."""

    why: str
    changes: Callable[[Site], dict[str, Any]]
    dies: bool = False
    """Whoever starts with them is killed at once."""


KINDS = {
    "unknown_key": Bad("flush_intervall_s", lambda _: {"more": "flush_intervall_s = 3"}),
    "unknown_profile": Bad("profile", lambda _: {"profile": "nobodys_meter"}),
    "unknown_point": Bad("no point", lambda _: {"more": _ALARM}),
    "another_gateway": Bad("gateway", lambda _: {"name": "somebody-else"}),
    "moved_state": Bad("state_folder", lambda _: {"state": "elsewhere"}),
    "no_key": Bad("public_keys", lambda _: {"keys": ""}),
    "dead_broker": Bad("the centre was not heard", lambda site: {"broker_port": site.dead_port}),
    "mute_broker": Bad("the centre was not heard", lambda site: {"broker_port": site.mute.getsockname()[1]}),
    "wrong_unit": Bad("meter-2", lambda _: {"units": (1, 77, 1)}),
    "dead_line": Bad("meter-3", lambda site: {"far_port": site.dead_port}),
    "dies": Bad("begun 3 times", lambda _: {}, dies=True),
}
_ALARM = """[[alarms]]
name = "wave"
points = ["meter-1/nothing"]
high = 1
problem = "none"
message = "up"
"""


@dataclass
class Told:
    """What was counted."""

    bad: int = 0
    back: int = 0
    said_why: int = 0
    good: int = 0
    good_in_force: int = 0
    kills: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class Rounds:
    """What one cabinet goes through, on a thread of its own."""

    def __init__(self, site: Site, cabinet: Cabinet, chance: random.Random) -> None:
        """``told`` is what became of it."""
        self._site, self._cabinet, self._chance = site, cabinet, chance
        self._variant, self._last_good = 0, 0
        self.told = Told()

    def play(self, kinds: list[str]) -> Told:
        """Send bad settings of these kinds, and good ones in between."""
        self._good(cut=False)
        for number, kind in enumerate(kinds, 1):
            self._bad(kind, cut=number % 2 == 0)
            if number % GOOD_EVERY == 0:
                self._good(cut=number % (2 * GOOD_EVERY) == 0)
        self.told.kills = self._cabinet.kills
        return self.told

    def _bad(self, kind: str, *, cut: bool) -> None:
        bad, self._variant = KINDS[kind], self._variant + 1
        sequence = self._push(self._cabinet.text(self._variant, **bad.changes(self._site)))
        if bad.dies:
            self._die_at_each_start(sequence)
        elif cut:
            self._cut()
        standing = self._settled(sequence)
        reads, now_ms = self._cabinet.reads(), time.time_ns() // 1_000_000
        is_back = until(lambda: self._is_back(reads, now_ms), BACK_S_MAX)
        says_why = bad.why in str(standing["reason"]) or (cut and "begun 3 times" in str(standing["reason"]))
        self.told.bad += 1
        self.told.kinds[kind] += 1
        self.told.back += is_back
        self.told.said_why += says_why and standing["state"] in ("refused", "rolled_back")
        if not is_back or not says_why:
            self.told.wrong.append(f"{self._cabinet.name} {sequence} {kind}{' cut' * cut}: {standing}")

    def _good(self, *, cut: bool) -> None:
        self._variant += 1
        sequence = self._push(self._cabinet.text(self._variant))
        if cut:
            self._cut()
        standing = self._settled(sequence)
        self.told.good += 1
        if standing["state"] == "in_force":
            self.told.good_in_force += 1
            self._last_good = sequence
        else:
            self.told.wrong.append(f"{self._cabinet.name} {sequence} good{' cut' * cut}: {standing}")

    def _push(self, text: str) -> int:
        return self._site.push(self._cabinet.name, text)

    def _settled(self, sequence: int) -> dict[str, Any]:
        """Wait until the centre knows what became of the document."""

        def is_settled() -> bool:
            standing = self._site.standing(self._cabinet.name)
            return standing["sequence"] == sequence and standing["state"] not in ("waiting", "sent", "stored")

        until(is_settled, BACK_S_MAX)
        return self._site.standing(self._cabinet.name)

    def _is_back(self, reads: list[int], then_ms: int) -> bool:
        name = self._cabinet.name
        holds = self._site.standing(name)["in_force"] == (self._last_good or None)
        is_heard = self._site.heard_ms()[name] > then_ms
        return (
            holds
            and is_heard
            and all(now > then + 2 for now, then in zip(self._cabinet.reads(), reads, strict=True))
        )

    def _cut(self) -> None:
        """Kill the gateway once or twice, within what a trial takes, and start it again."""
        for _ in range(self._chance.choice((1, 1, 2))):
            time.sleep(
                self._chance.choice((self._chance.uniform(0, 1.5), self._chance.uniform(0, CONFIRM_S)))
            )
            self._again()

    def _again(self) -> None:
        self._cabinet.kill()
        self._cabinet.child.start()

    def _die_at_each_start(self, sequence: int) -> None:
        """Kill whoever has begun with the document, as often as it is begun."""
        for number in range(1, STARTS + 1):
            words = f"settings: configuration {sequence} on trial"
            if not until(lambda: self._cabinet.log.read_text().count(words) >= number, BACK_S_MAX):  # noqa: B023
                return
            self._again()


def played(rounds: int, cabinets: int, seed: int, *, hasty: bool = False, kinds: Sequence[str] = ()) -> Told:
    """Play it; the rounds are shared out to the cabinets."""
    entry = [HASTY] if hasty else ["gengfu.main"]
    with tempfile.TemporaryDirectory(prefix="gengfu-configurations-") as name:
        site = Site(Path(name), {f"gw-{number}": entry for number in range(1, cabinets + 1)})
        with site.running():
            chosen = list(kinds or KINDS)
            with ThreadPoolExecutor(cabinets) as threads:
                playing = [
                    threads.submit(
                        Rounds(site, cabinet, random.Random(f"{seed}/{cabinet.name}")).play,
                        [chosen[number % len(chosen)] for number in range(index, rounds, cabinets)],
                    )
                    for index, cabinet in enumerate(site.cabinets.values())
                ]
                return together([each.result() for each in playing])


def together(parts: list[Told]) -> Told:
    """Return the sum."""
    told = Told()
    for part in parts:
        for key in ("bad", "back", "said_why", "good", "good_in_force", "kills"):
            setattr(told, key, getattr(told, key) + getattr(part, key))
        told.kinds += part.kinds
        told.wrong += part.wrong
    return told


def main() -> None:
    """Play it and its control, print what was counted, end with a line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--cabinets", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began_s = time.monotonic()
    told = played(given.rounds, given.cabinets, given.seed)
    for line in told.wrong:
        print(line, file=sys.stderr)
    control = played(1, 1, given.seed, hasty=True, kinds=["dead_broker"])
    figures = {
        "configurations_bad": told.bad,
        "configurations_back": told.back,
        "configurations_said_why": told.said_why,
        "configurations_good": told.good,
        "configurations_good_in_force": told.good_in_force,
        "configurations_kills": told.kills,
        "configurations_control_not_back": control.bad - control.back,
    }
    for name, value in figures.items():
        print(f"{name:<40}{value:>8}")
    conditions = {
        "kinds": dict(told.kinds),
        "confirm_timeout_s": CONFIRM_S,
        "seed": given.seed,
        "seconds": round(time.monotonic() - began_s),
        "host": HOST,
    }
    print(json.dumps({"name": "configurations", "figures": figures, "conditions": conditions}))
    whole = told.bad == told.back == told.said_why and told.good == told.good_in_force
    if not whole or control.bad == control.back:
        sys.exit(1)


if __name__ == "__main__":
    main()
