"""What the whole gateway costs, beside the one that is written in an afternoon: ``python -m bench.gateway``.

Fifty Modbus TCP devices of twenty registers, each read once a second, go through the real gateway process
(``gengfu edge run``, its durable buffer, a real mosquitto) and are acknowledged end to end by a real centre.
``bench/baselines/naive.py`` and ``floor.py`` do the same at the same time with devices of their own, so that
whatever else the machine does falls on all three. The gateway's buffer has its default settings.

CPU is that of the one process, after a warm-up, over all rounds; RSS is read at the end of a round. ``lost``
is what the devices served less what the centre's journal holds once the gateway has ended; ``bad`` are
samples without a value, because an answer came too late. Where there are none, the values must add up on both
ends.

The run fails where something was lost, where somebody fell behind, or where naive over floor, which checks
the measurement itself, is not what it is known to be.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench.baselines.asked import REGISTERS
from bench.baselines.running import Books, Running, child, cpu_s, end, journalled, memory_kib, served
from edge.settings import Buffer
from gengfu.demo.processes import die_with_parent
from simulators.mosquitto import Mosquitto

OURS, BASELINES = "gengfu", ("naive", "floor")
GATEWAYS = (OURS, *BASELINES)
DEVICES = 50
INTERVAL_S = 1.0
WARM_UP_S = 6.0

NAIVE_OVER_FLOOR = 3.5
STRAYS_BY_MAX = 0.3
BEHIND_BY_MAX = 0.05
WEAKENED_FOR_S = 3.0

PROFILE = """schema = 1
id = "bench_meter"
title = { en = "meter of the benchmark", zh = "基准电表" }
vendor = "bench"
models = ["any"]
document = "twenty registers from 0"

