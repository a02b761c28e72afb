"""What all rules of a cabinet cost: ``python -m bench.rules``.

200 devices, one sample of each a second, over simulated hours: 190 sensors and ten relays. Every sensor
has two rules or more: two limits held against a mean of five minutes and a stale one; every fourth also a
rate, every fourth a flatline, every tenth a deviation from its neighbour, every twentieth an hourly mean. Ten
controls start and stop a relay each by the mean of a sensor, and read it back. Values wander; now and then
one steps over its limits, a device falls silent, or a sensor freezes, so that decisions are measured too.

CPU is that of this process inside the engine alone (``observe`` for each device, two ticks a second), the
median of the hours; making samples is not in it. ``worst_ms`` is the dearest simulated second.
"""

import argparse
import gc
import itertools
import json
import platform
import random
import statistics
import sys
import time
from typing import Any

from bench.telling import progress
from contract.events import AlarmRaised, ControlChanged
from contract.samples import Quality, Sample
from edge.clock import Moment
from edge.rules.effects import Emit, RuleEffect, Switch
from edge.rules.engine import Engine
from edge.settings import Settings

DEVICES, CONTROLS = 200, 10
SENSORS = DEVICES - CONTROLS
SEED = 20_261_127
START_MS = 1_800_000_000_000
HOUR_S = 3600
MEAN, BEYOND, LOW = 100.0, 170.0, 20.0
WARM_S = 900
"""Before what is measured: windows fill."""


def settings() -> Settings:
    """Return a cabinet's settings."""
    alarms: list[dict[str, Any]] = [
        {"name": "limits", "points": _points(1), "high": 150.0, "low": 40.0, "deadband": 5.0, "mean_s": 300.0,
         "on_delay_s": 10.0, "off_delay_s": 30.0},
        {"name": "silent", "kind": "stale", "points": _points(1), "stale_s": 30.0},
        {"name": "jump", "kind": "rate", "points": _points(4), "rises_by": 60.0, "falls_by": 60.0,
         "within_s": 60.0},
        {"name": "frozen", "kind": "flatline", "points": _points(4, 1), "flat_by": 0.05, "flat_for_s": 600.0},
        *(
            {"name": f"differs-{number}", "kind": "deviation", "points": [f"sensor-{number:03}/level"],
             "from": f"sensor-{number + 1:03}/level", "by": 90.0, "deadband": 10.0}
            for number in range(0, SENSORS - 1, 10)
        ),
        {"name": "hourly", "points": _points(20, 3), "high": 140.0, "mean_s": 3600.0, "aligned": True},
    ]  # fmt: skip
    usual = {"problem": "trouble", "message": "trouble"}
    names = [f"sensor-{number:03}" for number in range(SENSORS)]
    names += [f"relay-{number}" for number in range(CONTROLS)]
    return Settings.model_validate(
        {
            "schema": 1,
            "district": "north",
            "gateway": "bench",
            "broker": {"host": "127.0.0.1"},
            "lines": [{"kind": "tcp", "name": "line", "host": "127.0.0.1"}],
            "devices": [
                {"name": name, "line": "line", "unit_id": 1 + number % 200, "profile": "x", "interval_s": 1.0}
                for number, name in enumerate(names)
            ],
            "alarms": [usual | alarm for alarm in alarms],
            "controls": [_control(number) for number in range(CONTROLS)],
        }
    )


def _points(every: int, first: int = 0) -> list[str]:
    return [f"sensor-{number:03}/level" for number in range(first, SENSORS, every)]


def _control(number: int) -> dict[str, Any]:
    point = f"sensor-{number * 19:03}/level"
    return {
        "name": f"control-{number}",
        "output": f"relay-{number}/out",
        "fail_state": "off",
        "start": {"point": point, "mean_s": 300.0, "above": 110.0},
        "stop": {"point": point, "mean_s": 300.0, "below": 105.0, "held_s": 60.0},
        "inhibits": [{"point": "sensor-189/level", "at_or_below": 2.0, "reason": "frost"}],
        "longest_run_s": 1800.0,
        "shortest_rest_s": 300.0,
        "self_off_s": 60.0,
    }


