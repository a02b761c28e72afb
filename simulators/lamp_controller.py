"""The controller of one lamp: its map is the profile's, its mind and its supply are the lamp's."""

from collections.abc import Callable, Sequence

from pymodbus.constants import ExcCodes

from device_profiles.schema import Profile, Table
from simulators.devices import ProfileDevice, RefusedError
from simulators.lamp import LEVEL_MAX, Lamp

PROFILE = "street_lamp_controller"


class LampController(ProfileDevice):
    """Without supply it hears nothing; a level above 100 % is refused with nothing written."""

    def __init__(self, name: str, profile: Profile, lamp: Lamp, seconds: Callable[[int], float]) -> None:
        """``seconds`` turns the line's nanoseconds into the lamp's seconds."""
        super().__init__(name, profile, {})
        self._lamp, self._seconds = lamp, seconds
        levels = ("target_light_command", "default_light_state")
        self._target, self._default = (self._points[level].address for level in levels)

    def hears(self, now_ns: int) -> bool:
        """Whether its lamp has its supply, and it is not mute."""
        return self._lamp.hears(self._seconds(now_ns))

    def write(self, table: Table, address: int, values: Sequence[int], now_ns: int) -> None:
        """Take levels."""
        levels = {address + index: value for index, value in enumerate(values)}
        if self._writable.keys() >= {(table, at) for at in levels} and max(values) > LEVEL_MAX:
            raise RefusedError(ExcCodes.ILLEGAL_VALUE)
        super().write(table, address, values, now_ns)
        if (level := levels.get(self._default)) is not None:
            self._lamp.default_level = level
        if (level := levels.get(self._target)) is not None:
            self._lamp.command(level, self._seconds(now_ns))
