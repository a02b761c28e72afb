"""Controls through random weather, faults, restarts and people: ``python -m tests.faults.controls``.

Real rules on a time of their own drive a relay board with its own timers (controls_world.py): a seeded walk
of many steps, and a state machine whose steps Hypothesis chooses. Weakened rules are the controls: each must
be found out.
"""

import argparse
import json
import sys
from collections import Counter
from random import Random

from contract.events import Holder
from contract.samples import ClockState
from edge.settings import Ref
from tests.faults import controls_machine
from tests.faults.controls_machine import Controls
from tests.faults.controls_site import ALL, LEFT, STEP_S_MAX
from tests.faults.controls_weakened import BY_MACHINE, WEAKENED, weakened
from tests.faults.controls_world import Tally, World

JUMPS_MS = (-86_400_000, -3_600_000, -5_000, 5_000, 3_600_000, 86_400_000)


class Walk(World):
    """A world that goes on by chance."""

    def __init__(self, chance: Random) -> None:
        """Begin with all well."""
        super().__init__()
        self.chance, self.commands_lost = chance, 0.0

    def takes(self) -> bool:
        """See World.takes."""
        return self.chance.random() >= self.commands_lost

    def play(self, steps: int, until: str = "") -> Tally:
        """Let so many steps happen, or fewer, where ``until`` is what is looked for."""
        for _ in range(steps):
            if self.tally.wrong[until]:
                break
            self._weather()
            self._people()
            chance = self.chance
            self._restarts_perhaps()
            self.sensors_answer = chance.random() > 0.02
            self.passes(chance.choice((0.1, 0.5, 1.0, STEP_S_MAX)))
        return self.tally

    def _restarts_perhaps(self) -> None:
        chance = self.chance
        busy = any(self.relays[Ref("relay", name)].on for name in (*LEFT, "spray", "drain"))
        if chance.random() < (0.015 if busy else 0.005):
            orderly, present = chance.random() < 0.5, chance.choice((0, 1, 2) if busy else (0, 0, 1, 2))
            late, after_s = chance.random() < 0.4, chance.choice((0.0, 0.0, 5.0, 100.0))
            for name in LEFT if present == 1 and chance.random() < 0.5 else ():
                self.welds(name, welded=True)
            self.restarts(orderly=orderly, present=present, after_s=after_s, late=late)
        if chance.random() < 0.02:
            self.recalls()

    def _weather(self) -> None:
        chance = self.chance
        if chance.random() < 0.05:
            self.values["dust"] = chance.choice((100.0, 130.0, 200.0, 200.0, 200.0, None))
        if chance.random() < 0.04:
            self.values["level"] = chance.choice((1.0, 3.0, 6.0, 9.0, 9.0, 9.0, None))
        if chance.random() < 0.03:
            self.values["cold"] = chance.choice((10.0,) * 10 + (2.0, None))
        if chance.random() < 0.03:
            self.values["door"] = chance.choice((False,) * 10 + (True, None))
        if chance.random() < 0.04:
            self.values["sump"] = chance.choice((3.0, 3.0, 0.5, None))
        if chance.random() < 0.05:
            self.values["current"] = chance.choice((2.0, 2.0, 2.0, 0.0, None))
        if chance.random() < 0.02:
            self.values["pressure"] = chance.choice((2.0, 2.0, 2.0, 0.0, None))
        self._faults()

    def _faults(self) -> None:
        chance = self.chance
        if chance.random() < 0.01:
            self.answers = chance.random() < 0.7
        if chance.random() < 0.01:
            self.commands_lost = chance.choice((0.0, 0.0, 0.0, 0.3))
        if chance.random() < 0.01:
            name = chance.choice(ALL)
            self.breaks(name, broken=chance.random() < 0.3)
        if chance.random() < 0.01:
            self.disk_takes_s = chance.choice((0.0, 0.0, 0.4, 1.0))
        if chance.random() < 0.01:
            self.welds(chance.choice(ALL), welded=chance.random() < 0.3)
        if chance.random() < 0.003:
            for name in chance.choice((("pump_1",), ("pump_2",), ("pump_1", "pump_2"))):
                self.breaks(name, broken=True)
        if chance.random() < 0.003:
            self.jumps(chance.choice(JUMPS_MS))
        if chance.random() < 0.005:
            self.clock = chance.choice((ClockState.SYNCHRONISED, ClockState.SYNCHRONISED, ClockState.UNSET))

    def _people(self) -> None:
        chance, name = self.chance, self.chance.choice(ALL)
        dice = chance.random()
        if self.waiting and dice < 0.1:
            self.locks(self.waiting[0][1].output.point)  # somebody comes just then
        elif dice < 0.006:
            self.locks(name)
        elif dice < 0.014:
            self.unlocks(name)
        elif dice < 0.045:
            by, on = chance.choice((Holder.LOCAL, Holder.CENTRE)), chance.random() < 0.6
            for_s = chance.choice((-5, 5, 60, 600, 600, 2000, 4000, 40_000))
            command = f"{chance.getrandbits(128):032x}" if by is Holder.CENTRE else ""
            self.holds(name, by=by, on=on, for_s=for_s, command=command)
        elif dice < 0.055:
            self.releases(name)


