"""One request to one device, as PDUs; pymodbus decodes the request and spells the answer."""

import struct
from dataclasses import dataclass
from typing import Literal

from pymodbus.constants import ExcCodes
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import WriteSingleCoilRequest

from device_profiles.schema import BIT_TABLES, Table
from simulators.devices import Device, RefusedError

READS: dict[int, Table] = {1: "coil", 2: "discrete_input", 3: "holding_register", 4: "input_register"}
WRITES: dict[int, Literal["coil", "holding_register"]] = {
    5: "coil",
    6: "holding_register",
    15: "coil",
    16: "holding_register",
}
_SINGLE = (5, 6)


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


def serve(device: Device, unit_id: int, pdu: bytes, now_ns: int) -> tuple[bytes, Record | None]:
    """Return the answer's PDU, and what it served; None beside an exception answer."""
    function = pdu[0]
    if function not in device.functions:
        return _refusal(function, ExcCodes.ILLEGAL_FUNCTION), None
    request = DECODER.decode(pdu) if _credible(pdu) else None
    if request is None:
        return _refusal(function, ExcCodes.ILLEGAL_VALUE), None
    try:
        if function in READS:
            return _read(device, unit_id, request, now_ns)
        return _write(device, unit_id, request, now_ns)
    except RefusedError as refused:
        return _refusal(function, refused.code), None


def _read(device: Device, unit_id: int, request: ModbusPDU, now_ns: int) -> tuple[bytes, Record]:
    table = READS[request.function_code]
    values = device.read(table, request.address, request.count, now_ns)
    response = DECODER.pdu_table[request.function_code][1]
    answer = response(bits=list(map(bool, values))) if table in BIT_TABLES else response(registers=values)
    return _spelt(answer), Record(device.name, unit_id, table, request.address, tuple(values))


def _write(device: Device, unit_id: int, request: ModbusPDU, now_ns: int) -> tuple[bytes, Record]:
    table = WRITES[request.function_code]
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
    if pdu[0] not in (15, 16):
        return len(pdu) == 5
    if len(pdu) < 6:
        return False
    count, byte_count = int.from_bytes(pdu[3:5], "big"), pdu[5]
    size = (count + 7) // 8 if pdu[0] == 15 else 2 * count
    count_max = 1968 if pdu[0] == 15 else 123
    return 1 <= count <= count_max and byte_count == size and len(pdu) == 6 + byte_count


def _refusal(function: int, code: ExcCodes) -> bytes:
    return _spelt(ExceptionResponse(function, code))


def _spelt(pdu: ModbusPDU) -> bytes:
    return bytes([pdu.function_code]) + pdu.encode()
