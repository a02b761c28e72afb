"""Reading and writing one point now, between two transactions of its line, for somebody at the cabinet."""

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Protocol

from contract.events import PointWritten, WriteOutcome
from contract.samples import Value
from device_profiles import codec
from device_profiles.codec import CodecError
from device_profiles.schema import BIT_TABLES, Point, Profile, Table
from edge.by_hand import Refusal, unknown
from edge.clock import Clock
from edge.commands import Look
from edge.drivers.modbus import Looked
from edge.drivers.modbus_pdu import ModbusError
from edge.drivers.modbus_writes import writable
from edge.lines.endpoints import Endpoint
from edge.lines.endpoints import of_line as endpoint_of
from edge.lines.line import LineError
from edge.local.words import News, PointTold, ReadPoint, Refused, RegisterTold, WritePoint, WriteTold
from edge.rules.effects import Ids, Write
from edge.settings import Ref, Settings, ref

_NOBODY_THERE = (LineError.TIMEOUT, LineError.UNAVAILABLE)
_WHOLE = 0xFFFF
BUSY = "too many commands wait on this line; try again"

Cells = dict[tuple[Table, int], int]
"""Which bits of which registers, by table and address."""


class Doing(Protocol):
    """What of the gateway is needed here."""

    @property
    def stopping(self) -> bool:
        """Say whether it is to end."""

    def owners(self) -> Mapping[str, str]:
        """Return every output that is not to be written by hand, with its control or lamp."""

    def locks(self) -> Mapping[str, tuple[str, int]]:
        """Return what is locked: output, by whom, and when (UTC ms)."""

    async def look(self, look: Look) -> Looked | None:
        """Read a point now; None where too many wait."""

    async def write_by_hand(self, write: Write, stands: Callable[[], bool]) -> str:
        """Write and read back; return "" or the error's name."""

    async def record(self, event: PointWritten) -> bool:
        """Put an event on record, and wait for its disk, not for long; say whether it is there."""


