"""One request to one device, as PDUs; pymodbus decodes the request and spells the answer."""

import struct
from dataclasses import dataclass
from typing import Literal

from pymodbus.constants import ExcCodes
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import WriteSingleCoilRequest
from pymodbus.pdu.register_message import (
    MaskWriteRegisterRequest,
    ReadWriteMultipleRegistersRequest,
    ReadWriteMultipleRegistersResponse,
)

from device_profiles.schema import BIT_TABLES, Table
from simulators import identity
from simulators.devices import Device, RefusedError

READS: dict[int, Table] = {1: "coil", 2: "discrete_input", 3: "holding_register", 4: "input_register"}
WRITES: dict[int, Literal["coil", "holding_register"]] = {
    5: "coil",
    6: "holding_register",
    15: "coil",
    16: "holding_register",
    22: "holding_register",
}
_SINGLE = (5, 6)
_REQUEST_BYTES = {17: 1, 22: 7, 43: 4}
"""Length of requests that are not five bytes long."""


class WriteCoil(WriteSingleCoilRequest):
    """FC05 with its value as sent: relay boards give other values than 0xFF00 and 0 a meaning."""

    value = 0

    def decode(self, data: bytes) -> None:
        """Take address and value."""
        super().decode(data)
        self.value = struct.unpack(">H", data[2:4])[0]

    def encode(self) -> bytes:
        """Spell address and value."""
        return struct.pack(">HH", self.address, self.value)


DECODER = DecodePDU(is_server=True)
DECODER.register(WriteCoil)


@dataclass(frozen=True)
class Record:
    """What a device served or took: raw values of ``table`` from ``address``; bits as 0 and 1.

    A single coil written with a value of a board's own has that value.
    """

    device: str
    unit_id: int
    table: Table
    address: int
    values: tuple[int, ...]
    write: bool = False


def serve(
    device: Device, unit_id: int, pdu: bytes, now_ns: int, counters: identity.Counters | None = None
) -> tuple[bytes, tuple[Record, ...]]:
    """Return the answer's PDU, and what it served; nothing beside an exception answer.

    ``counters`` is what the device tells of its bus when it is asked.
    """
    function = pdu[0]
    if function not in device.functions and not (device.identity and function in identity.FUNCTIONS):
        return _refusal(function, ExcCodes.ILLEGAL_FUNCTION), ()
    request = DECODER.decode(pdu) if _credible(pdu) else None
    if request is None:
        return _refusal(function, ExcCodes.ILLEGAL_VALUE), ()
    try:
        if device.identity and function in identity.FUNCTIONS:
            return _spelt(identity.answer(device.identity, counters or identity.Counters(), request)), ()
        return _served(device, unit_id, request, now_ns)
    except (RefusedError, identity.UnknownError) as refused:
        return _refusal(function, refused.code), ()


def _served(
    device: Device, unit_id: int, request: ModbusPDU, now_ns: int
) -> tuple[bytes, tuple[Record, ...]]:
    if isinstance(request, ReadWriteMultipleRegistersRequest):
        return _read_write(device, unit_id, request, now_ns)
    serving = _read if request.function_code in READS else _write
    answer, record = serving(device, unit_id, request, now_ns)
    return answer, (record,)


def _read(device: Device, unit_id: int, request: ModbusPDU, now_ns: int) -> tuple[bytes, Record]:
    table = READS[request.function_code]
    values = device.read(table, request.address, request.count, now_ns)
    response = DECODER.pdu_table[request.function_code][1]
    answer = response(bits=list(map(bool, values))) if table in BIT_TABLES else response(registers=values)
    return _spelt(answer), Record(device.name, unit_id, table, request.address, tuple(values))


def _read_write(
    device: Device, unit_id: int, request: ReadWriteMultipleRegistersRequest, now_ns: int
) -> tuple[bytes, tuple[Record, ...]]:
    """Write, then read; where there is nothing to read nothing is written."""
    table: Table = "holding_register"
    device.read(table, request.read_address, request.read_count, now_ns)
    device.write(table, request.write_address, request.write_registers, now_ns)
    values = device.read(table, request.read_address, request.read_count, now_ns)
    written = tuple(request.write_registers)
    return _spelt(ReadWriteMultipleRegistersResponse(registers=values)), (
        Record(device.name, unit_id, table, request.write_address, written, write=True),
        Record(device.name, unit_id, table, request.read_address, tuple(values)),
    )


def _write(device: Device, unit_id: int, request: ModbusPDU, now_ns: int) -> tuple[bytes, Record]:
    table = WRITES[request.function_code]
    if isinstance(request, MaskWriteRegisterRequest):
        word = device.mask_write(request.address, request.and_mask, request.or_mask, now_ns)
        return _spelt(request), Record(device.name, unit_id, table, request.address, (word,), write=True)
    values = list(map(int, request.bits if table == "coil" else request.registers))
    if isinstance(request, WriteCoil):
        device.write_coil(request.address, request.value, now_ns)
        values = [request.value if request.value != 0xFF00 else 1]
    else:
        device.write(table, request.address, values, now_ns)
    response = DECODER.pdu_table[request.function_code][1]
    # A single write is answered by its own echo, a multiple one by address and count.
    answer = request if request.function_code in _SINGLE else response(address=request.address)
    answer.count = len(values)
    return _spelt(answer), Record(device.name, unit_id, table, request.address, tuple(values), write=True)


def _credible(pdu: bytes) -> bool:
    """Say whether length, count and byte count agree; pymodbus's decoder takes what it finds."""
    function, size = pdu[0], len(pdu)
    if function in (15, 16):
        return size >= 6 and _counts_agree(pdu, 1, 1968 if function == 15 else 123)
    if function == 23:
        return size >= 10 and 1 <= int.from_bytes(pdu[3:5], "big") <= 125 and _counts_agree(pdu, 5, 121)
    if function == 8:
        return size >= 5 and size % 2 == 1
    return size == _REQUEST_BYTES.get(function, 5)


def _counts_agree(pdu: bytes, at: int, count_max: int) -> bool:
    """Hold the count and the byte count that follow an address against what is there."""
    count, byte_count = int.from_bytes(pdu[at + 2 : at + 4], "big"), pdu[at + 4]
    size = (count + 7) // 8 if pdu[0] == 15 else 2 * count
    return 1 <= count <= count_max and byte_count == size and len(pdu) == at + 5 + byte_count


def _refusal(function: int, code: ExcCodes) -> bytes:
    return _spelt(ExceptionResponse(function, code))


def _spelt(pdu: ModbusPDU) -> bytes:
    return bytes([pdu.function_code]) + pdu.encode()
