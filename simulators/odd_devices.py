"""Devices that depart from their documents, as real ones do: asleep, slow to refuse, odd relays."""

from collections.abc import Mapping, Sequence

from pymodbus.constants import ExcCodes

from contract.samples import Value
from device_profiles.schema import Profile, Table
from simulators.devices import COIL_OFF, ProfileDevice, RefusedError
from simulators.relay_board import RELAYS, RelayBoard

ON_0100 = 0x0100
ON_ORDER, OFF_ORDER = 0x0100, 0x0200


class Sleeper(ProfileDevice):
    """Falls asleep when it has heard nothing for ``awake_s``; the request that wakes it is lost on it."""

    def __init__(self, name: str, profile: Profile, values: Mapping[str, Value], awake_s: float) -> None:
        """It is asleep at first."""
        super().__init__(name, profile, values)
        self._awake_ns = round(awake_s * 1e9)
        self._heard_ns: int | None = None

    def hears(self, now_ns: int) -> bool:
        """Whether it was awake; from now on it is."""
        awake = self._heard_ns is not None and now_ns - self._heard_ns < self._awake_ns
        self._heard_ns = now_ns
        return awake


class LateRefuser(ProfileDevice):
    """Answers at once what it has; to refuse takes it long, and it hears nothing until it has done so."""

    def __init__(
        self, name: str, profile: Profile, values: Mapping[str, Value], refusal_delay_s: float
    ) -> None:
        """It has all of the profile but what ``values`` leaves out."""
        super().__init__(name, profile, values)
        self.refusal_delay_ns = round(refusal_delay_s * 1e9)
        self._has = frozenset(values)
        self._busy_until_ns = 0

    def hears(self, now_ns: int) -> bool:
        """Whether it is not busy with a refusal."""
        return now_ns >= self._busy_until_ns

    def read(self, table: Table, address: int, count: int, now_ns: int) -> list[int]:
        """Return registers; RefusedError, and a long silence, for what it has not."""
        absent = [point for point in self.profile.points if point.name not in self._has]
        wanted = range(address, address + count)
        if any(point.table == table and point.address in wanted for point in absent):
            self._busy_until_ns = now_ns + self.refusal_delay_ns
            raise RefusedError(ExcCodes.ILLEGAL_ADDRESS)
        return super().read(table, address, count, now_ns)


class Relays0100(RelayBoard):
    """Relays 1 to 8 are coils 1 to 8, and 0x0100 means on; 0xFF00 is echoed and moves nothing."""

    functions = frozenset({1, 5})

    def read(self, table: Table, address: int, count: int, now_ns: int) -> list[int]:
        """Return coils; only 1 to 8 can be read."""
        if address == 0:
            raise RefusedError(ExcCodes.ILLEGAL_ADDRESS)
        return super().read(table, address - 1, count, now_ns)

    def write_coil(self, address: int, value: int, now_ns: int) -> None:
        """Switch one relay."""
        if not 1 <= address <= RELAYS:
            raise RefusedError(ExcCodes.ILLEGAL_ADDRESS)
        if value in (ON_0100, COIL_OFF):
            self.write("coil", address - 1, [int(value == ON_0100)], now_ns)


class RelayOrders(RelayBoard):
    """Relays 1 to 8 are holding registers 1 to 8: FC06 writes orders, FC03 reads 1 or 0."""

    functions = frozenset({3, 6})

    def read(self, table: Table, address: int, count: int, now_ns: int) -> list[int]:
        """Return 1 for on; only registers 1 to 8 can be read."""
        if address == 0:
            raise RefusedError(ExcCodes.ILLEGAL_ADDRESS)
        return super().read(table, address - 1, count, now_ns)

    def write(self, table: Table, address: int, values: Sequence[int], now_ns: int) -> None:
        """Take an order."""
        if not 1 <= address <= RELAYS or values[0] not in (ON_ORDER, OFF_ORDER):
            raise RefusedError(ExcCodes.ILLEGAL_VALUE)
        super().write(table, address - 1, [int(values[0] == ON_ORDER)], now_ns)


class Twin(ProfileDevice):
    """A device that knows only some function codes, whatever tables its profile names."""

    def __init__(self, name: str, profile: Profile, values: Mapping[str, Value], *functions: int) -> None:
        """Give it the function codes it knows."""
        super().__init__(name, profile, values)
        self.functions = frozenset(functions)
