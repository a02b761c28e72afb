"""A Modbus device on a line: points read by plan, outputs written and read back."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from contract.samples import Quality, Value
from device_profiles import codec
from device_profiles.codec import Reading
from device_profiles.schema import BIT_TABLES, Profile, Table
from edge.drivers import modbus_pdu
from edge.drivers.modbus_pdu import ModbusError
from edge.drivers.modbus_plan import Block, read_plan
from edge.lines.line import Line, LineError, Outcome, Request


@dataclass(frozen=True)
class Device:
    """A device as the gateway knows it: where it is, what it is, which of its points are wanted."""

    name: str
    unit_id: int
    profile: Profile
    points: tuple[str, ...]
    timeout_s: float
    pause_s: float = 0.0
    """Rest before each request; the profile may ask for a longer one."""


class BlockRead(NamedTuple):
    """What reading a block brought: registers by table and address, or the error's name.

    ``answer_s`` is how long the device took to answer, an exception included; None if it did not.
    """

    registers: dict[tuple[Table, int], int]
    error: str
    answer_s: float | None


class ModbusDevice:
    """Reads and writes one device; a failure is a reading with its reason, never an exception."""

    def __init__(self, device: Device, line: Line) -> None:
        """Plan the reads once."""
        self.device = device
        self.timeout_s = device.timeout_s
        """How long the next request waits; who polls may know better than the settings."""
        self._line = line
        self._asked_s: float | None = None  # when it was last asked; None: not yet
        wanted = set(device.points)
        inputs = {name for entry in device.profile.derived if entry.name in wanted for name in entry.of}
        needed = [point for point in device.profile.points if point.name in wanted | inputs]
        self.plan: Sequence[Block] = read_plan(needed, device.profile.modbus)

    @property
    def probe(self) -> Block:
        """The block whose answer takes the least line time."""
        return min(
            self.plan, key=lambda block: block.count / 16 if block.table in BIT_TABLES else block.count
        )

    async def read_block(self, block: Block) -> BlockRead:
        """Return what the block's registers or bits are now."""
        pdu, answer_bytes = modbus_pdu.read_request(block.table, block.address, block.count)
        outcome = await self._ask(pdu, answer_bytes)
        if outcome.pdu is None:
            return BlockRead({}, str(outcome.error), None)
        answer_s = (outcome.done_ns - outcome.sent_ns) / 1e9
        try:
            values = modbus_pdu.read_answer(block.table, block.count, outcome.pdu)
        except ModbusError as said:
            return BlockRead({}, str(said), answer_s)
        registers = {(block.table, block.address + index): value for index, value in enumerate(values)}
        return BlockRead(registers, "", answer_s)

    def readings(
        self, registers: dict[tuple[Table, int], int], errors: dict[Block, str]
    ) -> dict[str, Reading]:
        """Return every wanted point, decoded; what lies in a failed block is bad with that block's error."""
        return self._explained(codec.readings(self.device.profile, registers, self.device.points), errors)

    async def write(self, point_name: str, value: Value, self_off_s: float | None = None) -> str:
        """Write one point and return "" or the error's name.

        With ``self_off_s`` the device's own timer is used: the output goes off by itself after that time.
        """
        try:
            pdu, answer_bytes = self._write_request(point_name, value, self_off_s)
            outcome = await self._ask(pdu, answer_bytes)
            if outcome.pdu is not None:
                modbus_pdu.check_write_answer(pdu, outcome.pdu)
        except ModbusError as said:
            return str(said)
        if outcome.error is LineError.ECHO:
            # Only an answer to a read shows whether the adapter echoes, and whether the device heard.
            back = (await self.read_points([point_name]))[point_name]
            return "" if back.value == value else str(outcome.error)
        return str(outcome.error or "")

    async def read_points(self, names: Sequence[str]) -> dict[str, Reading]:
        """Read some points at once, outside the plan; for reading outputs back."""
        points = [point for point in self.device.profile.points if point.name in names]
        registers: dict[tuple[Table, int], int] = {}
        errors: dict[Block, str] = {}
        for block in read_plan(points, self.device.profile.modbus):
            read = await self.read_block(block)
            registers |= read.registers
            if read.error:
                errors[block] = read.error
        return self._explained(codec.readings(self.device.profile, registers, names), errors)

    def _write_request(self, point_name: str, value: Value, self_off_s: float | None) -> tuple[bytes, int]:
        """Return what writes the point; ModbusError names why it cannot be written."""
        point = self.device.profile.point(point_name)
        # With a decimals or unit register, what to write would depend on registers that nobody has read.
        if point is None or not point.writable or {point.decimals_at, point.unit_at} != {None}:
            raise ModbusError("not_writable")
        try:
            if value is True and self_off_s is not None and point.self_off is not None:
                steps = codec.self_off_steps(point, self_off_s)
                return modbus_pdu.coil_value_request(point.self_off.address, steps)
            words = codec.written(point, value)
            if point.table == "coil":
                return modbus_pdu.coil_value_request(point.address, words[0])
            return modbus_pdu.write_request(point.table, point.address, words)
        except codec.CodecError as error:
            raise ModbusError("value_does_not_fit") from error

    def _explained(self, found: dict[str, Reading], errors: dict[Block, str]) -> dict[str, Reading]:
        """Return the readings, with the failed block's error in place of not_read."""
        reasons = {
            name: self._reason(name, errors)
            for name, reading in found.items()
            if reading.error == "not_read" and errors
        }
        return found | {
            name: Reading(None, Quality.BAD, reason) for name, reason in reasons.items() if reason
        }

    def _reason(self, name: str, errors: dict[Block, str]) -> str:
        """Return the error of the first failed block that the point, or what it is derived of, needs."""
        profile = self.device.profile
        inputs = next((entry.of for entry in profile.derived if entry.name == name), [name])
        needed = {
            (point.table, address)
            for point in map(profile.point, inputs)
            if point is not None
            for address in codec.addresses(point)
        }
        return next(
            (
                error
                for block, error in errors.items()
                if any((block.table, block.address + index) in needed for index in range(block.count))
            ),
            "",
        )

    async def _ask(self, pdu: bytes, answer_bytes: int) -> Outcome:
        wake_after_s = self.device.profile.modbus.wake_after_s
        now_s = asyncio.get_running_loop().time()
        if wake_after_s is not None and (self._asked_s is None or now_s - self._asked_s >= wake_after_s):
            probe = self.probe
            waking = modbus_pdu.read_request(probe.table, probe.address, probe.count)
            await self._line.transact(self._request(*waking))  # heard or not: it only wakes the device
            now_s = asyncio.get_running_loop().time()
        self._asked_s = now_s
        return await self._line.transact(self._request(pdu, answer_bytes))

    def _request(self, pdu: bytes, answer_bytes: int) -> Request:
        limits = self.device.profile.modbus
        pause_s = max(self.device.pause_s, limits.pause_s)
        return Request(self.device.unit_id, pdu, answer_bytes, self.timeout_s, pause_s, limits.late_answer_s)
