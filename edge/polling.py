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
from edge.health import Unit
from edge.lines.line import LineError
from edge.rules.effects import Switch
from edge.schedule import Schedule, Turn

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


@dataclass(frozen=True)
class Polled:
    """A device with how often it is asked, and whether alarms or controls depend on it."""

    driver: ModbusDevice
    interval_s: float
    urgent: bool = False


@dataclass
class _Command:
    switch: Switch
    done: asyncio.Future[str]


class LinePoller:
    """Polls the devices of one line until told to stop; a transaction under way is finished first."""

    def __init__(self, devices: Iterable[Polled], clock: Clock, stamps: Stamps, on_samples: Samples) -> None:
        """``on_samples`` gets whatever was read; everyone is due at once."""
        polled = list(devices)
        self._devices = {each.driver.device.name: each.driver for each in polled}
        self._clock, self._stamps, self._on_samples = clock, stamps, on_samples
        now_s = clock.now().s
        self.schedule = Schedule(
            [
                Turn(name, Unit(each.driver.device.timeout_s), each.interval_s, each.urgent, now_s)
                for name, each in zip(self._devices, polled, strict=True)
            ],
            now_s,
        )
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

    def fed(self, devices: Iterable[str], *, powered: bool) -> None:
        """The feeder of these devices was switched."""
        if powered:
            self.schedule.energised(devices, self._clock.now().s)
            self._wake.set()
        else:
            self.schedule.unpowered(devices)

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
            began_s = self._clock.now().s
            turn, rest_s = self.schedule.choose(began_s)
            if turn is None:
                self._wake.clear()
                if self._commands.empty() and not self._stopping:
                    await self._rest(rest_s)
                continue
            if turn.powered:
                await self._ask(turn)
            else:
                self._tell_unpowered(self._devices[turn.device])
            self.schedule.done(turn, began_s=began_s, now_s=self._clock.now().s)

    async def _rest(self, rest_s: float) -> None:
        try:
            async with asyncio.timeout(rest_s):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _ask(self, turn: Turn) -> None:
        """Poll a device; a dead one gets a single cheap request, and the whole poll only if it answers."""
        device, unit = self._devices[turn.device], turn.unit
        device.timeout_s = unit.learnt_timeout_s()
        if unit.dead:
            probe = await device.read_block(device.probe)
            if probe.answer_s is None:
                self._failed(device, unit, probe.error)
                self._tell(device, dict.fromkeys(device.plan, probe.error))
                return
            unit.answered(probe.answer_s)
            _log.warning("%s answers again", turn.device)
            self.schedule.revived(turn, self._clock.now().s)
        await self._poll(device, unit)

    async def _poll(self, device: ModbusDevice, unit: Unit) -> None:
        registers: dict[tuple[Table, int], int] = {}
        errors: dict[Block, str] = {}
        answers_s = []
        for block in device.plan:
            read = await device.read_block(block)
            registers |= read.registers
            if read.error:
                errors[block] = read.error
            if read.answer_s is not None:
                answers_s.append(read.answer_s)
            await self._obey()
            if self._stopping and block is not device.plan[-1]:
                errors |= dict.fromkeys(device.plan[device.plan.index(block) + 1 :], "stopped")
                break
        if answers_s:
            if not unit.answers_s or unit.dead:
                _log.info("%s answers", device.device.name)
            unit.answered(max(answers_s))
        else:
            self._failed(device, unit, next(iter(errors.values()), ""))
        self._tell(device, errors, registers)

    def _failed(self, device: ModbusDevice, unit: Unit, error: str) -> None:
        """Note a failed cycle; log the first of a device that never answered, and when it counts as dead."""
        if error in (LineError.UNAVAILABLE, LineError.HELD_BACK):
            return  # nobody was asked: that is no failure of the unit's
        was_dead = unit.dead
        unit.failed(timed_out=error == LineError.TIMEOUT)
        never = not unit.answers_s and unit.failures == 1
        if never or (unit.dead and not was_dead):
            name, unit_id = device.device.name, device.device.unit_id
            _log.warning("%s (unit_id %d) does not answer: %s", name, unit_id, error)

    def _tell(
        self,
        device: ModbusDevice,
        errors: dict[Block, str],
        registers: dict[tuple[Table, int], int] | None = None,
    ) -> None:
        now = self._clock.now()
        readings = device.readings(registers or {}, errors)
        kept = {name: reading for name, reading in readings.items() if reading.error != "stopped"}
        self._on_samples(self._stamps.stamped(device.device.name, kept, now), now)

    def _tell_unpowered(self, device: ModbusDevice) -> None:
        now = self._clock.now()
        readings = {name: Reading(None, Quality.UNPOWERED, "feeder_off") for name in device.device.points}
        self._on_samples(self._stamps.stamped(device.device.name, readings, now), now)

    async def _obey(self) -> None:
        """Do what was commanded meanwhile, each with its proof."""
        while not self._commands.empty():
            command = self._commands.get_nowait()
            target = command.switch.output
            device = self._devices[target.device]
            device.timeout_s = device.device.timeout_s
            error = await device.write(target.point, command.switch.on, command.switch.self_off_s)
            if error:
                _log.warning("%s could not be switched: %s", target, error)
            readings = await device.read_points([target.point])
            now = self._clock.now()
            self._on_samples(self._stamps.stamped(target.device, readings, now), now)
            if not command.done.done():
                command.done.set_result(error)
