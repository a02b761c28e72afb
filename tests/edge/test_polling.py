"""A line with dead, reviving and unpowered devices, on a strict wire and virtual time."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from contract.samples import Measured, Quality, Sample, spread
from device_profiles import catalogue
from edge.clock import Moment
from edge.drivers.modbus import Device, ModbusDevice
from edge.lines.timing import Timing
from edge.lines.virtual import VirtualLine
from edge.polling import LinePoller, Polled, Stamps
from edge.rules.effects import Switch
from edge.settings import Ref
from simulators.bus import Bus
from simulators.devices import ProfileDevice
from simulators.relay_board import RelayBoard
from simulators.virtual_loop import run_virtually
from simulators.wire import SimulatedWire
from tests.edge.virtual_gateway import LoopClock

PROFILES = catalogue.load_all()
RELAY_UNIT = 100


class CountingClock(LoopClock):
    """Counts the moments that are taken of it."""

    def __init__(self) -> None:
        """None was taken yet."""
        self.taken = 0

    def now(self) -> Moment:
        """Return this moment."""
        self.taken += 1
        return super().now()

    def s(self) -> float:
        """Return the loop's seconds, which is no moment."""
        return asyncio.get_running_loop().time()


class Line:
    """Some water gauges and a relay board behind one strict 9600-baud wire, polled as fast as it allows."""

    def __init__(self, gauges: int, interval_s: float = 0.01) -> None:
        """Everything is alive."""
        self.bus = Bus()
        for number in range(1, gauges + 1):
            self.bus.add(ProfileDevice(f"gauge-{number}", PROFILES["water_gauge"], {"level": number}), number)
        self.bus.add(RelayBoard("relays"), RELAY_UNIT)
        self.wire = SimulatedWire(self.bus, 9600, strict=True)
        self.samples: list[tuple[float, Sample]] = []
        self.clock = CountingClock()
        line = VirtualLine("line", Timing.of(9600, "N", 1), self.wire)

        def polled(name: str, unit_id: int, profile: str, points: tuple[str, ...]) -> Polled:
            device = Device(name, unit_id, PROFILES[profile], points, 0.5)
            return Polled(ModbusDevice(device, line), interval_s)

        self._polled = [
            polled(f"gauge-{number}", number, "water_gauge", ("level",)) for number in range(1, gauges + 1)
        ]
        self._polled.append(polled("relays", RELAY_UNIT, "waveshare_relay_8", ("relay_1",)))
        self.poller: LinePoller

    def _take(self, measured: Sequence[Measured], now: Moment) -> None:
        self.samples += [(now.s, sample) for sample in spread(measured)]

    def dead(self, *numbers: int, alive: bool = False) -> None:
        """Let gauges die, or come back."""
        for number in numbers:
            self.bus.set_alive(f"gauge-{number}", alive=alive)

    def good(self, name: str, from_s: float, to_s: float) -> list[float]:
        """Return when a device was read well."""
        return [
            at_s
            for at_s, sample in self.samples
            if sample.device == name and sample.quality is Quality.GOOD and from_s <= at_s < to_s
        ]

    def run(self, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Poll while the act lasts."""

        async def play() -> None:
            self.poller = LinePoller(self._polled, self.clock, Stamps(), self._take)
            polling = asyncio.create_task(self.poller.run())
            await act()
            self.poller.stop()
            await polling

        run_virtually(play())
        assert self.wire.silence_violations == 0


def gauges(numbers: range) -> Iterator[str]:
    """Yield names."""
    return (f"gauge-{number}" for number in numbers)


def test_one_dead_of_ten_costs_the_others_little_and_is_read_again_soon() -> None:
    """The steady cycle stays within 1.15 of the healthy one; the revived is read within 10 s."""
    line = Line(10)

    async def act() -> None:
        await asyncio.sleep(60)
        line.dead(5)
        await asyncio.sleep(120)
        line.dead(5, alive=True)
        await asyncio.sleep(20)

    line.run(act)
    healthy = len(line.good("gauge-1", 10, 60)) / 50
    with_dead = len(line.good("gauge-1", 100, 180)) / 80
    assert healthy / with_dead <= 1.15
    assert line.good("gauge-5", 180, 200)[0] < 190
    reasons = {
        sample.error for at_s, sample in line.samples if sample.device == "gauge-5" and 100 < at_s < 180
    }
    assert reasons == {"timeout"}


def test_a_reading_takes_one_moment() -> None:
    """Stamps, rules and recorder share it; a moment costs what deciding whose turn it is costs."""
    line = Line(10, interval_s=1.0)
    line.run(lambda: asyncio.sleep(30))
    assert len(line.samples) > 200
    assert line.clock.taken == len(line.samples)


def test_thirty_of_forty_dark_leave_the_ten_their_pace_and_come_back_within_a_minute() -> None:
    """Cycle of the ten within 1.25 of theirs alone."""
    alone, line = Line(10), Line(40)

    async def calm() -> None:
        await asyncio.sleep(60)

    async def act() -> None:
        await asyncio.sleep(60)
        line.dead(*range(11, 41))
        await asyncio.sleep(120)
        line.dead(*range(11, 41), alive=True)
        await asyncio.sleep(60)

    alone.run(calm)
    line.run(act)
    pace_alone = len(alone.good("gauge-1", 10, 60)) / 50
    pace_dark = len(line.good("gauge-1", 120, 180)) / 60
    assert pace_alone / pace_dark <= 1.25
    assert all(line.good(name, 180, 240) for name in gauges(range(11, 41)))


def test_a_command_waits_for_one_transaction_at_most_and_is_read_back() -> None:
    """On a line that is never idle."""
    line = Line(10)
    waited: list[float] = []

    async def act() -> None:
        loop = asyncio.get_running_loop()
        for number in range(20):
            await asyncio.sleep(0.37)
            asked_s = loop.time()
            assert await line.poller.switch(Switch(Ref("relays", "relay_1"), on=number % 2 == 0)) == ""
            waited.append(loop.time() - asked_s)

    line.run(act)
    # A read of one register, a write and a read of eight coils, turnarounds and silences: about 70 ms.
    assert max(waited) < 0.09
    values = [sample.value for _, sample in line.samples if sample.device == "relays"]
    assert True in values


def test_an_order_that_does_not_stand_any_more_when_its_turn_comes_is_not_sent() -> None:
    """It was good when it was given; somebody has locked the output while the line was busy."""
    line = Line(10)
    said: list[str] = []
    locked: list[int] = []

    def stands(number: int) -> bool:
        return number not in locked

    async def act() -> None:
        board = line.bus.seats[RELAY_UNIT].device
        assert isinstance(board, RelayBoard)
        await asyncio.sleep(1.0)
        orders = [
            asyncio.create_task(
                line.poller.switch(
                    Switch(Ref("relays", f"relay_{number}"), on=True),
                    partial(stands, number),
                )
            )
            for number in (1, 2, 3)
        ]
        await asyncio.sleep(0)
        locked.append(2)
        said.extend(await asyncio.gather(*orders))
        assert board.relays(0)[:3] == [True, False, True]

    line.run(act)
    assert said == ["", "withdrawn", ""]


def test_what_was_read_before_a_command_is_told_before_what_is_read_back() -> None:
    """A command in the middle of the output's own reading: nobody sees the old state after the new one."""
    line = Line(0)

    async def act() -> None:
        for number in range(40):
            await asyncio.sleep(0.3 + number / 1000)
            assert await line.poller.switch(Switch(Ref("relays", "relay_1"), on=number % 2 == 0)) == ""
        await asyncio.sleep(0.3)

    line.run(act)
    values = [sample.value for _, sample in line.samples]
    assert sum(earlier != later for earlier, later in pairwise(values)) == 40
    times = [sample.time_ms for _, sample in line.samples]
    assert all(earlier < later for earlier, later in pairwise(times))


def test_what_a_feeder_switches_off_is_unpowered_and_not_failed() -> None:
    """No bad sample, no back-off; read again within three seconds of power."""
    line = Line(4, interval_s=1)
    names = list(gauges(range(1, 4)))

    async def act() -> None:
        await asyncio.sleep(5)
        line.poller.fed(names, powered=False)
        line.dead(1, 2, 3)
        await asyncio.sleep(30)
        line.dead(1, 2, 3, alive=True)
        line.poller.fed(names, powered=True)
        await asyncio.sleep(5)

    line.run(act)
    dark = {sample.quality for at_s, sample in line.samples if sample.device in names and 6 < at_s < 35}
    assert dark == {Quality.UNPOWERED}
    assert not any(sample.quality is Quality.BAD for _, sample in line.samples)
    assert all(line.good(name, 35, 38) for name in names)