class World:
    """What the devices say, second by second."""

    def __init__(self, chance: random.Random) -> None:
        """All is as usual."""
        self._chance = chance
        self._values = [MEAN] * SENSORS
        self._aim = [MEAN] * SENSORS
        self._until_s = [0] * SENSORS
        self._mode = ["usual"] * SENSORS
        self.outputs = dict.fromkeys((f"relay-{number}" for number in range(CONTROLS)), False)

    def second(self, at_s: int) -> list[tuple[Sample, Moment]]:
        """Return what is measured in this second, spread over it."""
        found = []
        for number in range(SENSORS):
            value, quality = self._step(number, at_s)
            found.append(self._sample(at_s, number, f"sensor-{number:03}", "level", value, quality))
        for number, (name, on) in enumerate(self.outputs.items(), SENSORS):
            found.append(self._sample(at_s, number, name, "out", on, Quality.GOOD))
        return found

    def _step(self, number: int, at_s: int) -> tuple[float | None, Quality]:
        chance = self._chance
        if at_s >= self._until_s[number]:
            mode = chance.choices(("usual", "high", "low", "silent", "frozen"), (90, 3, 3, 2, 2))[0]
            self._mode[number], self._until_s[number] = mode, at_s + chance.randrange(300, 1500)
            self._aim[number] = {"high": BEYOND, "low": LOW}.get(mode, MEAN)
        if self._mode[number] == "silent":
            return None, Quality.BAD
        if self._mode[number] != "frozen":
            self._values[number] += (self._aim[number] - self._values[number]) * 0.05 + chance.gauss(0, 2)
        return round(self._values[number], 1), Quality.GOOD

    @staticmethod
    def _sample(
        at_s: int, number: int, device: str, point: str, value: float | bool | None, quality: Quality
    ) -> tuple[Sample, Moment]:
        ns = at_s * 10**9 + number * 5_000_000
        moment = Moment(ns, START_MS + ns // 1_000_000)
        return Sample(moment.wall_ms, device, point, value, quality), moment


class Bench:
    """An engine with its world; counts what was decided."""

    def __init__(self, chance: random.Random) -> None:
        """Build both."""
        numbers = itertools.count(1)
        self.settings = settings()
        self.engine = Engine(self.settings, lambda: f"{next(numbers):032x}")
        self.world = World(chance)
        self.raised = self.acted = 0
        self.conditions: set[str] = set()

    def second(self, at_s: int) -> float:
        """Run one simulated second; return its CPU seconds inside the engine."""
        measured = self.world.second(at_s)
        half = len(measured) // 2
        tick, tock = (
            Moment(ns, START_MS + ns // 1_000_000) for ns in (at_s * 10**9, at_s * 10**9 + 5 * 10**8)
        )
        observe, effects = self.engine.observe, list[RuleEffect]()
        began = time.process_time()
        effects += self.engine.tick(tick)
        for sample, moment in measured[:half]:
            effects += observe([sample], moment)
        effects += self.engine.tick(tock)
        for sample, moment in measured[half:]:
            effects += observe([sample], moment)
        took = time.process_time() - began
        self._note(effects)
        return took

    def _note(self, effects: list[RuleEffect]) -> None:
        for effect in effects:
            match effect:
                case Switch(output, on):
                    self.world.outputs[output.device] = on
                case Emit(AlarmRaised() as event):
                    self.raised += 1
                    self.conditions.add(event.condition)
                case Emit(ControlChanged()):
                    self.acted += 1


def main() -> None:
    """Measure, print a table, end with one line of JSON; exit 1 where it is over 1 ms a second."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=3, help="Simulated hours.")
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    bench = Bench(random.Random(given.seed))
    for at_s in range(WARM_S):
        bench.second(at_s)
    bench.raised = bench.acted = 0
    gc.collect()
    gc.freeze()  # as the gateway does when it stands
    hours: list[float] = []
    worst_s = 0.0
    seconds = round(given.hours * HOUR_S)
    for begin_s in range(0, seconds, HOUR_S):
        progress(f"hour {begin_s // HOUR_S + 1}")
        took = [bench.second(WARM_S + at_s) for at_s in range(begin_s, min(begin_s + HOUR_S, seconds))]
        hours.append(statistics.mean(took))
        worst_s = max(worst_s, *took)
    ms_per_s = statistics.median(hours) * 1000
    print(f"{'CPU ms a second':20} {ms_per_s:8.3f}\n{'worst second, ms':20} {worst_s * 1000:8.3f}")
    print(f"{'CPU us a sample':20} {ms_per_s * 1000 / DEVICES:8.2f}")
    print(f"{'alarms raised':20} {bench.raised:8}   {', '.join(sorted(bench.conditions))}")
    print(f"{'controls acted':20} {bench.acted:8}")
    figures = {
        "cpu_us_per_sample": round(ms_per_s * 1000 / DEVICES, 3),
        "cpu_ms_per_s_200_devices": round(ms_per_s, 4),
        "worst_ms": round(worst_s * 1000, 3),
        "raised": bench.raised,
        "acted": bench.acted,
    }
    conditions = {
        "devices": DEVICES,
        "alarm_instances": len(bench.engine.alarms),
        "controls": CONTROLS,
        "simulated_s": seconds,
        "seed": given.seed,
        "python": platform.python_version(),
    }
    print(json.dumps({"name": "rules", "figures": figures, "conditions": conditions}))
    if ms_per_s > 1:
        sys.exit(1)


if __name__ == "__main__":
    main()