class Points:
    """Reads what is asked for, writes what nobody else has."""

    def __init__(
        self, settings: Settings, profiles: Mapping[str, Profile], doing: Doing, clock: Clock, ids: Ids
    ) -> None:
        """``profiles`` are by device."""
        self._devices = {device.name: device for device in settings.devices}
        self._lines = {line.name: line for line in settings.lines}
        self._profiles, self._doing, self._clock, self._ids = profiles, doing, clock, ids

    async def stream(self, request: ReadPoint | WritePoint) -> AsyncGenerator[News, None]:
        """Do it, and yield what came of it."""
        try:
            if isinstance(request, ReadPoint):
                yield await self._read(request)
            else:
                yield await self._written(request)
        except Refusal as refused:
            yield Refused(str(refused))

    async def _read(self, request: ReadPoint) -> PointTold:
        target, unit = self._known(request.point)
        began_s = self._clock.s()
        looked = await self._look(target)
        now = self._clock.now()
        return PointTold(
            target.device,
            target.point,
            looked.reading.value,
            looked.reading.quality,
            looked.reading.error,
            unit,
            [RegisterTold(table, at, word) for (table, at), word in sorted(looked.registers.items())],
            looked.answer_s,
            looked.requests,
            now.s - began_s,
            now.wall_ms,
            now.clock,
        )

    async def _written(self, request: WritePoint) -> WriteTold:
        target, unit = self._known(request.point)
        value = self._allowed(target, request.value)
        began_s, cause = self._clock.s(), self._ids()
        before = await self._look(target)
        if before.reading.error in _NOBODY_THERE:
            raise Refusal(
                f"{target} is not written: its device does not answer ({before.reading.error}); "
                "try `gengfu edge doctor`"
            )
        former = before.reading.value

        def told(outcome: WriteOutcome, read_back: Value = None, reason: str = "") -> PointWritten:
            now = self._clock.now()
            of = (target.device, target.point, outcome, cause, value, request.who)
            return PointWritten(
                self._ids(), now.wall_ms, *of, former, read_back, reason[:200], clock=now.clock
            )

        await self._doing.record(told(WriteOutcome.BEGUN))
        order = Write(target, value)
        error = await self._doing.write_by_hand(order, lambda: not self._owner(target))
        after = await self._look(target)
        outcome = WriteOutcome.FAILED if error else WriteOutcome.DONE
        event = told(outcome, after.reading.value, error)
        kept = await self._doing.record(event)
        return WriteTold(
            target.device,
            target.point,
            outcome,
            value,
            former,
            after.reading.value,
            after.reading.quality,
            error or after.reading.error,
            unit,
            kept,
            self._clock.s() - began_s,
            event.time_ms,
            event.clock,
        )

    async def _look(self, target: Ref) -> Looked:
        looked = await self._doing.look(Look(target.device, target.point))
        if looked is None:
            raise Refusal(BUSY)
        return looked

    def _known(self, name: str) -> tuple[Ref, str]:
        """Return which point is meant, and its unit; Refusal."""
        if self._doing.stopping:
            raise Refusal("the gateway is stopping")
        device, _, point = name.partition("/")
        if device not in self._devices:
            raise Refusal(unknown("device", device, list(self._devices)))
        profile = self._profiles[device]
        units = {each.name: each.unit for each in profile.points}
        units |= {entry.name: entry.unit for entry in profile.derived}
        if point not in units:
            raise Refusal(unknown("point", name, [f"{device}/{each}" for each in units]))
        return Ref(device, point), units[point]

    def _allowed(self, target: Ref, value: bool | float) -> bool | float:
        """Return the value as the point takes it; Refusal where it may not be written."""
        try:
            point = writable(self._profiles[target.device], target.point)
        except ModbusError as error:
            raise Refusal(f"{target} cannot be written: its profile does not call it writable") from error
        if owner := self._owner(target):
            raise Refusal(owner)
        if point.type == "bool" and not isinstance(value, bool) and value in (0, 1):
            value = bool(value)
        if point.type == "bool" and not isinstance(value, bool):
            raise Refusal(f"{target} is a switch; write on or off")
        if isinstance(value, bool) and point.type != "bool":
            raise Refusal(f"{target} takes a number ({point.unit}), not on or off")
        if point.range and not point.range[0] <= value <= point.range[1]:
            low, high = point.range
            raise Refusal(f"{value:g} is out of the range of {target}; {low:g} to {high:g} {point.unit} fit")
        try:
            codec.written(point, value)
        except CodecError as error:
            raise Refusal(f"{target} cannot hold it: {error}") from error
        return value

    def _owner(self, target: Ref) -> str:
        """Return why a point is not written by hand; "" where nobody has it, nor any bit of its registers."""
        mine = _cells(self._profiles[target.device], target.point)
        locks, place = self._doing.locks(), self._place(target.device)
        for name, owner in self._doing.owners().items():
            output = ref(name)
            if self._place(output.device) != place:
                continue
            theirs = _cells(self._profiles[output.device], output.point)
            if output == target or any(mine[cell] & theirs.get(cell, 0) for cell in mine):
                if name in locks:
                    return f"{name} is locked for maintenance by {locks[name][0]}"
                by = owner or "former settings"
                return (
                    f"{target} is not written by hand: {by} has {name}; use `gengfu edge manual` or "
                    "`gengfu edge lock`, which are on record and end"
                )
        return ""

    def _place(self, device: str) -> tuple[Endpoint, int] | str:
        """Return the unit on its bus now; a device that is in no settings any more by its name."""
        entry = self._devices.get(device)
        return (endpoint_of(self._lines[entry.line]), entry.unit_id) if entry else device


def _cells(profile: Profile, name: str) -> Cells:
    """Return the bits that writing a point changes; none where the profile has no such point any more."""
    point: Point | None = profile.point(name)
    if point is None:
        return {}
    bits = _WHOLE if point.table in BIT_TABLES else codec.mask(point)
    cells: Cells = {(point.table, point.address + index): bits for index in range(point.words)}
    if point.self_off:
        cells["coil", point.self_off.address] = _WHOLE
    return cells
