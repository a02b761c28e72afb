"""What a batch costs: bytes on the wire a sample, and CPU time to encode and to decode."""

import json
import os
import platform
import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

from contract import batches
from contract.samples import Quality, Sample, Value
from contract.topics import Lane

SEED = 20_260_101
START_MS = 1_767_225_600_000
ROUNDS = 5
ROUND_CPU_S = 0.2
EPOCH = "0123456789abcdef0123456789abcdef"
HEADER = batches.Header(
    "north", "gw-1", EPOCH, Lane.TELEMETRY, 1, batches.Content.SAMPLES, EPOCH, START_MS + 50_000
)


def steady(chance: random.Random, points: int, ticks: int) -> list[Sample]:
    """Return points of one decimal that are read together every 5 s and wander a little."""
    levels = [chance.randrange(0, 5_000) for _ in range(points)]
    samples = []
    for tick in range(ticks):
        for point in range(points):
            levels[point] += chance.randint(-3, 3)
            samples.append(Sample(START_MS + tick * 5_000, "station", f"point_{point}", levels[point] / 10))
    return samples


def mixed(chance: random.Random) -> list[Sample]:
    """Return 20 series of 10: jittered times, noise, integers, switches, full floats, failed reads."""
    samples = []
    for series in range(20):
        time_ms = START_MS
        for _ in range(10):
            time_ms += 5_000 + chance.randint(-400, 400)
            value: Value = [
                round(chance.gauss(50, 12), 1),
                chance.randrange(0, 65_536),
                chance.random() < 0.5,
                chance.gauss(0, 1),
            ][series % 4]
            device, point = f"device-{series // 4}", f"point_{series % 4}"
            if chance.random() < 0.03:
                samples.append(Sample(time_ms, device, point, None, Quality.BAD, "timeout"))
            else:
                samples.append(Sample(time_ms, device, point, value))
    return samples


def encode(samples: list[Sample]) -> bytes:
    """Return the message as the gateway publishes it."""
    return batches.message(HEADER, batches.samples_payload(samples))


def cpu_s(work: Callable[[], object]) -> float:
    """Return the CPU seconds of one call: the median of several rounds of many calls."""
    calls, spent = 1, 0.0
    while spent < ROUND_CPU_S / 4:
        calls *= 2
        spent = _round(work, calls)
    calls = max(1, int(calls * ROUND_CPU_S / spent))
    return statistics.median(_round(work, calls) / calls for _ in range(ROUNDS))


def _round(work: Callable[[], object], calls: int) -> float:
    before = time.process_time()
    for _ in range(calls):
        work()
    return time.process_time() - before


def main() -> None:
    """Print a table, then one line of JSON."""
    chance = random.Random(SEED)
    corpora = {
        "20x10": steady(chance, 20, 10),
        "200x1": steady(chance, 200, 1),
        "mixed": mixed(chance),
    }
    figures: dict[str, float] = {}
    print(
        f"{'corpus':<8}{'samples':>8}{'bytes/sample':>14}{'encode/s':>12}{'decode/s':>12}{'CPU s/100k':>12}"
    )
    for name, samples in corpora.items():
        data = encode(samples)
        assert len(batches.decode(data).samples) == len(samples)
        encode_s = cpu_s(partial(encode, samples)) / len(samples)
        decode_s = cpu_s(partial(batches.decode, data)) / len(samples)
        figures |= {
            f"{name}_bytes_per_sample": round(len(data) / len(samples), 2),
            f"{name}_encode_samples_per_cpu_s": round(1 / encode_s),
            f"{name}_decode_samples_per_cpu_s": round(1 / decode_s),
            f"{name}_cpu_s_per_100k": round((encode_s + decode_s) * 100_000, 3),
        }
        print(
            f"{name:<8}{len(samples):>8}{len(data) / len(samples):>14.2f}"
            f"{1 / encode_s:>12,.0f}{1 / decode_s:>12,.0f}{(encode_s + decode_s) * 100_000:>12.3f}"
        )
    conditions = {
        "seed": SEED,
        "rounds": ROUNDS,
        "round_cpu_s": ROUND_CPU_S,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "msgspec": version("msgspec"),
        "zstandard": version("zstandard"),
    }
    print(json.dumps({"name": "contract", "figures": figures, "conditions": conditions}))


if __name__ == "__main__":
    main()