[[points]]
name = "value_{n}"
title = { en = "value {n}", zh = "数值{n}" }
table = "holding_register"
address = 0
repeat = { count = %d }
"""
CENTRE = """schema = 1
district = "bench"
data_folder = "centre"
[broker]
host = "127.0.0.1"
port = %d
[http]
port = 0
[[case_classes]]
problem = "none"
code = "010201"
title = { en = "none", zh = "无" }
deadline_h = 4
"""
GATEWAY = """schema = 1
district = "bench"
gateway = "gw"
profile_folders = ["profiles"]
[broker]
host = "127.0.0.1"
port = %d
[clock]
source = "wall"
[buffer]
stop_drain_s = %g
"""
DEVICE = """[[lines]]
kind = "tcp"
name = "line-{number}"
host = "127.0.0.1"
port = {port}
[[devices]]
name = "device-{number}"
line = "line-{number}"
profile = "bench_meter"
interval_s = {interval_s:g}
timeout_s = 3
"""


@dataclass(frozen=True)
class Run:
    """One round of one gateway: CPU seconds for so many samples; KiB resident at its end and at most."""

    cpu_s: float
    samples: int
    rss_kib: int
    peak_kib: int


class Bench:
    """The broker and a folder for everything; each round is played in a folder of its own."""

    def __init__(self, folder: Path, seconds: float) -> None:
        """``seconds`` is how long a round is measured."""
        self.broker = Mosquitto(folder / "broker", in_child=die_with_parent)
        self._folder, self._seconds, self._rounds = folder, seconds, 0

    def round(self) -> tuple[dict[str, Run], Books, Books]:
        """Let all three work at once; return their figures, what ours was served, and what the centre has."""
        folder = self._round_folder()
        with ExitStack() as stack:
            devices = {name: stack.enter_context(_devices(name, folder)) for name in GATEWAYS}
            stack.enter_context(self._centre(folder))
            gateways = {
                name: stack.enter_context(self._baseline(name, folder, devices[name])) for name in BASELINES
            }
            ours = gateways[OURS] = stack.enter_context(self._ours(folder, devices[OURS], drain_s=20))
            runs = self._measured(gateways, devices)
            end(ours)
            books = served(devices[OURS])
        return runs, books, journalled(folder)

    def weakened_round(self) -> tuple[Books, Books]:
        """End the centre before the gateway: what the centre has must then fall short of what was served."""
        folder = self._round_folder()
        with _devices(OURS, folder) as devices, self._centre(folder) as centre:
            with self._ours(folder, devices, drain_s=1) as ours:
                time.sleep(WARM_UP_S)
                end(centre)
                time.sleep(WEAKENED_FOR_S)
                end(ours)
            return served(devices), journalled(folder)

    def bare_kib(self) -> int:
        """Return the KiB that a process takes which only imports what the gateway imports."""
        with child("bare", self._folder, "bench.baselines.bare") as bare:
            return memory_kib(bare.pid)[0]

    def _measured(self, gateways: dict[str, Running], devices: dict[str, Running]) -> dict[str, Run]:
        time.sleep(WARM_UP_S)
        spent_s = {name: cpu_s(gateway.pid) for name, gateway in gateways.items()}
        began = {name: served(each).samples for name, each in devices.items()}
        time.sleep(self._seconds)
        runs = {}
        wanted = self._seconds / INTERVAL_S * DEVICES * REGISTERS
        for name, gateway in gateways.items():
            samples = served(devices[name]).samples - began[name]
            if samples < (1 - BEHIND_BY_MAX) * wanted:
                sys.exit(f"{name} fell behind: {samples} samples of {wanted:.0f}; the machine is too busy")
            runs[name] = Run(cpu_s(gateway.pid) - spent_s[name], samples, *memory_kib(gateway.pid))
        return runs

    def _baseline(self, name: str, folder: Path, devices: Running) -> AbstractContextManager[Running]:
        arguments = ["--broker", str(self.broker.port), "--interval-s", str(INTERVAL_S)]
        arguments += ["--folder", str(folder), "--ports", *map(str, devices.told["ports"])]
        return child(name, folder, f"bench.baselines.{name}", *arguments)

    def _centre(self, folder: Path) -> AbstractContextManager[Running]:
        (folder / "centre.toml").write_text(CENTRE % self.broker.port)
        return child("centre", folder, *_command("collector", folder / "centre.toml"))

    def _ours(self, folder: Path, devices: Running, *, drain_s: float) -> AbstractContextManager[Running]:
        (folder / "profiles").mkdir()
        (folder / "profiles" / "bench_meter.toml").write_text(PROFILE % REGISTERS)
        settings = GATEWAY % (self.broker.port, drain_s)
        for number, port in enumerate(devices.told["ports"], 1):
            settings += DEVICE.format(number=number, port=port, interval_s=INTERVAL_S)
        (folder / "gateway.toml").write_text(settings)
        return child(OURS, folder, *_command("edge", folder / "gateway.toml"))

    def _round_folder(self) -> Path:
        self._rounds += 1
        folder = self._folder / f"round-{self._rounds}"
        folder.mkdir()
        return folder


def _devices(name: str, folder: Path) -> AbstractContextManager[Running]:
    return child(f"{name}-devices", folder, "bench.baselines.devices", "--devices", str(DEVICES))


def _command(group: str, settings: Path) -> tuple[str, ...]:
    return "gengfu.main", group, "run", "--settings", str(settings)


def _cost_s(runs: list[Run]) -> float:
    """Return CPU seconds for 100,000 samples."""
    return sum(run.cpu_s for run in runs) / sum(run.samples for run in runs) * 100_000


def _told(name: str, runs: list[Run]) -> None:
    each = "  ".join(f"{_cost_s([run]):.3f}" for run in runs)
    rss, peak = (
        max(values) / 1024 for values in zip(*((run.rss_kib, run.peak_kib) for run in runs), strict=True)
    )
    print(f"{name:<8}{_cost_s(runs):>12.3f}{rss:>10.1f}{peak:>10.1f}   {each}", flush=True)


def measure(bench: Bench, rounds: int) -> dict[str, float]:
    """Play all rounds and return the figures."""
    runs: dict[str, list[Run]] = {name: [] for name in GATEWAYS}
    lost = bad = wrong = 0
    for _ in range(rounds):
        played, given, kept = bench.round()
        for name, run in played.items():
            runs[name].append(run)
        lost += given.samples - kept.samples
        bad += kept.bad
        wrong += not kept.bad and given.total != kept.total
    print(f"{'gateway':<8}{'CPU s/100k':>12}{'RSS MiB':>10}{'at most':>10}   each round")
    for name, each in runs.items():
        _told(name, each)
    bare_mib = bench.bare_kib() / 1024
    rss_mib = max(run.rss_kib for run in runs[OURS]) / 1024
    return {
        "cpu_ratio_naive": round(_cost_s(runs[OURS]) / _cost_s(runs["naive"]), 3),
        "cpu_ratio_floor": round(_cost_s(runs[OURS]) / _cost_s(runs["floor"]), 3),
        "naive_over_floor": round(_cost_s(runs["naive"]) / _cost_s(runs["floor"]), 3),
        "cpu_s_per_100k": round(_cost_s(runs[OURS]), 3),
        "cpu_s_per_100k_naive": round(_cost_s(runs["naive"]), 3),
        "cpu_s_per_100k_floor": round(_cost_s(runs["floor"]), 3),
        "rss_mib": round(rss_mib, 1),
        "rss_above_imports_mib": round(rss_mib - bare_mib, 1),
        "lost": lost,
        "bad": bad,
        "rounds_with_wrong_values": wrong,
    }


def verdict(figures: dict[str, float]) -> Iterator[str]:
    """Yield what makes the run worthless, or the gateway."""
    if figures["lost"] or figures["rounds_with_wrong_values"]:
        yield f"{figures['lost']} samples lost, values differ in {figures['rounds_with_wrong_values']} rounds"
    if abs(figures["naive_over_floor"] / NAIVE_OVER_FLOOR - 1) > STRAYS_BY_MAX:
        yield (
            f"naive over floor is {figures['naive_over_floor']}, known is {NAIVE_OVER_FLOOR} within"
            f" {STRAYS_BY_MAX:.0%}: the baselines or the machine are not what they were, so no ratio counts"
        )


def main() -> None:
    """Measure, print a table, end with one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=25, help="How long a round is measured.")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument(
        "--weaken", action="store_true", help="End the centre early: the count of lost samples must show it."
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gengfu-bench-") as folder:
        bench = Bench(Path(folder), given.seconds)
        bench.broker.start()
        try:
            if given.weaken:
                books, kept = bench.weakened_round()
                figures: dict[str, float] = {"lost": books.samples - kept.samples}
                failures = [] if figures["lost"] > 0 else ["a centre that ended early went unnoticed"]
            else:
                figures = measure(bench, given.rounds)
                failures = list(verdict(figures))
        finally:
            bench.broker.stop()
    conditions = {
        "devices": DEVICES,
        "registers": REGISTERS,
        "interval_s": INTERVAL_S,
        "flush_interval_s": Buffer.model_fields["flush_interval_s"].default,
        "samples_per_batch_max": Buffer.model_fields["samples_per_batch_max"].default,
        "seconds": given.seconds,
        "rounds": 1 if given.weaken else given.rounds,
        "weakened": given.weaken,
        "python": platform.python_version(),
        "pymodbus": version("pymodbus"),
        "paho_mqtt": version("paho-mqtt"),
    }
    print(json.dumps({"name": "gateway", "figures": figures, "conditions": conditions}))
    if failures:
        sys.exit("; ".join(failures))


if __name__ == "__main__":
    main()
