"""Our real poller on a line with a strict slave, and a journal of what it read when."""

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise

from bench.line_speed import registers
from bench.slave_process import Wire
from bench.strict_slave import REGISTERS
from contract.samples import Measured, Quality, spread
from device_profiles.schema import Profile
from edge.clock import Moment, SystemClock
from edge.drivers.modbus import Device, ModbusDevice
from edge.health import ANSWERS_LEARNT_FROM
from edge.lines.serial_port import SerialLine
from edge.polling import LinePoller, Polled, Stamps

BAUD = 9600
TIMEOUT_S = 0.5
"""As the settings have it by default."""
LIMIT_S = 120.0
"""What has not come after that time does not come."""
POINT = {
    "name": "register_{n}",
    "title": {"en": "register {n}", "zh": "寄存器 {n}"},
    "table": "holding_register",
    "address": 0,
    "repeat": {"count": REGISTERS, "first": 0},
}
PROFILE = Profile.model_validate(
    {
        "schema": 1,
        "id": "ten_registers",
        "title": {"en": "ten registers", "zh": "十个寄存器"},
        "vendor": "bench",
        "models": ["strict slave"],
        "document": "bench/strict_slave.py",
        "points": [POINT],
    }
)


class Journal:
    """What the poller brought, by unit: when it was read well, and when in vain; monotonic seconds."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.good: dict[int, list[float]] = defaultdict(list)
        self.bad: dict[int, list[float]] = defaultdict(list)
        self.wrong = 0
        self._news = asyncio.Event()

    def take(self, measured: Sequence[Measured], now: Moment) -> None:
        """Take the samples of one device."""
        samples = list(spread(measured))
        unit_id = int(samples[0].device.removeprefix("unit-"))
        qualities = {sample.quality for sample in samples}
        if qualities == {Quality.GOOD}:
            self.good[unit_id].append(now.s)
            self.wrong += [sample.value for sample in samples] != registers(unit_id)
        elif Quality.BAD in qualities:
            self.bad[unit_id].append(now.s)
        self._news.set()

    async def until(self, met: Callable[[], bool]) -> bool:
        """Wait until it is met, and say whether it was within the limit."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while not met():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    async def must(self, met: Callable[[], bool], what: str) -> None:
        """Wait until it is met; without that there is nothing to measure."""
        if not await self.until(met):
            raise SystemExit(f"waited {LIMIT_S:.0f} s in vain {what}; look at the ports and at the slave")

    async def learnt(self, units: Iterable[int]) -> None:
        """Wait until the poller knows how fast each answers."""
        await self.must(
            lambda: all(len(self.good[unit]) > ANSWERS_LEARNT_FROM for unit in units),
            f"for {ANSWERS_LEARNT_FROM} good reads of each unit",
        )

    async def failed(self, units: Iterable[int], times: int) -> None:
        """Wait until each was asked in vain so many times more."""
        before = {unit: len(self.bad[unit]) for unit in units}
        await self.must(
            lambda: all(len(self.bad[unit]) - before[unit] >= times for unit in before),
            f"for {times} vain requests to each silent unit",
        )

    async def back_s(self, units: Collection[int], from_s: float) -> float | None:
        """Wait until each was read well after ``from_s``; return how long the last one took."""

        def back() -> bool:
            return all(self.good[unit] and self.good[unit][-1] > from_s for unit in units)

        if not await self.until(back):
            return None
        firsts = [next(at_s for at_s in self.good[unit] if at_s > from_s) for unit in units]
        return max(firsts) - from_s

    def cycle_s(self, units: Collection[int], from_s: float, to_s: float) -> float:
        """Return the mean interval between a device's good reads; infinite where one was not read twice."""
        means = []
        for unit in units:
            times = [at_s for at_s in self.good[unit] if from_s <= at_s < to_s]
            means.append((times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else math.inf)
        return sum(means) / len(means)

    def longest_s(self, units: Collection[int], from_s: float, to_s: float) -> float:
        """Return the longest that any device went without a good read."""
        gaps = [
            later - earlier
            for unit in units
            for earlier, later in pairwise(self.good[unit])
            if later > from_s and earlier < to_s
        ]
        return max(gaps, default=math.inf)


@dataclass(frozen=True)
class Grid:
    """When devices are due: every interval, from when the poller began."""

    began_s: float
    interval_s: float

    def missed(self, times: Iterable[float], from_s: float, to_s: float) -> int:
        """Count the whole intervals from a due time to its deadline that brought no finished read."""
        kept = {math.floor((at_s - self.began_s) / self.interval_s) for at_s in times}
        first = math.ceil((from_s - self.began_s) / self.interval_s)
        end = math.floor((to_s - self.began_s) / self.interval_s)
        return sum(number not in kept for number in range(first, end))


@asynccontextmanager
async def polled(
    wire: Wire, port: str, units: Iterable[int], interval_s: float, journal: Journal
) -> AsyncIterator[LinePoller]:
    """Poll these units as a gateway does."""
    line = SerialLine("bench", wire.settings(port, BAUD), wire.timing(BAUD))
    points = tuple(point.name for point in PROFILE.points)
    devices = [Device(name(unit), unit, PROFILE, points, TIMEOUT_S) for unit in units]
    poller = LinePoller(
        [Polled(ModbusDevice(device, line), interval_s) for device in devices],
        SystemClock(),
        Stamps(),
        journal.take,
    )
    polling = asyncio.create_task(poller.run())
    try:
        yield poller
    finally:
        poller.stop()
        await polling
        await line.close()


def name(unit_id: int) -> str:
    """Return a unit's device name."""
    return f"unit-{unit_id:02}"
