"""One poller a line: asks devices in their turn, lets commands go first, makes samples of what comes."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from contract.samples import ClockState, Quality, Sample
from device_profiles.codec import Reading
from device_profiles.schema import Table
from edge.clock import Clock, Moment
from edge.drivers.modbus import ModbusDevice
from edge.drivers.modbus_plan import Block
from edge.rules.effects import Switch
from edge.schedule import Schedule

_log = logging.getLogger(__name__)

COMMANDS_MAX = 64

Samples = Callable[[list[Sample], Moment], None]


class Stamps:
    """Times of samples increase strictly for each series, whatever the wall clock does."""

    def __init__(self) -> None:
        """Nothing stamped yet."""
        self._last: dict[tuple[str, str], int] = {}

    def stamped(self, device: str, readings: dict[str, Reading], now: Moment) -> list[Sample]:
        """Return the readings as samples of this moment."""
        samples = []
        for name, reading in readings.items():
            time_ms = max(now.wall_ms, self._last.get((device, name), -1) + 1)
            self._last[device, name] = time_ms
            quality = reading.quality
            if now.clock is ClockState.UNSET and quality is Quality.GOOD:
                quality = Quality.UNCERTAIN
            samples.append(Sample(time_ms, device, name, reading.value, quality, reading.error, now.clock))
        return samples


@dataclass
class _Command:
    switch: Switch
    done: asyncio.Future[str]


class LinePoller:
    """Polls the devices of one line until told to stop; a transaction under way is finished first."""

    def __init__(
        self, devices: Iterable[tuple[ModbusDevice, float]], clock: Clock, stamps: Stamps, on_samples: Samples
    ) -> None:
        """``devices`` come with their interval in seconds; ``on_samples`` gets whatever was read."""
        pairs = list(devices)
        self._devices = {device.device.name: device for device, _ in pairs}
        self._clock, self._stamps, self._on_samples = clock, stamps, on_samples
        intervals_s = {device.device.name: interval_s for device, interval_s in pairs}
        self._schedule = Schedule(intervals_s, clock.now().s)
        self._commands: asyncio.Queue[_Command] = asyncio.Queue(COMMANDS_MAX)
        self._wake = asyncio.Event()
        self._stopping = False

    async def switch(self, switch: Switch) -> str:
        """Switch an output and read it back; return "" or the error's name.

        It waits for at most one transaction that is under way.
        """
        command = _Command(switch, asyncio.get_running_loop().create_future())
        try:
            self._commands.put_nowait(command)
        except asyncio.QueueFull:
            return "too_many_commands"
        self._wake.set()
        return await command.done

    def stop(self) -> None:
        """Ask ``run`` to end after the transaction under way; commands already given are still done."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Poll until stopped."""
        while True:
            await self._obey()
            if self._stopping:
                return
            turn = self._schedule.next()
            rest_s = turn.due_s - self._clock.now().s
            if rest_s > 0:
                self._wake.clear()
                if self._commands.empty() and not self._stopping:
                    await self._rest(rest_s)
                continue
            answered = await self._poll(self._devices[turn.device])
            self._schedule.polled(turn.device, answered=answered, now_s=self._clock.now().s)

    async def _rest(self, rest_s: float) -> None:
        try:
            async with asyncio.timeout(rest_s):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _poll(self, device: ModbusDevice) -> bool:
        registers: dict[tuple[Table, int], int] = {}
        errors: dict[Block, str] = {}
        for block in device.plan:
            values, error = await device.read_block(block)
            registers |= values
            if error:
                errors[block] = error
            await self._obey()
            if self._stopping and block is not device.plan[-1]:
                errors |= dict.fromkeys(device.plan[device.plan.index(block) + 1 :], "stopped")
                break
        now = self._clock.now()
        readings = device.readings(registers, errors)
        kept = {name: reading for name, reading in readings.items() if reading.error != "stopped"}
        self._on_samples(self._stamps.stamped(device.device.name, kept, now), now)
        return bool(registers)

    async def _obey(self) -> None:
        """Do what was commanded meanwhile, each with its proof."""
        while not self._commands.empty():
            command = self._commands.get_nowait()
            target = command.switch.output
            device = self._devices[target.device]
            error = await device.write(target.point, command.switch.on, command.switch.self_off_s)
            if error:
                _log.warning("%s could not be switched: %s", target, error)
            readings = await device.read_points([target.point])
            now = self._clock.now()
            self._on_samples(self._stamps.stamped(target.device, readings, now), now)
            if not command.done.done():
                command.done.set_result(error)
