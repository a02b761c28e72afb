"""The write plan: which outputs are written together. Pure.

Coils and registers that follow each other go in one request, bits of one register in one mask write. Nothing
is written that was not asked for: no hole is bridged, and a bit's neighbours stay as the device has them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from contract.samples import Value
from device_profiles import codec
from device_profiles.schema import ModbusLimits, Point, Profile, Table
from edge.drivers import modbus_pdu
from edge.drivers.modbus_pdu import ModbusError

_STANDARD = (modbus_pdu.COIL_ON, modbus_pdu.COIL_OFF)

Registers = dict[tuple[Table, int], int]


@dataclass(frozen=True, slots=True)
class Write:
    """One request: ``words`` from ``address`` on for these points.

    Coils have the values that switch them, as function 5 sends them. With ``mask`` it changes these bits of
    one register only; with ``reads`` it is read back by the request.
    """

    points: tuple[Point, ...]
    table: Table
    address: int
    words: tuple[int, ...]
    mask: int = 0
    reads: bool = False
    alone: bool = False
    """Its value is a command of the maker's own, so it is sent as the document says: by itself."""

    @property
    def end(self) -> int:
        """The address behind it."""
        return self.address + len(self.words)


def writable(profile: Profile, name: str) -> Point:
    """Return the point of that name; ModbusError (not_writable) where it cannot be written."""
    point = profile.point(name)
    # With a decimals or unit register, what to write would depend on registers that nobody has read.
    if point is None or not point.writable or {point.decimals_at, point.unit_at} != {None}:
        raise ModbusError("not_writable")
    if point.bit is not None and not profile.modbus.mask_write:
        raise ModbusError("not_writable")
    return point


def plan_writes(profile: Profile, values: Mapping[str, Value]) -> tuple[list[Write], dict[str, str]]:
    """Return the requests that write the values, and why the others cannot be written, by name.

    Requests are in the order of table and address; bits come last, so that their whole register, where it is
    written too, does not undo them.
    """
    singles: list[Write] = []
    refused: dict[str, str] = {}
    for name, value in values.items():
        try:
            singles.append(_single(profile, name, value))
        except ModbusError as said:
            refused[name] = str(said)
        except codec.CodecError:
            refused[name] = "value_does_not_fit"
    singles.sort(key=lambda write: (write.mask > 0, write.table, write.address))
    return _merged(singles, profile.modbus), refused


def broadcast(profile: Profile, name: str, value: Value, profiles: Iterable[Profile]) -> Write:
    """Return the write of a value to all units of a line, on which there are ``profiles``.

    ModbusError: not_broadcast where the profile's devices do not heed such a write, reaches_others where it
    would be written to devices of another profile too, or why the point cannot be written.
    """
    if not profile.modbus.broadcast:
        raise ModbusError("not_broadcast")
    writes, refused = plan_writes(profile, {name: value})
    if refused:
        raise ModbusError(refused[name])
    [write] = writes
    [point] = write.points
    if any(other.id != profile.id and codec.reaches(point, other) for other in profiles):
        raise ModbusError("reaches_others")
    return replace(write, reads=False)


def divided(write: Write) -> list[Write]:
    """Return the write as one request a point; none where it is one already, or cannot be taken apart."""
    if len(write.points) == 1 or write.mask or write.reads:
        return []
    parts = []
    for point in write.points:
        first = point.address - write.address
        words = write.words[first : first + point.words]
        parts.append(Write((point,), write.table, point.address, words))
    return parts


def request(write: Write) -> tuple[bytes, int]:
    """Return the write's PDU, and the length of its answer's PDU."""
    if write.mask:
        return modbus_pdu.mask_write_request(write.address, 0xFFFF ^ write.mask, write.words[0])
    if write.reads:
        return modbus_pdu.read_write_request(write.address, len(write.words), write.address, write.words)
    if write.table == "coil" and len(write.words) == 1:
        return modbus_pdu.coil_value_request(write.address, write.words[0])
    return modbus_pdu.write_request(write.table, write.address, write.words)


def read_back(write: Write, pdu: bytes, answer: bytes) -> Registers:
    """Return the registers that the answer brought, if any; ModbusError where it is no confirmation."""
    if not write.reads:
        modbus_pdu.check_write_answer(pdu, answer)
        return {}
    words = modbus_pdu.read_answer(write.table, len(write.words), answer)
    return {(write.table, write.address + index): word for index, word in enumerate(words)}


def holds(point: Point, value: Value, registers: Registers) -> bool:
    """Say whether the registers hold the value of a point that was written."""
    if point.type == "bool":
        return codec.decode(point, registers).value == value
    words = codec.encode(point, value)
    return all(registers[point.table, point.address + index] == word for index, word in enumerate(words))


def _single(profile: Profile, name: str, value: Value) -> Write:
    point = writable(profile, name)
    mask = 0 if point.bit is None else codec.mask(point)
    switch = point.type == "bool" and not mask
    alone = switch and (point.table != "coil" or (point.on_value, point.off_value) != _STANDARD)
    reads = profile.modbus.read_write and point.table == "holding_register" and not mask and not alone
    words = tuple(codec.written(point, value))
    return Write((point,), point.table, point.address, words, mask, reads, alone)


def _merged(singles: Iterable[Write], limits: ModbusLimits) -> list[Write]:
    """Join each write with the one before it where they belong together."""
    merged: list[Write] = []
    for write in singles:
        last = merged[-1] if merged else None
        if last and write.mask and last.mask and (write.table, write.address) == (last.table, last.address):
            word = last.words[0] & ~write.mask | write.words[0]
            merged[-1] = replace(
                last, points=last.points + write.points, words=(word,), mask=last.mask | write.mask
            )
        elif last and not write.mask and _follows(last, write, limits):
            merged[-1] = replace(last, points=last.points + write.points, words=last.words + write.words)
        else:
            merged.append(write)
    return merged


def _follows(last: Write, write: Write, limits: ModbusLimits) -> bool:
    if write.table == "coil":
        most = min(limits.bits_per_request_max, modbus_pdu.COILS_PER_WRITE_MAX)
    else:
        written = (
            modbus_pdu.REGISTERS_PER_READ_WRITE_MAX if write.reads else modbus_pdu.REGISTERS_PER_WRITE_MAX
        )
        most = min(limits.registers_per_request_max, written)
    if last.alone or write.alone:
        return False
    together = len(last.words) + len(write.words)
    return (write.table, write.address) == (last.table, last.end) and together <= most