def walk(steps: int, seed: int, until: str = "") -> Tally:
    """Play one world; with ``until`` only as long as that was not found."""
    return Walk(Random(seed)).play(steps, until)


def uncaught(steps: int) -> list[str]:
    """Return which weakened rules nobody noticed."""
    missed = []
    for name, (*_, expected) in WEAKENED.items():
        wrong = with_weakened(name, steps)
        print(f"{name}: {dict(wrong)}", file=sys.stderr)
        missed += [] if wrong[expected] else [name]
    return missed


def with_weakened(name: str, steps: int, first: int = 0) -> Counter[str]:
    """Return what is found with weakened rules in a dozen worlds from ``first``, until it is what must be."""
    wrong, expected = Counter[str](), WEAKENED[name][-1]
    with weakened(name):
        for seed in (*range(first, 12), *range(first)):
            wrong += walk(steps // 4, seed, expected).wrong
            if wrong[expected]:
                break
    return wrong


def unfound(lives: int) -> list[str]:
    """Return which weakened rules no life of the machine finds out."""
    return [name for name in BY_MACHINE if not found_by_machine(name, lives)]


def found_by_machine(name: str, lives: int) -> str:
    """Return what the machine says of weakened rules, empty where it finds nothing in two attempts."""
    for is_fixed in (True, False):
        try:
            with weakened(name):
                controls_machine.run(lives, derandomize=is_fixed, shorten=False)
        except AssertionError as error:
            print(f"{name}, by the machine: {error}", file=sys.stderr)
            return str(error)
    return ""


def main() -> None:
    """Play it and print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--worlds", type=int, default=10)
    parser.add_argument("--lives", type=int, default=4_500, help="of the machine, some 25 looks each")
    parser.add_argument("--control-steps", type=int, default=20_000)
    given = parser.parse_args()
    total = Tally()
    for seed in range(given.worlds):
        told = walk(given.steps // given.worlds, seed)
        for name in ("steps", "starts", "orders", "restarts", "refused"):
            setattr(total, name, getattr(total, name) + getattr(told, name))
        total.wrong += told.wrong
        for what, where in told.first.items():
            total.first.setdefault(what, f"world {seed}, {where}")
        print(f"world {seed}: {told.starts} starts, {dict(told.wrong) or 'nothing wrong'}", file=sys.stderr)
    machine = ""
    try:
        controls_machine.run(given.lives, derandomize=False)
    except AssertionError as error:
        machine = f"{error}\n" + "\n".join(getattr(error, "__notes__", []))
        print(f"by the machine: {machine}")
    looks, lives, runs = Controls.steps, Controls.lives, Controls.starts
    print(f"the machine: {lives} lives, {looks} looks, {runs} runs", file=sys.stderr)
    missed = uncaught(given.control_steps)
    missed += [f"{name}, by the machine" for name in unfound(given.lives // 3)]
    print(f"{total.steps} steps, {total.starts} runs, {total.restarts} restarts, {total.orders} commands")
    for what, where in total.first.items():
        print(f"{what}: {total.wrong[what]} times, first {where}")
    figures = {
        "controls_steps": total.steps,
        "controls_runs": total.starts,
        "controls_restarts": total.restarts,
        "controls_wrong": total.wrong.total(),
        "controls_machine_lives": lives,
        "controls_machine_steps": looks,
        "controls_machine_runs": runs,
        "controls_machine_wrong": int(bool(machine)),
        "controls_weakened_caught": len(WEAKENED) + len(BY_MACHINE) - len(missed),
    }
    conditions = {
        "worlds": given.worlds,
        "weakened": len(WEAKENED) + len(BY_MACHINE),
        "missed": missed,
        "wrong": dict(total.wrong),
    }
    print(json.dumps({"name": "controls", "figures": figures, "conditions": conditions}))
    if total.wrong or machine or missed or not total.starts or not runs:
        sys.exit(1)


if __name__ == "__main__":
    main()
