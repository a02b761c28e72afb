"""A series store is killed while it is sent samples: ``python -m tests.faults.store_kills``.

Store (VictoriaMetrics), journal and projection are real. The store is killed at random moments, most often
while no request is under way, and is back at once or after a while; now and then the centre is begun anew as
well. In the end everything settles, the store is killed once more, and what it then has is counted. Controls:
a centre that believes 204, and one that waits for less time than the store holds in memory.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from collector.series import stores as series_stores
from collector.series.settling import Settling
from collector.series.store_errors import StoreError
from collector.series.stores import StoreProjection
from collector.service import Collector, World
from collector.settings import Loaded
from contract.samples import Sample
from gengfu.demo.processes import die_with_parent
from simulators.victoria_metrics import VictoriaMetrics
from tests.collector.making import given, settings, standing, telemetry, up

SETTLE_S = 15.0
"""VictoriaMetrics 1.79 had on disk what it had answered for after 6 to 10 s."""
TOO_SHORT_S = 1.0
FROM_MS = 1_767_225_600_000
PER_BATCH = 50
BETWEEN_KILLS_S_MAX = 4.0
BETWEEN_BATCHES_S_MAX = 0.1
AWAY_S_MAX = 1.0
KILLS_PER_LIFE_MAX = 8
WAIT_S = 120.0
STORE = """[[series_stores]]
name = "archive"
kind = "influxdb"
url = "{url}"
store_settle_s = {settle_s}
"""


@dataclass
class Told:
    """What became of it."""

    kills: int = 0
    centres: int = 0
    batches: int = 0
    sent: int = 0
    rewinds: int = 0
    lost: int = 0
    doubled: int = 0

    @property
    def samples(self) -> int:
        """How many were in the journal."""
        return self.batches * PER_BATCH


class Believing(Settling):
    """The control: what was answered is there."""

    def wrote(self, position: int, now_s: float) -> None:
        """Settle it at once."""
        super().wrote(position, now_s)
        self.settled = position


def numbered(sequence: int) -> list[Sample]:
    """Return the samples of a batch; each has a value of its own."""
    first = sequence * PER_BATCH
    return [
        Sample(FROM_MS + number * 100, "meter", "pressure", number / 10)
        for number in range(first, first + PER_BATCH)
    ]


class Game:
    """One store, and the lives of a centre that sends to it."""

    def __init__(self, folder: Path, loaded: Loaded, store: VictoriaMetrics, chance: random.Random) -> None:
        """All are the caller's."""
        self.told = Told()
        self._folder, self._loaded, self._store, self._chance = folder, loaded, store, chance

    def play(self, kills: int) -> None:
        """Live until so many kills are done, then let everything settle."""
        while self.told.kills < kills:
            this_life = min(kills - self.told.kills, self._chance.randint(1, KILLS_PER_LIFE_MAX))
            with self._centre() as collector:
                asyncio.run(self._live(collector, this_life))
            print(f"{self.told.kills} of {kills} kills", file=sys.stderr)
        with self._centre() as collector:
            asyncio.run(self._settle(collector.series_stores[0]))

    def count(self) -> None:
        """Compare what the store has with what it was to have."""
        found = [
            sample for some in self._store.export('{__name__="pressure_value"}').values() for sample in some
        ]
        wanted = {
            (sample.time_ms, sample.value)
            for sequence in range(1, self.told.batches + 1)
            for sample in numbered(sequence)
        }
        there = len(wanted & set(found))
        self.told.lost, self.told.doubled = len(wanted) - there, len(found) - there

    @contextlib.contextmanager
    def _centre(self) -> Iterator[Collector]:
        with standing(self._loaded, World.real()) as collector:
            yield collector
            self.told.centres += 1
            metrics, name = collector.metrics, collector.series_stores[0].name
            self.told.sent += int(metrics.store_samples.labels(name)._value.get())
            self.told.rewinds += int(metrics.store_rewinds.labels(name)._value.get())

    async def _live(self, collector: Collector, kills: int) -> None:
        sending = asyncio.create_task(self._send(collector))
        for _ in range(kills):
            await asyncio.sleep(self._chance.random() * BETWEEN_KILLS_S_MAX)
            self._store.kill()
            self.told.kills += 1
            if self._chance.random() < 0.5:
                await asyncio.sleep(self._chance.random() * AWAY_S_MAX)
            self._store.start()  # on this thread: the store ends with the one that started it
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, collector: Collector) -> None:
        while True:
            self.told.batches += 1
            given(collector, [up(telemetry(self.told.batches, numbered(self.told.batches)))])
            with contextlib.suppress(StoreError):
                await collector.series_stores[0].advance()
            await asyncio.sleep(self._chance.random() * BETWEEN_BATCHES_S_MAX)

    async def _settle(self, projection: StoreProjection) -> None:
        async with asyncio.timeout(WAIT_S):
            while await projection.position() < self.told.batches:
                with contextlib.suppress(StoreError):
                    await projection.advance()
                await asyncio.sleep(0.05)


def played(kills: int, seed: int, *, weaken: str = "") -> Told:
    """Play it in a folder of its own; ``weaken`` is "", "204" or "settle"."""
    with tempfile.TemporaryDirectory(prefix="gengfu-store-") as name:
        folder = Path(name)
        store = VictoriaMetrics(folder / "store", in_child=die_with_parent)
        settle_s = TOO_SHORT_S if weaken == "settle" else SETTLE_S
        loaded = settings(folder, tables=STORE.format(url=store.url, settle_s=settle_s))
        game = Game(folder, loaded, store, random.Random(seed))
        try:
            store.start()
            with patch.object(series_stores, "Settling", Believing if weaken == "204" else Settling):
                game.play(kills)
            store.kill()  # what is settled does not come from us again
            store.start()
            game.count()
        finally:
            store.kill()
    return game.told


def main() -> None:
    """Print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weaken", choices=["204", "settle"], help="run one control alone")
    asked = parser.parse_args()
    logging.getLogger("collector").setLevel(logging.ERROR)
    runs = [asked.weaken] if asked.weaken else ["", "204", "settle"]
    told = {
        weaken: played(max(asked.kills // 5, 3) if weaken else asked.kills, asked.seed, weaken=weaken)
        for weaken in runs
    }
    for weaken, one in told.items():
        print(
            f"{weaken or 'as it is':<10} {one.kills:>4} kills {one.samples:>7} samples: {one.lost} lost, ",
            end="",
        )
        print(f"{one.doubled} doubled; {one.sent} sent, {one.rewinds} rewinds, {one.centres} centres")
    figures = {
        (f"store_{figure}" if not weaken else f"store_control_{weaken}_{figure}"): getattr(one, figure)
        for weaken, one in told.items()
        for figure in ("kills", "samples", "lost", "doubled", "sent")
    }
    conditions = {"seed": asked.seed, "store": "victoria-metrics", "store_settle_s": SETTLE_S}
    print(json.dumps({"name": "store_kills", "figures": figures, "conditions": conditions}))
    sound = all((one.lost > 0) if weaken else (one.lost == one.doubled == 0) for weaken, one in told.items())
    if not sound:
        sys.exit(1)


if __name__ == "__main__":
    main()
