"""Commands to the devices of a line: what can go together does, each is done with its proof."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from contract.samples import Value
from device_profiles.codec import Reading
from edge.drivers.modbus import WITHDRAWN, Looked, ModbusDevice
from edge.drivers.modbus_pdu import ModbusError
from edge.drivers.modbus_writes import broadcast
from edge.rules.effects import Switch, Write

_log = logging.getLogger(__name__)

COMMANDS_MAX = 64

ReadBack = Callable[[ModbusDevice, dict[str, Reading]], None]
"""Called with what an output reads after a command."""


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Write a value to a point of all devices of a profile at once. Nobody answers, so nothing is proven."""

    point: str
    value: Value
    profile: str


@dataclass(frozen=True, slots=True)
class Look:
    """Read a point of a device now. Nothing is changed by it, and nothing is kept of it."""

    device: str
    point: str


Order = Switch | Write | Broadcast


def always() -> bool:
    """Say that an order stands."""
    return True


@dataclass
class _Command:
    order: Order
    done: asyncio.Future[str]
    stands: Callable[[], bool]

    def tell(self, error: str) -> None:
        """Tell whoever waits for it, if anybody still does."""
        if error:
            _log.warning("%s could not be written: %s", self.order, error)
        if not self.done.done():
            self.done.set_result(error)


@dataclass
class _Looking:
    look: Look
    done: asyncio.Future[Looked | None]

    def tell(self, looked: Looked) -> None:
        """Tell whoever waits for it, if anybody still does."""
        if not self.done.done():
            self.done.set_result(looked)


class Commands:
    """The commands of one line that wait; whoever owns the line obeys them between two transactions."""

    def __init__(
        self, devices: Mapping[str, ModbusDevice], read_back: ReadBack, moved: Callable[[], None]
    ) -> None:
        """``devices`` are those of the line, by name; ``moved`` is called when a command begins."""
        self._devices, self._read_back, self._moved = devices, read_back, moved
        self._waiting: deque[_Command | _Looking] = deque()

    def __bool__(self) -> bool:
        """Say whether any waits."""
        return bool(self._waiting)

    def add(self, order: Order, stands: Callable[[], bool] = always) -> "asyncio.Future[str]":
        """Queue an order; its future gets "" or the error's name, too_many_commands at once.

        ``stands`` is asked right before it is sent: meanwhile somebody may have locked the output.
        """
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        if len(self._waiting) >= COMMANDS_MAX:
            done.set_result("too_many_commands")
        else:
            self._waiting.append(_Command(order, done, stands))
        return done

    def look(self, look: Look) -> "asyncio.Future[Looked | None]":
        """Queue a look; its future gets what was seen, None at once where too many wait already."""
        done: asyncio.Future[Looked | None] = asyncio.get_running_loop().create_future()
        if len(self._waiting) >= COMMANDS_MAX:
            done.set_result(None)
        else:
            self._waiting.append(_Looking(look, done))
        return done

    def concern(self, device: str) -> bool:
        """Say whether any that waits may change a point of the device."""
        orders = (command.order for command in self._waiting if isinstance(command, _Command))
        return any(isinstance(order, Broadcast) or order.output.device == device for order in orders)

    async def obey(self) -> None:
        """Do what was commanded meanwhile."""
        while self._waiting:
            command = self._waiting.popleft()
            self._moved()
            if isinstance(command, _Looking):
                if not command.done.cancelled():  # whoever asked may have gone: spare the line
                    command.tell(await self._device(command.look.device).look(command.look.point))
                continue
            if not command.stands():
                command.tell(WITHDRAWN)
                continue
            match command.order:
                case Broadcast() as order:
                    command.tell(await self._broadcast(order))
                case Switch(self_off_s=float() | int()) as order:
                    command.tell(await self._switch_for_a_time(order))
                case first:
                    await self._write(command, first)

    async def _switch_for_a_time(self, order: Switch) -> str:
        device, point = self._device(order.output.device), order.output.point
        error = await device.write(point, order.on, order.self_off_s)
        self._read_back(device, await device.read_points([point]))
        return error

    async def _write(self, command: _Command, first: Switch | Write) -> None:
        """Do a command and those right behind it that can be sent with it."""
        commands = {first.output.point: command}
        values = {first.output.point: first.value}
        while self._waiting:
            following = self._waiting[0]
            if isinstance(following, _Looking):
                break
            order = following.order
            if isinstance(order, Broadcast) or (isinstance(order, Switch) and order.self_off_s is not None):
                break
            if order.output.device != first.output.device or order.output.point in values:
                break  # an order that came later stands
            commands[order.output.point] = following
            self._waiting.popleft()
            values[order.output.point] = order.value
        device = self._device(first.output.device)
        written = await device.write_and_read(values, lambda point: commands[point].stands())
        self._read_back(device, written.readings)
        for point, each in commands.items():
            each.tell(written.errors[point])

    async def _broadcast(self, order: Broadcast) -> str:
        profiles = [device.device.profile for device in self._devices.values()]
        device = next((it for it in self._devices.values() if it.device.profile.id == order.profile), None)
        if device is None:
            return "not_on_this_line"
        try:
            write = broadcast(device.device.profile, order.point, order.value, profiles)
        except ModbusError as said:
            return str(said)
        return await device.broadcast(write)

    def _device(self, name: str) -> ModbusDevice:
        device = self._devices[name]
        device.timeout_s = device.device.timeout_s
        return device
