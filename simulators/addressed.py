"""Devices whose values tell their address: whatever is taken for another's shows at once."""

from collections.abc import Sequence

from pymodbus.constants import ExcCodes

from device_profiles.schema import BIT_TABLES, Table
from simulators.bus import Bus
from simulators.devices import Device, RefusedError

ADDRESSES = 2_000
"""An addressed device refuses what lies beyond."""


def value_at(unit_id: int, table: Table, address: int) -> int:
    """Return what an addressed device holds: no two registers agree, over eight units (an odd factor)."""
    value = (address * 8 + unit_id % 8) * 40_503 + 12_345 & 0xFFFF
    return value.bit_count() & 1 if table in BIT_TABLES else value


def values_at(unit_id: int, table: Table, address: int, count: int) -> list[int]:
    """Return what ``count`` addresses hold."""
    return [value_at(unit_id, table, address + index) for index in range(count)]


class AddressedDevice(Device):
    """Holds what ``value_at`` says in all its tables, until something else is written."""

    def __init__(self, unit_id: int) -> None:
        """Fill the tables for a unit id."""
        super().__init__(f"unit-{unit_id}")
        self._unit_id = unit_id
        self._written: dict[tuple[Table, int], int] = {}

    def read(self, table: Table, address: int, count: int, now_ns: int) -> list[int]:  # noqa: ARG002
        """Return the values."""
        if address + count > ADDRESSES:
            raise RefusedError(ExcCodes.ILLEGAL_ADDRESS)
        own = values_at(self._unit_id, table, address, count)
        return [self._written.get((table, address + index), value) for index, value in enumerate(own)]

    def write(self, table: Table, address: int, values: Sequence[int], now_ns: int) -> None:  # noqa: ARG002
        """Keep what is written."""
        if address + len(values) > ADDRESSES:
            raise RefusedError(ExcCodes.ILLEGAL_ADDRESS)
        self._written |= {(table, address + index): value for index, value in enumerate(values)}


def addressed_bus(*unit_ids: int, turnaround_ms: float = 5) -> Bus:
    """Return a bus with an addressed device at each unit id."""
    bus = Bus()
    for unit_id in unit_ids:
        bus.add(AddressedDevice(unit_id), unit_id, turnaround_ms)
    return bus
