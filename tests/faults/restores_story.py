"""One story of ``tests.faults.restores``: some gateways and a centre, and what befalls them, by a seed."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from random import Random

from contract.topics import Lane
from tests.faults.restores_world import Centre, Gateway, Image, Place

BURST_MAX = 12
PAUSE_S_MAX = 0.04
WORK_S_MAX = 0.6
STEPS = (2, 4)
ROUNDS_MAX = 2_400
CONTROL_ROUNDS_MAX = 100
ROUND_S = 0.05
"""Within so many rounds everything must be drained; two clones take the connection from each other."""


@dataclass
class Figures:
    """What was counted."""

    faults: int = 0
    samples: int = 0
    lost: int = 0
    """Held after a fault by a file or the centre, and not there at the next look."""
    unnamed: int = 0
    """Acknowledged, gone with a centre, and covered by no gap."""
    series_wrong: int = 0
    """In the journal and not exactly once in the series, or the other way round."""
    stalled: int = 0
    named: int = 0
    with_card: int = 0
    """Gone with a card before the centre had it, or with the only card that knew of it."""

    def add(self, other: "Figures") -> None:
        """Take over another story's."""
        for name, value in zip(vars(self), astuple(other), strict=True):
            setattr(self, name, getattr(self, name) + value)


class Story:
    """What happens, drawn by a seed; ``play`` lets it happen."""

    def __init__(self, folder: Path, port: int, seed: int, gateways: int, *, trusting: bool) -> None:
        """Prepare; nothing runs yet."""
        self.figures, self.steps = Figures(), list[str]()
        self._random, self._load_random = Random(seed), Random(-seed)
        self._folder, self._port, self._trusting = folder, port, trusting
        self._district = f"restores-{seed}-{'control' if trusting else 'story'}"
        self._centre = Centre(folder / "c", port, self._district)
        self._running: dict[str, list[Gateway]] = {f"gw-{number}": [] for number in range(gateways)}
        self._images: dict[str, list[Image]] = {name: [] for name in self._running}
        self._backups: list[Path] = []
        self._serial = time.time_ns() // 1_000_000
        self._lives = 0
        self._rounds_max = CONTROL_ROUNDS_MAX if trusting else ROUNDS_MAX
        self._must: set[int] = set()
        """Held by a file or the centre after the last fault, or committed since."""
        self._gone: dict[int, set[Place]] = {}
        """What a centre lost and nobody held, and where it had been."""
        self._seen: dict[int, set[Place]] = {}
        """What was in centres that are gone, and where."""

    async def play(self) -> Figures:
        """Let it happen and judge it."""
        await self._centre.start()
        try:
            await self._lives_on()
            await self._comes_to_rest()
        finally:
            for gateway in self._all():
                await gateway.cut()
            await self._centre.stop(hard=False)
        self._judge()
        return self.figures

    async def _lives_on(self) -> None:
        for name in self._running:
            self._begin(name, None).start()
        for _ in range(self._random.randint(*STEPS)):
            await self._work()
            await self._prepare()
            await self._work()
            if self._random.random() < 0.4:
                await self._drain()
            act = self._random.choice(self._acts())
            self.steps.append(act.__name__.strip("_"))
            await act()
            self.figures.faults += 1
        await self._work()

    async def _comes_to_rest(self) -> None:
        await self._drain()
        for name in self._running:
            await self._retire(name)
        await self._drain()
        for _ in range(self._rounds_max):
            if self._centre.projected:
                break
            await asyncio.sleep(ROUND_S)
        self.figures.stalled += not self._centre.projected
        self._look()

    def _judge(self) -> None:
        """Look for all that was ever there."""
        there = self._centre.journalled()
        self.figures.lost += len(self._must - set(there))
        series = self._centre.series()
        wrong = [serial for serial, count in series.items() if count != 1]
        self.figures.series_wrong += len(wrong) + len(set(series) ^ set(there))
        known = {serial for gateway in self._all() for serial in gateway.known}
        for serial in self._gone.keys() - there.keys():
            if any(self._centre.names(place) for place in self._gone[serial]):
                self.figures.named += 1
            elif serial in known:
                self.figures.unnamed += 1
            else:
                self.figures.with_card += 1

    # The load

    async def _work(self) -> None:
        """Gateways commit for a while, in bursts."""
        end_s = time.monotonic() + self._load_random.uniform(0, WORK_S_MAX)
        while time.monotonic() < end_s:
            for gateway in self._running[self._load_random.choice(list(self._running))]:
                self._burst(gateway, self._load_random.randint(1, BURST_MAX))
            await asyncio.sleep(self._load_random.uniform(0, PAUSE_S_MAX))

    def _burst(self, gateway: Gateway, count: int) -> None:
        for _ in range(count):
            self._serial += 1
            gateway.commit(self._serial, Lane.EVENTS if self._load_random.random() < 0.2 else Lane.TELEMETRY)
            self._must.add(self._serial)
            self.figures.samples += 1

    async def _prepare(self) -> None:
        """Copy cards and take a backup, all under load."""
        for name, [gateway, *_] in self._running.items():
            if self._random.random() < 0.7 or not self._images[name]:
                self._images[name].append(gateway.copied(self._folder / f"image-{self._serial}-{name}"))
        if self._random.random() < 0.6 or not self._backups:
            target = self._folder / f"backup-{len(self._backups)}"
            backing = asyncio.create_task(self._centre.command("backup", str(target)))
            while not backing.done():
                await self._work()
            await backing
            self._backups.append(target)

    async def _drain(self) -> None:
        """Wait until all have nothing left; two that share a name take the connection from each other."""
        for _ in range(self._rounds_max):
            marks = self._centre.marks()
            if all(gateway.drained(marks) for gateway in self._all()):
                return
            await asyncio.sleep(ROUND_S)
        self.figures.stalled += sum(not gateway.drained(self._centre.marks()) for gateway in self._all())

    # What befalls them

    def _acts(self) -> list[Callable[[], Awaitable[None]]]:
        cards = [self._card_rolled_back, self._clone_runs_instead, self._clone_runs_too]
        return [*cards, self._centre_restored, self._centre_restored, self._new_centre]

    async def _card_rolled_back(self) -> None:
        """An older copy of a card is put back; the one that was there is gone."""
        name = self._some_name()
        await self._replaced(name, self._random.choice(self._images[name]))

    async def _clone_runs_instead(self) -> None:
        """The newest copy of the card runs in another box; the first went on for a while."""
        name = self._some_name()
        await self._work()
        await self._replaced(name, self._images[name][-1])

    async def _clone_runs_too(self) -> None:
        """Two boxes with one name take the connection from each other."""
        name = self._some_name()
        await self._retire(name)
        clone = self._begin(name, self._images[name][-1])
        self._burst(clone, self._random.randint(0, 2 * BURST_MAX))
        clone.start()
        await self._work()

    async def _centre_restored(self) -> None:
        """A backup, maybe an old one, is put back."""
        backup = self._random.choice(self._backups)
        await self._centre_replaced(lambda: self._centre.command("restore", str(backup), "--replace"))

    async def _new_centre(self) -> None:
        """Another machine, with nothing on it."""

        async def replace() -> None:
            shutil.rmtree(self._centre.data)

        await self._centre_replaced(replace)

    def _some_name(self) -> str:
        return self._random.choice(list(self._running))

    async def _replaced(self, name: str, image: Image) -> None:
        """The gateway runs on the image, with something to send or not."""
        self._look()
        for gateway in self._running[name]:
            await gateway.cut()
        self._running[name].clear()
        gateway = self._begin(name, image)
        self._promise_what_is_left({})
        self._burst(gateway, self._random.choice([0, 1, 3 * BURST_MAX]))
        gateway.start()

    async def _retire(self, name: str) -> None:
        """One of two boxes is taken away, with what only it holds."""
        if len(self._running[name]) < 2:
            return
        self._look()
        goes = self._running[name].pop(self._random.randrange(2))
        await goes.cut()
        self._promise_what_is_left({})

    async def _centre_replaced(self, replace: Callable[[], Awaitable[None]]) -> None:
        await self._centre.stop(hard=self._random.random() < 0.5)
        self._look()
        before = self._centre.journalled()
        for serial, places in before.items():
            self._seen.setdefault(serial, set()).update(places)
        await replace()
        self._promise_what_is_left(before)
        await self._centre.start()

    # The accounts

    def _look(self) -> None:
        """Count what was promised and is nowhere. Files first: what leaves them is in the journal."""
        working = [gateway.buffer for gateway in self._all() if gateway.buffer.is_open]
        held = {serial for buffer in working for serial in buffer.held()}
        there = self._centre.journalled()
        gone = self._must - held - there.keys()
        self._must -= gone
        former = {place for places in self._seen.values() for place in places}
        now = {place for places in there.values() for place in places}
        deleted = {serial: place for buffer in working for serial, place in buffer.deleted.items()}
        for serial in gone:
            # An acknowledgement may be under way when its centre goes; another one has not that batch.
            if deleted.get(serial) in former - now and serial in self._seen:
                self._gone.setdefault(serial, set()).update(self._seen[serial])
            else:
                self.figures.lost += 1

    def _promise_what_is_left(self, before: dict[int, set[Place]]) -> None:
        """Take leave of what a fault has destroyed; ``before`` says what the centre had."""
        held = {serial for gateway in self._all() for serial in gateway.buffer.held()}
        left = self._must & (held | self._centre.journalled().keys())
        for serial in self._must - left:
            if serial in before:
                self._gone.setdefault(serial, set()).update(before[serial])
            else:
                self.figures.with_card += 1
        self._must = left

    def _begin(self, name: str, image: Image | None) -> Gateway:
        self._lives += 1
        folder = self._folder / f"card-{self._lives}"
        if image:
            shutil.copytree(image.folder, folder)
        random = Random(self._random.random())
        gateway = Gateway(folder, self._port, (self._district, name), random, trusting=self._trusting)
        gateway.known |= image.known if image else set()
        self._running[name].append(gateway)
        return gateway

    def _all(self) -> list[Gateway]:
        return [gateway for those in self._running.values() for gateway in those]
