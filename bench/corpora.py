"""Samples to measure with: noisy, jittered, mixed, and the same for a seed.

The cabinet is eight devices of five points, read once a second: integers, decimals, switches, raw float32, a
state as a text; 2 % of the reads fail, 0.5 % of the points alone, and each device has its own moment within
the second, which jitters by some ms. The others are batches of which nothing comes twice.
"""

import itertools
import random
import struct
from collections.abc import Callable, Iterator

from contract.samples import Measured, Quality, Row, Sample, Value

START_MS = 1_795_219_200_000
JITTER_MS = 8.0
FAILED_READS = 0.02
FAILED_POINTS = 0.005


def float32(value: float) -> float:
    """Return what a register pair holds of the value."""
    held: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return held


class Cabinet:
    """Eight devices of five points, each read once a second: 40 samples a second, the same for a seed."""

    def __init__(self, seed: int) -> None:
        """Begin the noise anew."""
        self._chance = random.Random(seed)
        self._energy_wh = [18_212_400, 3_004_117]
        self._phases_ms = [self._chance.randrange(900) for _ in range(8)]

    def second(self, number: int) -> list[Measured]:
        """Return what the devices say within this second: a row each, or samples where something failed."""
        said = [*self._dust(), *self._meters(), *self._covers(), *self._pumps()]
        measured: list[Measured] = []
        for phase_ms, (device, values) in zip(self._phases_ms, said, strict=True):
            jitter_ms = round(self._chance.gauss(0, JITTER_MS))
            row = Row(
                START_MS + number * 1000 + phase_ms + jitter_ms, device, tuple(values), tuple(values.values())
            )
            measured += self._failing(row)
        return measured

    def _failing(self, row: Row) -> list[Measured]:
        lost = self._chance.random() < FAILED_READS
        failed = [self._chance.random() < FAILED_POINTS for _ in row.points]
        if not lost and not any(failed):
            return [row]
        return [
            Sample(
                row.time_ms, row.device, sample.point, None, Quality.BAD, "timeout" if lost else "device busy"
            )
            if lost or broken
            else sample
            for sample, broken in zip(row.samples, failed, strict=True)
        ]

    def _dust(self) -> Iterator[tuple[str, dict[str, Value]]]:
        gauss = self._chance.gauss
        for number in (1, 2):
            yield (
                f"dust-{number}",
                {
                    "pm2_5": max(0, round(gauss(62, 9))),
                    "pm10": max(0, round(gauss(110, 18))),
                    "noise": round(gauss(61, 6), 1),
                    "temperature": round(gauss(18, 0.4), 1),
                    "humidity": round(gauss(55, 1.5), 1),
                },
            )

    def _meters(self) -> Iterator[tuple[str, dict[str, Value]]]:
        gauss = self._chance.gauss
        for number in (0, 1):
            self._energy_wh[number] += self._chance.randrange(3)
            current = float32(gauss(14, 2))
            yield (
                f"meter-{number + 1}",
                {
                    "voltage_l1": float32(gauss(231, 1.2)),
                    "current_l1": current,
                    "power": float32(current * 0.97 * gauss(231, 1.2)),
                    "frequency": float32(gauss(50, 0.02)),
                    "import_energy": self._energy_wh[number],
                },
            )

    def _covers(self) -> Iterator[tuple[str, dict[str, Value]]]:
        chance = self._chance
        for number in (1, 2):
            yield (
                f"cover-{number}",
                {
                    "roll": round(chance.gauss(0.3, 0.25), 2),
                    "pitch": round(chance.gauss(-1.1, 0.25), 2),
                    "open": chance.random() < 0.05,
                    "battery": round(chance.gauss(3310, 4)),
                    "state": "moving" if chance.random() < 0.1 else "resting",
                },
            )

    def _pumps(self) -> Iterator[tuple[str, dict[str, Value]]]:
        chance = self._chance
        for number in (1, 2):
            yield (
                f"pump-{number}",
                {
                    "level": round(chance.gauss(1.84, 0.012), 3),
                    "flow_raw": chance.randrange(65_536),
                    "pressure": float32(chance.gauss(2.4, 0.1)),
                    "running": chance.random() < 0.5,
                    "fault": False,
                },
            )


PLACES = [
    "heping",
    "minzu",
    "jiefang",
    "xinhua",
    "renmin",
    "jianshe",
    "qianjin",
    "guangming",
    "dongfeng",
    "hongqi",
]
QUANTITIES = [
    "voltage",
    "current",
    "pressure",
    "temperature",
    "humidity",
    "flow",
    "level",
    "turbidity",
    "oxygen",
    "ph",
]
PARTS = [
    "inlet",
    "outlet",
    "supply",
    "return",
    "upper_tank",
    "lower_tank",
    "phase_a",
    "phase_b",
    "phase_c",
    "neutral",
]
KINDS = ["mean", "peak"]


def names_once(chance: random.Random, readings: Callable[[], Value | None]) -> list[Measured]:
    """Return 200 samples of which none shares its name or its time with another; None is a failed read."""
    points = ["_".join(words) for words in itertools.product(QUANTITIES, PARTS, KINDS)]
    chance.shuffle(points)
    samples: list[Measured] = []
    for index, point in enumerate(points):
        device = f"{PLACES[index % 10]}-road-{'east' if index % 20 < 10 else 'west'}"
        time_ms = START_MS + chance.randrange(5_000)
        value = readings()
        if value is None:
            error = chance.choice(["timeout", "crc"])
            samples.append(Sample(time_ms, device, point, value, Quality.BAD, error))
        else:
            samples.append(Sample(time_ms, device, point, value))
    return samples


def worst(chance: random.Random) -> list[Measured]:
    """Return 200 samples that have nothing in common, and eight bytes of noise each."""
    return names_once(chance, lambda: chance.gauss(40, 15))


def registers_once(chance: random.Random) -> list[Measured]:
    """Return 200 samples that have nothing in common, as registers hold them; one in ten failed."""
    kinds: list[Callable[[], Value]] = [
        lambda: float32(chance.gauss(40, 15)),
        lambda: chance.randrange(65_536),
    ]
    return names_once(chance, lambda: None if chance.random() < 0.1 else chance.choice(kinds)())
