"""What tests of lines and drivers share: requests, virtual lines, patience."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeVar

from device_profiles.codec import Reading
from device_profiles.schema import Table
from edge.drivers import modbus_pdu
from edge.drivers.modbus import ModbusDevice, Words
from edge.drivers.modbus_plan import Block
from edge.lines.lengths import answer_size
from edge.lines.line import LineError, Outcome, Request
from edge.lines.tcp import COST
from edge.lines.timing import Timing
from edge.lines.virtual import VirtualLine
from edge.lines.virtual import Wire as WireModel
from simulators.bus import Bus
from simulators.wire import SimulatedWire

Result = TypeVar("Result")
POLL_S = 0.01


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


def read_request(
    unit_id: int, address: int, count: int, *, table: Table = "holding_register", timeout_s: float = 0.1
) -> Request:
    """Return a read as a line takes it."""
    pdu, answer_bytes = modbus_pdu.read_request(table, address, count)
    return Request(unit_id, pdu, answer_bytes, timeout_s)


def registers(outcome: Outcome) -> list[int]:
    """Return the registers of a good answer; ModbusError where it is an exception."""
    assert outcome.pdu is not None, outcome.error
    return list(modbus_pdu.read_answer("holding_register", (len(outcome.pdu) - 2) // 2, outcome.pdu))


async def read_all(driver: ModbusDevice) -> dict[str, Reading]:
    """Read all blocks, as a poller does."""
    answers: list[tuple[Block, Words]] = []
    errors: dict[Block, str] = {}
    for block in driver.plan:
        words, error, _ = await driver.read_block(block)
        if error:
            errors[block] = error
        else:
            answers.append((block, words))
    return driver.readings(answers, errors)


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
