"""What tests of lines and drivers share: devices whose values tell their address, virtual lines."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal, TypeVar

from pymodbus.constants import ExcCodes

from device_profiles.schema import BIT_TABLES, Table
from edge.drivers import modbus_pdu
from edge.lines.lengths import answer_size
from edge.lines.line import LineError, Outcome, Request
from edge.lines.tcp import COST
from edge.lines.timing import Timing
from edge.lines.virtual import VirtualLine
from edge.lines.virtual import Wire as WireModel
from simulators.bus import Bus
from simulators.devices import Device, RefusedError
from simulators.wire import SimulatedWire

Result = TypeVar("Result")
ADDRESSES = 2_000
"""An addressed device refuses what lies beyond."""

POLL_S = 0.01


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

    def read(self, table: Table, address: int, count: int, now_ns: int) -> list[int]:
        """Return the values."""
        if address + count > ADDRESSES:
            raise RefusedError(ExcCodes.ILLEGAL_ADDRESS)
        own = values_at(self._unit_id, table, address, count)
        return [self._written.get((table, address + index), value) for index, value in enumerate(own)]

    def write(self, table: Table, address: int, values: Sequence[int], now_ns: int) -> None:
        """Keep what is written."""
        if address + len(values) > ADDRESSES:
            raise RefusedError(ExcCodes.ILLEGAL_ADDRESS)
        self._written |= {(table, address + index): value for index, value in enumerate(values)}


class BusLine:
    """A line that is nothing but the bus; it holds each answer against the length that is told of it."""

    name = "bus"
    cost = COST

    def __init__(self, bus: Bus) -> None:
        """Stand before a bus."""
        self._bus = bus
        self.asked: list[bytes] = []

    async def transact(self, request: Request) -> Outcome:
        """See Line."""
        self.asked.append(request.pdu)
        exchange = self._bus.serve(request.unit_id, request.pdu, 0)
        if exchange is None:
            return Outcome(None, LineError.TIMEOUT, 0)
        assert answer_size(request.pdu, request.answer_bytes, exchange.pdu) == len(exchange.pdu)
        assert len(exchange.pdu) <= request.answer_bytes
        return Outcome(exchange.pdu, None, 0)

    async def close(self) -> None:
        """See Line."""


def addressed_bus(*unit_ids: int, turnaround_ms: float = 5) -> Bus:
    """Return a bus with an addressed device at each unit id."""
    bus = Bus()
    for unit_id in unit_ids:
        bus.add(AddressedDevice(unit_id), unit_id, turnaround_ms)
    return bus


def read_request(
    unit_id: int, address: int, count: int, *, table: Table = "holding_register", timeout_s: float = 0.1
) -> Request:
    """Return a read as a line takes it."""
    pdu, answer_bytes = modbus_pdu.read_request(table, address, count)
    return Request(unit_id, pdu, answer_bytes, timeout_s)


def registers(outcome: Outcome) -> list[int]:
    """Return the registers of a good answer; ModbusError where it is an exception."""
    assert outcome.pdu is not None, outcome.error
    return modbus_pdu.read_answer("holding_register", (len(outcome.pdu) - 2) // 2, outcome.pdu)


def virtual_line(
    wire: WireModel, baud: int, parity: Literal["N", "E", "O"] = "N", *, late_answer_s: float = 0.2
) -> VirtualLine:
    """Return a line with the usual timing."""
    return VirtualLine("bus", Timing.of(baud, parity, 1, late_answer_s=late_answer_s), wire)


def strict_wire(bus: Bus, baud: int, parity: Literal["N", "E", "O"] = "N") -> SimulatedWire:
    """Return a wire whose devices do not hear a request that breaks the silence."""
    return SimulatedWire(bus, baud, parity, strict=True)


def loop_ns() -> int:
    """Return the running loop's time."""
    return round(asyncio.get_running_loop().time() * 1e9)


async def until(
    attempt: Callable[[], Coroutine[Any, Any, Result]],
    good: Callable[[Result], bool],
    attempts_max: int = 500,
) -> Result:
    """Try until the result is good; the last result, good or not, after that many attempts."""
    for _ in range(attempts_max):
        if good(result := await attempt()):
            return result
        await asyncio.sleep(POLL_S)
    return result
