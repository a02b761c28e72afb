"""A Modbus device on a line: points read by plan, outputs written and read back."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from contract.samples import Quality, Value
from device_profiles import codec
from device_profiles.codec import Reading
from device_profiles.decoder import Decoder, Rows
from device_profiles.schema import BIT_TABLES, Point, Profile, Table
from edge.drivers import lessons, modbus_pdu
from edge.drivers.learnt_plan import LearntPlan
from edge.drivers.lessons import Learnt
from edge.drivers.modbus_pdu import ModbusError
from edge.drivers.modbus_plan import Block
from edge.drivers.modbus_writes import Write, divided, holds, plan_writes, read_back, request, writable
from edge.lines.line import BROADCAST, Line, LineError, Outcome, Request, WireCost

WITHDRAWN = "withdrawn"
"""The error of a write that did not stand any more when its turn came: nothing was sent."""

Words = tuple[int, ...]
Answers = Sequence[tuple[Block, Words]]
"""Blocks that were answered well, with their registers or bits, in the order of asking."""


@lru_cache(maxsize=4096)
def _cells(block: Block) -> list[tuple[Table, int]]:
    return [(block.table, block.address + index) for index in range(block.count)]


def registers_of(answers: Answers) -> dict[tuple[Table, int], int]:
    """Return the registers and bits by table and address; what was read later stands."""
    return {cell: word for block, words in answers for cell, word in zip(_cells(block), words, strict=True)}


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
    """What reading a block brought: its registers or bits in their order, or the error's name.

    ``answer_s`` is how long the device took to answer, an exception included; None if it did not.
    """

    words: Words
    error: str
    answer_s: float | None


class Looked(NamedTuple):
    """What a point is now: decoded, and the registers or bits as they came.

    ``answer_s`` is how long the device took to answer, all requests together; None where it did not.
    """

    reading: Reading
    registers: dict[tuple[Table, int], int]
    answer_s: float | None
    requests: int


class Written(NamedTuple):
    """What became of points that were written together, each by name.

    ``errors`` has every one: "" or why it does not stand as written. ``readings`` has what was read back.
    """

    errors: dict[str, str]
    readings: dict[str, Reading]


class ModbusDevice:
    """Reads and writes one device; a failure is a reading with its reason, never an exception."""

    def __init__(self, device: Device, line: Line, decoder: Decoder | None = None) -> None:
        """Plan the reads once. ``decoder`` is one of the device's profile and points, to share."""
        self.device = device
        self.timeout_s = device.timeout_s
        """How long the next request waits; who polls may know better than the settings."""
        self._line = line
        self._asked_s: float | None = None  # when it was last asked; None: not yet
        wanted = set(device.points)
        inputs = {name for entry in device.profile.derived if entry.name in wanted for name in entry.of}
        needed = [point for point in device.profile.points if point.name in wanted | inputs]
        digest = lessons.digest(device.profile, device.points, device.unit_id)
        limits = device.profile.modbus
        self._pause_s, self._late_answer_s = max(device.pause_s, limits.pause_s), limits.late_answer_s
        self._wake_after_s = limits.wake_after_s
        cost = WireCost(line.cost.character_s, line.cost.request_s + self._pause_s)
        self.reads = LearntPlan(needed, limits, cost, Learnt(), digest)
        """What is read, by what the device was found to take."""
        self._decoder = decoder or Decoder(device.profile, device.points)
        self._rows_of: Sequence[Block] = ()
        self._rows: Rows | None = None

    @property
    def plan(self) -> Sequence[Block]:
        """The blocks that each cycle reads."""
        return self.reads.blocks

    @property
    def probe(self) -> Block:
        """The block whose answer takes the least line time."""
        return min(
            self.plan, key=lambda block: block.count / 16 if block.table in BIT_TABLES else block.count
        )

    async def read_block(self, block: Block) -> BlockRead:
        """Return what the block's registers or bits are now."""
        if self._wake_after_s is not None:
            await self._wake(self._wake_after_s)
        outcome = await self._line.transact(
            self._request(*modbus_pdu.read_request(block.table, block.address, block.count))
        )
        if outcome.pdu is None:
            return BlockRead((), str(outcome.error), None)
        answer_s = (outcome.done_ns - outcome.sent_ns) / 1e9
        try:
            words = modbus_pdu.read_answer(block.table, block.count, outcome.pdu)
        except ModbusError as said:
            return BlockRead((), str(said), answer_s)
        return BlockRead(words, "", answer_s)

    @property
    def names(self) -> tuple[str, ...]:
        """The wanted points, in the order of ``values``."""
        return self._decoder.names

    def values(self, answers: Answers) -> tuple[Value, ...] | None:
        """Return the values of all wanted points if every one is plainly good, else None."""
        blocks = [block for block, _ in answers]
        if self._rows is None or blocks != self._rows_of:
            cells = [cell for block in blocks for cell in _cells(block)]
            self._rows_of, self._rows = blocks, self._decoder.rows(cells)
        if len(answers) == 1:
            return self._rows(answers[0][1])
        return self._rows([word for _, words in answers for word in words])

    def readings(self, answers: Answers, errors: dict[Block, str]) -> dict[str, Reading]:
        """Return every wanted point, decoded; what lies in a failed block is bad with that block's error."""
        return self._explained(self._decoder.readings(registers_of(answers)), errors)

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

    async def write_and_read(
        self, values: Mapping[str, Value], stands: Callable[[str], bool] = lambda _: True
    ) -> Written:
        """Write several outputs together, and read them back once.

        A point's error is ``not_as_written`` where the device took the write and holds something else.
        ``stands`` is asked before each request: what does not stand any more is not sent, its error is
        WITHDRAWN.
        """
        writes, refused = plan_writes(self.device.profile, values)
        registers, failed = await self._write_all(writes, values, stands)
        sent = [point for write in writes for point in write.points]
        known = {point.name for write in writes if write.reads for point in write.points} - failed.keys()
        found, errors = await self._read(point for point in sent if point.name not in known)
        registers |= found
        names = [point.name for point in sent]
        readings = self._explained(codec.readings(self.device.profile, registers, names), errors)
        for point in sent:
            reading = readings[point.name]
            as_written = reading.value is not None and holds(point, values[point.name], registers)
            if as_written and failed.get(point.name) == LineError.ECHO:
                del failed[point.name]  # the read back shows that the device heard more than an echo
            elif reading.value is None:
                failed.setdefault(point.name, reading.error)
            elif not as_written:
                failed.setdefault(point.name, "not_as_written")
        return Written({name: (refused | failed).get(name, "") for name in values}, readings)

    async def broadcast(self, write: Write) -> str:
        """Send a write to all units of the line, which nobody answers; return "" or the error's name."""
        pdu, _ = request(write)
        outcome = await self._line.transact(Request(BROADCAST, pdu, 0, self.timeout_s, self._pause_s))
        return str(outcome.error or "")

    async def read_points(self, names: Sequence[str]) -> dict[str, Reading]:
        """Read some points at once, outside the plan; for reading outputs back."""
        points = [point for point in self.device.profile.points if point.name in names]
        registers, errors = await self._read(points)
        return self._explained(codec.readings(self.device.profile, registers, names), errors)

    async def look(self, name: str) -> Looked:
        """Read a point or derived quantity of the profile now, whether or not it is polled."""
        profile = self.device.profile
        inputs = next((entry.of for entry in profile.derived if entry.name == name), [name])
        registers: dict[tuple[Table, int], int] = {}
        errors: dict[Block, str] = {}
        answers_s: list[float] = []
        blocks = self.reads.blocks_for(point for point in profile.points if point.name in inputs)
        for block in blocks:
            read = await self.read_block(block)
            if read.answer_s is not None:
                answers_s.append(read.answer_s)
            if read.error:
                errors[block] = read.error
            else:
                registers |= registers_of([(block, read.words)])
        reading = self._explained(codec.readings(profile, registers, [name]), errors)[name]
        return Looked(reading, registers, sum(answers_s) if answers_s else None, len(blocks))

    async def _read(self, points: Iterable[Point]) -> tuple[dict[tuple[Table, int], int], dict[Block, str]]:
        """Read the points' blocks; registers, and the errors of the blocks that failed."""
        registers: dict[tuple[Table, int], int] = {}
        errors: dict[Block, str] = {}
        for block in self.reads.blocks_for(points):
            read = await self.read_block(block)
            if read.error:
                errors[block] = read.error
            else:
                registers |= registers_of([(block, read.words)])
        return registers, errors

    async def _write_all(
        self, writes: Iterable[Write], values: Mapping[str, Value], stands: Callable[[str], bool]
    ) -> tuple[dict[tuple[Table, int], int], dict[str, str]]:
        """Send the writes; the registers that came back with them, and errors by point."""
        registers: dict[tuple[Table, int], int] = {}
        errors: dict[str, str] = {}
        waiting = deque(writes)
        while waiting:
            write = waiting.popleft()
            if gone := [point.name for point in write.points if not stands(point.name)]:
                errors |= dict.fromkeys(gone, WITHDRAWN)
                rest = {each.name: values[each.name] for each in write.points if each.name not in gone}
                waiting.extendleft(reversed(plan_writes(self.device.profile, rest)[0]))
                continue
            pdu, answer_bytes = request(write)
            outcome = await self._ask(pdu, answer_bytes)
            try:
                if outcome.pdu is not None:
                    registers |= read_back(write, pdu, outcome.pdu)
                error = str(outcome.error or "")
            except ModbusError as said:
                error = str(said)
            parts = divided(write) if error in ("illegal_function", LineError.TIMEOUT) else []
            if parts:
                waiting.extendleft(reversed(parts))  # a board that takes its outputs one by one only
            elif error:
                errors |= dict.fromkeys((point.name for point in write.points), error)
            if error == LineError.TIMEOUT and not parts:
                for silent in waiting:  # nobody is there
                    errors |= dict.fromkeys((point.name for point in silent.points), error)
                break
        return registers, errors

    def _write_request(self, point_name: str, value: Value, self_off_s: float | None) -> tuple[bytes, int]:
        """Return what writes the point; ModbusError names why it cannot be written."""
        point = writable(self.device.profile, point_name)
        try:
            if value is True and self_off_s is not None and point.self_off is not None:
                steps = codec.self_off_steps(point, self_off_s)
                return modbus_pdu.coil_value_request(point.self_off.address, steps)
            if point.bit is not None:
                [word] = codec.encode(point, value)
                return modbus_pdu.mask_write_request(point.address, 0xFFFF ^ codec.mask(point), word)
            words = codec.written(point, value)
            if point.table == "coil":
                return modbus_pdu.coil_value_request(point.address, words[0])
            return modbus_pdu.write_request(point.table, point.address, words)
        except codec.CodecError as error:
            raise ModbusError("value_does_not_fit") from error

    def _explained(self, found: dict[str, Reading], errors: dict[Block, str]) -> dict[str, Reading]:
        """Return the readings, with the failed block's error in place of not_read."""
        if not errors:
            return found
        reasons = {
            name: self._reason(name, errors) for name, reading in found.items() if reading.error == "not_read"
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
        if self._wake_after_s is not None:
            await self._wake(self._wake_after_s)
        return await self._line.transact(self._request(pdu, answer_bytes))

    async def _wake(self, after_s: float) -> None:
        """Send a device that may be asleep a request whose answer does not matter."""
        loop = asyncio.get_running_loop()
        if self._asked_s is None or loop.time() - self._asked_s >= after_s:
            probe = self.probe
            waking = modbus_pdu.read_request(probe.table, probe.address, probe.count)
            await self._line.transact(self._request(*waking))
        self._asked_s = loop.time()

    def _request(self, pdu: bytes, answer_bytes: int) -> Request:
        return Request(
            self.device.unit_id, pdu, answer_bytes, self.timeout_s, self._pause_s, self._late_answer_s
        )
